package assemble

import (
	"fmt"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// A need is what a toolchain requires of the machine's C library.
type need int

const (
	// needsNothing: all its programs run with the C library it brings.
	needsNothing need = iota
	// needsToRun: the toolchain's own programs run with the machine's.
	needsToRun
	// needsForBuilt: what the toolchain builds runs with the machine's C library, and
	// may need anything that the toolchain's own offers.
	needsForBuilt
	// needsToLink: as needsForBuilt, but if the machine's is older, what the toolchain
	// builds can be linked with it.
	needsToLink
)

// oldestLinked is the oldest C library that objects made for a newer one can be linked
// with: before it, a program had to bring more startup code. Source: the release notes
// of glibc 2.34.
const oldestLinked = "2.34"

// A Libc is what the packages of a toolchain say about the C library.
type Libc struct {
	Version  string // upstream's version of the C library among them, or ""
	Required string // the highest version that they depend on, or ""
	Compare  func(a, b string) int
}

// CheckHost checks that t, made of packages with this C library, works on the machine
// that r describes. If not, problem says why. linkHost reports whether what t builds has
// to be linked with that machine's C library. An unknown C library version is accepted.
func (t Tool) CheckHost(libc Libc, r manifests.Request) (linkHost bool, problem string) {
	what, wants := "what it builds", libc.Version
	switch t.needs {
	case needsNothing:
		return false, ""
	case needsToRun:
		if what, wants = "it", libc.Required; wants == "" {
			return false, ""
		}
	}
	older := r.Glibc != "" && libc.Compare(r.Glibc, wants) < 0
	switch {
	case r.Platform.Libc != "" && r.Platform.Libc != "gnu":
		return false, fmt.Sprintf("%s runs with the C library glibc, and this machine has %s", what, r.Platform.Libc)
	case !older:
		return false, ""
	case t.needs == needsToLink && hasMultiarch(r.Distro) && libc.Compare(r.Glibc, oldestLinked) >= 0:
		return true, ""
	}
	return false, fmt.Sprintf("%s needs glibc %s, and this machine has %s", what, wants, r.Glibc)
}

// hasMultiarch reports whether a distribution keeps its C library where Debian does, as
// Debian and Ubuntu themselves do.
func hasMultiarch(distro string) bool {
	return strings.HasPrefix(distro, "debian") || strings.HasPrefix(distro, "ubuntu")
}
