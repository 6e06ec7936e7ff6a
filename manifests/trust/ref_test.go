package trust_test

import (
	"errors"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/trust"
)

func TestParseRef(t *testing.T) {
	for text, want := range map[string]trust.Ref{
		"go":                       {Name: "go"},
		"go@1.25":                  {Name: "go", Version: "1.25"},
		"acme/zig":                 {Channel: "acme", Name: "zig"},
		"acme/zig@0.14.0":          {Channel: "acme", Name: "zig", Version: "0.14.0"},
		"rust@nightly-2026-11-01":  {Name: "rust", Version: "nightly-2026-11-01"},
		"debian/gcc@4:14.2.0-1~b1": {Channel: "debian", Name: "gcc", Version: "4:14.2.0-1~b1"},
	} {
		got, err := trust.ParseRef(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
	for text, version := range map[string]string{"node@lts/jod": "lts-jod", "node@lts/*": "lts"} {
		if got, err := trust.ParseRef(text); err != nil || got.Version != version {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "@", "go@", "@1.0", "/go", "acme/", "a/b/c", "Go", "go@1@2", "../go", "go@../1", "a b", "con", "-go"} {
		got, err := trust.ParseRef(text)
		if !errors.Is(err, manifests.ErrInput) {
			t.Errorf("%q was taken for %+v, %v", text, got, err)
		}
	}
}

func TestRefMatches(t *testing.T) {
	labels := []string{"stable", "1.25"}
	for text, want := range map[string]bool{
		"go": true, "acme/go": true, "go@1": true, "go@1.25.3": true, "go@=1.25.3": true, "go@stable": true,
		"zig": false, "other/go": false, "go@1.2": false, "go@=1.25": false, "go@beta": false,
	} {
		ref, err := trust.ParseRef(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := ref.Matches("acme", "go", "1.25.3", labels); got != want {
			t.Errorf("%s matches acme/go@1.25.3 (%v): %v", text, labels, got)
		}
	}
}

func TestDemand(t *testing.T) {
	for text, test := range map[string]struct{ met, unmet []string }{
		"go>=1.25":     {[]string{"1.25", "1.25.3", "1.26rc1", "2"}, []string{"1.24.9", "1.25rc1", "nightly"}},
		"acme/go>=1.9": {[]string{"1.10"}, []string{"1.8.9"}},
		"go@1.25":      {[]string{"1.25", "1.25.3"}, []string{"1.26", "1.2"}},
	} {
		d, err := trust.ParseDemand(text)
		if err != nil || d.String() != text {
			t.Errorf("%s: %+v, %v", text, d, err)
		}
		for _, v := range test.met {
			if !d.MetBy(v) {
				t.Errorf("%s is not met by %s", text, v)
			}
		}
		for _, v := range test.unmet {
			if d.MetBy(v) {
				t.Errorf("%s is met by %s", text, v)
			}
		}
	}
	for _, text := range []string{"go", "go>=", "go@1>=2", ">=1", "go>=x", "go>=stable", "Go>=1"} {
		if d, err := trust.ParseDemand(text); !errors.Is(err, manifests.ErrInput) {
			t.Errorf("%q was taken for %+v, %v", text, d, err)
		}
	}
}

// What a person typed is refused or means the same when it is printed and typed again.
func FuzzParseDemand(f *testing.F) {
	for _, text := range []string{"go", "acme/zig@=0.14.0", "node@lts/jod", "rust>=1.63", "system/go>=go1.2", "gcc>=4:14.2.0-1~b1", "a@b>=c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := trust.ParseRef(text); err == nil {
			if again, err := trust.ParseRef(r.String()); err != nil || again != r {
				t.Errorf("%q: %+v, then %+v, %v", text, r, again, err)
			}
		} else if !errors.Is(err, manifests.ErrInput) {
			t.Errorf("%q: %T", text, err)
		}
		if d, err := trust.ParseDemand(text); err == nil {
			if again, err := trust.ParseDemand(d.String()); err != nil || again != d {
				t.Errorf("%q: %+v, then %+v, %v", text, d, again, err)
			}
		} else if !errors.Is(err, manifests.ErrInput) {
			t.Errorf("%q: %T", text, err)
		}
	})
}
