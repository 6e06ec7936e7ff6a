package publish

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// systems returns the architectures of each system that kist, as a Go program, can run
// on. Source: go tool dist list.
func systems() map[string][]string {
	return map[string][]string{
		"aix": {"ppc64"}, "android": {"386", "amd64", "arm", "arm64"}, "darwin": {"amd64", "arm64"}, "dragonfly": {"amd64"},
		"freebsd": {"386", "amd64", "arm", "arm64", "riscv64"}, "illumos": {"amd64"}, "ios": {"amd64", "arm64"}, "js": {"wasm"},
		"linux":  {"386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64", "s390x"},
		"netbsd": {"386", "amd64", "arm", "arm64"}, "openbsd": {"386", "amd64", "arm", "arm64", "mips64", "ppc64", "riscv64"},
		"plan9": {"386", "amd64", "arm", "mips"}, "solaris": {"amd64"}, "wasip1": {"wasm"}, "windows": {"386", "amd64", "arm", "arm64"},
	}
}

// CheckPlatform returns an error for a platform that no machine has. The error has the
// right spelling if p is another spelling of a known platform.
func CheckPlatform(p manifests.Platform) error {
	if p.IsAny() {
		return nil
	}
	meant := p
	if os, ok := systemNames()[p.OS]; ok {
		meant.OS = os
	}
	if arch, ok := archNames()[p.Arch]; ok {
		meant.Arch = arch
	}
	if meant.Libc == "glibc" {
		meant.Libc = "gnu"
	}
	known, ok := systems()[meant.OS]
	switch {
	case !ok:
		return fmt.Errorf("platform %s: no system %q is known", p, p.OS)
	case !slices.Contains(known, meant.Arch):
		return fmt.Errorf("platform %s: no architecture %q of %s is known (%s)", p, p.Arch, meant.OS, strings.Join(known, ", "))
	case meant.Libc != "" && (meant.OS != "linux" || meant.Libc != "gnu" && meant.Libc != "musl"):
		return fmt.Errorf("platform %s: no C library %q of %s is known (of linux: gnu, musl)", p, p.Libc, meant.OS)
	case meant != p:
		return fmt.Errorf("platform %s: say %s", p, meant)
	}
	return nil
}

// checkReleases returns an error for the first of the selected releases that users could
// not install, or not as the publisher meant. It checks what it can without the files. The
// error matches verify.ErrUntrusted: such a manifest should not be published.
func checkReleases(m *native.Manifest, selected func(native.Release) bool) error {
	versions := map[string][]string{} // by tool
	for _, r := range m.Releases {
		versions[r.Tool] = append(versions[r.Tool], r.Version)
	}
	duplicates := map[[2]string]string{}
	for tool, list := range versions {
		for version, other := range equalVersions(list) {
			duplicates[[2]string{tool, version}] = other
		}
	}
	for _, r := range m.Releases {
		if !selected(r) {
			continue
		}
		fail := func(format string, args ...any) error {
			return verify.Untrusted("%s %s: %s", r.Tool, r.Version, fmt.Sprintf(format, args...))
		}
		if other := duplicates[[2]string{r.Tool, r.Version}]; other != "" {
			return fail("the same version is there as %s", other)
		}
		names := map[string]string{}
		for _, pattern := range r.Commands {
			name, named := manifests.CommandName(pattern)
			if !named {
				continue
			}
			if other := names[name]; other != "" {
				return fail("two patterns, %s and %s, are for one command", other, pattern)
			}
			names[name] = pattern
		}
		for _, a := range r.Artifacts {
			if err := CheckPlatform(a.Platform); err != nil {
				return fail("%v", err)
			}
		}
	}
	return nil
}

// checkDraft returns an error that matches manifests.ErrInput if users could not install one of the selected
// releases or a set, or if no manifest can hold them.
func checkDraft(m *native.Manifest, selected func(native.Release) bool) error {
	err := checkReleases(m, selected)
	if err == nil {
		_, err = m.Encode()
	}
	if err == nil {
		err = m.CheckSets()
	}
	if err != nil {
		return manifests.Invalid("%v", err)
	}
	return nil
}

// equalVersions returns the versions of list that equal another one in the order of
// versions, such as 1.0 and v1.0.0, each with that other one. Builds of one version
// (1.0+1, 1.0+2) differ.
func equalVersions(list []string) map[string]string {
	builds := map[string][]string{}
	for _, v := range list {
		if manifests.Ordered(v) {
			_, build, _ := strings.Cut(v, "+")
			builds[build] = append(builds[build], v)
		}
	}
	equal := map[string]string{}
	for _, same := range builds {
		slices.SortStableFunc(same, manifests.CompareVersions)
		for i := 1; i < len(same); i++ {
			if manifests.CompareVersions(same[i-1], same[i]) == 0 {
				equal[same[i-1]], equal[same[i]] = same[i], same[i-1]
			}
		}
	}
	return equal
}
