package signedfiles_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests/internal/signedfiles"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

var (
	one = strings.Repeat("1", 64)
	two = strings.Repeat("2", 64)
)

// signer signs and proves any text.
func signer(tb testing.TB) func(tb testing.TB, text string) verify.Document {
	key := verifytest.NewKey(tb, "release", now.AddDate(-1, 0, 0))
	policy := verify.Policy{Keys: verifytest.Keyring(tb, key), Threshold: 1, Now: now, Use: verify.Release}
	return func(tb testing.TB, text string) verify.Document {
		doc, err := policy.Detached("SHASUMS256.txt", []byte(text), key.Sign(tb, []byte(text), now.AddDate(0, -1, 0)))
		if err != nil {
			tb.Fatal(err)
		}
		return doc
	}
}

func TestParseList(t *testing.T) {
	prove := signer(t)
	for _, test := range []struct {
		name, text string
		file       string // a file that it names once; empty: not a list
	}{
		{"one line", one + "  a.zip\n", "a.zip"},
		{"without its end", one + "  a.zip", "a.zip"},
		{"as binary", one + " *a.zip\n", "a.zip"},
		{"with empty lines after it", one + "  a.zip\n\n\n", "a.zip"},
		{"in capitals", strings.Repeat("A", 64) + "  a.zip\n", "a.zip"},
		{"a name with a slash, and without", two + "  win-x64/a.zip\n" + one + "  a.zip\n", "a.zip"},
		{"another name twice", one + "  a.zip\n" + one + "  b.zip\n" + two + "  b.zip\n", "a.zip"},
		{"a name of 255", one + "  " + strings.Repeat("a", 255) + "\n", strings.Repeat("a", 255)},

		{"nothing", "", ""},
		{"empty lines", "\n\n", ""},
		{"an empty line between", one + "  a.zip\n\n" + one + "  b.zip\n", ""},
		{"CRLF", one + "  a.zip\r\n", ""},
		{"CR", one + "  a.zip\r" + two + "  b.zip\n", ""},
		{"one space", one + " a.zip\n", ""},
		{"a tab", one + "\ta.zip\n", ""},
		{"three spaces", one + "   a.zip\n", ""},
		{"a leading space", " " + one + "  a.zip\n", ""},
		{"a leading backslash, as sha256sum escapes", "\\" + one + "  a.zip\n", ""},
		{"no name", one + "  \n", ""},
		{"a space in a name", one + "  a b.zip\n", ""},
		{"a control character", one + "  a\x1b.zip\n", ""},
		{"NUL", one + "  a.zip\x00\n", ""},
		{"not ASCII", one + "  а.zip\n", ""},
		{"a name of 256", one + "  " + strings.Repeat("a", 256) + "\n", ""},
		{"a digit short", one[1:] + "  a.zip\n", ""},
		{"a digit more", one + "1  a.zip\n", ""},
		{"not hexadecimal", one[1:] + "g  a.zip\n", ""},
		{"SHA-1", strings.Repeat("1", 40) + "  a.zip\n", ""},
		{"BSD's format", "SHA256 (a.zip) = " + one + "\n", ""},
		{"a comment", "# " + one + "  a.zip\n", ""},
		{"a web page", "<!DOCTYPE html>\n", ""},
		{"over the ceiling", strings.Repeat(one+"  a.zip\n", signedfiles.MaxList/72+1), ""},
	} {
		list, err := signedfiles.ParseList(prove(t, test.text))
		if test.file == "" {
			if err == nil {
				t.Errorf("%s: accepted", test.name)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if d, err := list.Digest(test.file); err != nil || !list.Has(test.file) || d.Hex() != one && d.Hex() != strings.Repeat("a", 64) {
			t.Errorf("%s: %s, %v", test.name, d, err)
		}
	}
}

// TestAListNamesAFileExactlyOnce checks that only the exact name matches, and only if
// listed once.
func TestAListNamesAFileExactlyOnce(t *testing.T) {
	prove := signer(t)
	for text, ok := range map[string]bool{
		one + "  a.zip\n":                               true,
		one + "  a.zip\n" + two + "  a.zip\n":           false,
		one + "  a.zip\n" + one + "  a.zip\n":           false,
		one + "  A.zip\n":                               false,
		one + "  ./a.zip\n":                             false,
		one + "  win-x64/a.zip\n":                       false,
		one + "  a.zip.asc\n" + one + "  a.zi\n":        false,
		one + "  a.zip\n" + two + "  win-x64/a.zip\n":   true,
		two + "  A.zip\n" + one + " *a.zip\n":           true,
		one + "  a.zip\n" + two + "  a.zip/../a.zip\n":  true,
		two + "  xa.zip\n" + one + "  a.zip\n" + "\n\n": true,
	} {
		list, err := signedfiles.ParseList(prove(t, text))
		if err != nil {
			t.Fatal(err)
		}
		if d, err := list.Digest("a.zip"); (err == nil) != ok || ok && d.Hex() != one {
			t.Errorf("%q: %s, %v", text, d, err)
		}
	}
}

func FuzzParseList(f *testing.F) {
	prove := signer(f)
	f.Add(one + "  a.zip\n" + two + " *b/c.zip\n")
	f.Add(one + "  a.zip\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := signedfiles.ParseList(prove(t, text))
		if err != nil {
			return
		}
		for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
			name := line[66:]
			d, err := list.Digest(name)
			if !list.Has(name) || err == nil && !strings.EqualFold(line[:64], d.Hex()) {
				t.Errorf("%q is read as %s", line, d)
			}
		}
	})
}

// FuzzClearsigned reads whole clear-signed messages from an untrusted source.
func FuzzClearsigned(f *testing.F) {
	f.Add(string(read(f, "nodejs/node-v14.2.0-SHASUMS256.txt.asc")))
	p := policy(f, "nodejs")
	f.Fuzz(func(t *testing.T, message string) {
		doc, err := p.Clearsigned("SHASUMS256.txt.asc", []byte(message))
		if err != nil {
			return
		}
		list, err := signedfiles.ParseList(doc)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := list.Digest("node-v14.2.0-linux-x64.tar.gz"); err != nil ||
			fmt.Sprint(d) != "sha256:3307d8b95014e78b43f85242a03fe3b28edfb90cc15e1d26393dcbbc51d05c8e" {
			t.Errorf("believed %s, %v", d, err)
		}
	})
}
