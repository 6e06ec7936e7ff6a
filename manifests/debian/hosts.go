package debian

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

// HostError is returned when a distribution's toolchain cannot work on this machine.
type HostError struct {
	Channel, Tool string
	Reason        string
}

func (e *HostError) Error() string {
	return fmt.Sprintf("%s/%s does not work on this machine: %s", e.Channel, e.Tool, e.Reason)
}

// checkHost returns a *HostError if t, made of the packages chosen, cannot work on the
// machine that r describes. linkHost reports whether what t builds has to be linked
// with that machine's C library. An unknown C library version is accepted.
func (c *Catalog) checkHost(t Tool, chosen map[string]details, r manifests.Request) (linkHost bool, err error) {
	refuse := func(format string, args ...any) (bool, error) {
		return false, &HostError{Channel: c.source.Channel, Tool: t.Name, Reason: fmt.Sprintf(format, args...)}
	}
	what, wants := "what it builds", ""
	switch t.needs {
	case needsNothing:
		return false, nil
	case needsToRun:
		if what, wants = "it", c.requiredLibc(chosen); wants == "" {
			return false, nil
		}
	default:
		if _, ok := chosen["libc6"]; ok {
			wants = Upstream(string(c.archive.packages["libc6"].version))
		}
	}
	older := r.Glibc != "" && Compare(r.Glibc, wants) < 0
	switch {
	case r.Platform.Libc != "" && r.Platform.Libc != "gnu":
		return refuse("%s runs with the C library glibc, and this machine has %s", what, r.Platform.Libc)
	case !older:
		return false, nil
	case t.needs == needsToLink && hasMultiarch(r.Distro) && Compare(r.Glibc, oldestLinked) >= 0:
		return true, nil
	}
	return refuse("%s needs glibc %s, and this machine has %s", what, wants, r.Glibc)
}

// requiredLibc returns the highest version of the C library that the chosen packages
// depend on, or "".
func (c *Catalog) requiredLibc(chosen map[string]details) (version string) {
	for _, d := range chosen {
		for _, clause := range d.depends {
			for _, r := range clause {
				if r.name == "libc6" && (version == "" || Compare(version, r.other) < 0) {
					version = r.other
				}
			}
		}
	}
	return version
}

// hasMultiarch reports whether a distribution keeps its C library where Debian does, as
// Debian and Ubuntu themselves do.
func hasMultiarch(distro string) bool {
	return strings.HasPrefix(distro, "debian") || strings.HasPrefix(distro, "ubuntu")
}
