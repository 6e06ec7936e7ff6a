package main

import (
	"strings"
	"testing"
)

// An error repeats only a readable part of an argument.
func TestErrorsAreBrief(t *testing.T) {
	for _, test := range []struct {
		arg string
		all bool // it is repeated as it is
	}{
		{strings.Repeat("x", 60), true},
		{strings.Repeat("x", 100_000), false},
		{strings.Repeat("é", 100_000), false},
	} {
		e, stdout, stderr := testEnv(t, "install", test.arg)
		if code := run(t.Context(), e); code == 0 || stdout.Len() > 0 {
			t.Errorf("%.10s: exit %d: %s", test.arg, code, stdout)
		}
		if said := stderr.String(); strings.Contains(said, test.arg) != test.all || len(said) > 2000 {
			t.Errorf("%.10s: %d bytes: %.2000s", test.arg, len(said), said)
		}
	}
}
