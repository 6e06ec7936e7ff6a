package toolset_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/trust"
)

func want(name, version, optional string) toolset.Want {
	return toolset.Want{Ref: trust.Ref{Name: name, Version: version}, Optional: optional}
}

// switchedSet returns two versions of go, of which the older is the default, and node.
func switchedSet(t *testing.T) (s *toolset.Set, old, newer, node record.Head) {
	old, newer, node = head("go", "go", "1.25.1", "go", "gofmt"), head("go", "go", "1.26.1", "go"), head("node", "node", "24.1.0", "node", "npm")
	s = newSet(t, old, newer, node)
	for _, r := range []record.Head{old, newer, node} {
		for _, c := range r.Commands {
			writeCommand(t, s, r, c.Name, 0o755)
		}
	}
	s.State.Current.Defaults["go/go"], s.State.Current.Defaults["node/node"] = old.ID, node.ID
	for name, r := range map[string]record.Head{"go": old, "gofmt": old, "node": node, "npm": node} {
		s.State.Current.Links = append(s.State.Current.Links, record.CommandLink{Name: name, ID: r.ID, Target: "bin/" + name})
	}
	return s, old, newer, node
}

// TestProvider checks which release's command a project uses: its own, the default of a
// tool that it does not ask for, and none that it asks for in another version.
func TestProvider(t *testing.T) {
	s, old, newer, node := switchedSet(t)
	p := s.Project([]toolset.Want{want("go", "1.26", "go.mod")})
	for command, want := range map[string]record.ID{"go": newer.ID, "npm": node.ID} {
		r, isDefault, err := s.Provider(p, command)
		if err != nil || r.ID != want || isDefault != (command == "npm") {
			t.Errorf("%s: %s %v %v", command, r.ID, isDefault, err)
		}
	}
	_, _, err := s.Provider(p, "gofmt")
	if none, ok := errors.AsType[*toolset.NoCommandError](err); !ok || !slices.Equal(none.Project, []string{"go/go@1.26.1"}) {
		t.Errorf("a command of the default alone: %v", err)
	}
	if r, isDefault, err := s.Provider(toolset.Project{}, "go"); err != nil || r.ID != old.ID || !isDefault {
		t.Errorf("without a project: %s %v %v", r.ID, isDefault, err)
	}
	use, err := s.InUseBy(p)
	if err != nil || !slices.Equal(toolset.Refs(use), []string{"go/go@1.26.1", "node/node@24.1.0"}) {
		t.Errorf("in use: %v %v", toolset.Refs(use), err)
	}
}

// TestMissingTools checks that what a project asks for and is not installed is an error for
// its commands only, and that a tool of no channel is none.
func TestMissingTools(t *testing.T) {
	s, _, _, node := switchedSet(t)
	p := s.Project([]toolset.Want{want("go", "1.27", "go.mod"), want("ruby", "3.4", ".tool-versions")})
	if len(p.Missing) != 1 || p.Missing[0].Name != "go" {
		t.Errorf("missing: %v", p.Missing)
	}
	for _, command := range []string{"go", "gofmt"} {
		if _, _, err := s.Provider(p, command); !errors.As(err, new(*toolset.ProjectError)) {
			t.Errorf("%s: %v", command, err)
		}
	}
	if r, _, err := s.Provider(p, "npm"); err != nil || r.ID != node.ID {
		t.Errorf("another tool's command: %s %v", r.ID, err)
	}
	if _, err := s.InUseBy(p); !errors.As(err, new(*toolset.ProjectError)) {
		t.Errorf("in use: %v", err)
	}
	if p := s.Project([]toolset.Want{want("ruby", "3.4", "")}); len(p.Missing) != 1 {
		t.Error("what kist.toml names is missing, whatever it is")
	}
	s.State.Current.Shims = []string{"go", "npm"}
	a := s.Answer(p, "/shop", nil, nil)
	if len(a.Commands) != 1 || a.Commands[0].Name != "npm" || a.Commands[0].Target != "" {
		t.Errorf("the answer has %v", a.Commands)
	}
}

// TestARangeIsNotFollowed checks that a range, unlike a bare name, does not change which
// version update follows: that could be one outside of the range.
func TestARangeIsNotFollowed(t *testing.T) {
	have := head("acme", "hello", "1.2.0", "hello")
	have.Requested, have.Labels = "=1.2.0", []string{manifests.Stable}
	s := newSet(t, have)
	writeCommand(t, s, have, "hello", 0o755)
	ref := trust.Ref{Channel: "acme", Name: "hello"}
	for _, test := range []struct {
		want    toolset.Want
		follows int
	}{{toolset.Want{Ref: ref, Range: "1.x"}, 0}, {toolset.Want{Ref: ref}, 1}} {
		c, already, err := s.Installation(t.Context(), []toolset.Want{test.want}, plan.FirstBecomesDefault)
		if err != nil || len(already) != 1 || len(c.Follow) != test.follows {
			t.Errorf("range %q: installed already %v, follow %v, %v", test.want.Range, already, c.Follow, err)
		}
	}
}
