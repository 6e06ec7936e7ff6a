package manifests

import (
	"slices"
	"strings"
	"time"
)

// The labels that every VersionIndex has.
const (
	// Stable is the version that a tool's bare name means: the newest version
	// that the index labels stable; if it labels none, the newest that is not a
	// pre-release.
	Stable = "stable"
	// Latest is the newest version that is not a pre-release.
	Latest = "latest"
)

// A VersionIndex is the content of an unsigned index: which versions exist, and for which
// platforms. The server of the index can omit versions or invent them, so a VersionIndex
// only chooses which release to fetch; the release must be verified by itself.
type VersionIndex []IndexEntry

// An IndexEntry is one version of a VersionIndex.
type IndexEntry struct {
	Version   string
	Stable    bool       // not a pre-release
	Platforms []Platform // the zero Platform where the index does not say
	// Labels are the labels of the version, such as "lts". A label means the
	// newest version that has it.
	Labels []string
	Date   time.Time // of its release, zero where the index does not say
}

// fits reports whether v is built for host. Every version fits the zero Platform.
func (v IndexEntry) fits(host Platform) bool {
	return host.IsAny() || slices.ContainsFunc(v.Platforms, func(p Platform) bool { return p.Fit(host) > 0 })
}

// A Match is the version that a VersionIndex chooses for a request.
type Match struct {
	Version string
	Labels  []string
	Date    time.Time // as the VersionIndex states it
	// Listed is true if the VersionIndex chose the version, because the request does not
	// state it exactly.
	Listed bool
	// Missing is nil if the VersionIndex lists the version for the platform. An exact
	// version is chosen even if the VersionIndex does not list it, because the VersionIndex may
	// be wrong; if it turns out not to exist, Missing is the error to report.
	Missing error
}

// Choose returns the version that r.Version means:
//   - nothing: Stable, or the newest version if all are pre-releases
//   - a label: the newest version that has it
//   - a prefix such as 1.25: the newest stable version that MatchesVersion
//   - anything else, and everything after "=": exactly that version
//
// Only versions lower than r.Below count, if that is set. A version that begins with a digit is never a label. Errors are
// *UnknownVersionError and *UnsupportedPlatformError.
func (h VersionIndex) Choose(channel string, r Request, n Numbering) (Match, error) {
	wanted, exact := n.Read(r.Version)
	if wanted == "" {
		wanted = Stable
	}
	matches := func(v IndexEntry) bool {
		return v.Version == wanted || !exact && v.Stable && MatchesVersion(wanted, v.Version)
	}
	if !exact && !startsWithDigit(wanted) && slices.Contains(h.labels(), wanted) {
		matches = h.hasLabel(wanted)
	}
	all := h
	if r.Below != "" {
		h = slices.DeleteFunc(slices.Clone(h), func(v IndexEntry) bool { return CompareVersions(v.Version, r.Below) >= 0 })
	}
	version, offered := h.newest(r.Platform, matches)
	if len(offered) == 0 && (r.Version == "" || wanted == Latest) { // all are pre-releases
		version, offered = h.newest(r.Platform, func(IndexEntry) bool { return true })
	}
	switch {
	case version == "" && n.Exact(wanted):
		return Match{Version: wanted, Missing: h.missingError(channel, r, offered)}, nil
	case version == "":
		return Match{}, h.missingError(channel, r, offered)
	}
	c := Match{Version: version, Labels: all.labelsByVersion(r.Platform)[version], Listed: version != wanted}
	if i := slices.IndexFunc(h, func(v IndexEntry) bool { return v.Version == version }); i >= 0 {
		c.Date = h[i].Date
	}
	return c, nil
}

func startsWithDigit(s string) bool { return strings.Contains("0123456789", s[:1]) }

// labels returns every label of h once: Stable and Latest, then the others, sorted.
func (h VersionIndex) labels() []string {
	var others []string
	for _, v := range h {
		others = append(others, v.Labels...)
	}
	slices.Sort(others)
	others = slices.DeleteFunc(slices.Compact(others), func(l string) bool { return l == Stable || l == Latest })
	return append([]string{Stable, Latest}, others...)
}

// hasLabel returns a function that reports whether a version has the label.
func (h VersionIndex) hasLabel(label string) func(IndexEntry) bool {
	has := func(v IndexEntry) bool { return slices.Contains(v.Labels, label) }
	if label == Latest || label == Stable && !slices.ContainsFunc(h, has) {
		return func(v IndexEntry) bool { return v.Stable }
	}
	return has
}

// labelsByVersion returns, for each version, the labels that mean it on host.
func (h VersionIndex) labelsByVersion(host Platform) map[string][]string {
	newest := map[string]string{} // by label
	add := func(label, version string) {
		if have, ok := newest[label]; !ok || CompareVersions(version, have) > 0 {
			newest[label] = version
		}
	}
	labelled := slices.ContainsFunc(h, func(v IndexEntry) bool { return slices.Contains(v.Labels, Stable) })
	for _, v := range h {
		if !v.fits(host) {
			continue
		}
		for _, label := range v.Labels {
			if label != Latest {
				add(label, v.Version)
			}
		}
		if v.Stable {
			add(Latest, v.Version)
			if !labelled {
				add(Stable, v.Version)
			}
		}
	}
	labels := map[string][]string{} // by version
	for _, label := range h.labels() {
		if version, ok := newest[label]; ok {
			labels[version] = append(labels[version], label)
		}
	}
	return labels
}

// newest returns the highest matching version that is built for host, and the
// platforms of all matching versions.
func (h VersionIndex) newest(host Platform, matches func(IndexEntry) bool) (version string, offered []Platform) {
	for _, v := range h {
		if !matches(v) {
			continue
		}
		offered = append(offered, v.Platforms...)
		if v.fits(host) && (version == "" || CompareVersions(v.Version, version) > 0) {
			version = v.Version
		}
	}
	return version, offered
}

// Absent is the error for a version that turned out not to exist. It does not suggest
// that version, although h may list it: a mirror of a few versions has the whole index.
func (h VersionIndex) Absent(channel string, r Request, c Match) error {
	if c.Missing != nil {
		return c.Missing
	}
	r.Version = c.Version
	others := slices.DeleteFunc(slices.Clone(h), func(v IndexEntry) bool { return v.Version == c.Version })
	return others.missingError(channel, r, nil)
}

// missingError returns the error for a request that h does not list: an
// *UnsupportedPlatformError if the version is offered for other platforms.
func (h VersionIndex) missingError(channel string, r Request, offered []Platform) error {
	if len(offered) > 0 {
		return &UnsupportedPlatformError{Tool: r.Tool, Version: r.Version, Platform: r.Platform, Have: offered}
	}
	return &UnknownVersionError{Channel: channel, Tool: r.Tool, Version: r.Version, Near: h.near(r.Version)}
}

// near returns versions and labels of h that are similar to version.
func (h VersionIndex) near(version string) []string {
	names := h.labels()
	for _, v := range h {
		names = append(names, v.Version)
	}
	return NearVersions(version, names)
}

// Versions lists the versions that are built for host, newest first.
func (h VersionIndex) Versions(tool string, host Platform) []Version {
	labels := h.labelsByVersion(host)
	var list []Version
	for _, v := range h {
		if v.fits(host) {
			list = append(list, Version{Tool: tool, Version: v.Version, Labels: labels[v.Version], Date: v.Date, Unsigned: true})
		}
	}
	SortNewestFirst(list, func(v Version) string { return v.Version })
	return list
}
