package plan_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// rustRelease returns a release in which every component but rustc is optional.
func rustRelease(version string, components ...string) manifests.Release {
	r := manifests.Release{Channel: "mirror", Tool: "rust", Version: version, Requested: "stable", Components: components,
		Optional: slices.DeleteFunc(slices.Clone(components), func(c string) bool { return c == "rustc" }), Profile: "default"}
	for _, c := range components {
		r.Artifacts = append(r.Artifacts, manifests.Artifact{Name: c + ".tar", Component: c,
			Integrity: manifests.Integrity{Digest: verify.DigestOf([]byte(c + version))}, Layout: manifests.Layout{Format: "tar", Strip: 1}})
	}
	return r
}

// machineWith returns a machine on which r is installed, and the ID of r.
func machineWith(t *testing.T, r manifests.Release) (*machine, record.ID) {
	t.Helper()
	m := newMachine()
	m.mustApply(t, plan.Change{Install: []manifests.Release{r}})
	id := m.Current.Receipts[0]
	h := m.Receipts[id]
	h.Requested, h.Optional, h.Profile = r.Requested, r.Optional, r.Profile
	for _, a := range r.Artifacts {
		h.Artifacts = append(h.Artifacts, record.Artifact{Name: a.Name, Component: a.Component, Digest: a.Integrity.Digest, Layout: a.Layout})
	}
	m.Receipts[id] = h
	return m, id
}

func TestAddingComponentsReusesInstalledOnes(t *testing.T) {
	m, id := machineWith(t, rustRelease("1.0", "rustc", "clippy"))
	more := rustRelease("1.0", "rustc", "clippy", "docs")
	p, err := plan.Make(m.State, plan.Change{Install: []manifests.Release{more}})
	if err != nil || len(p.Install) != 1 || p.Install[0].Base != id || !slices.Equal(p.Install[0].Reuse, []string{"rustc", "clippy"}) ||
		!slices.Equal(p.Leave, []record.ID{id}) || p.Install[0].Without != nil {
		t.Errorf("%+v, %v", p, err)
	}
	// A different digest or layout prevents reuse.
	more.Artifacts[0].Integrity.Digest = verify.DigestOf([]byte("another"))
	more.Artifacts[1].Layout.Strip = 2
	if p, err := plan.Make(m.State, plan.Change{Install: []manifests.Release{more}}); err != nil || len(p.Install[0].Reuse) != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	// A match with any alternative allows reuse.
	alternative := rustRelease("1.0", "rustc", "clippy", "docs")
	alternative.Artifacts[0].Alternatives = []manifests.Artifact{alternative.Artifacts[0]}
	alternative.Artifacts[0].Integrity.Digest = verify.DigestOf([]byte("another"))
	if p, err := plan.Make(m.State, plan.Change{Install: []manifests.Release{alternative}}); err != nil || !slices.Contains(p.Install[0].Reuse, "rustc") {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestReduceKeepsDefaultAndCanBeRolledBack(t *testing.T) {
	m, id := machineWith(t, rustRelease("1.0", "rustc", "clippy", "docs"))
	p, err := plan.Make(m.State, plan.Change{Reduce: []plan.Reduction{{id, []string{"docs", "docs"}}}})
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
	m.mustApply(t, plan.Change{Reduce: []plan.Reduction{{id, []string{"docs"}}}})
	if m.Current.Has(id) || len(m.Current.Receipts) != 1 || m.Current.Defaults["mirror/rust"] != m.Current.Receipts[0] {
		t.Errorf("%+v", m.Current)
	}
	if err := m.apply(plan.Change{Rollback: true}); err != nil || !m.Current.Has(id) || m.Current.Defaults["mirror/rust"] != id {
		t.Errorf("rolled back: %+v, %v", m.Current, err)
	}
	if p, err := plan.Make(m.State, plan.Change{Reduce: []plan.Reduction{{id, nil}}}); err != nil || !p.Empty() {
		t.Errorf("no components: %+v, %v", p, err)
	}
}

func TestReduceRefusesRequiredUnknownAndNotInstalled(t *testing.T) {
	m, id := machineWith(t, rustRelease("1.0", "rustc", "clippy"))
	var needed *plan.NeededError
	if _, err := plan.Make(m.State, plan.Change{Reduce: []plan.Reduction{{id, []string{"clippy", "rustc"}}}}); !errors.As(err, &needed) || needed.Component != "rustc" {
		t.Errorf("required component: %v", err)
	}
	var unknown *manifests.UnknownPartError
	if _, err := plan.Make(m.State, plan.Change{Reduce: []plan.Reduction{{id, []string{"clipy"}}}}); !errors.As(err, &unknown) || !slices.Equal(unknown.Near, []string{"clippy"}) {
		t.Errorf("unknown component: %v", err)
	}
	if _, err := plan.Make(m.State, plan.Change{Reduce: []plan.Reduction{{"mirror-rust-1.0-99999999", []string{"clippy"}}}}); !errors.Is(err, plan.ErrNotInstalled) {
		t.Errorf("not installed: %v", err)
	}
	if _, err := plan.Make(m.State, plan.Change{Reduce: []plan.Reduction{{id, []string{"clippy"}}, {id, []string{"clippy"}}}}); !errors.Is(err, plan.ErrNotInstalled) {
		t.Errorf("same release twice: %v", err)
	}
}
