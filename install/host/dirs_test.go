package host_test

import (
	"strings"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
)

// TestInStore checks that no variable moves the directories of a store, and that what the
// machine's administrator says still counts.
func TestInStore(t *testing.T) {
	for _, home := range []string{"", "/home/me"} {
		environ := map[string]string{"HOME": home, "XDG_DATA_HOME": "/d", "XDG_BIN_HOME": "relative"}
		d := host.ReadDirs(func(name string) string { return environ[name] }, "linux").InStore("/opt/kist")
		want := install.Dirs{Data: "/opt/kist/data", State: "/opt/kist/state", Cache: "/opt/kist/cache", Config: "/opt/kist/config", Bin: "/opt/kist/bin"}
		if d.Dirs != want || d.Err != nil || len(d.Warnings) > 0 || d.Machine != "/etc/kist" {
			t.Errorf("HOME=%s: %+v", home, d)
		}
	}
}

func TestReadDirs(t *testing.T) {
	for _, test := range []struct {
		name    string
		environ map[string]string
		want    install.Dirs
		warned  string
		refused bool
	}{
		{"the defaults", map[string]string{"HOME": "/home/me"},
			install.Dirs{Data: "/home/me/.local/share", State: "/home/me/.local/state", Cache: "/home/me/.cache",
				Config: "/home/me/.config", Bin: "/home/me/.local/bin"}, "", false},
		{"every variable", map[string]string{"HOME": "/home/me", "XDG_DATA_HOME": "/d", "XDG_STATE_HOME": "/s",
			"XDG_CACHE_HOME": "/c", "XDG_CONFIG_HOME": "/f", "XDG_BIN_HOME": "/b"},
			install.Dirs{Data: "/d", State: "/s", Cache: "/c", Config: "/f", Bin: "/b"}, "", false},
		{"a relative one", map[string]string{"HOME": "/home/me", "XDG_DATA_HOME": "d", "XDG_STATE_HOME": "~/s"},
			install.Dirs{Data: "/home/me/.local/share", State: "/home/me/.local/state", Cache: "/home/me/.cache",
				Config: "/home/me/.config", Bin: "/home/me/.local/bin"}, "XDG_DATA_HOME", false},
		{"no home", map[string]string{"XDG_DATA_HOME": "/d"}, install.Dirs{}, "", true},
		{"a relative home", map[string]string{"HOME": "me"}, install.Dirs{}, "", true},
	} {
		for _, system := range []string{"linux", "darwin"} {
			t.Run(test.name+" on "+system, func(t *testing.T) {
				d := host.ReadDirs(func(name string) string { return test.environ[name] }, system)
				if d.Dirs != test.want {
					t.Errorf("got %+v, want %+v", d.Dirs, test.want)
				}
				if warned := strings.Join(d.Warnings, "\n"); strings.Contains(warned, test.warned) == (test.warned == "") && warned != test.warned {
					t.Errorf("warned %q, want %q", warned, test.warned)
				}
				if refused := d.Err != nil; refused != test.refused {
					t.Errorf("refused: %v", d.Err)
				}
			})
		}
	}
}
