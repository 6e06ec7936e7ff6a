// Package channels stores what the user trusts: the settings of every channel that the
// user added, and the keys pinned for it.
//
// The files below the configuration directory are
//
//	channels/<name>.toml       one channel: its URL, format, keys and tools
//	channels/<name>.credential the same URL with a user and password, if it has them
//	keys/<fingerprint>.asc     one certificate, named after its primary key
//
// All belong to the user, and have mode 0600. Those without a password can be read,
// copied and put under version control. A credential counts only for the very URL that
// the settings hold; a file that an earlier kist wrote may hold it itself. A file with an unknown key, a pin that is
// not a full fingerprint, or a threshold that the pins cannot meet is an error that
// names the file. It never becomes a channel with fewer restrictions.
//
//	url       = "https://tools.acme.example/channel.toml"
//	format    = "native"
//	threshold = 1
//	tools     = ["zig", "acme-*"]
//	added     = 2026-11-22T10:00:00Z
//
//	[[key]]
//	primary = "0123456789ABCDEF0123456789ABCDEF01234567"
//	subkeys = ["89ABCDEF0123456789ABCDEF0123456789ABCDEF"]
//
// If the channel publishes keys documents, the table [keys] has the keys of the newest
// one that was accepted. The keys that the user chose stay above it.
package channels

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// A Channel is one channel the user added.
type Channel struct {
	Name      string
	URL       string // https, http, file or oci; may hold a user name and password, which are stored separately
	Format    string // one of Formats
	Threshold int    // how many of Pins must have signed; at least 1
	// Tools are the tools that the channel may provide: names, or prefixes of names
	// followed by "*". Empty: see Grants.
	Tools []string
	Pins  []verify.Pin // the keys whose signatures count
	Added time.Time
	// Rotation is the newest keys document of the channel. It replaces Threshold and
	// Pins; nil: none was accepted.
	Rotation *Rotation
}

// A Rotation is the newest keys document of a channel that was accepted: its edition,
// at least version 1, when it was accepted, and its keys. The settings do not store the
// edition's Restart, which only applies once.
type Rotation struct {
	native.Edition
	Taken     time.Time    `toml:"taken"`
	Threshold int          `toml:"threshold"`
	Pins      []verify.Pin `toml:"key"`
	// Retired are the primary keys that counted earlier. A key may be both retired and
	// revoked.
	Retired []verify.Fingerprint `toml:"retired,omitempty"`
}

// Trusted returns the keys whose signatures count now, and how many must have signed.
func (c Channel) Trusted() (pins []verify.Pin, threshold int) {
	if c.Rotation != nil {
		return c.Rotation.Pins, c.Rotation.Threshold
	}
	return c.Pins, c.Threshold
}

// Formats returns the publishing formats that a user's channel can have.
func Formats() []string { return []string{"native", "rust", "checksums", "detached", "debian"} }

// Ceilings on the settings of one channel.
const (
	maxTools   = 256
	maxPins    = 32
	maxRetired = 16384 // retired keys, and also revoked keys: 512 versions that replace maxPins keys each
)

// Grants reports whether the channel may provide tool. If Tools is empty, a native
// channel may provide every tool for which builtin is false, and a channel of another
// format none, because Tools is set when such a channel is added.
func (c Channel) Grants(tool string, builtin func(string) bool) bool {
	if len(c.Tools) == 0 {
		return c.Format == "native" && !builtin(tool)
	}
	return slices.ContainsFunc(c.Tools, func(pattern string) bool {
		start, open := strings.CutSuffix(pattern, "*")
		return tool == pattern || open && strings.HasPrefix(tool, start)
	})
}

// Equal reports whether c and b have the same settings, apart from when they were added
// and from key rotations since.
func (c Channel) Equal(b Channel) bool {
	c, b = c.sorted(), b.sorted()
	c.Added, b.Added = time.Time{}, time.Time{}
	c.Rotation, b.Rotation = nil, nil
	return reflect.DeepEqual(c, b)
}

// Redacted returns the channel's URL for output and logs, without user, password and
// query.
func (c Channel) Redacted() string {
	return manifests.ShortLocation(c.URL)
}

// Validate checks that c is a valid channel. Its errors never show the URL.
func (c Channel) Validate() error {
	if err := manifests.ValidName(c.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if err := c.validURL(); err != nil {
		return err
	}
	if !slices.Contains(Formats(), c.Format) {
		return fmt.Errorf("format %q is unknown", c.Format)
	}
	if err := validTrust(c.Pins, c.Threshold); err != nil {
		return err
	}
	if c.Rotation != nil {
		if err := c.Rotation.validate(); err != nil {
			return fmt.Errorf("keys: %w", err)
		}
	}
	if len(c.Tools) > maxTools {
		return fmt.Errorf("%d tools, over the limit of %d", len(c.Tools), maxTools)
	}
	for _, pattern := range c.Tools {
		start, open := strings.CutSuffix(pattern, "*")
		if open {
			start += "x" // stands for the part that * matches
		}
		if err := manifests.ValidName(start); err != nil {
			return fmt.Errorf("tools: pattern %.100q is neither a name nor the beginning of a name followed by *", pattern)
		}
	}
	return nil
}

// validURL checks the URL of c. Only kist's own format has its documents in registries.
func (c Channel) validURL() error {
	if manifests.IsRegistryRef(c.URL) && c.Format == "native" {
		if r, err := manifests.ParseRegistryRef(c.URL); err == nil && r.File != "" {
			return nil
		}
		return fmt.Errorf("url: want oci://REGISTRY/REPOSITORY:TAG/channel.toml")
	}
	if _, err := manifests.ParseURL(c.URL); err != nil || len(c.URL) > 4096 {
		return fmt.Errorf("url: want an https, http or file URL")
	}
	return nil
}

func (r Rotation) validate() error {
	switch {
	case r.Version == 0 || r.Digest.IsZero() || r.Issued.IsZero() || r.Expires.IsZero() || r.Taken.IsZero():
		return fmt.Errorf("version, digest, issued, expires or taken is missing")
	case len(r.Retired) > maxRetired || len(r.Revoked) > maxRetired:
		return fmt.Errorf("more than %d retired or revoked keys", maxRetired)
	}
	for _, f := range slices.Concat(r.Retired, r.Revoked) {
		if err := checkFingerprint(f); err != nil {
			return err
		}
	}
	return validTrust(r.Pins, r.Threshold)
}

// checkFingerprint checks that f is a full fingerprint in capitals without spaces.
func checkFingerprint(f verify.Fingerprint) error {
	if full, err := verify.ParseFingerprint(string(f)); err != nil {
		return fmt.Errorf("key: %w", err)
	} else if full != f {
		return fmt.Errorf("key: fingerprint %q is not in its plain form", f)
	}
	return nil
}

// validTrust checks keys and a threshold.
func validTrust(pins []verify.Pin, threshold int) error {
	if len(pins) == 0 || len(pins) > maxPins {
		return fmt.Errorf("%d keys, want 1 to %d", len(pins), maxPins)
	}
	if threshold < 1 || threshold > len(pins) {
		return fmt.Errorf("threshold %d with %d keys", threshold, len(pins))
	}
	seen := map[verify.Fingerprint]bool{}
	for _, pin := range pins {
		for _, f := range append([]verify.Fingerprint{pin.Primary}, pin.Subkeys...) {
			if err := checkFingerprint(f); err != nil {
				return err
			}
		}
		if len(pin.Subkeys) > maxPins {
			return fmt.Errorf("key %s: %d subkeys, over the limit of %d", pin.Primary, len(pin.Subkeys), maxPins)
		}
		if seen[pin.Primary] {
			return fmt.Errorf("key %s is listed twice", pin.Primary)
		}
		seen[pin.Primary] = true
	}
	return nil
}

// sorted returns c with its sets sorted, so that equal channels have equal texts.
func (c Channel) sorted() Channel {
	c.Added = c.Added.UTC()
	c.Tools = sortUnique(c.Tools, cmp.Compare)
	c.Pins = sortedPins(c.Pins)
	if c.Rotation != nil {
		r := *c.Rotation
		r.Issued, r.Expires, r.Taken = r.Issued.UTC(), r.Expires.UTC(), r.Taken.UTC()
		r.Pins = sortedPins(r.Pins)
		r.Retired, r.Revoked = sortUnique(r.Retired, cmp.Compare), sortUnique(r.Revoked, cmp.Compare)
		c.Rotation = &r
	}
	return c
}

func sortedPins(pins []verify.Pin) []verify.Pin {
	pins = sortUnique(pins, func(a, b verify.Pin) int { return cmp.Compare(a.Primary, b.Primary) })
	for i := range pins {
		pins[i].Subkeys = sortUnique(pins[i].Subkeys, cmp.Compare)
	}
	return pins
}

// sortUnique returns a sorted copy of list without duplicates, nil if it is empty.
func sortUnique[T any](list []T, compare func(a, b T) int) []T {
	list = slices.SortedFunc(slices.Values(list), compare)
	list = slices.CompactFunc(list, func(a, b T) bool { return compare(a, b) == 0 && reflect.DeepEqual(a, b) })
	if len(list) == 0 {
		return nil
	}
	return list
}
