package pagetext

import (
	"cmp"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// MaxReleases is how many releases a page describes: of each tool the newest, then of each
// the next, and so on. It counts the others, which are in the manifest.
const MaxReleases = 500

// What the page shows. Every string is plain text.
type (
	shownChannel struct {
		Name, Summary, URL string
		Serial             uint64
		Issued, Expires    shownTime
		Tools              []shownTool
		Sets               []shownSet
		Withdrawn          []shownWithdrawal
		Keys               shownKeys
		Add, Prove, Check  []string // lines of shell
		Example            string   // the file that Check checks
		Files              []string
	}
	shownTime struct{ Day, Minute, Machine string }
	shownTool struct {
		Name, Install, Commands string
		Releases                []shownRelease // first the one that an install gives, then the newest
		Unlisted                string         // how many more releases the manifest has
	}
	shownRelease struct {
		Version   string
		Labels    []string
		Released  shownTime
		Platforms string
		Withdrawn string
		Parts     bool // its artifacts are of several components
		Artifacts []shownArtifact
	}
	shownArtifact struct{ Platform, Component, Size, File, Link, SHA256 string }
	shownSet      struct{ Name, Install, Tools string }

	shownWithdrawal struct {
		verify.Withdrawal
		Day shownTime
	}
	shownKeys struct {
		Rule    string // how many must sign
		Expires shownTime
		Holders []shownKey
		History []shownVersion
	}
	shownKey struct {
		UserID, Fingerprint, Algorithm, Problem string
		Created, Expires                        shownTime
		Signed                                  bool
	}
	shownVersion struct {
		Version                   uint64
		Issued, Expires           shownTime
		Rule                      string
		Joined, Left, Revoked, By []shownKey
		Restart                   uint64
	}
)

func (c Channel) show() (shownChannel, error) {
	m := c.Manifest
	s := shownChannel{Name: m.Channel, URL: c.URL, Serial: m.Serial, Issued: timeOf(m.Issued), Expires: timeOf(c.expiry()), Files: c.Files}
	s.Tools = c.shownTools()
	s.Summary = term.Count(len(s.Tools), "tool") + ", " + term.Count(len(m.Releases), "release")
	for _, set := range m.Sets {
		var names []string
		for _, t := range set.Tools {
			names = append(names, t.Ref())
		}
		s.Sets = append(s.Sets, shownSet{set.Name, host.QuoteWords("kist", "install", m.Channel+"/@"+set.Name), strings.Join(names, ", ")})
	}
	for _, w := range m.Withdrawn {
		s.Withdrawn = append(s.Withdrawn, shownWithdrawal{w, timeOf(w.Since)})
	}
	slices.SortStableFunc(s.Withdrawn, func(a, b shownWithdrawal) int { return b.Since.Compare(a.Since) })
	s.Keys = c.shownKeys()
	return s, c.addCommands(&s)
}

// expiry returns until when users accept the manifest: it and the keys document must be valid.
func (c Channel) expiry() time.Time {
	if keys := c.Edition.Expires; !keys.IsZero() && keys.Before(c.Manifest.Expires) {
		return keys
	}
	return c.Manifest.Expires
}

// shownTools returns the tools by name, with their newest releases.
func (c Channel) shownTools() (tools []shownTool) {
	releases := map[string][]native.Release{}
	var names []string
	for _, r := range c.Manifest.Releases {
		if releases[r.Tool] == nil {
			names = append(names, r.Tool)
		}
		releases[r.Tool] = append(releases[r.Tool], r)
	}
	slices.Sort(names)
	shares := fairShares(names, releases)
	for _, name := range names {
		list := releases[name]
		manifests.SortNewestFirst(list, func(r native.Release) string { return r.Version })
		list = c.usualFirst(list)
		tool := shownTool{Name: name, Install: host.QuoteWords("kist", "install", c.Manifest.Channel+"/"+name)}
		tool.Commands = commandsOf(list[0])
		for _, r := range list[:shares[name]] {
			tool.Releases = append(tool.Releases, c.release(r))
		}
		if rest := len(list) - shares[name]; rest > 0 {
			tool.Unlisted = term.Count(rest, "more release")
		}
		tools = append(tools, tool)
	}
	return tools
}

// usualFirst moves the release to the front that an install gets that names no version.
func (c Channel) usualFirst(newestFirst []native.Release) []native.Release {
	usual, ok := c.Manifest.Usual(newestFirst)
	if !ok {
		return newestFirst
	}
	others := slices.DeleteFunc(slices.Clone(newestFirst), func(r native.Release) bool { return r.Version == usual.Version })
	return append([]native.Release{usual}, others...)
}

// commandsOf returns the names of the commands of r, and of patterns the patterns.
func commandsOf(r native.Release) string {
	var names []string
	for _, pattern := range r.Commands {
		name, named := manifests.CommandName(pattern)
		if !named {
			name = pattern
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// fairShares returns how many releases of each tool the page describes: at most
// MaxReleases of all, one of each tool before a second of any.
func fairShares(names []string, releases map[string][]native.Release) map[string]int {
	shares, left := map[string]int{}, MaxReleases
	for more := true; more && left > 0; {
		more = false
		for _, name := range names {
			if left > 0 && shares[name] < len(releases[name]) {
				shares[name]++
				left--
				more = true
			}
		}
	}
	return shares
}

func (c Channel) release(r native.Release) shownRelease {
	one := shownRelease{Version: r.Version, Labels: r.Labels, Released: timeOf(r.Released)}
	if w, withdrawn := manifests.Withdrawn(c.Manifest.Withdrawn, r.Tool, r.Version); withdrawn {
		one.Withdrawn = w.Reason
	}
	var platforms []string
	for _, a := range r.Artifacts {
		platform := a.Platform.String()
		if !slices.Contains(platforms, platform) {
			platforms = append(platforms, platform)
		}
		one.Parts = one.Parts || a.Component != r.Tool
		shown := shownArtifact{Platform: platform, Component: a.Component, Size: term.ByteSize(a.Size), SHA256: a.SHA256.Hex()}
		if a.Optional {
			shown.Component += " (optional)"
		}
		shown.File, shown.Link = location(a)
		one.Artifacts = append(one.Artifacts, shown)
	}
	one.Platforms = strings.Join(platforms, ", ")
	return one
}

// location returns the name of an artifact's file, and its URL, relative to the page for a
// path. Only an https URL becomes a link.
func location(a native.Artifact) (name, link string) {
	if a.Path != "" {
		return path.Base(a.Path), "./" + (&url.URL{Path: a.Path}).EscapedPath()
	}
	for _, ref := range a.URLs {
		u, err := url.Parse(ref)
		if err != nil {
			continue
		}
		if name = cmp.Or(name, path.Base(u.Path)); u.Scheme == "https" {
			return path.Base(u.Path), u.String()
		}
	}
	return name, ""
}

func timeOf(t time.Time) shownTime {
	if t.IsZero() {
		return shownTime{}
	}
	t = t.UTC()
	return shownTime{t.Format("2 January 2006"), t.Format("2 January 2006, 15:04 UTC"), t.Format(time.RFC3339)}
}
