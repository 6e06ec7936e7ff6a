package debian

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
)

// TestEveryToolResolves checks that each tool becomes a release with the commands and
// variables of its row.
func TestEveryToolResolves(t *testing.T) {
	w, s := toolchains(t, "2.36", nil)
	for _, tool := range Names() {
		release, err := w.resolve(t, s, ask(tool), verify.Mark{})
		if err != nil {
			t.Errorf("%s: %v", tool, err)
			continue
		}
		if len(release.Commands) == 0 {
			t.Errorf("%s: no commands", tool)
		}
		for name, value := range release.Env {
			if strings.Contains(value, "{multiarch}") {
				t.Errorf("%s: %s=%s", tool, name, value)
			}
		}
		at := map[string][]string{}
		for _, a := range release.Artifacts {
			at[a.Component] = append(at[a.Component], a.Layout.Into)
		}
		compiles := slices.Contains([]string{"bindgen", "clang", "gcc", "rust"}, tool)
		for pkg, want := range map[string][]string{"libc6": {"", "sysroot"}, "libc6-dev": {"sysroot"}, "libgcc-12-dev": {"", "sysroot"}, "rustc": {"programs"}} {
			switch {
			case pkg == "rustc" && tool == "rust":
			case compiles && pkg != "rustc":
			case pkg == "libc6" && tool != "go":
				want = []string{""}
			default:
				want = nil
			}
			if !slices.Equal(at[pkg], want) {
				t.Errorf("%s: %s is unpacked to %q, want %q", tool, pkg, at[pkg], want)
			}
		}
		for _, unwanted := range []string{"procps", "libclang-dev", "media-types"} {
			if at[unwanted] != nil {
				t.Errorf("%s: contains %s", tool, unwanted)
			}
		}
	}
}

// toolchains returns an archive with every tool and a C library of this version.
func toolchains(tb testing.TB, libc string, golang map[string]string) (world, Source) {
	on := func(packages ...string) map[string]string {
		return map[string]string{"Depends": strings.Join(append(packages, "libc6 (>= 2.34)"), ", ")}
	}
	w := newWorld(tb)
	w.publish(tb, root, manifesttest.Suite{Name: "bookworm", Suite: "oldstable", Packages: []manifesttest.Deb{
		{Package: "libc6", Version: libc + "-9"}, {Package: "libc6-dev", Version: libc + "-9", Fields: on()},
		{Package: "libgcc-12-dev", Version: "12.2.0-14", Fields: on()},
		{Package: "gcc", Version: "4:12.2.0-3", Fields: on("gcc-12")}, {Package: "g++", Version: "4:12.2.0-3", Fields: on("gcc-12")},
		{Package: "gcc-12", Version: "12.2.0-14", Fields: on("libgcc-12-dev")},
		{Package: "clang", Version: "1:14.0-55", Fields: on("clang-14")}, {Package: "clang-14", Version: "1:14.0.6-12", Fields: on("libgcc-12-dev")},
		{Package: "rustc", Version: "1.63.0+dfsg1-2", Fields: on("gcc")}, {Package: "cargo", Version: "0.66.0+ds1-1", Fields: on("rustc")},
		{Package: "golang-go", Version: "2:1.19~1", Fields: map[string]string{"Depends": "golang-1.19-go"}},
		{Package: "golang-1.19-go", Version: "1.19.8-2", Fields: golang},
		{Package: "bindgen", Version: "0.60.1-2", Fields: on("libclang-dev")}, {Package: "libclang1", Version: "1:14.0-55", Fields: on()},
		{Package: "cmake", Version: "3.25.1-1", Fields: on("procps")}, {Package: "ninja-build", Version: "1.11.1-2", Fields: on()},
		{Package: "meson", Version: "1.0.1-5", Fields: on("python3", "ninja-build")},
		{Package: "python3", Version: "3.11.2-1", Fields: on("python3.11")}, {Package: "python3.11", Version: "3.11.2-6", Fields: on("media-types")},
		{Package: "systemtap-sdt-dev", Version: "4.8-2", Fields: on("python3")},
	}})
	s := w.source(tb)
	s.Suites = s.Suites[:1]
	return w, s
}

func TestCheckHost(t *testing.T) {
	needsLibc, needsNone := map[string]string{"Depends": "libc6 (>= 2.34)"}, map[string]string(nil)
	gnu := func(glibc, distro string) manifests.Request {
		return manifests.Request{Platform: linux, Glibc: glibc, Distro: distro}
	}
	bookworm, trixie, noble, fedora := gnu("2.36", "debian12"), gnu("2.41", "debian13"), gnu("2.39", "ubuntu24.04"), gnu("2.36", "fedora37")
	old, unknown := gnu("2.31", "debian11"), gnu("", "")
	musl := manifests.Request{Platform: manifests.Platform{OS: "linux", Arch: "amd64", Libc: "musl"}, Distro: "alpine3.20"}
	const served, linked = "", "linked with the machine's"
	for _, test := range []struct {
		libc   string
		golang map[string]string
		tools  string
		host   manifests.Request
		want   string // served, linked, or the reason
	}{
		{"2.36", needsLibc, "bindgen clang cmake gcc go meson ninja python rust usdt", bookworm, served},
		{"2.36", needsLibc, "bindgen clang cmake gcc go meson ninja python rust usdt", trixie, served},
		{"2.36", needsLibc, "bindgen clang cmake gcc go meson ninja python rust usdt", unknown, served},
		{"2.41", needsNone, "bindgen cmake go meson ninja python usdt", bookworm, served},
		{"2.41", needsNone, "gcc clang", bookworm, "what it builds needs glibc 2.41, and this machine has 2.36"},
		{"2.41", needsNone, "rust", bookworm, linked},
		{"2.41", needsNone, "rust", noble, linked},
		{"2.41", needsNone, "rust", trixie, served},
		{"2.41", needsNone, "rust", fedora, "what it builds needs glibc 2.41, and this machine has 2.36"},
		{"2.41", needsNone, "rust", old, "what it builds needs glibc 2.41, and this machine has 2.31"},
		{"2.36", needsLibc, "go", old, "it needs glibc 2.34, and this machine has 2.31"},
		{"2.36", needsLibc, "go", musl, "it runs with the C library glibc, and this machine has musl"},
		{"2.36", needsLibc, "clang gcc rust", musl, "what it builds runs with the C library glibc, and this machine has musl"},
		{"2.36", needsNone, "bindgen cmake go meson ninja python usdt", musl, served},
		{"2.36", needsNone, "bindgen cmake go meson ninja python usdt", old, served},
	} {
		w, s := toolchains(t, test.libc, test.golang)
		for _, tool := range strings.Fields(test.tools) {
			r := test.host
			r.Tool = tool
			release, err := w.resolve(t, s, r, verify.Mark{})
			name := tool + " of " + test.libc + " on " + r.Distro + " with " + r.Glibc
			if test.want != served && test.want != linked {
				if !errors.Is(err, ErrHost) || !strings.HasSuffix(err.Error(), ": "+test.want) || isUntrusted(err) {
					t.Errorf("%s: %v, want %s", name, err, test.want)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got := fileOf(release, "kist/host/libc.so") != nil; got != (test.want == linked) {
				t.Errorf("%s: linked with the machine's C library: %v", name, got)
			}
		}
	}
}

func fileOf(r manifests.Release, path string) *manifests.File {
	for i := range r.Files {
		if r.Files[i].Path == path {
			return &r.Files[i]
		}
	}
	return nil
}
