// Package rust reads the channel manifests of the Rust project, format 2, from its own
// host, a mirror, or a private copy.
//
// # Parties
//
// The publisher signs one manifest for each name that a toolchain can be requested by.
// Hosts and mirrors copy manifests and archives, and need not be trusted. The keys are
// pinned: by kist for the Rust project, by the user for a mirror.
//
// # Format
//
//	<dist>/channel-rust-<name>.toml               the manifest
//	<dist>/channel-rust-<name>.toml.asc           a detached OpenPGP signature over it
//	<dist>/<YYYY-MM-DD>/channel-rust-<name>.toml  the manifest of a day; its .asc is next to it
//
// <name> is stable, beta, nightly, 1.95, 1.95.0, 1.95.0-beta.1 and the like. The
// manifest lists packages (rustc, rust-std, clippy-preview, …), each for a target
// triple with the URL and SHA-256 digest of its archives; and which packages make up a
// toolchain for a host, with their short names and profiles. Unknown keys are ignored.
// Source: rust-lang/rustup, src/dist/manifest.rs and src/dist/mod.rs.
//
// # Guarantees
//
// A catalog is made of a manifest that the threshold of keys signed, and that states
// the very version that was requested: a stable manifest served as nightly, 1.94 as
// 1.95 or one day as another is refused. The whole manifest is checked: format, date,
// every digest and URL, and that every package named in a list exists for its target.
// Its date is the Mark of its line (stable, beta, nightly, 1.95), which the caller
// checks; exact versions and days have no line.
//
// For a channel at another place, a URL of the Rust project's own host is mapped to the
// same path there: a mirror serves upstream's signed bytes unchanged.
//
// # Limits
//
// The format states no expiry, so a host that keeps serving an old manifest cannot be
// told from one that has nothing new; only the date shows it, and the evidence says so.
// It states no sizes either. Upstream signs no list of versions.
//
// A package's archives are alternatives, cheapest to unpack first: .tar.zst, .tar.gz,
// .tar.xz.
//
//	s := rust.Source{Channel: "rust", URL: rust.Upstream, Policy: verify.Policy{Keys: keys, Threshold: 1}}
//	catalog, err := s.Fetch(ctx, transport, manifests.Query{Request: request, Now: now})
package rust

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// Tool is the one tool that a channel of this format offers.
const Tool = "rust"

// Upstream is the stable manifest of the Rust project itself.
const Upstream = upstreamDist + manifestName + "stable" + manifestType

// ManifestName is the file name of the stable manifest.
const ManifestName = manifestName + "stable" + manifestType

const (
	upstreamDist = "https://static.rust-lang.org/dist/"
	manifestName = "channel-rust-"
	manifestType = ".toml"
)

// noExpiry is a note in the evidence of every release.
const noExpiry = "upstream gives no expiry: a freeze shows only as an old date"

// IsManifest reports whether name is the file name of a channel manifest.
func IsManifest(name string) bool {
	_, ok := manifestOf(name)
	return ok
}

func manifestOf(name string) (releaseName, bool) {
	name, ok := strings.CutPrefix(name, manifestName)
	name, toml := strings.CutSuffix(name, manifestType)
	n, known := parseName(name)
	return n, ok && toml && known && n.Date == ""
}

// A Source is one channel in this format. It implements [manifests.Named].
type Source struct {
	Channel string
	// URL is the URL of the channel manifest for a request without a version; the
	// others are next to it. https, http or file.
	URL string
	// Policy holds the keys and the threshold; Fetch sets its Now and Use.
	Policy verify.Policy
}

// Fetch gets and proves the manifest that q's version names. In addition to the errors
// of manifests.Source it returns *manifests.UnknownVersionError for a version that is
// not a Rust toolchain name or has no manifest, and *manifests.UnknownToolError.
func (s Source) Fetch(ctx context.Context, t manifests.Transport, q manifests.Query) (manifests.Catalog, error) {
	if q.Tool != "" && q.Tool != Tool {
		return nil, &manifests.UnknownToolError{Channel: s.Channel, Tool: q.Tool, Near: []string{Tool}}
	}
	u, err := manifests.ParseURL(s.URL)
	if err != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("channel %s: %s is not an https, http or file URL without query", s.Channel, manifests.Redact(s.URL))
	}
	standard, ok := manifestOf(path.Base(u.Path))
	if !ok {
		return nil, fmt.Errorf("channel %s: %s is not the URL of a channel-rust-….toml", s.Channel, manifests.Redact(s.URL))
	}
	name, err := s.name(q.Version, standard)
	if err != nil {
		return nil, err
	}
	file := manifestName + name.Channel + manifestType
	if name.Date != "" {
		file = name.Date + "/" + file
	}
	ref, err := manifests.Join(s.URL, file)
	if err != nil {
		return nil, fmt.Errorf("channel %s: %w", s.Channel, err)
	}
	policy := s.Policy
	policy.Now, policy.Use = q.Now, verify.Manifest
	d, err := manifests.ReadSigned(ctx, t, manifests.SignedRef{Ref: ref, Suffix: ".asc"}, policy)
	if errors.Is(err, manifests.ErrNotFound) && q.Version != "" && !errors.Is(err, verify.ErrUntrusted) {
		return nil, s.unknown(q.Version)
	}
	if err != nil {
		return nil, fmt.Errorf("channel %s: %w", s.Channel, err)
	}
	m, err := parseDocument(d)
	if err == nil {
		err = m.checkName(name)
	}
	if err == nil {
		err = m.checkSchemes(u.Scheme)
	}
	if err != nil {
		return nil, fmt.Errorf("channel %s: %w", s.Channel, err)
	}
	return newCatalog(s, name, m, d), nil
}

// Names implements [manifests.Named].
func (s Source) Names() []string { return []string{"stable", "beta", "nightly"} }

// name returns the name for a requested version; standard is used for "".
func (s Source) name(version string, standard releaseName) (releaseName, error) {
	switch version {
	case "":
		return standard, nil
	case "latest":
		version = "stable"
	}
	version, exact := manifests.ExactVersion(version)
	name, ok := parseName(version)
	if !ok || exact && !name.fixed() {
		return releaseName{}, s.unknown(version)
	}
	return name, nil
}

// unknown returns the error for a version that cannot exist. A toolchain name of rustup,
// such as nightly-x86_64-unknown-linux-gnu, suggests the channel that it begins with.
func (s Source) unknown(version string) error {
	channel, _, _ := strings.Cut(version, "-")
	return &manifests.UnknownVersionError{Channel: s.Channel, Tool: Tool, Version: version,
		Near: manifests.Near(channel, s.Names())}
}
