package manifesttest

import "fmt"

// Fill returns start, then piece(0), piece(1) and so on, then end: at most size bytes.
func Fill(start string, size int, piece func(i int) string, end string) []byte {
	b := make([]byte, 0, size)
	b = append(b, start...)
	for i := 0; ; i++ {
		next := piece(i)
		if len(b)+len(next)+len(end) > size {
			return append(b, end...)
		}
		b = append(b, next...)
	}
}

// HostileTOML returns functions that make documents which are very expensive to decode
// for a naive decoder. Each begins with start and has about size bytes.
func HostileTOML(start string, size int) map[string]func() []byte {
	same := func(s string) func(int) string { return func(int) string { return s } }
	fill := func(start string, piece func(int) string, end string) func() []byte {
		return func() []byte { return Fill(start, size, piece, end) }
	}
	return map[string]func() []byte{
		"unknown keys":            fill(start, func(i int) string { return fmt.Sprintf("k%d=1\n", i) }, ""),
		"headers":                 fill(start, func(i int) string { return fmt.Sprintf("[k%d]\n", i) }, ""),
		"array headers":           fill(start, func(i int) string { return fmt.Sprintf("[[k%d]]\n", i) }, ""),
		"the same array header":   fill(start, same("[[x]]\n"), ""),
		"array headers below":     fill(start+"[[x]]\n", same("[[x.y]]\n"), ""),
		"keys below one element":  fill(start+"[[x]]\n", func(i int) string { return fmt.Sprintf("k%d=1\n", i) }, ""),
		"inline tables":           fill(start+"x=[", same("{a=1},"), "]\n"),
		"empty inline tables":     fill(start+"x=[", same("{},"), "]\n"),
		"empty arrays":            fill(start+"x=[", same("[],"), "]\n"),
		"numbers":                 fill(start+"x=[", same("1,"), "]\n"),
		"numbers on lines":        fill(start+"x=[\n", same("1,\n"), "]\n"),
		"floats":                  fill(start, func(i int) string { return fmt.Sprintf("k%d=1.5e3\n", i) }, ""),
		"keys of an inline table": fill(start+"x={", func(i int) string { return fmt.Sprintf("k%d=1,", i) }, "z=1}\n"),
		"dotted key":              fill(start+"a", same(".a"), "=1\n"),
		"dotted header":           fill(start+"[a", same(".a"), "]\n"),
		"dotted keys":             fill(start, func(i int) string { return fmt.Sprintf("a.b%d.c.d=1\n", i) }, ""),
		"nested arrays":           fill(start+"x=", same("["), "\n"),
		"nested tables":           fill(start+"x=", same("{a="), "\n"),
		"one string":              fill(start+"x=\"", same("[{.,=#"), "\"\n"),
		"one comment":             fill(start+"#", same("[{.,=\""), "\n"),
		"escapes":                 fill(start+"x=\"\"\"", same(`\u0041\"`), "\"\"\"\n"),
		"a string without end":    fill(start+"x=\"\"\"", same(`\""`), ""),
		"many strings":            fill(start+"x=[", same(`"",`), "]\n"),
		"empty lines":             fill(start, same("\n"), "x\n"),
	}
}

// HostileIndexes returns functions that make unsigned indexes, in JSON and XML, which are
// very expensive to decode for their size. Each has about size bytes or n versions.
func HostileIndexes(size, n int) map[string]func() []byte {
	fill := func(start string, piece func(int) string, end string) func() []byte {
		return func() []byte { return Fill(start, size, piece, end) }
	}
	same := func(s string) func(int) string { return func(int) string { return s } }
	// letters returns different letters for each i.
	letters := func(i int) string {
		return string([]byte{'A' + byte(i%26), 'a' + byte(i/26%26), 'a' + byte(i/676%26), 'a' + byte(i/17576%26)})
	}
	many := func(start string, piece func(int) string, end string) func() []byte {
		return func() []byte {
			b := []byte(start)
			for i := range n {
				b = append(b, piece(i)...)
			}
			return append(b, end...)
		}
	}
	return map[string]func() []byte{
		"empty objects":   fill("[", same("{},"), "{}]"),
		"empty arrays":    fill("[", same("[],"), "[]]"),
		"nested arrays":   fill("", same("["), ""),
		"nested objects":  fill("", same(`{"a":`), ""),
		"keys":            fill("{", func(i int) string { return fmt.Sprintf("\"k%d\":0,", i) }, "\"k\":0}"),
		"one string":      fill("\"", same("x"), "\""),
		"elements":        fill("<feed xmlns=\"http://www.w3.org/2005/Atom\">", same("<entry/>"), "</feed>"),
		"nested elements": fill("", same("<a>"), ""),
		"attributes":      fill("<a", func(i int) string { return fmt.Sprintf(" a%d=\"\"", i) }, "/>"),
		"a label for each": many("[", func(i int) string {
			return fmt.Sprintf(`{"version":"v1.%d.0","lts":"%s","files":["linux-x64"]},`, i, letters(i))
		}, `{"version":"v0.0.1"}]`),
		"many of a product": many(`{"versions":{`, func(i int) string { return fmt.Sprintf(`"1.%d.0":{"builds":[{"os":"linux","arch":"amd64"}]},`, i) },
			`"0.0.1":{}}}`),
		"many in a feed": many("<feed xmlns=\"http://www.w3.org/2005/Atom\">", func(i int) string { return fmt.Sprintf("<entry><id>x/bun-v1.%d.0</id></entry>", i) }, "</feed>"),
		"many in a repository": many("<metadata><versioning><versions>", func(i int) string { return fmt.Sprintf("<version>1.%d.0</version>", i) },
			"</versions></versioning></metadata>"),
	}
}
