package selfupdate

import (
	"fmt"
	"io"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// This file decides, and changes nothing.

// Component is the component of a release of kist that is the program itself, as a plain
// file (format "file"). Its name is not the tool's, whose file would be a command.
const Component = "program"

// A NoProgramError reports that a release of kist does not have its program as a plain
// file for this platform. It matches verify.ErrUntrusted.
type NoProgramError struct{ Release string }

func (e *NoProgramError) Error() string {
	return fmt.Sprintf("%s has no program as a plain file", e.Release)
}

func (e *NoProgramError) Unwrap() error { return verify.ErrUntrusted }

// Of returns r with nothing but its program, and that artifact. Its archives, which hold
// the same program, are passed over. The error is a *NoProgramError.
func Of(r manifests.Release) (manifests.Release, manifests.Artifact, error) {
	for _, a := range r.Artifacts {
		if a.Component == Component && a.Layout.Format == "file" && len(a.Alternatives) == 0 && !a.Integrity.Digest.IsZero() {
			r.Artifacts = []manifests.Artifact{a}
			return r, a, nil
		}
	}
	return r, manifests.Artifact{}, &NoProgramError{r.Tool + " " + r.Version}
}

// An UnknownVersionError reports that the running kist does not state a version that can
// be compared, so that kist cannot tell what is newer.
type UnknownVersionError struct{ Have, Newest string }

func (e *UnknownVersionError) Error() string {
	return fmt.Sprintf("this kist was built without a version (%s), so it cannot tell whether %s is newer", e.Have, e.Newest)
}
func (*UnknownVersionError) Kind() string { return "usage" }

// The outcomes of a comparison.
const (
	Same    = "same"    // the program is the file of the release
	Newer   = "newer"   // the release is newer, or was asked for by name
	Built   = "built"   // the program has the version of the release, and is another build of it
	Earlier = "earlier" // the release is older than the program
)

// Compare compares the running program, of a version and with a digest, with the program a
// of the release r. named reports whether the user named the version of r: then it may be
// an older one, which the newest manifest of the channel still lists. The error is an
// *UnknownVersionError.
func Compare(version string, digest verify.Digest, r manifests.Release, a manifests.Artifact, named bool) (outcome string, err error) {
	if digest == a.Integrity.Digest {
		return Same, nil
	}
	if named {
		return Newer, nil
	}
	if !manifests.Ordered(version) {
		return "", &UnknownVersionError{version, r.Version}
	}
	switch c := manifests.CompareVersions(r.Version, version); {
	case c > 0:
		return Newer, nil
	case c < 0:
		return Earlier, nil
	}
	return Built, nil
}

// CheckBuild checks that the proved file f is the program of kist that r says: for its
// platform, and of its version if the build recorded one. It catches a release that was put
// together wrongly. Errors match verify.ErrUntrusted.
func CheckBuild(f io.ReaderAt, r manifests.Release, a manifests.Artifact) error {
	b, err := readBuild(a.Name, f)
	if err != nil {
		return verify.Untrusted("%v, though its keys signed it as kist %s", err, r.Version)
	}
	if b.OS != r.Platform.OS || b.Arch != r.Platform.Arch {
		return verify.Untrusted("%s is a program for %s/%s, and was signed as one for %s/%s", a.Name, b.OS, b.Arch, r.Platform.OS, r.Platform.Arch)
	}
	if got := strings.TrimPrefix(b.Version, "v"); got != "" && got != r.Version {
		return verify.Untrusted("%s is kist %s, and was signed as %s", a.Name, got, r.Version)
	}
	return nil
}

// An UnknownProgramError reports that no release that a manifest lists has a program with
// this digest. It matches verify.ErrUntrusted.
type UnknownProgramError struct {
	Channel string
	Path    string
	Digest  verify.Digest
}

func (e *UnknownProgramError) Error() string {
	return fmt.Sprintf("%s (%s) is not the program of any release that channel %s lists for this platform", e.Path, e.Digest, e.Channel)
}

func (e *UnknownProgramError) Unwrap() error { return verify.ErrUntrusted }

// Identify returns the release of kist whose program has the digest. resolve returns the
// release of a version; those that are not made for this platform, or have no program, are
// passed over. ok is false if there is none.
func Identify(versions []manifests.Version, digest verify.Digest, resolve func(version string) (manifests.Release, error)) (r manifests.Release, ok bool) {
	for _, v := range versions {
		r, err := resolve("=" + v.Version)
		if err != nil {
			continue
		}
		if r, a, err := Of(r); err == nil && a.Integrity.Digest == digest {
			return r, true
		}
	}
	return manifests.Release{}, false
}
