// Package assemble says how packages of Debian, or of a distribution built the same way,
// become a toolchain in a prefix of its own: which packages a tool needs, where in the
// prefix each is unpacked, which launchers start its programs, and which machines it
// works on. It reads no archive and makes no choice of versions; package debian does.
package assemble

import (
	"path"

	"github.com/kist-tools/kist/manifests"
)

// A Tool describes how packages of a distribution become a toolchain. It is data; the
// closure over the indices makes a release of it.
//
// Patterns are those of path.Match, on package names.
type Tool struct {
	Name string
	// Packages are the packages requested by name. The toolchain is these and
	// everything they depend on, except what Host matches.
	Packages []string
	// Version is a pattern that matches exactly one package of the toolchain: its
	// version is the tool's.
	Version string
	// Host are patterns of packages that are neither fetched nor followed: only their
	// own maintainer scripts would need them, or every machine has their content.
	Host []string
	// Sysroot are patterns of packages that are unpacked below sysroot/, where the
	// paths in the C library's linker scripts resolve. The others go into the prefix
	// itself, as do those of Sysroot that Shared matches.
	Sysroot []string
	Shared  []string
	// Apart are patterns of packages that are unpacked below programs/, so that a
	// launcher can replace one of their programs.
	Apart []string
	// Commands are the commands of the release; see manifests.Release.
	Commands []string
	// Env is the environment that the toolchain needs; see manifests.Release.
	// "{multiarch}" stands for Debian's name of the architecture's library directory.
	Env   map[string]string
	needs need
	// launchers returns the launchers of the toolchain; see rustLaunchers for the
	// parameter. nil: its programs need none.
	launchers func(host bool) []launcher
	// Refused says in one line why the packages cannot work in a prefix. Then only Name
	// is set as well.
	Refused string
}

// Directories of a prefix.
const (
	sysrootDir  = "sysroot"   // for Tool.Sysroot
	programsDir = "programs/" // for Tool.Apart
)

// Release makes a toolchain of packages in the prefix, for an architecture in dpkg's
// spelling. Each package is an artifact, and is unpacked in every place where t needs it.
// If linkHost is set, what the toolchain builds is linked with the machine's C library;
// see CheckHost.
func (t Tool) Release(arch string, linkHost bool, packages []manifests.Artifact) manifests.Release {
	r := manifests.Release{Tool: t.Name, Components: t.Packages, Files: t.files(arch, linkHost), Commands: t.Commands}
	for variable, value := range t.Env {
		if r.Env == nil {
			r.Env = map[string]string{}
		}
		r.Env[variable] = expand(arch, value)
	}
	for _, a := range packages {
		for _, into := range t.places(a.Component) {
			a.Layout = manifests.Layout{Format: "deb", Into: into, MergedUsr: true}
			r.Artifacts = append(r.Artifacts, a)
		}
	}
	return r
}

// places returns the directories of the prefix that a package is unpacked into.
func (t Tool) places(pkg string) []string {
	switch {
	case Match(t.Apart, pkg):
		return []string{path.Clean(programsDir)}
	case !Match(t.Sysroot, pkg):
		return []string{""}
	case Match(t.Shared, pkg):
		return []string{"", sysrootDir}
	}
	return []string{sysrootDir}
}

// Match reports whether one of patterns matches the name of a package.
func Match(patterns []string, pkg string) bool {
	for _, p := range patterns {
		if ok, err := path.Match(p, pkg); ok && err == nil {
			return true
		}
	}
	return false
}

// Tools returns the tools that every distribution of the table offers; the package
// names are the same in Debian and Ubuntu.
func Tools() []Tool {
	list := []Tool{
		// libclang's headers come with clang-NN. libclang-dev is only for linking with
		// it, and no compiler is needed.
		{Name: "bindgen", Packages: []string{"bindgen", "libclang1", "clang", "libc6-dev"}, Version: "bindgen", Sysroot: libc(),
			Host:      []string{"libclang-dev", "libclang-[0-9]*-dev", "binutils", "libobjc-*", "llvm-*-linker-tools"},
			launchers: always(startEach(binDir, "bindgen", libclang))},
		{Name: "clang", Packages: []string{"clang", "libc6-dev"}, Version: "clang-[0-9]*", Sysroot: libc(),
			needs: needsForBuilt, launchers: always(clangLaunchers())},
		{Name: "cmake", Packages: []string{"cmake"}, Version: "cmake", Host: []string{"procps"},
			launchers: always(startEach(binDir, "cmake ctest cpack", ""))},
		{Name: "gcc", Packages: []string{"gcc", "g++", "libc6-dev"}, Version: "gcc-[0-9][0-9]", Sysroot: libc(),
			needs: needsForBuilt, launchers: always(gccLaunchers())},
		// Go's programs need no library except, in some releases, libc.
		{Name: "go", Packages: []string{"golang-go"}, Version: "golang-[0-9]*-go", Host: []string{"libc6"},
			Commands: []string{"usr/bin/go", "usr/bin/gofmt"}, Env: map[string]string{"GOROOT": "", "GOTOOLCHAIN": "local"}, needs: needsToRun},
		{Name: "meson", Packages: []string{"meson"}, Version: "meson",
			launchers: always([]launcher{{path: binDir + "meson", script: meson}, python(toolsDir + "python3"), start(toolsDir+"ninja", "usr/bin/ninja", "")})},
		{Name: "ninja", Packages: []string{"ninja-build"}, Version: "ninja-build", launchers: always(startEach(binDir, "ninja", ""))},
		{Name: "nodejs", Refused: "Debian's nodejs has the path /usr/share/nodejs compiled in, and aborts anywhere else; upstream's own build is the tool node"},
		{Name: "python", Packages: []string{"python3"}, Version: "python3.[0-9]*[0-9]", launchers: always([]launcher{python(binDir + "python3")})},
		{Name: "rust", Packages: []string{"rustc", "cargo", "libc6-dev"}, Version: "rustc", Sysroot: libc(), Apart: []string{"rustc"},
			needs: needsToLink, launchers: rustLaunchers},
		// The variables let a compiler find sys/sdt.h.
		{Name: "usdt", Packages: []string{"systemtap-sdt-dev"}, Version: "systemtap-sdt-dev",
			Env:       map[string]string{"C_INCLUDE_PATH": "{prefix}/usr/include/{multiarch}", "CPLUS_INCLUDE_PATH": "{prefix}/usr/include/{multiarch}"},
			launchers: always([]launcher{{path: binDir + "dtrace", script: dtrace}, python(toolsDir + "python3")})},
	}
	for i := range list {
		t := &list[i]
		t.Host = append(t.Host, "adduser", "debconf*", "dpkg", "init-system-helpers", "install-info", "media-types", "netbase", "perl*",
			"tar", "tzdata", "usrmerge")
		if t.launchers != nil {
			t.Commands = []string{"kist/bin/*"}
		}
		if t.Sysroot != nil {
			// Programs of the prefix need these as libraries, or look for them next to
			// themselves.
			t.Shared = []string{"libc6", "libgcc-s1", "libgcc-[0-9]*-dev", "libstdc++6", "libstdc++-[0-9]*-dev"}
		}
	}
	return list
}

// libc returns the packages of the C library, of what is linked with it, and of the
// headers of both.
func libc() []string {
	return []string{"libc6", "libc6-dev", "libcrypt1", "libcrypt-dev", "linux-libc-dev", "libgcc-s1", "libgcc-[0-9]*-dev",
		"libstdc++6", "libstdc++-[0-9]*-dev", "libnsl2", "libnsl-dev", "libtirpc3*", "libtirpc-dev", "rpcsvc-proto"}
}

// always returns launchers that do not depend on the machine.
func always(list []launcher) func(bool) []launcher {
	return func(bool) []launcher { return list }
}
