package manifests

import (
	"slices"
	"strings"
	"time"
)

// The labels that every Hint gives.
const (
	// Stable is what a bare name means: where the index marks versions so, the
	// newest of those; else the newest that is not a pre-release.
	Stable = "stable"
	// Latest is the newest that is not a pre-release.
	Latest = "latest"
)

// A Hint is what an unsigned index suggests: which versions there are, and for
// which platforms. Whoever serves it may leave versions out or make them up,
// so it only ever says what to ask for; what was asked for must prove itself.
type Hint []Hinted

// A Hinted is one version of a Hint.
type Hinted struct {
	Version   string
	Stable    bool       // not a pre-release
	Platforms []Platform // the zero Platform where the index does not say
	// Labels are the lines that the version belongs to, such as "lts": each
	// means the newest version that has it.
	Labels []string
	Date   time.Time // of its release, zero where the index does not say
}

// fits reports whether v is built for host; every version is for no host in particular.
func (v Hinted) fits(host Platform) bool {
	return host.IsAny() || slices.ContainsFunc(v.Platforms, func(p Platform) bool { return p.Fit(host) > 0 })
}

// A Choice is the version that a Hint names for a request.
type Choice struct {
	Version string
	Labels  []string
	Date    time.Time // as the Hint has it
	// Listed: the Hint had to name the version, because the request does not.
	Listed bool
	// Missing is nil if the Hint names the version for the platform. A version
	// asked for exactly is chosen all the same, for the Hint may lie; where it
	// turns out not to exist, Missing is the error to report.
	Missing error
}

// Choose names the version that r means. Nothing is Stable, or the newest where all
// are pre-releases; a label is the
// newest version that has it; a beginning such as 1.25 the newest stable version
// that MatchesVersion; anything else, and what follows "=", that very version. What
// begins with a digit is never taken for a label. Errors are *UnknownVersionError and *UnsupportedPlatformError.
func (h Hint) Choose(channel string, r Request, n Numbering) (Choice, error) {
	asked, exact := n.Read(r.Version)
	if asked == "" {
		asked = Stable
	}
	matches := func(v Hinted) bool {
		return v.Version == asked || !exact && v.Stable && MatchesVersion(asked, v.Version)
	}
	if !exact && !numbered(asked) && slices.Contains(h.labels(), asked) {
		matches = h.labelled(asked)
	}
	version, offered := h.newest(r.Platform, matches)
	if len(offered) == 0 && (r.Version == "" || asked == Latest) { // there are only pre-releases
		version, offered = h.newest(r.Platform, func(Hinted) bool { return true })
	}
	switch {
	case version == "" && n.Exact(asked):
		return Choice{Version: asked, Missing: h.missing(channel, r, offered)}, nil
	case version == "":
		return Choice{}, h.missing(channel, r, offered)
	}
	c := Choice{Version: version, Labels: h.labelsOf(r.Platform)[version], Listed: version != asked}
	if i := slices.IndexFunc(h, func(v Hinted) bool { return v.Version == version }); i >= 0 {
		c.Date = h[i].Date
	}
	return c, nil
}

func numbered(asked string) bool { return strings.Contains("0123456789", asked[:1]) }

// labels returns every label of h, each once: Stable and Latest, then the others in order.
func (h Hint) labels() []string {
	var others []string
	for _, v := range h {
		others = append(others, v.Labels...)
	}
	slices.Sort(others)
	others = slices.DeleteFunc(slices.Compact(others), func(l string) bool { return l == Stable || l == Latest })
	return append([]string{Stable, Latest}, others...)
}

// labelled tells the versions that belong to a label.
func (h Hint) labelled(label string) func(Hinted) bool {
	has := func(v Hinted) bool { return slices.Contains(v.Labels, label) }
	if label == Latest || label == Stable && !slices.ContainsFunc(h, has) {
		return func(v Hinted) bool { return v.Stable }
	}
	return has
}

// labelsOf returns the labels of each version that is the newest of any, for host.
func (h Hint) labelsOf(host Platform) map[string][]string {
	newest := map[string]string{} // by label
	add := func(label, version string) {
		if have, ok := newest[label]; !ok || CompareVersions(version, have) > 0 {
			newest[label] = version
		}
	}
	marked := slices.ContainsFunc(h, func(v Hinted) bool { return slices.Contains(v.Labels, Stable) })
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
			if !marked {
				add(Stable, v.Version)
			}
		}
	}
	of := map[string][]string{}
	for _, label := range h.labels() {
		if version, ok := newest[label]; ok {
			of[version] = append(of[version], label)
		}
	}
	return of
}

// newest returns the highest version that matches and is built for host, and
// every platform for which a version that matches is built.
func (h Hint) newest(host Platform, matches func(Hinted) bool) (version string, offered []Platform) {
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

// Absent is the error for a version that turned out not to exist.
func (h Hint) Absent(channel string, r Request, c Choice) error {
	if c.Missing != nil {
		return c.Missing
	}
	r.Version = c.Version
	return h.missing(channel, r, nil)
}

func (h Hint) missing(channel string, r Request, offered []Platform) error {
	if len(offered) > 0 {
		return &UnsupportedPlatformError{Tool: r.Tool, Version: r.Version, Platform: r.Platform, Have: offered}
	}
	return &UnknownVersionError{Channel: channel, Tool: r.Tool, Version: r.Version, Near: h.near(r.Version)}
}

// near returns versions that a person who typed asked may have meant.
func (h Hint) near(asked string) []string {
	names := h.labels()
	for _, v := range h {
		names = append(names, v.Version)
	}
	return NearVersions(asked, names)
}

// Versions lists what is built for host, newest first.
func (h Hint) Versions(tool string, host Platform) []Version {
	labels := h.labelsOf(host)
	var list []Version
	for _, v := range h {
		if v.fits(host) {
			list = append(list, Version{Tool: tool, Version: v.Version, Labels: labels[v.Version], Date: v.Date, Unsigned: true})
		}
	}
	SortNewestFirst(list, func(v Version) string { return v.Version })
	return list
}
