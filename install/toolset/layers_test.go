package toolset_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

// withLayer adds a layer to s in which releases are installed, the first as the default.
func withLayer(t *testing.T, s *toolset.Set, dir string, releases ...record.Head) {
	t.Helper()
	below := newSet(t, releases...)
	below.State.Current.Defaults[releases[0].Key()] = releases[0].ID
	for _, c := range releases[0].Commands {
		below.State.Current.Links = append(below.State.Current.Links, record.CommandLink{Name: c.Name, ID: releases[0].ID, Target: c.Path})
	}
	s.Layers = append(s.Layers, toolset.Layer{Installer: below.Installer, Dir: dir, State: below.State})
}

// other returns r as another store holds it.
func other(r record.Head, random byte) record.Head {
	r.ID = record.NewID(r.Channel, r.Tool, r.Version, [4]byte{random})
	return r
}

// TestLayersComeAfterOwn checks which release is meant if several stores have some.
func TestLayersComeAfterOwn(t *testing.T) {
	mine, low := head("acme", "hello", "1.0", "hello"), head("acme", "hello", "0.9", "hello")
	newer := other(head("acme", "hello", "2.0", "hello"), 2)
	s := newSet(t, mine)
	withLayer(t, s, "/opt/one", newer, other(mine, 2), low)
	withLayer(t, s, "/opt/two", other(newer, 3), low) // low is a copy of the same prefix
	if got, want := toolset.Refs(s.Installed()), []string{"acme/hello@1.0", "acme/hello@2.0", "acme/hello@0.9"}; !slices.Equal(got, want) {
		t.Errorf("installed: %v, want %v", got, want)
	}
	if n := len(s.Installed()); n != 5 {
		t.Errorf("%d releases, want 5: low once", n)
	}
	for version, want := range map[string]record.ID{"": mine.ID, "1.0": mine.ID, "2": newer.ID, "0.9": low.ID} {
		if r, err := s.InUse(trust.Ref{Name: "hello", Version: version}); err != nil || r.ID != want {
			t.Errorf("hello@%s: %s %v, want %s", version, r.ID, err, want)
		}
	}
	if r, err := s.Named(trust.Ref{Name: "hello", Version: "2"}); err != nil || r.ID != newer.ID {
		t.Errorf("the upper of two layers: %s %v", r.ID, err)
	}
	if l := s.LayerOf(low.ID); l == nil || l.Dir != "/opt/one" || s.LayerOf(mine.ID) != nil {
		t.Errorf("layer %v", l)
	}
	if !s.IsDefault(newer) || s.IsOwnDefault(newer) || s.IsDefault(mine) {
		t.Error("the default of a layer counts if the user's own store has none")
	}
	s.State.Current.Defaults[mine.Key()] = mine.ID
	if s.IsDefault(newer) || !s.IsDefault(mine) {
		t.Error("the user's own default comes first")
	}
	if c := s.ToDefault(newer); len(c.Default) > 0 || len(c.Outside) != 1 || c.Outside[0].Prefix != s.Layers[0].Prefix(newer.ID) {
		t.Errorf("%+v", c)
	}
}

// TestLayersAreNotChanged checks that a change of what only a layer has is refused, and
// names the store; what the user's own store has can be changed.
func TestLayersAreNotChanged(t *testing.T) {
	mine := head("acme", "zig", "0.15")
	s := newSet(t, mine)
	withLayer(t, s, "/opt/kist", head("acme", "hello", "1.0"), other(mine, 2))
	_, err := s.ToRemove(trust.Ref{Name: "hello"})
	if layer, ok := errors.AsType[*toolset.LayerError](err); !ok || layer.Store != "/opt/kist" || !strings.Contains(err.Error(), "acme/hello@1.0 is in the store /opt/kist") {
		t.Errorf("remove: %v", err)
	}
	if _, err := s.SelectedOwn([]trust.Ref{{Name: "hello"}}); !errors.As(err, new(*toolset.LayerError)) {
		t.Errorf("update: %v", err)
	}
	if r, err := s.ToRemove(trust.Ref{Name: "zig"}); err != nil || r.ID != mine.ID {
		t.Errorf("its own: %s %v", r.ID, err)
	}
	if list, err := s.SelectedOwn(nil); err != nil || len(list) != 1 {
		t.Errorf("all: %v %v", list, err)
	}
	if _, err := s.ToRemove(trust.Ref{Name: "go"}); !errors.As(err, new(*toolset.NotInstalledError)) {
		t.Errorf("in no store: %v", err)
	}
}

// TestWhichAsksLayers checks that the user's own links come before those of layers, and
// that a link to a store that is no layer any more is reported.
func TestWhichAsksLayers(t *testing.T) {
	mine, shared := head("acme", "hello", "2.0", "hello"), head("acme", "hello", "1.0", "hello", "hello1")
	s := newSet(t, mine)
	withLayer(t, s, "/opt/kist", shared)
	for _, name := range []string{"hello", "hello1"} {
		want := writeCommand(t, s, shared, name, 0o755)
		if path, r, err := s.Which(name); err != nil || path != want || r.ID != shared.ID {
			t.Errorf("%s: %s %v", name, path, err)
		}
	}
	own := writeCommand(t, s, mine, "hello", 0o755)
	s.State.Current.Links = []record.CommandLink{{Name: "hello", ID: mine.ID, Target: "bin/hello"},
		{Name: "old", ID: "acme-old-1-01000000", Target: "bin/old", Prefix: "/gone/kist/prefixes/acme-old-1-01000000"}}
	if path, _, err := s.Which("hello"); err != nil || path != own {
		t.Errorf("%s %v", path, err)
	}
	if _, _, err := s.Which("old"); !errors.As(err, new(*toolset.GoneStoreError)) {
		t.Errorf("a store that is gone: %v", err)
	}
	if got, want := s.Commands(), []string{"hello", "old", "hello1"}; !slices.Equal(got, want) {
		t.Errorf("commands %v, want %v", got, want)
	}
}

// TestAddLayers checks that a store which is missing is left out with a warning, and that
// one store is not two layers.
func TestAddLayers(t *testing.T) {
	s := newSet(t)
	var warned []string
	s.Warn = func(format string, args ...any) { warned = append(warned, format) }
	dir := t.TempDir()
	for _, name := range []string{"data", "state"} {
		if err := os.MkdirAll(dir+"/"+name+"/kist", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	user := install.Host{EUID: os.Geteuid(), Caller: -1, PrivateGroup: os.Getgid()}
	if err := s.AddLayers(t.Context(), []string{dir, dir + "/.", dir + "/missing"}, user); err != nil {
		t.Fatal(err)
	}
	if len(s.Layers) != 1 || s.Layers[0].Dir != dir || len(warned) != 1 {
		t.Errorf("layers %v, warned %q", s.Layers, warned)
	}
}
