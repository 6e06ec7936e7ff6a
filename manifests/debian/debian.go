// Package debian reads the archives of Debian, Ubuntu and those made like them,
// and makes toolchains of their packages.
//
// # Parties
//
// The distribution's archive signs an InRelease file for each suite. Mirrors copy
// it and everything else, and need not be trusted. The keys are pinned: by kist
// for Debian and Ubuntu, by the user for another archive. Packages are not signed
// by themselves.
//
// # Format
//
//	<root>/dists/<suite>/InRelease                             a clear-signed message
//	<root>/dists/<suite>/main/binary-amd64/Packages.gz         an index of packages; .xz
//	<root>/dists/<suite>/main/binary-amd64/by-hash/SHA256/<hex>  the same by its digest
//	<root>/pool/…/rustc_1.63.0+dfsg1-2_amd64.deb               a package
//
// InRelease lists the indices with their digests, an index the packages with
// theirs. Source: the wiki of Debian, "DebianRepository/Format"; deb822(5);
// Debian Policy, chapters 5 and 7.
//
// # Guarantees
//
// A [Catalog] is made of suites that are each what they were asked for: signed,
// of the name and origin that was meant, not from the future, not expired, all of
// one codename. The indices are those that InRelease states, whole, and as they
// are without compression too. Of each package the newest version of all suites
// counts. Every suite is a line of the catalog's Mark, by its date, which the
// caller judges; so a suite that once was there cannot be left out later.
//
// A release is a toolchain's closure: its packages and what they depend on,
// computed from the indices alone. Each .deb has the digest and the size that the
// index states, and lies below the archive's root. As long as no suite changes, the
// answer comes from an excerpt of the indices, by which it is the same.
//
// # Limits
//
// A stable suite states no end of validity, so that a mirror that goes on serving
// an old one cannot be told from one that has nothing new; the evidence says so.
// What is not yet known of a suite may be withheld: a mirror without the suite
// of security updates is believed, once, and the evidence says that too.
//
// Recommended packages are not part of a toolchain, nor is what conflicts with
// another looked at: both are for a system, and a prefix is none.
//
//	s := debian.Source{Channel: "debian-bookworm", Origin: "Debian", Policy: policy,
//		Suites: debian.Suites("https://mirror.example/debian/", "bookworm")}
//	catalog, err := s.Fetch(ctx, transport, manifests.Query{Request: request, Now: now})
package debian

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A Suite is one suite of an archive.
type Suite struct {
	Root string // URL of the archive, ending in a slash: https, http or file
	Name string // "bookworm-security"
}

// URL is where the suite is, for people.
func (s Suite) URL() string { return manifests.Redact(s.Root + "dists/" + s.Name + "/") }

// A Source is one release of a distribution, as mirrors have it.
type Source struct {
	Channel string
	// Codename is that of the release, for people. It may be the name of a suite.
	Codename string
	// Suites are where its packages are: the first is the release itself, without
	// which there is nothing; the others bring newer packages. None: no mirror is
	// known.
	Suites []Suite
	Origin string // that each suite must state; empty: any
	// Policy holds the keys and the threshold; Fetch sets its Now and Use.
	Policy verify.Policy
	// Tools are names of those that the channel may provide; nil: all.
	Tools []string
	Cache Cache        // may be nil
	Tell  func(string) // is told, in one line, of what is not there; may be nil
}

// A Cache keeps proved indices, and excerpts of them, by their digests from one run
// to the next. What it returns is proved again like everything else.
type Cache interface {
	// Load returns what was stored under a digest, nil if that was nothing, or
	// more than limit bytes.
	Load(d verify.Digest, limit int64) []byte
	// Has reports whether size bytes are stored under a digest, without proof.
	Has(d verify.Digest, size int64) bool
	// Store keeps data, if it can.
	Store(d verify.Digest, data []byte)
}

// A NoMirrorError says that nobody knows where a distribution's archive is.
type NoMirrorError struct{ Channel, Codename string }

func (e *NoMirrorError) Error() string {
	return fmt.Sprintf("channel %s: the apt sources of this machine name no mirror that has %s", e.Channel, e.Codename)
}

// Is reports that an archive of which no mirror is known cannot be reached.
func (e *NoMirrorError) Is(target error) bool { return target == manifests.ErrUnreachable }

// A NoArchitectureError says that a suite has no packages for a machine. It
// matches manifests.ErrNotFound.
type NoArchitectureError struct {
	Suite, Architecture string // as dpkg calls it
	Have                []string
}

func (e *NoArchitectureError) Error() string {
	return fmt.Sprintf("%s has no packages for %s, only for %s", e.Suite, e.Architecture, strings.Join(e.Have, ", "))
}

// Is reports that there is no such thing.
func (e *NoArchitectureError) Is(target error) bool { return target == manifests.ErrNotFound }

// architectures are those that toolchains are made for, as Go and as dpkg call
// them.
var architectures = map[string]string{"amd64": "amd64", "arm64": "arm64"}

// platforms are those that toolchains are made for.
func platforms() []manifests.Platform {
	return []manifests.Platform{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm64"}}
}

// Fetch gets and proves the suites and their indices for q's platform. Besides
// the errors of manifests.Source it returns *NoMirrorError,
// *manifests.UnknownToolError, *RefusedToolError and
// *manifests.UnsupportedPlatformError; the tool is judged before anything is
// asked for. Asked only to list, or for no platform, it takes amd64 where there is
// nothing for the host.
func (s Source) Fetch(ctx context.Context, t manifests.Transport, q manifests.Query) (manifests.Catalog, error) {
	if q.Tool != "" {
		if _, err := s.tool(q.Tool); err != nil {
			return nil, err
		}
	}
	arch, ok := architectures[q.Platform.Arch]
	if ok = ok && q.Platform.OS == "linux"; !ok && (q.List || q.Platform.IsAny()) {
		arch, ok = "amd64", true
	}
	if !ok {
		return nil, &manifests.UnsupportedPlatformError{Tool: q.Tool, Version: q.Version, Platform: q.Platform, Have: platforms()}
	}
	if len(s.Suites) == 0 {
		return nil, &NoMirrorError{s.Channel, s.Codename}
	}
	c := &Catalog{source: s, arch: arch}
	suites, err := c.prove(ctx, t, q)
	if err == nil && q.Judge != nil { // before anything is fetched that only a fresh suite needs
		if stale := q.Judge(c.mark); stale != nil {
			return nil, stale
		}
	}
	if err == nil {
		err = c.read(ctx, suites, q)
	}
	if err != nil {
		return nil, fmt.Errorf("channel %s: %w", s.Channel, err)
	}
	if len(c.missing) > 0 && s.Tell != nil {
		s.Tell(c.withheld())
	}
	return c, nil
}

// prove gets what each suite signs, and sets c's mark; c lacks those that are not there.
func (c *Catalog) prove(ctx context.Context, t manifests.Transport, q manifests.Query) (suites []*fetcher, err error) {
	for i, suite := range c.source.Suites {
		f := &fetcher{Source: c.source, suite: suite, t: t, q: q}
		err := f.prove(ctx)
		if i > 0 && errors.Is(err, manifests.ErrNotFound) && !errors.Is(err, verify.ErrUntrusted) {
			c.missing = append(c.missing, suite.Name)
			continue
		}
		if err == nil && i > 0 && !f.of(suites[0].release) {
			err = f.fault("it is of %s, not of %s", f.codename, suites[0].codename)
		}
		if err != nil {
			return nil, err
		}
		suites = append(suites, f)
	}
	var lines []verify.Mark
	for _, f := range suites {
		lines = append(lines, f.mark())
	}
	c.mark = verify.Together(c.source.Channel, lines...)
	return suites, nil
}

// read reads what the tools are made of: the excerpt of the indices that was made
// of these very suites before, or else the indices.
func (c *Catalog) read(ctx context.Context, suites []*fetcher, q manifests.Query) error {
	roots := c.source.roots(q)
	if c.mark.Same(q.Last) {
		if c.archive = excerpted(ctx, suites, c.arch, q.Last, roots); c.archive != nil {
			c.mark.Excerpt = q.Last.Excerpt
			return nil
		}
	}
	c.archive = newArchive(c.arch)
	for _, f := range suites {
		if err := f.add(ctx, c.archive); err != nil {
			return err
		}
	}
	if c.source.Cache == nil {
		return nil
	}
	if data, err := c.archive.excerpt(roots); err == nil {
		c.mark.Excerpt = verify.DigestOf(data)
		c.source.Cache.Store(c.mark.Excerpt, data)
	}
	return nil
}

// tool finds a tool that the channel provides.
func (s Source) tool(name string) (Tool, error) {
	list := s.tools()
	i := slices.IndexFunc(list, func(t Tool) bool { return t.Name == name })
	if i < 0 {
		return Tool{}, &manifests.UnknownToolError{Channel: s.Channel, Tool: name, Near: manifests.Near(name, s.names())}
	}
	if list[i].Refused != "" {
		return Tool{}, &RefusedToolError{s.Channel, name, list[i].Refused}
	}
	return list[i], nil
}

// tools are those of the table that the channel may provide, and those that no
// channel can.
func (s Source) tools() []Tool {
	return slices.DeleteFunc(tools(), func(t Tool) bool { return s.Tools != nil && t.Refused == "" && !slices.Contains(s.Tools, t.Name) })
}

func (s Source) names() (names []string) {
	for _, t := range s.tools() {
		if t.Refused == "" {
			names = append(names, t.Name)
		}
	}
	return names
}

// A RefusedToolError says that a distribution has a tool whose packages cannot
// work in a prefix.
type RefusedToolError struct{ Channel, Tool, Reason string }

func (e *RefusedToolError) Error() string {
	return fmt.Sprintf("channel %s: %s cannot be installed: %s", e.Channel, e.Tool, e.Reason)
}

// ReleaseFile is the file name of what a suite's archive signs.
const ReleaseFile = "InRelease"

// At are the suites of the release whose InRelease is at ref, and what it is
// called: …/dists/bookworm/InRelease.
func At(ref string) (suites []Suite, codename string, err error) {
	dir, ok := strings.CutSuffix(ref, "/"+ReleaseFile)
	i := strings.LastIndex(dir, "/dists/")
	if ok && i >= 0 {
		codename = dir[i+len("/dists/"):]
	}
	if manifests.ValidName(codename) != nil {
		return nil, "", fmt.Errorf("%s is not that of a suite: …/dists/bookworm/", manifests.Redact(ref))
	}
	return Suites(dir[:i+1], codename), codename, nil
}

// Suites are those of a release whose archive is at root: the release itself and
// what brings newer packages. Debian keeps security updates in an archive of
// their own, which mirrors have beside the other.
func Suites(root, codename string) []Suite {
	security := root
	if strings.HasSuffix(root, "/debian/") {
		security = strings.TrimSuffix(root, "/") + "-security/"
	}
	return []Suite{{root, codename}, {root, codename + "-updates"}, {security, codename + "-security"}}
}
