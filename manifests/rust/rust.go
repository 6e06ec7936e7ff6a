// Package rust reads the channel manifests of the Rust project, format 2, as its
// own host publishes them, a mirror copies them, and a private twin makes them.
//
// # Parties
//
// The publisher signs one manifest for each name a toolchain can be asked for
// by. Hosts and mirrors copy manifests and archives, and need not be trusted.
// The keys are pinned: by kist for the Rust project, by the user for a mirror.
//
// # Format
//
//	<dist>/channel-rust-<name>.toml              the manifest
//	<dist>/channel-rust-<name>.toml.asc          a detached OpenPGP signature over it
//	<dist>/<YYYY-MM-DD>/channel-rust-<name>.toml that of a day; its .asc beside it
//
// <name> is stable, beta, nightly, 1.95, 1.95.0, 1.95.0-beta.1 and the like. The
// manifest lists packages (rustc, rust-std, clippy-preview, …), each for a target
// triple with the URL and SHA-256 digest of its archives; which packages make up
// a toolchain for a host, by which short names and in which profiles. Keys that
// this package does not read may be there, and change nothing.
// Source: rust-lang/rustup, src/dist/manifest.rs and src/dist/mod.rs.
//
// # Guarantees
//
// A [Catalog] is made of a manifest that the threshold of keys signed, and that
// states the very version that was asked for: a stable manifest served as
// nightly, 1.94 as 1.95 or one day as another is refused. The manifest is judged
// whole: format, date, every digest and URL, and that every package which a list
// names exists for its target. Its date is the Mark of its line (stable, beta,
// nightly, 1.95), which the caller judges; exact versions and days have no line.
//
// A URL of the Rust project's own host leads, for a channel at another place, to
// the same path there: a mirror serves upstream's signed bytes as they are.
//
// # Limits
//
// The format states no expiry, so a host that goes on serving an old manifest
// cannot be told from one that has nothing new; only the date shows it, and the
// evidence says so. It states no sizes either. Upstream signs no list of
// versions.
//
// A package's archives are alternatives of each other, those that cost least to
// unpack first: .tar.zst, .tar.gz, .tar.xz.
//
//	s := rust.Source{Channel: "rust", URL: rust.Upstream, Policy: verify.Policy{Keys: keys, Threshold: 1}}
//	catalog, err := s.Fetch(ctx, transport, manifests.Query{Request: request, Now: now})
package rust

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
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

// NoExpiry is the note in the evidence of every release.
const NoExpiry = "upstream gives no expiry: a freeze shows only as an old date"

// IsManifest reports whether name is the file name of a channel manifest.
func IsManifest(name string) bool {
	_, ok := manifestOf(name)
	return ok
}

func manifestOf(name string) (Name, bool) {
	name, ok := strings.CutPrefix(name, manifestName)
	name, toml := strings.CutSuffix(name, manifestType)
	n, known := ParseName(name)
	return n, ok && toml && known && n.Date == ""
}

// A Source is one place in this format. It implements [manifests.Named].
type Source struct {
	Channel string
	// URL is that of the channel manifest which a request without a version
	// means; the others lie beside it. https, http or file.
	URL string
	// Policy holds the keys and the threshold; Fetch sets its Now and Use.
	Policy verify.Policy
}

// Fetch gets and proves the manifest that q's version names. Besides the errors
// of manifests.Source it returns *manifests.UnknownVersionError for what is no
// name of a Rust toolchain or has no manifest, and *manifests.UnknownToolError.
func (s Source) Fetch(ctx context.Context, t manifests.Transport, q manifests.Query) (manifests.Catalog, error) {
	if q.Tool != "" && q.Tool != Tool {
		return nil, &manifests.UnknownToolError{Channel: s.Channel, Tool: q.Tool, Near: []string{Tool}}
	}
	at, err := url.Parse(s.URL)
	if err != nil || !slices.Contains([]string{"https", "http", "file"}, at.Scheme) || at.RawQuery != "" || at.Fragment != "" {
		return nil, fmt.Errorf("channel %s: %s is not an https, http or file URL without query", s.Channel, manifests.Redact(s.URL))
	}
	own, ok := manifestOf(path.Base(at.Path))
	if !ok {
		return nil, fmt.Errorf("channel %s: %s is not the URL of a channel-rust-….toml", s.Channel, manifests.Redact(s.URL))
	}
	name, err := s.name(q.Version, own)
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
	d, err := manifests.ReadSigned(ctx, t, ref, ".asc", policy)
	if errors.Is(err, manifests.ErrNotFound) && q.Version != "" && !errors.Is(err, verify.ErrUntrusted) {
		return nil, s.unknown(q.Version)
	}
	if err != nil {
		return nil, fmt.Errorf("channel %s: %w", s.Channel, err)
	}
	m, err := Parse(d)
	if err == nil {
		err = m.is(name)
	}
	if err == nil {
		err = m.schemes(at.Scheme)
	}
	if err != nil {
		return nil, fmt.Errorf("channel %s: %w", s.Channel, err)
	}
	return newCatalog(s, name, m, d), nil
}

// Names implements [manifests.Named].
func (s Source) Names() []string { return []string{"stable", "beta", "nightly"} }

// name is what a request's version means; own stands for no version.
func (s Source) name(version string, own Name) (Name, error) {
	switch version {
	case "":
		return own, nil
	case "latest":
		version = "stable"
	}
	version, exact := manifests.ExactVersion(version)
	name, ok := ParseName(version)
	if !ok || exact && !name.fixed() {
		return Name{}, s.unknown(version)
	}
	return name, nil
}

func (s Source) unknown(version string) error {
	return &manifests.UnknownVersionError{Channel: s.Channel, Tool: Tool, Version: version,
		Near: manifests.Near(version, s.Names())}
}
