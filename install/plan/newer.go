package plan

import (
	"fmt"
	"slices"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/debian"
)

// IsPinned reports whether have was requested by its exact version. One or two
// numbers are not an exact version, but the line of all releases that begin so.
func IsPinned(have record.Head) bool {
	_, exact := manifests.ExactVersion(have.Requested)
	return exact || have.Requested == have.Version && !manifests.IsVersionLine(have.Version)
}

// Follows reports whether have is to follow asked from now on: if either have was
// pinned to an exact version or asked is one, but not both. Between two labels or
// version lines that both mean it, the first one stays.
func Follows(have record.Head, asked string) bool {
	_, exact := manifests.ExactVersion(asked)
	wasPinned := IsPinned(have)
	have.Requested = asked
	return exact && !wasPinned || wasPinned && !IsPinned(have)
}

// HeldBack returns why update does not replace have with next, or "" if it does. A
// user gets an older release, or a pre-release in place of a release, only if they
// asked for it by a label that the channel has. list is what the channel offers,
// newest first.
func HeldBack(have record.Head, next manifests.Release, list []manifests.Version) string {
	if next.Version == have.Version {
		return ""
	}
	order := compareReleases(have, next, list)
	// The labels of a distribution's release are prefixes of its version.
	labelled := have.Requested != "" && slices.Contains(next.Labels, have.Requested) && !fromDistro(next)
	switch {
	case order <= 0 && slices.Contains(next.Evidence.Notes, manifests.Unsigned):
		return fmt.Sprintf("which is not newer than the installed %s; the list that says so is unsigned, so it is not followed", have.Version)
	case labelled:
	case order < 0:
		return "which is older than the installed " + have.Version
	case fromDistro(next) || slices.Contains(next.Labels, manifests.Stable):
	case manifests.Prerelease(next.Version) && !manifests.Prerelease(have.Version):
		return fmt.Sprintf("which is a pre-release, while the installed %s is a release", have.Version)
	}
	return ""
}

// compareReleases compares next with have as cmp.Compare does: by their versions, in
// the distribution's own order if next comes from one, and if those compare as equal,
// by their positions in list.
func compareReleases(have record.Head, next manifests.Release, list []manifests.Version) int {
	if fromDistro(next) {
		return debian.Compare(next.Version, have.Version)
	}
	index := func(v string) int {
		return slices.IndexFunc(list, func(have manifests.Version) bool { return have.Version == v })
	}
	if order := manifests.CompareVersions(next.Version, have.Version); order != 0 {
		return order
	}
	if i, j := index(next.Version), index(have.Version); i >= 0 && j >= 0 {
		return j - i
	}
	return 0
}

// fromDistro reports whether r comes from a distribution's package indices.
func fromDistro(r manifests.Release) bool { return debian.IsIndex(r.Evidence.Name) }
