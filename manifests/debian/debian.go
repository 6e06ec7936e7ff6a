// Package debian reads the package archives of Debian, Ubuntu and distributions built
// the same way, and makes toolchains out of their packages. How packages become a
// toolchain is in package assemble.
//
// # Parties
//
// The distribution's archive signs an InRelease file for each suite. Mirrors copy it
// and everything else, and need not be trusted. The keys are pinned: by kist for Debian
// and Ubuntu, by the user for another archive. Packages are not signed individually.
//
// # Format
//
//	<root>/dists/<suite>/InRelease                             a clear-signed message
//	<root>/dists/<suite>/main/binary-amd64/Packages.gz         an index of packages; .xz
//	<root>/dists/<suite>/main/binary-amd64/by-hash/SHA256/<hex>  the same by its digest
//	<root>/pool/…/rustc_1.63.0+dfsg1-2_amd64.deb               a package
//
// InRelease lists the indices with their digests; an index lists the packages with
// theirs. Source: the Debian wiki, "DebianRepository/Format"; deb822(5); Debian Policy,
// chapters 5 and 7.
//
// # Guarantees
//
// A catalog is built from suites that are each signed, have the requested name and
// origin, are not from the future, are not expired, and share one codename. The indices
// are the ones InRelease states, complete, and match its digests compressed and
// uncompressed. Of each package, the newest version in any suite is used. Every suite
// is a line of the catalog's Mark, by its date, which the caller checks; so a suite
// that has been seen once cannot be left out later.
//
// A release is a toolchain's closure: its packages and what they depend on, computed
// from the indices alone. Each .deb has the digest and size that the index states, and
// lies below the archive's root. While no suite changes, the answer comes from an
// excerpt of the indices, which gives the same result.
//
// # Limits
//
// A stable suite states no expiry, so a mirror that keeps serving an old one cannot be
// told from one that has nothing new; the evidence says so. A suite that has never been
// seen may be withheld: a mirror without the security suite is accepted the first time,
// and the evidence says that too.
//
// Recommended packages are not part of a toolchain, and conflicts between packages are
// ignored: both concern a running system, which a prefix is not.
//
//	suites, _, err := debian.At("https://mirror.example/debian/dists/bookworm/InRelease")
//	s := debian.Source{Channel: "debian-bookworm", Origin: "Debian", Policy: policy, Suites: suites}
//	catalog, err := s.Fetch(ctx, transport, manifests.Query{Request: request, Now: now})
package debian

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/debian/internal/assemble"
	"github.com/kist-tools/kist/verify"
)

// A Suite is one suite of an archive.
type Suite struct {
	Root string // URL of the archive, ending in a slash: https, http or file
	Name string // "bookworm-security"
}

// URL returns the suite's directory, for display.
func (s Suite) URL() string { return manifests.Redact(s.Root + "dists/" + s.Name + "/") }

// A Source is one release of a distribution, as mirrors serve it.
type Source struct {
	Channel string
	// Codename is the release's codename, for display. It may be the name of a suite.
	Codename string
	// suitesOf hold the packages: the first is the release itself and is required; the
	// others bring newer packages. Empty if no mirror is known.
	Suites []Suite
	Origin string // required in each suite; empty: any
	// Policy holds the keys and the threshold; Fetch sets its Now and Use.
	Policy verify.Policy
	// Tools are the tools that the channel may provide; nil: all.
	Tools []string
	Cache Cache        // may be nil
	Tell  func(string) // receives one line about suites that the mirror lacks; may be nil
}

// A Cache keeps proved indices and excerpts of them, by digest, between runs. What it
// returns is proved again.
type Cache interface {
	// Load returns what was stored under a digest, or nil if there is nothing or it is
	// larger than limit bytes.
	Load(d verify.Digest, limit int64) []byte
	// Has reports whether size bytes are stored under a digest, without proof.
	Has(d verify.Digest, size int64) bool
	// Store saves data on a best-effort basis.
	Store(d verify.Digest, data []byte)
}

// NoMirrorError is returned when no mirror of a distribution's archive is known.
type NoMirrorError struct{ Channel, Codename string }

func (e *NoMirrorError) Error() string {
	return fmt.Sprintf("channel %s: the apt sources of this machine name no mirror that has %s", e.Channel, e.Codename)
}
func (*NoMirrorError) Kind() string { return "no-mirror" }

// Unwrap returns manifests.ErrUnreachable: an archive without a known mirror cannot be
// reached.
func (e *NoMirrorError) Unwrap() error { return manifests.ErrUnreachable }

// architectures maps Go's name of each supported architecture to dpkg's.
var architectures = map[string]string{"amd64": "amd64", "arm64": "arm64"}

// platforms returns the platforms that toolchains are made for.
func platforms() []manifests.Platform {
	return []manifests.Platform{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm64"}}
}

// Fetch gets and proves the suites and their indices for q's platform. In addition to
// the errors of manifests.Source it returns *NoMirrorError,
// *manifests.UnknownToolError, errRefusedTool and
// *manifests.UnsupportedPlatformError; the tool is checked before anything is fetched.
// For a listing, or without a platform, it uses amd64 if the host's architecture is not
// supported.
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
	c := &catalog{source: s, arch: arch}
	suites, err := c.prove(ctx, t, q)
	if err == nil && q.CheckMark != nil { // before fetching the indices of a stale suite
		if stale := q.CheckMark(c.mark); stale != nil {
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
		s.Tell(c.missingNote())
	}
	return c, nil
}

// prove gets and proves the InRelease of each suite and sets c's mark; optional suites
// that do not exist are added to c.missing.
func (c *catalog) prove(ctx context.Context, t manifests.Transport, q manifests.Query) (suites []*fetcher, err error) {
	for i, suite := range c.source.Suites {
		f := &fetcher{Source: c.source, suite: suite, t: t, q: q}
		err := f.prove(ctx)
		if i > 0 && errors.Is(err, manifests.ErrNotFound) && !errors.Is(err, verify.ErrUntrusted) {
			c.missing = append(c.missing, suite.Name)
			continue
		}
		if err == nil && i > 0 && !f.updates(suites[0].release) {
			err = f.formatError("it is of %s, not of %s", f.codename, suites[0].codename)
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
	c.mark = verify.JoinLines(c.source.Channel, lines...)
	return suites, nil
}

// read reads the packages of the tools: from the cached excerpt, if it was made of
// these very suites, or else from the indices.
func (c *catalog) read(ctx context.Context, suites []*fetcher, q manifests.Query) error {
	roots := c.source.roots(q)
	if c.mark.Same(q.Last) {
		if c.archive = loadExcerpt(ctx, suites, c.arch, q.Last, roots); c.archive != nil {
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

// tool returns the tool called name, if the channel provides it.
func (s Source) tool(name string) (assemble.Tool, error) {
	list := s.tools()
	i := slices.IndexFunc(list, func(t assemble.Tool) bool { return t.Name == name })
	if i < 0 {
		return assemble.Tool{}, &manifests.UnknownToolError{Channel: s.Channel, Tool: name, Near: manifests.Near(name, s.names())}
	}
	if list[i].Refused != "" {
		return assemble.Tool{}, verify.Errorf(errRefusedTool, "channel %s: %s cannot be installed: %s", s.Channel, name, list[i].Refused)
	}
	return list[i], nil
}

// tools returns the tools of the table that the channel may provide, and those that are
// refused everywhere.
func (s Source) tools() []assemble.Tool {
	return slices.DeleteFunc(assemble.Tools(), func(t assemble.Tool) bool {
		return s.Tools != nil && t.Refused == "" && !slices.Contains(s.Tools, t.Name)
	})
}

// Names returns the tools that are made of packages, in order.
func Names() []string { return Source{}.names() }

func (s Source) names() (names []string) {
	for _, t := range s.tools() {
		if t.Refused == "" {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	return names
}

// errRefusedTool is returned for a tool whose packages cannot work in a prefix.
var errRefusedTool = verify.NewClass("cannot be installed", "unsupported", nil)

// ReleaseFile is the name of the signed file of a suite.
const ReleaseFile = "InRelease"

// At returns the suites and the codename of the release whose InRelease is at ref, such
// as …/dists/bookworm/InRelease.
func At(ref string) (suites []Suite, codename string, err error) {
	dir, ok := strings.CutSuffix(ref, "/"+ReleaseFile)
	i := strings.LastIndex(dir, "/dists/")
	if ok && i >= 0 {
		codename = dir[i+len("/dists/"):]
	}
	if manifests.ValidName(codename) != nil {
		return nil, "", fmt.Errorf("%s is not the URL of a suite: …/dists/bookworm/", manifests.Redact(ref))
	}
	return suitesOf(dir[:i+1], codename), codename, nil
}

// suitesOf returns the suites of a release whose archive is at root: the release itself
// and the suites that bring newer packages. Debian keeps security updates in a separate
// archive, which mirrors keep next to the main one.
func suitesOf(root, codename string) []Suite {
	security := root
	if strings.HasSuffix(root, "/debian/") {
		security = strings.TrimSuffix(root, "/") + "-security/"
	}
	return []Suite{{root, codename}, {root, codename + "-updates"}, {security, codename + "-security"}}
}
