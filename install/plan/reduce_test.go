package plan

import (
	"errors"
	"slices"
	"testing"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// parts is a release of three components, of which it can be without two.
func parts(version string, components ...string) manifests.Release {
	r := manifests.Release{Channel: "mirror", Tool: "rust", Version: version, Requested: "stable", Components: components,
		Optional: slices.DeleteFunc(slices.Clone(components), func(c string) bool { return c == "rustc" }), Profile: "default"}
	for _, c := range components {
		r.Artifacts = append(r.Artifacts, manifests.Artifact{Name: c + ".tar", Component: c,
			Integrity: manifests.Integrity{Digest: verify.DigestOf([]byte(c + version))}, Layout: manifests.Layout{Format: "tar", Strip: 1}})
	}
	return r
}

// installed is the machine on which r was installed.
func installed(t *testing.T, r manifests.Release) (*machine, record.ID) {
	t.Helper()
	m := newMachine()
	m.must(t, Change{Install: []manifests.Release{r}})
	id := m.Current.Receipts[0]
	h := m.Receipts[id]
	h.Requested, h.Optional, h.Profile = r.Requested, r.Optional, r.Profile
	for _, a := range r.Artifacts {
		h.Artifacts = append(h.Artifacts, record.Artifact{Name: a.Name, Component: a.Component, Digest: a.Integrity.Digest, Layout: a.Layout})
	}
	m.Receipts[id] = h
	return m, id
}

func TestMoreComponentsReuseWhatIsThere(t *testing.T) {
	m, id := installed(t, parts("1.0", "rustc", "clippy"))
	more := parts("1.0", "rustc", "clippy", "docs")
	p, err := Make(m.State, Change{Install: []manifests.Release{more}})
	if err != nil || len(p.Install) != 1 || p.Install[0].Base != id || !slices.Equal(p.Install[0].Reuse, []string{"rustc", "clippy"}) ||
		!slices.Equal(p.Leave, []record.ID{id}) || p.Install[0].Without != nil {
		t.Errorf("%+v, %v", p, err)
	}
	// Another artifact, or the same unpacked in another way, is not the same.
	more.Artifacts[0].Integrity.Digest = verify.DigestOf([]byte("another"))
	more.Artifacts[1].Layout.Strip = 2
	if p, err := Make(m.State, Change{Install: []manifests.Release{more}}); err != nil || len(p.Install[0].Reuse) != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	// One of several alternatives is enough.
	alternative := parts("1.0", "rustc", "clippy", "docs")
	alternative.Artifacts[0].Alternatives = []manifests.Artifact{alternative.Artifacts[0]}
	alternative.Artifacts[0].Integrity.Digest = verify.DigestOf([]byte("another"))
	if p, err := Make(m.State, Change{Install: []manifests.Release{alternative}}); err != nil || !slices.Contains(p.Install[0].Reuse, "rustc") {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestReduce(t *testing.T) {
	m, id := installed(t, parts("1.0", "rustc", "clippy", "docs"))
	p, err := Make(m.State, Change{Reduce: []Reduction{{id, []string{"docs", "docs"}}}})
	if err != nil || len(p.Install) != 1 || !slices.Equal(p.Leave, []record.ID{id}) {
		t.Fatalf("%+v, %v", p, err)
	}
	in := p.Install[0]
	if in.Base != id || !in.Default || !slices.Equal(in.Without, []string{"docs"}) || !slices.Equal(in.Reuse, []string{"rustc", "clippy"}) {
		t.Errorf("%+v", in)
	}
	r := in.Release
	if !slices.Equal(r.Components, in.Reuse) || !slices.Equal(r.Optional, []string{"clippy"}) || r.Requested != "stable" || r.Profile != "" ||
		len(r.Artifacts) != 2 || r.Artifacts[1].Component != "clippy" || len(r.Artifacts[1].Refs) != 0 {
		t.Errorf("%+v", r)
	}
	m.must(t, Change{Reduce: []Reduction{{id, []string{"docs"}}}})
	if m.Current.Has(id) || len(m.Current.Receipts) != 1 || m.Current.Defaults["mirror/rust"] != m.Current.Receipts[0] {
		t.Errorf("%+v", m.Current)
	}
	if err := m.do(Change{Rollback: true}); err != nil || !m.Current.Has(id) || m.Current.Defaults["mirror/rust"] != id {
		t.Errorf("rolled back: %+v, %v", m.Current, err)
	}
	if p, err := Make(m.State, Change{Reduce: []Reduction{{id, nil}}}); err != nil || !p.Empty() {
		t.Errorf("nothing to take away: %+v, %v", p, err)
	}
}

func TestReduceRefuses(t *testing.T) {
	m, id := installed(t, parts("1.0", "rustc", "clippy"))
	var needed *NeededError
	if _, err := Make(m.State, Change{Reduce: []Reduction{{id, []string{"clippy", "rustc"}}}}); !errors.As(err, &needed) || needed.Component != "rustc" {
		t.Errorf("what it cannot be without: %v", err)
	}
	var unknown *manifests.UnknownComponentError
	if _, err := Make(m.State, Change{Reduce: []Reduction{{id, []string{"clipy"}}}}); !errors.As(err, &unknown) || !slices.Equal(unknown.Near, []string{"clippy"}) {
		t.Errorf("what it has not: %v", err)
	}
	var absent *NotInstalledError
	if _, err := Make(m.State, Change{Reduce: []Reduction{{"mirror-rust-1.0-99999999", []string{"clippy"}}}}); !errors.As(err, &absent) {
		t.Errorf("what is not installed: %v", err)
	}
	if _, err := Make(m.State, Change{Reduce: []Reduction{{id, []string{"clippy"}}, {id, []string{"clippy"}}}}); !errors.As(err, &absent) {
		t.Errorf("twice: %v", err)
	}
}
