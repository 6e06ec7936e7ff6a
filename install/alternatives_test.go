package install_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// with returns the release of first, with second as an alternative.
func with(first, second manifests.Release) manifests.Release {
	first.Artifacts[0].Alternatives = second.Artifacts
	return first
}

func TestAlternativesAreTriedInOrder(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(w *world, first, second string)
		want  string // the file that is installed
		err   error
	}{
		"both there":       {func(*world, string, string) {}, "zig-1.0.tar", nil},
		"the first absent": {func(w *world, first, _ string) { delete(w.files, first) }, "zig-1.0-b.tar", nil},
		"both absent": {func(w *world, first, second string) { delete(w.files, first); delete(w.files, second) },
			"", manifests.ErrNotFound},
		"the first is another": {func(w *world, first, _ string) { w.files[first][600] ^= 1 }, "", verify.ErrUntrusted},
		"the second is another": {func(w *world, first, second string) { delete(w.files, first); w.files[second][600] ^= 1 },
			"", verify.ErrUntrusted},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			// The second is packed in another way: nothing of the first's layout serves it.
			first, second := w.release("zig", "1.0", "bin/zig"), w.release("zig", "1.0-b", "deep/bin/zig")
			first.Artifacts[0].Witness = &manifests.Witness{Path: "bin/zig", Contains: "bin/zig 1.0\n"}
			second.Artifacts[0].Witness = &manifests.Witness{Path: "bin/zig", Contains: "deep/bin/zig 1.0-b\n"}
			second.Artifacts[0].Layout.Strip = 1
			test.spoil(w, first.Artifacts[0].Refs[0], second.Artifacts[0].Refs[0])
			res, err := w.change(plan.Change{Install: []manifests.Release{with(first, second)}})
			if test.err != nil {
				if !errors.Is(err, test.err) {
					t.Fatalf("got %v, want %v", err, test.err)
				}
				if s, _ := w.kist().State(); len(s.Receipts) > 0 {
					t.Errorf("it is installed: %v", s.Receipts)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			data := w.files["https://example.org/"+test.want]
			got := res.Installed[0].Artifacts
			if len(got) != 1 || got[0].Name != test.want || got[0].Digest != verify.DigestOf(data) || got[0].Size != int64(len(data)) {
				t.Errorf("the receipt names %+v, want %s", got, test.want)
			}
		})
	}
}

// An unreached is a transport with hosts that do not answer.
type unreached struct {
	*world
	refs map[string]bool
}

func (u unreached) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	if u.refs[ref] {
		return nil, 0, fmt.Errorf("%s: %w", ref, manifests.ErrUnreachable)
	}
	return u.world.Open(ctx, ref, offset)
}

func TestUnreachableHostFallsBackAndIsReported(t *testing.T) {
	for name, test := range map[string]struct {
		first, second string // what becomes of each
		want          error
	}{
		"the first unreached":              {"unreached", "", nil},
		"the first unreached, no second":   {"unreached", "absent", manifests.ErrUnreachable},
		"no first, the second unreached":   {"absent", "unreached", manifests.ErrUnreachable},
		"the first there, no matter which": {"", "unreached", nil},
	} {
		w := newWorld(t)
		u := unreached{w, map[string]bool{}}
		first, second := w.release("zig", "1.0", "bin/zig"), w.release("zig", "1.0-b", "bin/zig")
		for ref, fate := range map[string]string{first.Artifacts[0].Refs[0]: test.first, second.Artifacts[0].Refs[0]: test.second} {
			u.refs[ref] = fate == "unreached"
			if fate == "absent" {
				delete(w.files, ref)
			}
		}
		i := w.kist()
		i.Opened().Transport = u
		p, err := i.Plan(plan.Change{Install: []manifests.Release{with(first, second)}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := i.Apply(t.Context(), p); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

func TestAlternativesAreVerifiedLikeTheFirst(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*manifests.Artifact)
		ok     bool
	}{
		"honest":                    {func(*manifests.Artifact) {}, true},
		"no integrity":              {func(a *manifests.Artifact) { a.Integrity = manifests.Integrity{} }, false},
		"a witness that leaves":     {func(a *manifests.Artifact) { a.Witness = &manifests.Witness{Path: "../x", Contains: "x"} }, false},
		"another component":         {func(a *manifests.Artifact) { a.Component = "docs" }, false},
		"alternatives of their own": {func(a *manifests.Artifact) { a.Alternatives = []manifests.Artifact{*a} }, false},
	} {
		w := newWorld(t)
		r := with(w.release("zig", "1.0", "bin/zig"), w.release("zig", "1.0-b", "bin/zig"))
		test.change(&r.Artifacts[0].Alternatives[0])
		if err := r.Validate(); test.ok != (err == nil) || err != nil && !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
