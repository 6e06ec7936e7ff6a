package toolset_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/trust"
)

// newSet returns a Set in which releases are installed, but have no files yet.
func newSet(t *testing.T, releases ...record.Head) *toolset.Set {
	t.Helper()
	dir := t.TempDir()
	below := func(name string) string { return filepath.Join(dir, name) }
	i, err := install.Open(t.Context(), install.Options{Dirs: install.Dirs{Data: below("data"), State: below("state"), Cache: below("cache"), Config: below("config"), Bin: below("bin")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	s := &toolset.Set{Installer: i, State: plan.State{Receipts: map[record.ID]record.Head{}, Damaged: map[record.ID]error{}}}
	s.Desk = &trust.Desk{State: i, MachineRules: func() ([]channels.Rules, error) { return nil, nil }}
	s.State.Current.Defaults = map[string]record.ID{}
	for _, r := range releases {
		s.State.Receipts[r.ID] = r
		s.State.Current.Receipts = append(s.State.Current.Receipts, r.ID)
	}
	return s
}

func head(channel, tool, version string, commands ...string) record.Head {
	r := record.Head{ID: record.NewID(channel, tool, version, [4]byte{1}), Channel: channel, Tool: tool, Version: version}
	for _, name := range commands {
		r.Commands = append(r.Commands, record.Command{Name: name, Path: "bin/" + name})
	}
	return r
}

// writeCommand writes a file for a command of r.
func writeCommand(t *testing.T, s *toolset.Set, r record.Head, name string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(s.Prefix(r.ID), "bin", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMatching(t *testing.T) {
	s := newSet(t, head("go", "go", "1.25.1"), head("go", "go", "1.25.10"), head("acme", "go", "1.25.2"), head("acme", "zig", "0.15"), head("other", "zig", "0.15"))
	s.State.Damaged["acme-hare-1.0-01000000"] = errors.New("cut short")
	for ref, want := range map[string][]string{
		"go":         {"go/go@1.25.10", "go/go@1.25.1"}, // the built-in channel's
		"go@1.25":    {"go/go@1.25.10", "go/go@1.25.1"},
		"go@1.25.1":  {"go/go@1.25.1"}, // not what begins so
		"acme/go":    {"acme/go@1.25.2"},
		"other/zig":  {"other/zig@0.15"},
		"acme/zig@0": {"acme/zig@0.15"},
	} {
		parsed, err := trust.ParseRef(ref)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Matching(parsed)
		if err != nil || !slices.Equal(toolset.Refs(got), want) {
			t.Errorf("%s: %v %v, want %v", ref, toolset.Refs(got), err, want)
		}
	}
	_, err := s.Matching(trust.Ref{Name: "zig"})
	if several, ok := errors.AsType[*trust.SeveralChannelsError](err); !ok || !slices.Equal(several.Channels, []string{"acme", "other"}) {
		t.Errorf("a tool of several channels: %v", err)
	}
	_, err = s.Matching(trust.Ref{Name: "go", Version: "1.26"})
	if absent, ok := errors.AsType[*toolset.NotInstalledError](err); !ok || absent.Ref.Version != "1.26" {
		t.Errorf("another version: %v", err)
	}
	_, err = s.Matching(trust.Ref{Name: "hare"})
	if _, ok := errors.AsType[*install.ReceiptError](err); !ok {
		t.Errorf("a damaged receipt may be its own: %v", err)
	}
	_, err = s.Matching(trust.Ref{Channel: "system", Name: "go"})
	if _, ok := errors.AsType[*trust.SystemError](err); !ok {
		t.Errorf("a tool of the system: %v", err)
	}
}

// TestInUse checks that the default is used where it is meant, else the newest, and that
// only one may be named for a change.
func TestInUse(t *testing.T) {
	old := head("go", "go", "1.24.1")
	s := newSet(t, old, head("go", "go", "1.25.1"), head("go", "go", "1.25.2"))
	s.State.Current.Defaults["go/go"] = old.ID
	for version, want := range map[string]string{"": "1.24.1", "1.25": "1.25.2", "1.25.1": "1.25.1"} {
		if r, err := s.InUse(trust.Ref{Name: "go", Version: version}); err != nil || r.Version != want {
			t.Errorf("%q: %s %v, want %s", version, r.Version, err, want)
		}
	}
	if r, err := s.Named(trust.Ref{Name: "go", Version: "1.24"}); err != nil || r.ID != old.ID {
		t.Errorf("%v %v", r, err)
	}
	_, err := s.Named(trust.Ref{Name: "go", Version: "1.25"})
	if several, ok := errors.AsType[*toolset.SeveralVersionsError](err); !ok || !slices.Equal(several.Refs, []string{"go/go@1.25.2", "go/go@1.25.1"}) {
		t.Errorf("several versions: %v", err)
	}
	if all, err := s.Selected([]trust.Ref{{Name: "go", Version: "1.25"}, {Name: "go"}}); err != nil || len(all) != 3 {
		t.Errorf("each once: %v %v", toolset.Refs(all), err)
	}
}

// TestToRemove checks that a release whose removal was interrupted can be named again.
func TestToRemove(t *testing.T) {
	r := head("go", "go", "1.25.1")
	s := newSet(t, r)
	s.State.Current.Receipts, s.State.Current.Removing = nil, []record.ID{r.ID}
	if got, err := s.ToRemove(trust.Ref{Name: "go"}); err != nil || got.ID != r.ID {
		t.Errorf("%v %v", got, err)
	}
	if _, err := s.Named(trust.Ref{Name: "go"}); err == nil {
		t.Error("it counts as installed")
	}
}

func TestWhich(t *testing.T) {
	r, other := head("acme", "hello", "1.0", "hello"), head("acme", "spare", "1.0", "spare")
	s := newSet(t, r, other)
	s.State.Current.Links = []record.CommandLink{{Name: "hello", ID: r.ID, Target: "bin/hello"}}
	if _, _, err := s.Which("hello"); !errors.As(err, new(*install.MissingError)) {
		t.Errorf("a command that is gone: %v", err)
	}
	want := writeCommand(t, s, r, "hello", 0o755)
	if path, of, err := s.Which("hello"); err != nil || path != want || of.ID != r.ID {
		t.Errorf("%s %v %v", path, of, err)
	}
	writeCommand(t, s, other, "spare", 0o755)
	_, _, err := s.Which("spare")
	if none, ok := errors.AsType[*toolset.NoCommandError](err); !ok || none.Has != "acme/spare@1.0" {
		t.Errorf("a command that is not linked: %v", err)
	}
	_, _, err = s.Which("helo")
	if none, ok := errors.AsType[*toolset.NoCommandError](err); !ok || !slices.Equal(none.Near, []string{"hello"}) {
		t.Errorf("a misspelled command: %v", err)
	}
}

// TestFindCommand checks that the release's own commands come first, and that nothing is
// run from a relative directory on PATH.
func TestFindCommand(t *testing.T) {
	r := head("acme", "hello", "1.0", "hello", "data")
	s := newSet(t, r)
	own := writeCommand(t, s, r, "hello", 0o755)
	writeCommand(t, s, r, "data", 0o644)
	onPath := t.TempDir()
	for _, name := range []string{"hello", "make"} {
		if err := os.WriteFile(filepath.Join(onPath, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(onPath)
	for _, test := range []struct {
		command, path, want string
		found               bool
	}{
		{"hello", onPath, own, true},
		{"make", onPath, filepath.Join(onPath, "make"), true},
		{"make", ".", "", false},
		{"./make", "", "./make", true},
		{"data", onPath, "", true}, // it cannot be executed
		{onPath, onPath, "", true}, // nor can a directory
		{"", onPath, "", false},
	} {
		got, found, err := s.FindCommand(test.command, []record.Head{r}, test.path)
		if got != test.want || found != test.found || (err == nil) != (test.want != "") {
			t.Errorf("%q on %q: %q %v %v", test.command, test.path, got, found, err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	r := head("go", "go", "1.25.0", "go", "gofmt")
	r.Env = map[string]string{"GOROOT": "{prefix}", "GOFLAGS": ""}
	s := newSet(t, r)
	prefix := s.Prefix(r.ID)
	e := s.Environment("/usr/bin:"+prefix+"/bin:/bin", []record.Head{r})
	got := e.Apply([]string{"GOROOT=/old", "GOFLAGS=-x", "PATH=/usr/bin:/bin", "LANG=C"})
	want := []string{"LANG=C", "GOROOT=" + prefix, "PATH=" + prefix + "/bin:/usr/bin:/bin"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	script, err := e.Script(host.POSIX)
	if err != nil {
		t.Fatal(err)
	}
	wantText := "unset GOFLAGS\nexport GOROOT='" + prefix + "'\nexport PATH='" + prefix + "/bin:/usr/bin:/bin'\n"
	if script != wantText {
		t.Errorf("got %q, want %q", script, wantText)
	}
	if path := s.OtherKist(r); path != "" {
		t.Errorf("there is no other kist, but %s", path)
	}
	if want := writeCommand(t, s, r, "kist", 0o755); s.OtherKist(r) != want {
		t.Errorf("another kist, %s, is not found", want)
	}
}

func TestPlaces(t *testing.T) {
	for _, test := range []struct{ prefer, want []string }{
		{nil, []string{"system", "installed", "bundled"}},
		{[]string{"network"}, []string{"network", "system", "installed", "bundled"}},
		{[]string{"installed", "network"}, []string{"installed", "bundled", "network", "system"}},
		{[]string{"bundled"}, nil},
		{[]string{"system", "system"}, nil},
	} {
		if got, err := toolset.Places(test.prefer); !slices.Equal(got, test.want) || (err != nil) != (test.want == nil) {
			t.Errorf("%v: %v %v", test.prefer, got, err)
		}
	}
}
