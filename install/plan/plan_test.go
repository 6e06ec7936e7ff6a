package plan_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

var day = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// A machine is a State in memory that applies plans.
type machine struct {
	plan.State
	made byte
}

func newMachine() *machine {
	return &machine{State: plan.State{Bin: "/home/u/.local/bin", Generations: map[uint64]record.Generation{},
		Receipts: map[record.ID]record.Head{}, Foreign: map[string]string{}}}
}

func release(channel, tool, version string, commands ...string) manifests.Release {
	r := manifests.Release{Channel: channel, Tool: tool, Version: version, Components: []string{tool}}
	for _, c := range commands {
		r.Commands = append(r.Commands, "bin/"+c)
	}
	return r
}

func (m *machine) receipt(r manifests.Release) record.Head {
	m.made++
	rec := record.Head{ID: record.NewID(r.Channel, r.Tool, r.Version, [4]byte{m.made}), Channel: r.Channel,
		Tool: r.Tool, Version: r.Version, Components: r.Components}
	for _, c := range r.Commands {
		rec.Commands = append(rec.Commands, record.Command{Name: strings.TrimPrefix(c, "bin/"), Path: c})
	}
	return rec
}

// apply plans c and carries the plan out.
func (m *machine) apply(c plan.Change) error {
	p, err := plan.Make(m.State, c)
	if err != nil || p.Empty() {
		return err
	}
	g := m.Generations[p.Goto]
	if p.Goto == 0 && !p.InForce() {
		var fresh []record.Head
		for _, in := range p.Install {
			fresh = append(fresh, m.receipt(in.Release))
		}
		if g, err = plan.Next(m.State, p, fresh, day); err != nil {
			return err
		}
		g.Number = 1 + slices.Max(append(slices.Collect(maps.Keys(m.Generations)), 0))
		for _, r := range fresh {
			m.Receipts[r.ID] = r
		}
	}
	for _, id := range p.Remove {
		delete(m.Receipts, id)
	}
	if p.InForce() { // it only frees
		g = m.Current
	}
	m.Generations[g.Number], m.Current = g, g
	for _, n := range m.Stale() {
		delete(m.Generations, n)
	}
	dropped, reduced := m.WithoutFreed(p.Free)
	for _, n := range dropped {
		delete(m.Generations, n)
	}
	for _, g := range reduced {
		m.Generations[g.Number] = g
	}
	for _, id := range p.Free {
		delete(m.Receipts, id)
	}
	return nil
}

func (m *machine) mustApply(t interface{ Fatal(...any) }, c plan.Change) {
	if err := m.apply(c); err != nil {
		t.Fatal(err)
	}
}

// summary lists what is installed, as "channel/tool@version" with a star for
// defaults, and then the links, as "name=version".
func (m *machine) summary() string {
	var out []string
	for _, r := range m.Installed() {
		star := ""
		if m.Current.Defaults[r.Key()] == r.ID {
			star = "*"
		}
		out = append(out, r.Ref()+star)
	}
	for _, l := range m.Current.Links {
		out = append(out, l.Name+"="+m.Receipts[l.ID].Version)
	}
	return strings.Join(out, " ")
}

func (m *machine) id(t *testing.T, ref string) record.ID {
	t.Helper()
	for id, r := range m.Receipts {
		if r.Ref() == ref && m.Current.Has(id) {
			return id
		}
	}
	t.Fatalf("%s is not installed", ref)
	return ""
}

func install(rs ...manifests.Release) plan.Change { return plan.Change{Install: rs} }

func TestOnlyFirstVersionBecomesDefault(t *testing.T) {
	m := newMachine()
	m.mustApply(t, install(release("go", "go", "1.25.1", "go")))
	m.mustApply(t, install(release("go", "go", "1.26.0", "go")))
	if got, want := m.summary(), "go/go@1.26.0 go/go@1.25.1* go=1.25.1"; got != want {
		t.Errorf("installed: %s, want %s", got, want)
	}
	m.mustApply(t, plan.Change{Install: []manifests.Release{release("go", "go", "1.27.0", "go")}, Links: plan.AlwaysDefault})
	if got, want := m.summary(), "go/go@1.27.0* go/go@1.26.0 go/go@1.25.1 go=1.27.0"; got != want {
		t.Errorf("installed: %s, want %s", got, want)
	}
}

func TestNoDefaultMakesNoLinks(t *testing.T) {
	m := newMachine()
	m.mustApply(t, plan.Change{Install: []manifests.Release{release("go", "go", "1.25.1", "go")}, Links: plan.NoLinks})
	if got, want := m.summary(), "go/go@1.25.1"; got != want {
		t.Errorf("installed: %s, want %s", got, want)
	}
}

func TestInstallAgainIsEmpty(t *testing.T) {
	m := newMachine()
	m.mustApply(t, install(release("go", "go", "1.25.1", "go")))
	p, err := plan.Make(m.State, install(release("go", "go", "1.25.1", "go")))
	if err != nil || !p.Empty() {
		t.Errorf("plan %+v, %v; want nothing to do", p, err)
	}
	m.mustApply(t, install(release("go", "go", "1.26.0", "go")))
	m.mustApply(t, plan.Change{Install: []manifests.Release{release("go", "go", "1.26.0", "go")}, Links: plan.AlwaysDefault})
	if got, want := m.summary(), "go/go@1.26.0* go/go@1.25.1 go=1.26.0"; got != want {
		t.Errorf("--default on an installed version: %s, want %s", got, want)
	}
}

func TestAddingComponentReplacesPrefixAndKeepsDefault(t *testing.T) {
	m := newMachine()
	m.mustApply(t, install(release("acme", "zig", "1.0", "zig")))
	more := release("acme", "zig", "1.0", "zig")
	more.Components = []string{"zig", "docs"}
	old := m.id(t, "acme/zig@1.0")
	m.mustApply(t, install(more))
	if m.Current.Has(old) || m.summary() != "acme/zig@1.0* zig=1.0" {
		t.Errorf("installed: %s (old prefix still in the generation: %v)", m.summary(), m.Current.Has(old))
	}
	m.mustApply(t, plan.Change{Remove: []record.ID{m.id(t, "acme/zig@1.0")}})
	if _, left := m.Receipts[old]; left || m.summary() != "" {
		t.Errorf("uninstall left the older prefix of the version: %s", m.summary())
	}
}

func TestUninstallingDefaultPromotesOnlyRemainingVersion(t *testing.T) {
	for _, test := range []struct {
		installed []string
		remove    string
		want      string
	}{
		{[]string{"1.1"}, "1.1", ""},
		{[]string{"1.1", "1.2"}, "1.1", "acme/a@1.2* a=1.2"},
		{[]string{"1.1", "1.2"}, "1.2", "acme/a@1.1* a=1.1"},
		{[]string{"1.1", "1.2", "1.3"}, "1.1", "acme/a@1.3 acme/a@1.2"},
		{[]string{"1.1", "1.2", "1.3"}, "1.3", "acme/a@1.2 acme/a@1.1* a=1.1"},
	} {
		m := newMachine()
		for _, v := range test.installed {
			m.mustApply(t, install(release("acme", "a", v, "a")))
		}
		m.mustApply(t, plan.Change{Remove: []record.ID{m.id(t, "acme/a@"+test.remove)}})
		if got := m.summary(); got != test.want {
			t.Errorf("%v without %s: %s, want %s", test.installed, test.remove, got, test.want)
		}
	}
}

// TestRemovalKeepsDefaultThatChangeChooses tests a change that removes the default and
// chooses another one, as sync does.
func TestRemovalKeepsDefaultThatChangeChooses(t *testing.T) {
	for name, test := range map[string]struct {
		remove []string
		want   string
	}{
		"the others":      {[]string{"1.1", "1.3"}, "acme/a@1.2* a=1.2"},
		"the default":     {[]string{"1.1"}, "acme/a@1.3 acme/a@1.2* a=1.2"},
		"what it chooses": {[]string{"1.1", "1.2"}, "acme/a@1.3* a=1.3"},
	} {
		m := newMachine()
		for _, v := range []string{"1.1", "1.2", "1.3"} {
			m.mustApply(t, install(release("acme", "a", v, "a")))
		}
		c := plan.Change{Default: []record.ID{m.id(t, "acme/a@1.2")}}
		for _, v := range test.remove {
			c.Remove = append(c.Remove, m.id(t, "acme/a@"+v))
		}
		m.mustApply(t, c)
		if got := m.summary(); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestUninstallPrunesGenerationsThatNameVersion(t *testing.T) {
	m := newMachine()
	m.mustApply(t, install(release("acme", "a", "1", "a")))
	m.mustApply(t, install(release("acme", "b", "1", "b")))
	m.mustApply(t, install(release("acme", "c", "1", "c")))
	m.mustApply(t, plan.Change{Remove: []record.ID{m.id(t, "acme/b@1")}})
	if got, want := slices.Sorted(maps.Keys(m.Generations)), []uint64{1, 4}; !slices.Equal(got, want) {
		t.Errorf("generations %v, want %v", got, want)
	}
	m.mustApply(t, plan.Change{Rollback: true})
	if got, want := m.summary(), "acme/a@1* a=1"; got != want {
		t.Errorf("after rollback: %s, want %s", got, want)
	}
}

func TestRollbackReturnsToParentGeneration(t *testing.T) {
	m := newMachine()
	if err := m.apply(plan.Change{Rollback: true}); !errors.Is(err, plan.ErrNoPrevious) {
		t.Errorf("rollback of nothing: %v", err)
	}
	m.mustApply(t, install(release("acme", "a", "1", "a")))
	if err := m.apply(plan.Change{Rollback: true}); !errors.Is(err, plan.ErrNoPrevious) {
		t.Errorf("rollback of the first generation: %v", err)
	}
	m.mustApply(t, install(release("acme", "b", "1", "b")))
	m.mustApply(t, plan.Change{Rollback: true})
	m.mustApply(t, install(release("acme", "c", "1", "c")))
	m.mustApply(t, plan.Change{Rollback: true})
	if got, want := m.summary(), "acme/a@1* a=1"; got != want {
		t.Errorf("the abandoned branch came back: %s, want %s", got, want)
	}
}

func TestDefaultSwitchesLinks(t *testing.T) {
	m := newMachine()
	m.mustApply(t, install(release("acme", "a", "1", "a")))
	m.mustApply(t, install(release("acme", "a", "2", "a", "a2")))
	m.mustApply(t, plan.Change{Default: []record.ID{m.id(t, "acme/a@2")}})
	if got, want := m.summary(), "acme/a@2* acme/a@1 a=2 a2=2"; got != want {
		t.Errorf("installed: %s, want %s", got, want)
	}
	if err := m.apply(plan.Change{Default: []record.ID{"acme-a-3-00000000"}}); !errors.Is(err, plan.ErrNotInstalled) {
		t.Errorf("default of a release that is not installed: %v", err)
	}
	if err := m.apply(plan.Change{Remove: []record.ID{"acme-a-3-00000000"}}); !errors.Is(err, plan.ErrNotInstalled) {
		t.Errorf("removal of a release that is not installed: %v", err)
	}
}

func TestCommandBelongsToOneTool(t *testing.T) {
	m := newMachine()
	m.mustApply(t, install(release("acme", "a", "1", "tool")))
	before := m.summary()
	var conflict *plan.ConflictError
	if _, err := plan.Make(m.State, install(release("acme", "b", "1", "tool"))); !errors.As(err, &conflict) {
		t.Errorf("Make missed the conflict of a literal command: %v", err)
	}
	hidden := release("acme", "b", "1", "tool")
	hidden.Commands = []string{"bin/*"}
	p, err := plan.Make(m.State, install(hidden))
	if err != nil {
		t.Fatal(err)
	}
	_, err = plan.Next(m.State, p, []record.Head{m.receipt(release("acme", "b", "1", "tool"))}, day)
	if !errors.As(err, &conflict) || conflict.Owner != "acme/a@1" || conflict.Wants != "acme/b@1" {
		t.Errorf("conflict: %v", err)
	}
	if m.summary() != before {
		t.Errorf("a refused change changed %s to %s", before, m.summary())
	}
	// The same release is accepted without links, and after its rival is removed.
	m.mustApply(t, plan.Change{Install: []manifests.Release{release("acme", "b", "1", "tool")}, Links: plan.NoLinks})
	// Both are installed now; the linked one owns the name, whichever sorts first.
	if err := m.apply(plan.Change{Default: []record.ID{m.id(t, "acme/b@1")}}); !errors.As(err, &conflict) || conflict.Owner != "acme/a@1" {
		t.Errorf("the default that sorts later took the name: %v", err)
	}
	m.mustApply(t, plan.Change{Remove: []record.ID{m.id(t, "acme/a@1")}})
	m.mustApply(t, plan.Change{Default: []record.ID{m.id(t, "acme/b@1")}})
	if got, want := m.summary(), "acme/b@1* tool=1"; got != want {
		t.Errorf("installed: %s, want %s", got, want)
	}
	m.mustApply(t, plan.Change{Install: []manifests.Release{release("acme", "a", "2", "tool")}, Links: plan.NoLinks})
	if err := m.apply(plan.Change{Default: []record.ID{m.id(t, "acme/a@2")}}); !errors.As(err, &conflict) || conflict.Owner != "acme/b@1" || conflict.Wants != "acme/a@2" {
		t.Errorf("the default that sorts first took the name: %v", err)
	}
}

func TestInstallRefusesForeignFile(t *testing.T) {
	m := newMachine()
	m.Foreign["a"] = "a file"
	var foreign *plan.ForeignFileError
	if err := m.apply(install(release("acme", "a", "1", "a"))); !errors.As(err, &foreign) || foreign.Path != "/home/u/.local/bin/a" {
		t.Errorf("foreign file: %v", err)
	}
	delete(m.Foreign, "a")
	m.mustApply(t, install(release("acme", "a", "1", "a")))
	// A foreign file in place of an existing link does not block other tools.
	m.Foreign["a"] = "a file"
	m.mustApply(t, install(release("acme", "b", "1", "b")))
}

// Rollback must not replace a foreign file by a link of the earlier generation.
func TestRollbackRefusesForeignFile(t *testing.T) {
	m := newMachine()
	m.mustApply(t, install(release("acme", "a", "1", "a")))
	m.mustApply(t, plan.Change{Install: []manifests.Release{release("acme", "a", "2", "b")}, Links: plan.AlwaysDefault})
	m.Foreign["a"] = "a file"
	var foreign *plan.ForeignFileError
	if err := m.apply(plan.Change{Rollback: true}); !errors.As(err, &foreign) || foreign.Path != "/home/u/.local/bin/a" {
		t.Errorf("rollback: %v", err)
	}
	delete(m.Foreign, "a")
	m.mustApply(t, plan.Change{Rollback: true})
	if got, want := m.summary(), "acme/a@1* acme/a@2 a=1"; got != want && got != "acme/a@1* a=1" {
		t.Errorf("installed: %s, want %s", got, want)
	}
}

func TestCommandsRefusesTooMany(t *testing.T) {
	var entries []record.Entry
	for n := range plan.MaxCommands + 1 {
		entries = append(entries, record.Entry{Path: fmt.Sprintf("bin/%04d", n), Type: record.File, Mode: 0o755})
	}
	if commands, _, err := plan.Commands([]string{"bin/*"}, entries[1:]); err != nil || len(commands) != plan.MaxCommands {
		t.Errorf("maxCommands: %d, %v", len(commands), err)
	}
	if _, _, err := plan.Commands([]string{"bin/*"}, entries); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("maxCommands+1: %v", err)
	}
}

func TestFollowChangesOnlyRequested(t *testing.T) {
	m := newMachine()
	m.mustApply(t, install(release("acme", "a", "1")))
	id := m.Current.Receipts[0]
	p, err := plan.Make(m.State, plan.Change{Follow: map[record.ID]string{id: "1.x"}})
	if err != nil || p.Empty() || !p.InForce() || p.Follow[id] != "1.x" {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err = plan.Make(m.State, plan.Change{Follow: map[record.ID]string{id: m.Receipts[id].Requested}}); err != nil || !p.Empty() {
		t.Errorf("same value: %+v, %v", p, err)
	}
	if _, err = plan.Make(m.State, plan.Change{Follow: map[record.ID]string{"acme-b-1-00000000": "1"}}); !errors.Is(err, plan.ErrNotInstalled) {
		t.Errorf("not installed: %v", err)
	}
}

// Any sequence of changes keeps the invariants, and planning a change again once it is
// done gives an empty plan.
func TestChangesKeepInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine()
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			var c plan.Change
			installed := m.Installed()
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				tool := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "tool")
				version := fmt.Sprint(rapid.IntRange(1, 3).Draw(t, "version"))
				c.Install = []manifests.Release{release("acme", tool, version, tool)}
				c.Links = plan.Links(rapid.IntRange(0, 2).Draw(t, "links"))
			case 1, 2:
				if len(installed) == 0 {
					continue
				}
				id := installed[rapid.IntRange(0, len(installed)-1).Draw(t, "which")].ID
				if rapid.Bool().Draw(t, "remove") {
					c.Remove = []record.ID{id}
				} else {
					c.Default = []record.ID{id}
				}
			case 3:
				c.Rollback = true
			}
			err := m.apply(c)
			if err != nil && !errors.Is(err, plan.ErrNoPrevious) {
				t.Fatal(err)
			}
			for n, g := range m.Generations {
				for _, id := range g.Receipts {
					if _, ok := m.Receipts[id]; !ok {
						t.Fatalf("generation %d names %s, which has no receipt", n, id)
					}
				}
				for key, id := range g.Defaults {
					if !g.Has(id) || m.Receipts[id].Key() != key {
						t.Fatalf("generation %d: default %s of %s is not in it", n, id, key)
					}
				}
				for _, l := range g.Links {
					if g.Defaults[m.Receipts[l.ID].Key()] != l.ID {
						t.Fatalf("generation %d: %s leads to %s, which is no default", n, l.Name, l.ID)
					}
				}
			}
			if c.Rollback || err != nil || len(c.Remove) > 0 {
				continue
			}
			if p, err := plan.Make(m.State, c); err != nil || !p.Empty() {
				t.Fatalf("%+v, planned again, gives %+v, %v", c, p, err)
			}
		}
	})
}
