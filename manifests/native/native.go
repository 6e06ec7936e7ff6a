// Package native reads kist's own channel format: two static files on any host.
//
// # Format
//
// channel.toml is the manifest; channel.toml.asc beside it is one armor block
// of one or more detached OpenPGP signatures over its exact bytes. Everything
// else the manifest names lies below its own directory, by relative paths, or
// at https URLs (or URLs of the channel's own scheme), and is bound by size and
// SHA-256 digest. docs/manifest-format.md is the specification, and testdata
// its test vectors.
//
// # Parties
//
// The publisher signs a list of releases. Hosts and mirrors copy both files and
// the blobs, and need not be trusted. The user pinned the publisher's keys, out
// of band, for one channel name and some tools.
//
// # Guarantees
//
// What a [Catalog] names was signed by at least the threshold of the channel's
// keys, for a channel of this name, in exactly this format: the manifest is
// judged whole, and one unknown key or impossible value refuses all of it.
// Nothing is parsed before it is proved. Tools the channel was not granted do
// not exist for it. Freshness (serial, issued, expires) is stated in the Mark
// and judged by the caller.
//
// # Limits
//
// A manifest holds at most [manifests.MaxManifest] bytes, and a release at most
// [MaxList] artifacts, labels, commands or URLs each.
//
//	s := native.Source{Channel: "acme", URL: "https://tools.acme.example/channel.toml",
//		Policy: verify.Policy{Keys: keys, Threshold: 1}, Granted: grants}
//	catalog, err := s.Fetch(ctx, transport, manifests.Query{Now: now})
package native

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A Source is one native channel as its user added it. It implements
// [manifests.Source].
type Source struct {
	Channel string // the name it was added under, which the manifest must bear
	URL     string // of channel.toml: https, http or file, as manifests.Locate makes it
	// Policy holds the channel's keys and threshold; Judge sets the rest.
	Policy verify.Policy
	// Edition is the keys document that Policy comes from.
	Edition Edition
	// Granted says for which tools the channel may speak; others in its
	// manifest are ignored. nil grants none.
	Granted func(tool string) bool
}

// Fetch gets the manifest and its signatures as a pair, proves the pair and
// parses what was proved. Errors match
// verify.ErrUntrusted where the manifest is unsigned, wrongly signed, too large
// or breaks its format, and otherwise are t's own.
func (s Source) Fetch(ctx context.Context, t manifests.Transport, q manifests.Query) (manifests.Catalog, error) {
	at, err := url.Parse(s.URL)
	if err != nil || !slices.Contains(schemes(), at.Scheme) || at.RawQuery != "" || at.Fragment != "" {
		return nil, fmt.Errorf("channel %s: %s is not an https, http or file URL without query", s.Channel, manifests.Redact(s.URL))
	}
	if err := s.Edition.Fresh(s.Channel, q.Now); err != nil {
		return nil, err
	}
	d, err := manifests.ReadSigned(ctx, t, s.URL, ".asc", s.Judge(q.Now))
	if err != nil {
		return nil, fmt.Errorf("channel %s: %w", s.Channel, err)
	}
	m, err := Parse(d, s.Channel)
	if err != nil {
		return nil, err
	}
	if err := m.checkSchemes(at.Scheme); err != nil {
		return nil, fmt.Errorf("channel %s: %w", s.Channel, err)
	}
	return newCatalog(m, d, s), nil
}

// Judge is the policy by which the channel's documents are judged now: they are
// signed anew all the time, in armor.
func (s Source) Judge(now time.Time) verify.Policy {
	p := s.Policy
	p.Now, p.Use, p.Armored = now, verify.Manifest, true
	return p
}

// Parse reads the manifest of the channel that the user knows as channel. Its
// errors are *FormatError and *ChannelError, and match verify.ErrUntrusted.
func Parse(d verify.Document, channel string) (*Manifest, error) {
	if d.IsZero() {
		return nil, fmt.Errorf("channel %s: %w: the manifest was not proved", channel, verify.ErrUntrusted)
	}
	m, err := parse(d.View(), false)
	if err != nil {
		return nil, fmt.Errorf("channel %s: %w", channel, err)
	}
	if m.Channel != channel {
		return nil, &ChannelError{Want: channel, Got: m.Channel}
	}
	return m, nil
}

// ParseDraft reads a manifest that its own publisher is still working on: by
// the rules of Parse, but serial, issued and expires may be missing, and nobody
// has vouched for it. No Catalog can be made of it.
func ParseDraft(data []byte) (*Manifest, error) { return parse(data, true) }

// A ChannelError says that a document was made for a channel of another name.
type ChannelError struct {
	Want, Got string
	Document  string // "keys document"; empty: the manifest
}

func (e *ChannelError) Error() string {
	return fmt.Sprintf("channel %s: the %s is that of channel %q", e.Want, cmp.Or(e.Document, "manifest"), e.Got)
}

// Is reports that a document of another channel is not trusted for this one.
func (e *ChannelError) Is(target error) bool { return target == verify.ErrUntrusted }

// schemes are those of a channel's location, and of the URLs in its manifest.
func schemes() []string { return []string{"https", "http", "file"} }
