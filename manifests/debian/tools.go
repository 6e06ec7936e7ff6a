package debian

import (
	"path"
	"slices"
)

// A Tool says how packages of a distribution become a toolchain. It is data; the
// closure over the indices makes the release of it.
//
// Patterns are those of path.Match, over package names.
type Tool struct {
	Name string
	// Packages are asked for by name. The toolchain is them and all they depend
	// on, but for what Host has.
	Packages []string
	// Version is a pattern that exactly one package of the toolchain matches: its
	// version is the tool's.
	Version string
	// Host are patterns of packages that are not fetched, nor looked into for
	// what they depend on: only their own maintainer scripts would need them, or
	// every machine has what they hold.
	Host []string
	// Sysroot are patterns of packages that are unpacked below sysroot/, where
	// the linker scripts of the C library are true. The others go into the prefix
	// itself, as do those of Sysroot that Shared names.
	Sysroot []string
	Shared  []string
	// Commands are those of the release; see manifests.Release.
	Commands []string
	// Env is what the toolchain needs set; see manifests.Release.
	Env map[string]string
	// Refused says in one line why the packages cannot work in a prefix. The tool
	// has nothing else then.
	Refused string
}

// SysrootDir is the directory of a prefix that Tool.Sysroot goes to.
const SysrootDir = "sysroot"

// places are the directories of the prefix that a package is unpacked into.
func (t Tool) places(pkg string) []string {
	switch {
	case !matches(t.Sysroot, pkg):
		return []string{""}
	case matches(t.Shared, pkg):
		return []string{"", SysrootDir}
	}
	return []string{SysrootDir}
}

func matches(patterns []string, pkg string) bool {
	for _, p := range patterns {
		if ok, err := path.Match(p, pkg); ok && err == nil {
			return true
		}
	}
	return false
}

// Names are the tools that are made of packages, in order.
func Names() (names []string) {
	for _, t := range tools() {
		if t.Refused == "" {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	return names
}

// tools is what every distribution of the table offers; the names of the
// packages are the same in Debian and Ubuntu.
func tools() []Tool {
	host := []string{"debconf*", "dpkg", "install-info", "perl*", "adduser", "init-system-helpers", "media-types", "tzdata"}
	// The C library, what it is linked with, and the headers of both. libgcc's
	// are looked for beside the compiler, too.
	sysroot := []string{"libc6", "libc6-dev", "libcrypt1", "libcrypt-dev", "linux-libc-dev", "libgcc-s1", "libgcc-[0-9]*-dev",
		"libstdc++6", "libstdc++-[0-9]*-dev", "libnsl2", "libnsl-dev", "libtirpc3*", "libtirpc-dev", "rpcsvc-proto"}
	shared := []string{"libgcc-[0-9]*-dev", "libstdc++-[0-9]*-dev"}
	list := []Tool{
		{Name: "bindgen", Packages: []string{"bindgen"}, Version: "bindgen"},
		{Name: "clang", Packages: []string{"clang", "libc6-dev"}, Version: "clang-[0-9]*"},
		{Name: "cmake", Packages: []string{"cmake"}, Version: "cmake"},
		{Name: "gcc", Packages: []string{"gcc", "g++", "libc6-dev"}, Version: "gcc-[0-9][0-9]"},
		{Name: "go", Packages: []string{"golang-go"}, Version: "golang-[0-9]*-go"},
		{Name: "meson", Packages: []string{"meson"}, Version: "meson"},
		{Name: "ninja", Packages: []string{"ninja-build"}, Version: "ninja-build"},
		{Name: "nodejs", Refused: "Debian's nodejs has the path /usr/share/nodejs compiled in, and aborts in any other place; node is upstream's"},
		{Name: "python", Packages: []string{"python3"}, Version: "python3.[0-9]*[0-9]"},
		{Name: "rust", Packages: []string{"rustc", "cargo", "libc6-dev"}, Version: "rustc"},
		{Name: "usdt", Packages: []string{"systemtap-sdt-dev"}, Version: "systemtap-sdt-dev"},
	}
	for i := range list {
		if list[i].Refused == "" {
			list[i].Host, list[i].Sysroot, list[i].Shared = host, sysroot, shared
		}
	}
	return list
}
