package system_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/system"
)

// answers are outputs of real commands, with the version that each states; "" for
// outputs that must be refused.
var answers = []struct{ tool, answer, version string }{
	{"bindgen", "bindgen 0.66.1\n", "0.66.1"},
	{"clang", "Debian clang version 14.0.6\nTarget: x86_64-pc-linux-gnu\n", "14.0.6"},
	{"clang", "Ubuntu clang version 14.0.0-1ubuntu1.1\nTarget: x86_64-pc-linux-gnu\n", "14.0.0"},
	{"clang", "Ubuntu clang version 18.1.8 (++20240731024944+3b5b5c1ec4a3-1~exp1~20240731145000.144)\n", "18.1.8"},
	{"clang", "clang version 17.0.6 (Fedora 17.0.6-2.fc39)\n", "17.0.6"},
	{"clang", "clang version 19.1.0-rc4\n", "19.1.0-rc4"},
	{"clang", "Apple clang version 15.0.0 (clang-1500.3.9.4)\n", ""},
	{"cmake", "cmake version 3.25.1\n\nCMake suite maintained and supported by Kitware (kitware.com/cmake).\n", "3.25.1"},
	{"cmake", "cmake version 3.28.0-rc1\n", "3.28.0-rc1"},
	{"gcc", "gcc (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright (C) 2022 Free Software Foundation, Inc.\n", "12.2.0"},
	{"gcc", "gcc (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0\n", "11.4.0"},
	{"gcc", "gcc (GCC) 13.2.1 20230801 (Red Hat 13.2.1-1)\n", "13.2.1"},
	{"gcc", "gcc (built (by hand)) 14.2.0\n", "14.2.0"},
	{"gcc", "Apple clang version 15.0.0 (clang-1500.3.9.4)\n", ""},
	{"gcc", "gcc (one line)\n) 12.2.0\n", ""},
	{"go", "go version go1.26.8 linux/amd64\n", "1.26.8"},
	{"go", "go version go1.19 linux/amd64\n", "1.19"},
	{"go", "go version go1.27rc1 linux/amd64\n", "1.27rc1"},
	{"go", "go version go1.26.0-X:nodwarf5 linux/amd64\n", "1.26.0"},
	{"go", "go version devel go1.27-0a1b2c3d4e Mon Nov 2 10:00:00 2026 +0000 linux/amd64\n", ""},
	{"java", "javac 17.0.14\n", "17.0.14"},
	{"java", "javac 21\n", "21"},
	{"java", "javac 22-ea\n", ""},
	{"meson", "1.0.1\n", "1.0.1"},
	{"meson", "1.5.0.rc1\n", "1.5.0-rc1"},
	{"meson", "ERROR: Python 3.7 or newer is needed\n", ""},
	{"ninja", "1.11.1\n", "1.11.1"},
	{"ninja", "1.11.1.git.kitware.jobserver-1\n", "1.11.1"},
	{"node", "v18.13.0\n", "18.13.0"},
	{"node", "v24.0.0-nightly2026110100\n", "24.0.0-nightly2026110100"},
	{"node", "v18.13.0\r\n", "18.13.0"},
	{"python", "Python 3.11.2\n", "3.11.2"},
	{"python", "Python 3.13.0rc2\n", "3.13.0-rc2"},
	{"python", "Python 3.12.0+\n", "3.12.0"},
	{"python", "Python 3.9.18 (a9dbdca6fc3286b0addd2240f11d97d8e8de187a, Dec 25 2023, 11:24:23)\n[PyPy 7.3.14]\n", "3.9.18"},
	{"rust", "rustc 1.63.0\n", "1.63.0"},
	{"rust", "rustc 1.95.0 (59807616e 2026-04-14)\n", "1.95.0"},
	{"rust", "rustc 1.97.0-nightly (0a1b2c3d4 2026-05-01)\n", "1.97.0-nightly"},
	{"rust", "rustc 1.96.0-beta.2 (0a1b2c3d4 2026-05-01) (built from a source tarball)\n", "1.96.0-beta.2"},
	{"rust", "warning: something\nrustc 1.63.0\n", ""},
	{"rust", "rustc 1.63.0", ""}, // cut off: the rest may be missing
	{"rust", "rustc 1.63.0-\x1b[2J\n", ""},
	{"rust", "", ""},
	{"rust", "rustc 1.63.0\n" + strings.Repeat("x", system.MaxAnswer), ""},
	{"rust", "rustc 1.63.0-" + strings.Repeat("x", 100) + "\n", ""},
}

// TestCommands checks that kist can link every command that it searches for.
func TestCommands(t *testing.T) {
	for _, tool := range system.Tools() {
		if err := manifests.MatchedCommand(tool.Command); err != nil {
			t.Errorf("%s: %v", tool.Name, err)
		}
	}
}

func TestVersion(t *testing.T) {
	told := map[string]bool{}
	for _, a := range answers {
		tool, ok := system.Lookup(a.tool)
		if !ok {
			t.Fatalf("no tool %s", a.tool)
		}
		got, err := tool.Version([]byte(a.answer))
		if (err == nil) != (a.version != "") || err == nil && got != a.version {
			t.Errorf("%s, %.60q: got %q, %v; want %q", a.tool, a.answer, got, err, a.version)
		}
		told[a.tool] = told[a.tool] || a.version != ""
	}
	for _, name := range system.Names() {
		if !told[name] {
			t.Errorf("%s: no output to test it with", name)
		}
	}
	if _, ok := system.Lookup("zig"); ok || slices.Contains(system.Names(), "zig") {
		t.Error("zig is a tool")
	}
}

func TestEnvironment(t *testing.T) {
	for _, name := range system.Names() {
		tool, _ := system.Lookup(name)
		env := tool.Environment()
		for _, proxy := range []string{"HTTPS_PROXY", "https_proxy", "all_proxy"} {
			if env[proxy] != "http://127.0.0.1:9" {
				t.Errorf("%s: %s is %q", name, proxy, env[proxy])
			}
		}
		if local := env["GOTOOLCHAIN"] == "local"; local != (name == "go") || env["PWD"] != "/" {
			t.Errorf("%s: asked with %v", name, env)
		}
	}
}

func FuzzVersion(f *testing.F) {
	for _, a := range answers {
		f.Add(a.tool, []byte(a.answer))
	}
	f.Fuzz(func(t *testing.T, name string, answer []byte) {
		tool, ok := system.Lookup(name)
		if !ok {
			return
		}
		v, err := tool.Version(answer)
		if err == nil && (manifests.ValidVersion(v) != nil || v[0] < '0' || v[0] > '9') {
			t.Errorf("%s: %q", name, v)
		}
	})
}
