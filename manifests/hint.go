package manifests

import "slices"

// Stable is the label of the newest version that is not a pre-release.
const Stable = "stable"

// A Hint is what an unsigned index suggests: which versions there are, and for
// which platforms. Whoever serves it may leave versions out or make them up,
// so it only ever says what to ask for; what was asked for must prove itself.
type Hint []Hinted

// A Hinted is one version of a Hint.
type Hinted struct {
	Version   string
	Stable    bool // not a pre-release
	Platforms []Platform
}

func (h Hinted) fits(host Platform) bool {
	return slices.ContainsFunc(h.Platforms, func(p Platform) bool { return p.Fit(host) > 0 })
}

// A Choice is the version that a Hint names for a request.
type Choice struct {
	Version string
	Labels  []string
	// Listed: the Hint had to name the version, because the request does not.
	Listed bool
	// Missing is nil if the Hint names the version for the platform. A version
	// asked for exactly is chosen all the same, for the Hint may lie; where it
	// turns out not to exist, Missing is the error to report.
	Missing error
}

// Choose names the version that r means. Nothing, "stable" and "latest" mean
// the newest stable version built for r.Platform; a prefix such as 1.25 the
// newest stable version below it; anything else that very version. Errors are
// *UnknownVersionError and *UnsupportedPlatformError.
func (h Hint) Choose(channel string, r Request, n Numbering) (Choice, error) {
	newest, offered := h.newest(r.Platform, n, func(v Hinted) bool { return v.Stable })
	if r.Version == "" || r.Version == Stable || r.Version == "latest" {
		if newest == "" {
			return Choice{}, h.missing(channel, r, offered)
		}
		return Choice{Version: newest, Labels: []string{Stable}, Listed: true}, nil
	}
	asked := n.Spell(r.Version)
	version, offered := h.newest(r.Platform, n, func(v Hinted) bool {
		return v.Version == asked || v.Stable && MatchesVersion(asked, v.Version)
	})
	c := Choice{Version: version, Listed: version != asked}
	switch {
	case version == "" && n.Exact(asked):
		return Choice{Version: asked, Missing: h.missing(channel, r, offered)}, nil
	case version == "":
		return Choice{}, h.missing(channel, r, offered)
	case version == newest:
		c.Labels = []string{Stable}
	}
	return c, nil
}

// newest returns the highest version that matches and is built for host, and
// every platform for which a version that matches is built.
func (h Hint) newest(host Platform, n Numbering, matches func(Hinted) bool) (version string, offered []Platform) {
	for _, v := range h {
		if !matches(v) {
			continue
		}
		offered = append(offered, v.Platforms...)
		if v.fits(host) && (version == "" || n.Compare(v.Version, version) > 0) {
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
	names := make([]string, len(h))
	for i, v := range h {
		names[i] = v.Version
	}
	return Near(asked, names)
}

// Versions lists what is built for host, newest first.
func (h Hint) Versions(tool string, host Platform, n Numbering) []Version {
	newest, _ := h.newest(host, n, func(v Hinted) bool { return v.Stable })
	var list []Version
	for _, v := range h {
		if !v.fits(host) {
			continue
		}
		line := Version{Tool: tool, Version: v.Version, Unsigned: true}
		if v.Version == newest {
			line.Labels = []string{Stable}
		}
		list = append(list, line)
	}
	slices.SortStableFunc(list, func(a, b Version) int { return n.Compare(b.Version, a.Version) })
	return list
}
