package upkeep

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

func head(version string) record.Head {
	return record.Head{ID: record.ID("acme-hello-" + version + "-00000000"), Channel: "acme", Tool: "hello", Version: version}
}

// TestNeededByProjects checks which of three releases, none of which is in force, a project
// needs, whatever became of its directory and its files.
func TestNeededByProjects(t *testing.T) {
	home := t.TempDir()
	shop := filepath.Join(home, "shop")
	if err := os.Mkdir(shop, 0o700); err != nil {
		t.Fatal(err)
	}
	mount := host.MountOf(home)
	asks := func(version string) func(string) ([]toolset.Want, error) {
		return func(string) ([]toolset.Want, error) {
			return []toolset.Want{{Ref: trust.Ref{Channel: "acme", Name: "hello", Version: version}}}, nil
		}
	}
	unreadable := func(string) ([]toolset.Want, error) { return nil, errors.New("line 1: not TOML") }
	seen := func(dir, mount string) []install.SeenProject {
		return []install.SeenProject{{Dir: dir, Mount: mount, Uses: []string{"acme/hello@1.0"}}}
	}
	inForce := head("2.0")
	i, err := install.Open(t.Context(), install.Options{Dirs: install.StoreDirs(filepath.Join(home, "store"))})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if err := os.MkdirAll(i.Prefix(inForce.ID), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		projects []install.SeenProject
		asks     func(string) ([]toolset.Want, error)
		needed   string
		says     string
	}{
		"no project":                  {nil, asks("1.1"), "", ""},
		"its files":                   {seen(shop, mount), asks("=1.1"), "1.1", ""},
		"its files, by a version":     {seen(shop, mount), asks("1"), "1.0 1.1", ""},
		"files that cannot be read":   {seen(shop, mount), unreadable, "1.0", "not TOML"},
		"a deleted directory":         {seen(filepath.Join(home, "gone"), mount), asks("=1.1"), "", "is gone, and needs nothing"},
		"a disk that is not mounted":  {seen(filepath.Join(home, "mnt", "shop"), filepath.Join(home, "mnt")), asks("=1.1"), "1.0", "its file system is not mounted"},
		"an empty mount point":        {seen(filepath.Join(shop, "src"), shop), asks("=1.1"), "1.0", "its file system is not mounted"},
		"a place that nobody knows":   {seen(filepath.Join(home, "gone"), ""), asks("=1.1"), "1.0", "its file system is not mounted"},
		"another tool":                {seen(shop, mount), asks("=3.0"), "", ""},
		"what is in force answers it": {seen(shop, mount), asks("2"), "", ""},
	} {
		var said strings.Builder
		c := Collector{
			Set: &toolset.Set{
				Installer: i, Detail: func(format string, args ...any) { fmt.Fprintf(&said, format, args...) },
				State: plan.State{Current: record.Generation{Number: 1, Receipts: []record.ID{inForce.ID}}, Receipts: map[record.ID]record.Head{inForce.ID: inForce}},
			},
			Projects: test.projects, Asks: test.asks,
		}
		needed := c.neededByProjects()
		var got []string
		for _, version := range []string{"1.0", "1.1", "2.1"} {
			if why := needed(head(version)); why != "" {
				got = append(got, version)
				if !strings.Contains(why, test.projects[0].Dir) {
					t.Errorf("%s: %q names no project", name, why)
				}
			}
		}
		if strings.Join(got, " ") != test.needed {
			t.Errorf("%s: needs %q, want %q", name, got, test.needed)
		}
		if said.Len() > 0 != (test.says != "") || !strings.Contains(said.String(), test.says) {
			t.Errorf("%s: said %q", name, said.String())
		}
	}
}
