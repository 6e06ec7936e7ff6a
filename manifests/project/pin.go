package project

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Pin returns the content of kist.toml, which may be empty, with a as what it asks for of
// that tool. Comments and the order of lines stay. It returns an error if the file is broken,
// or written in a way that only a person can change, and an *OtherChannelError if it has the
// tool from another channel.
func Pin(data []byte, a Ask) ([]byte, error) {
	before, err := parseKist(data)
	if err != nil {
		return nil, err
	}
	hasKey := func(have Ask) bool { return have.key() == a.key() }
	if i := slices.IndexFunc(before.Asks, func(have Ask) bool { return have.Tool == a.Tool }); i >= 0 && !slices.ContainsFunc(before.Asks, hasKey) {
		return nil, &OtherChannelError{Have: before.Asks[i].key(), Version: a.Version}
	}
	want := slices.DeleteFunc(slices.Clone(before.Asks), hasKey)
	want = append(want, a)
	out := pin(data, a)
	after, err := parseKist(out)
	if err != nil || !sameAsks(after.Asks, want) {
		return nil, errors.New("it is written in a way that kist cannot change; edit it by hand")
	}
	return out, nil
}

// An OtherChannelError reports that kist.toml has the tool to pin from another channel: only
// one of the two would count.
type OtherChannelError struct {
	Have    string // as kist.toml names it: "acme/zig", or "zig"
	Version string // that was to be pinned
}

func (e *OtherChannelError) Error() string { return fmt.Sprintf("it asks for %s already", e.Have) }

// key returns how kist.toml names the tool of a.
func (a Ask) key() string {
	if a.Channel != "" {
		return a.Channel + "/" + a.Tool
	}
	return a.Tool
}

func sameAsks(a, b []Ask) bool {
	byKey := func(x, y Ask) int { return strings.Compare(x.key(), y.key()) }
	slices.SortFunc(a, byKey)
	slices.SortFunc(b, byKey)
	return slices.EqualFunc(a, b, Ask.equal)
}

// pin replaces the line of a's tool, or adds one at the end of the table tools. It
// understands the usual ways of writing; Pin checks the result.
func pin(data []byte, a Ask) []byte {
	lines := strings.SplitAfter(string(data), "\n")
	line := a.line()
	inTools, end := false, -1 // end: after the last line of the table that is not empty
	for i, text := range lines {
		trimmed := strings.TrimSpace(text)
		if strings.HasPrefix(trimmed, "[") {
			inTools = strings.HasPrefix(trimmed, "[tools]")
		}
		if !inTools {
			continue
		}
		if trimmed != "" {
			end = i + 1
		}
		key, value, ok := strings.Cut(text, "=")
		if !ok || unquote(strings.TrimSpace(key)) != a.key() {
			continue
		}
		lines[i] = key + "= " + a.value() + afterValue(value)
		return []byte(strings.Join(lines, ""))
	}
	var out bytes.Buffer
	if end < 0 {
		out.Write(data)
		if len(data) > 0 {
			if !bytes.HasSuffix(data, []byte("\n")) {
				out.WriteByte('\n')
			}
			out.WriteByte('\n')
		}
		out.WriteString("[tools]\n" + line)
		return out.Bytes()
	}
	out.WriteString(strings.Join(lines[:end], ""))
	if !strings.HasSuffix(lines[end-1], "\n") {
		out.WriteByte('\n')
	}
	out.WriteString(line + strings.Join(lines[end:], ""))
	return out.Bytes()
}

// line returns the line of kist.toml that asks for a.
func (a Ask) line() string {
	return a.quotedKey() + " = " + a.value() + "\n"
}

// quotedKey returns key as TOML wants it.
func (a Ask) quotedKey() string {
	key := a.key()
	if strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		key = strconv.Quote(key)
	}
	return key
}

// value returns a version, or a table if a has parts. Names and versions need no escapes.
func (a Ask) value() string {
	if len(a.Components)+len(a.Targets) == 0 && a.Profile == "" {
		return strconv.Quote(a.Version)
	}
	var parts []string
	if a.Version != "" {
		parts = append(parts, fmt.Sprintf("version = %q", a.Version))
	}
	for _, list := range []struct {
		key   string
		names []string
	}{{"components", a.Components}, {"targets", a.Targets}} {
		if len(list.names) > 0 {
			quoted := make([]string, len(list.names))
			for i, name := range list.names {
				quoted[i] = strconv.Quote(name)
			}
			parts = append(parts, list.key+" = ["+strings.Join(quoted, ", ")+"]")
		}
	}
	if a.Profile != "" {
		parts = append(parts, fmt.Sprintf("profile = %q", a.Profile))
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

// afterValue returns what follows a value on its line: blanks, a comment, the end of the
// line.
func afterValue(text string) string {
	quote := byte(0)
	for i := range len(text) {
		switch c := text[i]; {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
		case c == '"' || c == '\'':
			quote = c
		case c == '#':
			before := strings.TrimRight(text[:i], " \t")
			return text[len(before):]
		}
	}
	return text[len(strings.TrimRight(text, " \t\r\n")):]
}

// unquote returns a key without its quotes.
func unquote(key string) string {
	if len(key) >= 2 && (key[0] == '"' || key[0] == '\'') && key[len(key)-1] == key[0] {
		return key[1 : len(key)-1]
	}
	return key
}
