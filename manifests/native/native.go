// Package native reads kist's own channel format: static files on any host.
//
// # Format
//
// channel.toml is the manifest. channel.toml.asc, in the same directory, is one armor
// block of one or more detached OpenPGP signatures over its exact bytes. A publisher may
// store the same block in signatures/, under the manifest's digest (SignaturesOf), for
// clients whose caches keep one of the two files longer than the other. The manifest
// refers to all other files by size, SHA-256 digest, and either a path below its own
// directory or https URLs (or URLs of the channel's own scheme).
// docs/manifest-format.md is the specification, and testdata holds test vectors.
//
// # Parties
//
// The publisher signs a list of releases. Hosts and mirrors copy both files and the
// blobs, and need not be trusted. The user pinned the publisher's keys out of band,
// for one channel name and some tools.
//
// # Guarantees
//
// Every release in a catalog was signed by at least the threshold of the channel's
// keys, for a channel of this name, in exactly this format. One unknown key or
// invalid value makes the whole manifest invalid. Nothing is parsed before it is
// verified. Tools that the channel was not granted are ignored. The Mark states the
// freshness (serial, issued, expires), and the caller checks it.
//
// # Limits
//
// A manifest has at most [manifests.MaxManifest] bytes, and a release at most
// 256 artifacts, labels, commands or URLs each. It has at most 256 sets of at most 256
// tools each.
//
//	s := native.Source{Channel: "acme", URL: "https://tools.acme.example/channel.toml",
//		Policy: verify.Policy{Keys: keys, Threshold: 1}, Granted: grants}
//	catalog, err := s.Fetch(ctx, transport, manifests.Query{Now: now})
package native

import (
	"context"
	"fmt"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A Source is one native channel that the user added. It implements
// [manifests.Source].
type Source struct {
	Channel string // the name under which the user added it; the manifest must state the same
	URL     string // of channel.toml: https, http, file or oci, as manifests.Locate returns it
	// Policy has the channel's keys and threshold. CheckKeys sets its other fields.
	Policy verify.Policy
	// Edition is the keys document that Policy comes from.
	Edition Edition
	// Granted reports whether the channel may provide a tool. Other tools in its
	// manifest are ignored. nil grants none.
	Granted func(tool string) bool
}

// Fetch fetches the manifest and its signatures, verifies them and parses the
// manifest. Errors match verify.ErrUntrusted if the manifest is unsigned, wrongly
// signed, too large or breaks its format. Other errors are those of t.
func (s Source) Fetch(ctx context.Context, t manifests.Transport, q manifests.Query) (manifests.Catalog, error) {
	scheme, err := s.scheme()
	if err != nil {
		return nil, err
	}
	if err := s.Edition.fresh(s.Channel, q.Now); err != nil {
		return nil, err
	}
	d, err := manifests.ReadSigned(ctx, t, s.signedRef(s.URL, manifests.MaxManifest), s.CheckKeys(q.Now))
	if err != nil {
		return nil, fmt.Errorf("channel %s: %w", s.Channel, err)
	}
	m, err := Parse(d, s.Channel)
	if err != nil {
		return nil, err
	}
	if err := m.checkSchemes(scheme); err != nil {
		return nil, fmt.Errorf("channel %s: %w", s.Channel, err)
	}
	return newCatalog(m, d, s), nil
}

// scheme returns the scheme that the URLs of artifacts may have apart from https: that of
// the channel's location. A registry is asked by https.
func (s Source) scheme() (string, error) {
	if _, err := manifests.ParseRegistryRef(s.URL); err == nil {
		return "https", nil
	}
	location, err := manifests.ParseURL(s.URL)
	if err != nil || location.RawQuery != "" {
		return "", fmt.Errorf("channel %s: %s is not an https, http, file or oci URL without query", s.Channel, manifests.Redact(s.URL))
	}
	return location.Scheme, nil
}

// SignaturesOf returns the path, below the directory of channel.toml, of a copy of the
// signatures of a document with the digest d: the manifest or a keys document.
func SignaturesOf(d verify.Digest) string { return "signatures/" + d.Hex() + ".asc" }

// signedRef locates a document of the channel, at most limit bytes, and its signatures.
func (s Source) signedRef(ref string, limit int64) manifests.SignedRef {
	return manifests.SignedRef{Ref: ref, Suffix: ".asc", Limit: limit, ByDigest: func(d verify.Digest) (string, error) {
		return manifests.Join(s.URL, SignaturesOf(d))
	}}
}

// CheckKeys returns the policy that verifies the channel's documents at the time now. The
// signatures must be armored, and the keys must be valid now too, because publishers
// sign these documents again with every change (verify.Manifest).
func (s Source) CheckKeys(now time.Time) verify.Policy {
	p := s.Policy
	p.Now, p.Use, p.Armored = now, verify.Manifest, true
	return p
}

// Parse reads the manifest of the channel that the user knows as channel. Its
// errors match verify.ErrUntrusted.
func Parse(d verify.Document, channel string) (*Manifest, error) {
	if d.IsZero() {
		return nil, fmt.Errorf("channel %s: %w: the manifest was not proved", channel, verify.ErrUntrusted)
	}
	m, err := parse(d.View(), false)
	if err != nil {
		return nil, fmt.Errorf("channel %s: %w", channel, err)
	}
	if err := checkChannel("manifest", channel, m.Channel); err != nil {
		return nil, err
	}
	return m, nil
}

// ParseDraft reads a manifest that its publisher has not signed yet. It applies the
// rules of Parse, but serial, issued and expires may be missing. The result is not
// verified, and no catalog can be made from it.
func ParseDraft(data []byte) (*Manifest, error) { return parse(data, true) }

// checkChannel returns an error that matches verify.ErrUntrusted if document, which is for
// channel got, does not belong to channel want.
func checkChannel(document, want, got string) error {
	if got == want {
		return nil
	}
	return verify.Untrusted("channel %s: the %s is for channel %q", want, document, got)
}
