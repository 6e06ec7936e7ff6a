package main

import (
	"strings"
	"testing"

	"github.com/kist-tools/kist/verify/verifytest"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// TestScopeTricks checks that names that look like others, to a person or to a file
// system, are refused in a manifest, in a grant and on the command line, and that
// lower-case ASCII is accepted.
func TestScopeTricks(t *testing.T) {
	tricks := map[string]string{
		"Cyrillic":           "hеllo",
		"full width":         "ｈello",
		"zero width":         "hel\u200blo",
		"combining":          "hello\u0301",
		"right to left":      "\u202eolleh",
		"upper case":         "Hello",
		"a dot at the end":   "hello.",
		"a blank at the end": "hello ",
		"two dots":           "hel..lo",
		"a path":             "../hello",
		"a device":           "con",
		"a hyphen first":     "-hello",
		"nothing":            "",
		"a nul":              "hel\x00lo",
	}
	for name, trick := range short.Rows(t, tricks, 4) {
		t.Run(name, func(t *testing.T) {
			b := newBattle(t)
			m := b.next("1.1")
			data, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			for old, new := range map[string]string{"tool     = \"hello\"": "tool = \"" + toml(trick) + "\"", "channel = \"acme\"": "channel = \"" + toml(trick) + "\""} {
				text := []byte(replaceOnce(t, string(data), old, new))
				b.Files[acmeURL+channelFile] = text
				b.Files[acmeURL+channelFile+".asc"] = verifytest.Cosign(t, text, b.now, b.first)
				if code, said := b.kist("channel", "refresh", "acme"); code != 4 {
					t.Errorf("%s: exit code %d: %s", new, code, said)
				}
			}
			b.serve(m, b.first)
			b.must("channel", "refresh", "acme")
			typed := [][]string{
				{"install", "acme/" + trick},
				{"install", "--", trick},
				append(append([]string{"channel", "add"}, b.keyFiles(b.first)...), "--", trick, acmeURL),
				{"channel", "show", "--", trick},
			}
			if trick != "" { // which grants nothing in particular
				typed = append(typed, append([]string{"channel", "add", "other", acmeURL, "--tools", trick}, b.keyFiles(b.first)...))
			}
			for _, args := range typed {
				if code, said := b.kist(args...); code != 2 {
					t.Errorf("kist %q: exit code %d: %s", args, code, said)
				}
			}
		})
	}
}

// toml escapes characters that a TOML string cannot hold.
func toml(s string) string { return strings.ReplaceAll(s, "\x00", `\u0000`) }

func replaceOnce(t *testing.T, text, old, new string) string {
	t.Helper()
	if strings.Count(text, old) == 0 {
		t.Fatalf("%q is not in\n%s", old, text)
	}
	return strings.Replace(text, old, new, 1)
}
