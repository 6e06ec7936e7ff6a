package term_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
)

func TestEscape(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"naïve 日本 ✓ a\\nb", "naïve 日本 ✓ a\\nb"}, // what shows itself stays
		{"\ufffd", "\ufffd"},
		{"a\nb\rc\td", `a\nb\rc\td`},
		{"\x00\x1b[2J\x7f", `\x00\x1b[2J\x7f`},
		{"\u0085\u009b", `\u0085\u009b`},
		{"\xff\x9b", `\xff\x9b`},
		{"\u2028\u2029", `\u2028\u2029`},
		{"\u202e\u2066\u200f", `\u202e\u2066\u200f`},
		{"\u200b\u00ad\ufeff\u2060\u3164", `\u200b\u00ad\ufeff\u2060\u3164`},
		{"\U000e0041\U000e0100", `\U000e0041\U000e0100`},
		{"\ufe0f", `\ufe0f`},
	} {
		if got := term.Escape(test.in); got != test.want {
			t.Errorf("Escape(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

func TestSprintf(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{term.Sprintf("a\n%s", "b\nc"), "a\nb\\nc"},
		{term.Sprintf("%-*s|%[1]d", 4, "b"), "b   |4"},
		{term.Sprintf("%q", "b\nc"), `"b\nc"`},
		{term.Sprintf("%v %v", []string{"a\n"}, nil), `[a\n] <nil>`},
		{term.Sprintf("%05.1f %x %t %c", 1.25, "k", true, '\n'), `001.2 6b true \n`},
		{term.Sprintf("%s", errors.Join(errors.New("a"), errors.New("b\nc"))), `a; b\nc`},
		{term.Sprintf("%s", "hint: x"), `\x68int: x`},
		{term.Sprintf("%s %s", "Nothing was", "changed."), `\x4eothing was changed.`},
		{term.Sprintf("hint: %s", "error: x"), "hint: error: x"},
		{term.Sprintf("%s", "hints: x"), "hints: x"},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}

func TestErrorText(t *testing.T) {
	a, b := errors.New("a"), errors.New("b")
	for _, test := range []struct {
		err  error
		want string
	}{
		{a, "a"},
		{errors.Join(a), "a"},
		{errors.Join(a, b), "a; b"},
		{fmt.Errorf("x: %w", errors.Join(a, fmt.Errorf("y: %w", errors.Join(b, a)))), "x: a; y: b; a"},
		{fmt.Errorf("%w, %w", a, errors.Join(a, b)), "a, a; b"},
		{fmt.Errorf("x\n%w", a), "x\na"},
	} {
		if got := term.ErrorText(test.err); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// TestHostileText checks that foreign text cannot steer a terminal.
func TestHostileText(t *testing.T) {
	var p term.Page
	p.Line("key %s", "\x1b]0;owned\x07Ali\u202ece\r")
	p.Table([][]string{{"a\tb\x1b[2J"}})
	if text := p.String(); strings.ContainsAny(text, "\x1b\x07\r\u202e") {
		t.Errorf("%q", text)
	}
}
