package prooftext

import (
	"fmt"
	"strings"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests/trust"
)

// WriteChannel writes whom a channel trusts, and how fresh it is.
func WriteChannel(p *term.Page, c trust.Description) {
	p.Line("%s", c.Name)
	p.Field("url", c.URL)
	p.Field("asked at", c.Asked...)
	p.Field("format", c.Format)
	switch {
	case len(c.Tools) > 0:
		p.Field("tools", strings.Join(c.Tools, ", "))
	default:
		p.Field("tools", "every name that is not built in")
	}
	if c.Threshold > 0 {
		p.Field("signatures", fmt.Sprintf("%d of %d keys", c.Threshold, len(c.Keys)))
	}
	for _, o := range c.Origins {
		writeOrigin(p, o)
	}
	if len(c.Origins) == 0 {
		writeKeys(p, c.Keys)
	}
	if c.Rotation != nil {
		writeRotation(p, *c.Rotation)
	}
	if c.Mark != nil {
		p.Field("manifest", Freshness(*c.Mark))
	}
	p.Field("problem", c.Problem)
	if !c.Added.IsZero() {
		p.Field("added", c.Added.Local().Format(time.DateTime))
	}
}

// writeOrigin writes one place that a built-in channel fetches from.
func writeOrigin(p *term.Page, o trust.OriginShown) {
	p.Field("origin", o.Name)
	p.Field("  url", o.URLs...)
	p.Field("  asked at", o.Asked...)
	p.Field("  proof", o.Proof)
	p.Field("  database", o.Database)
	p.Field("  suite", o.Suites...)
	if o.Threshold > 0 {
		p.Field("  signatures", fmt.Sprintf("%d of %d keys", o.Threshold, len(o.Keys)))
	}
	writeKeys(p, o.Keys)
}

// writeRotation writes how the keys of a channel changed.
func writeRotation(p *term.Page, r trust.RotationShown) {
	p.Field("keys", fmt.Sprintf("version %d of %s, valid until %s, taken %s", r.Version, day(r.Issued), day(r.Expires), day(r.Taken)))
	p.Field("  joined", Spaced(r.Joined)...)
	p.Field("  retired", Spaced(r.Retired)...)
	p.Field("  revoked", Spaced(r.Revoked)...)
}

// writeKeys writes keys, and when they expire.
func writeKeys(p *term.Page, keys []trust.KeyShown) {
	for _, k := range keys {
		p.Field("key", k.Primary.Spaced())
		p.Field("  name", k.UserID)
		for _, sub := range k.Subkeys {
			text := sub.Spaced()
			if end, ok := k.SubkeysExpire[sub]; ok {
				text += " · expires " + day(end)
			}
			p.Field("  subkey", text)
		}
		p.Field("  expires", day(k.Expires))
		p.Field("  note", k.Revoked)
		p.Field("  copied from", k.Source)
		if k.Weak {
			p.Field("  note", "its own signatures use SHA-1: it is trusted by the fingerprints above alone")
		}
	}
}

// day formats the date on which a key expires, in UTC.
func day(end time.Time) string {
	if end.IsZero() {
		return "never"
	}
	return end.UTC().Format(time.DateOnly)
}
