package publish_test

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

func TestSets(t *testing.T) {
	d := newDesk(t)
	d.add(addition("1.0.0", "linux/amd64", "one"))
	put := func(name string, refs ...string) publish.SetEdit {
		t.Helper()
		done, err := d.PutSet(name, refs)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	listed := func() (states []string) {
		t.Helper()
		list, err := d.List()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list.Sets {
			states = append(states, s.Name+" "+s.State)
		}
		return states
	}
	if done := put("backend", "zig", "go/go@1.26"); done.Replaced || !slices.Equal(done.Tools, []string{"zig", "go/go@1.26"}) {
		t.Errorf("added %+v", done)
	}
	put("web", "node/node@lts")
	if got := listed(); !slices.Equal(got, []string{"backend draft", "web draft"}) {
		t.Errorf("before signing: %q", got)
	}
	d.sign()
	if got := listed(); !slices.Equal(got, []string{"backend published", "web published"}) {
		t.Errorf("after signing: %q", got)
	}
	if report, err := d.verify(d.key); err != nil || len(report.Manifest.Sets) != 2 {
		t.Errorf("verify: %+v, %v", report.Manifest, err)
	}

	// Other changes keep the sets, and nothing is published before it is signed.
	d.add(addition("1.1.0", "linux/amd64", "two"))
	if done := put("backend", "zig@1.1.0"); !done.Replaced {
		t.Errorf("replaced %+v", done)
	}
	if err := d.RemoveSet("web"); err != nil {
		t.Fatal(err)
	}
	if got := listed(); !slices.Equal(got, []string{"backend draft", "web removed"}) {
		t.Errorf("after changes: %q", got)
	}
	if !bytes.Contains(d.read(publish.ManifestFile), []byte(`"node/node@lts"`)) {
		t.Error("what is published changed before it was signed")
	}
	if err := d.Remove([2]string{"zig", "1.1.0"}); !errors.Is(err, manifests.ErrInput) {
		t.Errorf("removing a release that a set needs: %v", err)
	}
	if err := d.Remove([2]string{"zig", "1.0.0"}); err != nil {
		t.Errorf("removing another: %v", err)
	}
	d.sign()
	if got := listed(); !slices.Equal(got, []string{"backend published"}) {
		t.Errorf("after signing again: %q", got)
	}
}

// TestSetsRefused tests that a refused set changes nothing.
func TestSetsRefused(t *testing.T) {
	d := newDesk(t)
	d.add(addition("1.0.0", "linux/amd64", "one"))
	before := d.read(publish.DraftFile)
	for name, refs := range map[string][]string{
		"twice": {"zig", "acme/zig@1.0.0"}, "nested": {"acme/@other"}, "lacking": {"go"}, "old": {"zig@0.9"}, "empty": nil, "../x": {"zig"}, "wrong": {"zig @1"},
	} {
		if _, err := d.PutSet(name, refs); !errors.Is(err, manifests.ErrInput) {
			t.Errorf("%s %q: %v", name, refs, err)
		}
	}
	var unknown *manifests.UnknownSetError
	if err := d.RemoveSet("backend"); !errors.As(err, &unknown) {
		t.Errorf("removing an unknown set: %v", err)
	}
	if after := d.read(publish.DraftFile); !bytes.Equal(before, after) {
		t.Errorf("the draft changed:\n%s", after)
	}
	if _, err := d.PutSet("honest", []string{"zig@1.0.0"}); err != nil {
		t.Errorf("an honest set: %v", err)
	}
}

// TestVerifyChecksSets tests that a set that was written by hand is checked like those of
// PutSet.
func TestVerifyChecksSets(t *testing.T) {
	d := newDesk(t)
	d.add(addition("1.0.0", "linux/amd64", "one"))
	for text, want := range map[string]error{
		"\n[[set]]\nname = \"hand\"\ntools = [\"go\"]\n":                                                       verify.ErrUntrusted,
		"\n[[set]]\nname = \"hand\"\ntools = [{ tool = \"zig\", components = [\"docs\"] }]\n":                  verify.ErrUntrusted,
		"\n[[set]]\nname = \"hand\"\ntools = [\"zig\", { tool = \"rust/rust\", components = [\"clippy\"] }]\n": nil,
	} {
		draft := append(bytes.Clone(d.read(publish.DraftFile)), text...)
		if err := d.Root.WriteFile(publish.DraftFile, draft, 0o644); err != nil {
			t.Fatal(err)
		}
		d.sign()
		if _, err := d.verify(d.key); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
		if want == nil {
			list, err := d.List()
			if err != nil || !reflect.DeepEqual(list.Sets[0].Tools, []string{"zig", "rust/rust -c clippy"}) {
				t.Errorf("listed %+v, %v", list.Sets, err)
			}
		}
		if err := d.RemoveSet("hand"); err != nil {
			t.Fatal(err)
		}
	}
}
