package tomldoc_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/kist-tools/kist/manifests/internal/tomldoc"
)

// roomy has limits that no test document exceeds by accident.
var roomy = tomldoc.Limits{Tables: 1 << 16, Keys: 1 << 16, Values: 1 << 16}

// samples are valid and invalid documents that cover the syntax.
var samples = []string{
	"", "\n", "# only a comment", "a = 1", "a = 1\n", "a=1#b\n", "a = 1\r\nb = 2\r\n", "\xef\xbb\xbfa = 1",
	"a.b.c = 1\na.b.d = 2", "a.b = 1\na = 2", "a = 1\na.b = 2", "a = {b = 1}\na.c = 2", "a = {b.c = 1, b.d = 2}", "a = {b.c = 1, b = 2}",
	"a = {}\n[a]", "a = {}\n[a.b]", "a.b = 1\n[a]", "a.b = 1\n[a.c]", "[a]\nb.c = 1\n[a.b.d]\ne = 1", "[a]\nb.c = 1\n[a.b]",
	"[a]\n[a]", "[a.b]\n[a]", "[a.b]\n[a]\nb = 1", "[a.b]\n[a]\nb.c = 1", "[a.b]\n[a]\nc = 1\n[a]", "[a]\nb = 1\n[a.b.c]",
	"[[a]]\n[[a]]", "[[a]]\nb = 1\n[[a]]\nb = 2\n[a.c]\nd = 1\n[[a]]\n[a.c]", "[[a]]\n[a]", "[a]\n[[a]]", "a = []\n[[a]]", "[[a.b]]\n[[a]]", "[[a]]\n[[a.b]]\n[[a.b]]\n[[a]]\n[[a.b]]",
	"[[a]]\n[a.b]\n[a.b]", "[[a]]\n[a.b.c]\n[a.b]\n[[a]]\n[a.b]", "[ a . 'b c' . \"d\\u0065\" ]\n[a.\"b c\".de]", "[[ a ]]", "[ [a]]", "[[a] ]", "[]", "[[]]", "[a", "[[a", "[[a]\nb = 1",
	"a = [1, 2,\n # c ] \n 3]", "a = [1,,2]", "a = [,]", "a = [[], {}, [{}]]", "a = [", "a = {", "a = {b = 1,}", "a = {\nb = 1,\n c = 2 }", "a = [{b = 1, b = 2}]",
	`a = "x"`, `a = ""`, `a = "\""`, `a = "\\"`, `a = "#[{=."`, `a = 'x\'`, `a = "`, `a = "x` + "\nb = 1", "a = \"x\\\nb = [1,2]\"", "'' = 1", "\"\" = 1", `"""a""" = 1`, "'''a''' = 1",
	`a = """x"""`, `a = """"""`, `a = """""""`, `a = """"""""`, `a = """""""""`, "a = \"\"\"\nx\"\"y\\\"\"\"\"\"", "a = '''\nb = [1]'''", "a = '''x''''", "a = '''x'''''", "a = '''x''''''", "a = \"\"\"\\\n  x\"\"\"", "a = \"\"\"x\\",
	"a = \"\"\"\n[b]\nc = [1,\n\"\"\"\n[d]", "a = '''\r\n'''", "a = [\"\"\"x\n]\"\"\", 1]", "a = \"\u00e9\xff\"", "\u00e9 = 1", "\"\u00e9\" = 1",
	"a = 0x1F\nb = 0o17\nc = 0b11\nd = 1_000\ne = +5\nf = -0\ng = 9223372036854775807", "a = 9223372036854775808", "a = 01", "a = 1__0", "a = 0x", "a = -9223372036854775808",
	"a = 1.5\nb = 1e3\nc = inf\nd = -nan\ne = 1_0.0_1", "a = 1.", "a = .5", "a = 1.2.3", "a = true\nb = false", "a = True", "a = tru",
	"a = 2026-11-22T10:00:00Z\nb = 2026-11-22 10:00:00.5+01:00\nc = 2026-11-22T10:00:00\nd = 2026-11-22\ne = 10:00:00.1", "a = 2026-13-22T10:00:00Z", "a = 2026-02-30", "a = 24:00:00", "a = 2026-11-22T10:00:00Zx",
	"a", "a =", "= 1", "a = 1 b = 2", "a = 1, b = 2", "a.b. = 1", ".a = 1", "a..b = 1", "a b = 1", "a = x", "]", "}", "a = ]", "a = [1]]", "a = 1\rb = 2", "\x00", "a = \"\x00\"", "# \x01",
}

// equal compares decoded documents. Not-a-number equals itself.
func equal(a, b map[string]any) bool { return fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b) }

// checkDocument compares the result of this package with that of go-toml.
func checkDocument(t *testing.T, data []byte) {
	t.Helper()
	want, wantErr := map[string]any{}, error(nil)
	wantErr = toml.Unmarshal(data, &want)
	got, err := tomldoc.Decode(data, roomy)
	broken, ok := errors.AsType[*tomldoc.Error](err)
	if ok && broken.Limit {
		return
	}
	if (err == nil) != (wantErr == nil) || err == nil && !equal(got, want) {
		t.Fatalf("%q\ndecoded:  %#v, %v\ngo-toml: %#v, %v", data, got, err, want, wantErr)
	}
	if ok {
		decodeErr, ok := errors.AsType[*toml.DecodeError](wantErr)
		if !ok || !strings.HasPrefix(wantErr.Error(), "toml: ") || broken.Rule == "" {
			t.Fatalf("%q: %v, but go-toml: %v", data, err, wantErr)
		}
		if line, _ := decodeErr.Position(); line != broken.Line && wantErr.Error() == "toml: "+broken.Rule {
			t.Fatalf("%q: %q is on line %d, but for go-toml on %d", data, broken.Rule, broken.Line, line)
		}
	}
	checkCounts(t, data)
	checkSplit(t, data, wantErr == nil)
}

// checkCounts compares the scanner's counts with those of go-toml's parser, up to its
// first error.
func checkCounts(t *testing.T, data []byte) {
	t.Helper()
	var tables, keys, values, depth, parts int
	var walk func(n *unstable.Node, level int)
	count := func(key unstable.Iterator) (n int) {
		for key.Next() {
			n++
		}
		parts = max(parts, n)
		return n
	}
	walk = func(n *unstable.Node, level int) {
		if n.Kind != unstable.Array && n.Kind != unstable.InlineTable {
			return
		}
		depth = max(depth, level)
		for each := n.Children(); each.Next(); {
			values++
			child := each.Node()
			if child.Kind == unstable.KeyValue {
				tables += count(child.Key()) - 1
				child = child.Value()
			}
			walk(child, level+1)
		}
	}
	var p unstable.Parser
	p.Reset(data)
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind == unstable.KeyValue {
			keys++
			tables += count(e.Key()) - 1
			walk(e.Value(), 1)
		} else {
			tables += count(e.Key())
		}
	}
	exact := tomldoc.Limits{Tables: tables, Keys: keys, Values: values}
	for what, l := range map[string]tomldoc.Limits{
		"tables": {tables - 1, keys + len(data), values + len(data)},
		"keys":   {tables + len(data), keys - 1, values + len(data)},
		"values": {tables + len(data), keys + len(data), values - 1},
	} {
		if l.Check(data) == nil && (what == "tables" && tables > 0 || what == "keys" && keys > 0 || what == "values" && values > 0) {
			t.Fatalf("%q: fewer %s counted than %+v", data, what, exact)
		}
	}
	err := tomldoc.Limits{Tables: len(data) + 1, Keys: len(data) + 1, Values: len(data) + 1}.Check(data)
	if err == nil && (depth > tomldoc.MaxDepth || parts > tomldoc.MaxParts) {
		t.Fatalf("%q: depth %d and %d parts pass", data, depth, parts)
	}
}

// checkSplit checks that the parts of a document decode to the same as the whole, except
// for errors that only the whole can show, such as a key defined in two parts.
func checkSplit(t *testing.T, data []byte, valid bool) {
	t.Helper()
	var joined []byte
	elements := map[string][]any{}
	whole := map[string]any{}
	ok, comparable := true, true
	for part := range tomldoc.Split(data) {
		if line := 1 + bytes.Count(joined, []byte("\n")); line != part.Line {
			t.Fatalf("%q: part %q begins on line %d, not %d", data, part.Text, line, part.Line)
		}
		first := len(joined) == 0
		joined = append(joined, part.Text...)
		tree, err := tomldoc.Decode(part.Text, roomy)
		if ok = ok && err == nil; err != nil {
			continue
		}
		for key, value := range tree {
			list, isList := value.([]any)
			switch {
			case first:
				whole[key] = value
			case len(tree) == 1 && isList && whole[key] == nil:
				elements[key] = append(elements[key], list...)
			default:
				comparable = false // the part has other keys than that of its header
			}
		}
	}
	if !bytes.Equal(joined, data) {
		t.Fatalf("%q: the parts are %q", data, joined)
	}
	if valid && !ok {
		t.Fatalf("%q is valid, but a part of it is not", data)
	}
	if !ok || !comparable {
		return
	}
	for key, list := range elements {
		whole[key] = list
	}
	if got, err := tomldoc.Decode(data, roomy); err != nil || !equal(got, whole) {
		t.Fatalf("%q: %#v, %v; its parts: %#v", data, got, err, whole)
	}
}

func TestDecode(t *testing.T) {
	for _, sample := range samples {
		checkDocument(t, []byte(sample))
		checkDocument(t, []byte(sample+"\n[z]\ny = [{x = 1}]\n[[w]]\nv = 1\n"))
		checkDocument(t, []byte("[[w]]\nv = 1\n"+sample+"\n[[w]]\n"))
	}
}

func FuzzDecode(f *testing.F) {
	for _, sample := range samples {
		f.Add([]byte(sample))
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkDocument(t, data) })
}

// TestLimits checks that each limit is accepted, and that one more is refused with the
// line on which it is.
func TestLimits(t *testing.T) {
	l := tomldoc.Limits{Tables: 6, Keys: 5, Values: 9}
	deep := func(n int) string { return "\nx = " + strings.Repeat("[", n) + strings.Repeat("]", n) }
	key := func(n int) string { return strings.Repeat("a.", n-1) + "a" }
	for _, c := range []struct {
		what        string
		text        func(n int) string
		limit, line int
		l           tomldoc.Limits
	}{
		{"tables", func(n int) string { return strings.Repeat("[a]\n", n) }, 6, 7, l},
		{"tables", func(n int) string { return strings.Repeat("\n[[a.b]]", n/2) + strings.Repeat("[c]", n%2) }, 7, 5, tomldoc.Limits{7, 5, 9}},
		{"tables", func(n int) string { return "v = 1\na" + strings.Repeat(".a", n) + " = 1" }, 6, 2, l},
		{"keys", func(n int) string { return strings.Repeat("a = 1\n", n) }, 5, 6, l},
		{"values in arrays and inline tables", func(n int) string { return "a = [" + strings.Repeat("1,", n) + "]" }, 9 - 1, 1, l},
		{"values in arrays and inline tables", func(n int) string { return "a = [\n{}" + strings.Repeat(",{}", n) + "]" }, 3, 1, tomldoc.Limits{6, 5, 8}},
		{"levels of nesting", deep, tomldoc.MaxDepth, 2, roomy},
		{"parts in one key", func(n int) string { return "[x]\n" + key(n) + " = 1" }, tomldoc.MaxParts, 2, roomy},
		{"parts in one key", func(n int) string { return "x = {" + key(n) + " = 1}" }, tomldoc.MaxParts, 1, roomy},
		{"parts in one key", func(n int) string { return "\n\n[" + key(n) + "]" }, tomldoc.MaxParts, 3, roomy},
	} {
		if err := c.l.Check([]byte(c.text(c.limit))); err != nil {
			t.Errorf("%d %s: %v", c.limit, c.what, err)
		}
		data := []byte(c.text(c.limit + 1))
		_, err := tomldoc.Decode(data, c.l)
		over, ok := errors.AsType[*tomldoc.Error](err)
		if !ok || !over.Limit || !strings.HasSuffix(over.Rule, " "+c.what) || tomldoc.LineOf(err) != c.line {
			t.Errorf("%q: %v on line %d, want %s on line %d", data, err, tomldoc.LineOf(err), c.what, c.line)
		}
	}
	for _, quoted := range []string{`"` + strings.Repeat("[{.,=", 50) + `"`, "'''\n" + strings.Repeat("[a.b]\n", 50) + "'''", "1 # " + strings.Repeat("[.", 50)} {
		if err := l.Check([]byte("a = " + quoted)); err != nil {
			t.Errorf("%s: %v", quoted, err)
		}
	}
}
