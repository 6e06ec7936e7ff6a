package debian

import (
	"fmt"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// A need is what a toolchain asks of the C library of the machine that it is for.
type need int

const (
	// needsNothing: all that runs is started with the C library that comes with it.
	needsNothing need = iota
	// needsToRun: the toolchain's own programs run with the machine's.
	needsToRun
	// needsForBuilt: what the toolchain builds runs with the machine's, and may ask
	// for anything that the one it is linked with has.
	needsForBuilt
	// needsToLink: as needsForBuilt; but where the machine's is older, what the
	// toolchain builds can be linked with that one.
	needsToLink
)

// oldestLinked is the oldest C library that what a newer one was made for can be
// linked with: before it, a program had to bring more of its start. Source: the
// release notes of glibc 2.34.
const oldestLinked = "2.34"

// A HostError says that a toolchain of a distribution cannot serve this machine.
type HostError struct {
	Channel, Tool string
	Reason        string
}

func (e *HostError) Error() string {
	return fmt.Sprintf("%s/%s does not serve this machine: %s", e.Channel, e.Tool, e.Reason)
}

// judge reports whether t, made of the packages chosen, serves the machine that r
// says; host: what it builds is to be linked with that machine's C library. The
// version of that is taken for good where it is not known.
func (c *Catalog) judge(t Tool, chosen map[string]details, r manifests.Request) (host bool, err error) {
	refuse := func(format string, args ...any) (bool, error) {
		return false, &HostError{Channel: c.source.Channel, Tool: t.Name, Reason: fmt.Sprintf(format, args...)}
	}
	what, wants := "what it builds", ""
	switch t.needs {
	case needsNothing:
		return false, nil
	case needsToRun:
		if what, wants = "it", c.wantsLibc(chosen); wants == "" {
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

// wantsLibc is the highest version of the C library that the packages chosen
// depend on; empty: none does.
func (c *Catalog) wantsLibc(chosen map[string]details) (version string) {
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

// hasMultiarch reports whether a distribution has its C library where Debian has
// it: those whose programs are Debian's and Ubuntu's.
func hasMultiarch(distro string) bool {
	return strings.HasPrefix(distro, "debian") || strings.HasPrefix(distro, "ubuntu")
}
