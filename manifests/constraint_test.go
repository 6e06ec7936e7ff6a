package manifests_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func TestConstraintHolds(t *testing.T) {
	for _, test := range []struct{ text, in, out string }{
		{"1.25.3", "1.25.3 1.25.3-2", "1.25 1.25.4 1.25.30 1.25.3-rc1 1.25.3rc1"},
		{"1.25", "1.25 1.25.0 1.25.9", "1.24.9 1.250 1.26.0 1.25rc1"},
		{"=1.25", "1.25", "1.25.0 1.25.1"},
		{"<1.26.3", "1.26.2 1.26.3rc1 1.9 1.26", "1.26.3 1.26.10 2.0 nightly"},
		{"< 1.26.3", "1.26.2", "1.26.3"},
		{"<=1.26.3", "1.26.3 1.26.2", "1.26.4"},
		{">1.26.3", "1.26.4 1.27 nightly release69", "1.26.3"},
		{">=1.4 <1.4.2", "1.4 1.4.1", "1.4.2 1.3.9 1.5 nightly"},
		{">=1.4 <1.4.2 || =2.0.0", "1.4.1 2.0.0", "2.0.1 1.5"},
		{"=nightly", "nightly", "nightly-2"},
		{"nightly", "nightly", "1.0"},
	} {
		c, err := manifests.ParseConstraint(test.text)
		if err != nil || c.String() != test.text {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		for _, v := range strings.Fields(test.in) {
			if !c.Holds(v, manifests.Order{}) {
				t.Errorf("%s does not hold %s", test.text, v)
			}
		}
		for _, v := range strings.Fields(test.out) {
			if c.Holds(v, manifests.Order{}) {
				t.Errorf("%s holds %s", test.text, v)
			}
		}
	}
	if (manifests.Constraint{}).Holds("1.0", manifests.Order{}) {
		t.Error("the zero constraint holds a version")
	}
}

func TestParseConstraintRefuses(t *testing.T) {
	for _, text := range []string{"", " ", "||", "1.0 ||", "|| 1.0", "<", ">= <1", "~1.0", "^1.0", "!=1.0", "==1.0", "<<1.0", "=<1.0", "1.0, 1.1",
		"*", "<nightly", "<1.0\x00", "1.0 - 2.0", "<" + strings.Repeat("1", 65), strings.Repeat("1.0 ", 65)} {
		if c, err := manifests.ParseConstraint(text); err == nil {
			t.Errorf("%q: %+v", text, c)
		}
	}
	if _, err := manifests.ParseConstraint(strings.Repeat("1.0 ", 64)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
}

// A version is in exactly one of <v, =v and its likes, and >v.
func TestConstraintsDivideVersions(t *testing.T) {
	version := rapid.StringMatching(`[0-9]{1,3}(\.[0-9]{1,3}){0,2}(-rc[0-9]|[a-c][0-9])?`)
	rapid.Check(t, func(t *rapid.T) {
		v, at := version.Draw(t, "version"), version.Draw(t, "at")
		holds := func(operator string) bool {
			c, err := manifests.ParseConstraint(operator + at)
			if err != nil {
				t.Fatal(err)
			}
			return c.Holds(v, manifests.Order{})
		}
		if holds("<") == holds(">=") || holds(">") == holds("<=") || holds("<") && holds(">") || holds("=") && v != at {
			t.Errorf("%s at %s: < %v, <= %v, > %v, >= %v", v, at, holds("<"), holds("<="), holds(">"), holds(">="))
		}
	})
}

func TestWithdrawn(t *testing.T) {
	list := []verify.Withdrawal{{Tool: "other", Versions: "1.1"}, {Tool: "zig", Versions: "not a range <", Reason: "a"}, {Tool: "zig", Versions: "<1.2", Reason: "b"}}
	if w, ok := manifests.Withdrawn(list, "zig", "1.1"); !ok || w.Reason != "b" {
		t.Errorf("1.1: %+v, %v", w, ok)
	}
	if w, ok := manifests.Withdrawn(list, "zig", "1.2"); ok {
		t.Errorf("1.2: %+v", w)
	}
}

func FuzzConstraint(f *testing.F) {
	for _, text := range []string{"1.25.3", "=1.25", ">=1.4 <1.4.2 || =2.0.0", "< 1.26.3", "||", "<=1:2.0~rc1-1"} {
		f.Add(text, "1.4.1")
	}
	f.Fuzz(func(t *testing.T, text, version string) {
		c, err := manifests.ParseConstraint(text)
		if err != nil {
			return
		}
		if len(text) > manifests.MaxConstraint || c.String() != text {
			t.Errorf("%q is read as %q", text, c)
		}
		c.Holds(version, manifests.Order{})
		either, err := manifests.ParseConstraint(text + " || =" + "9.9.9-fuzz")
		if err == nil && (!either.Holds("9.9.9-fuzz", manifests.Order{}) || c.Holds(version, manifests.Order{}) && !either.Holds(version, manifests.Order{})) {
			t.Errorf("%q or one more version holds less", text)
		}
	})
}
