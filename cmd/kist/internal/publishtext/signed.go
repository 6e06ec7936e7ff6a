package publishtext

import (
	"fmt"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/prooftext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

// Signed is what publish sign did.
type Signed struct {
	DryRun bool `json:"dry_run,omitempty"`
	publish.Signed
	Unsigned string `json:"unsigned,omitempty"` // file with the bytes to sign

	Dir string `json:"-"` // the directory as it was named
}

func (r Signed) Render(p *term.Page) {
	edition := fmt.Sprintf("channel %s: %s", r.Mark.Channel, prooftext.Freshness(r.Mark))
	const waits = "; waits for more signatures in " + publish.NextFile
	switch {
	case r.DryRun && r.Unsigned != "":
		p.Line("would write %s to %s", edition, r.Unsigned)
	case r.Unsigned != "":
		p.Line("%s: wrote %s", edition, r.Unsigned)
		p.Line("sign it: gpg --armor --detach-sign %s", host.Quote(r.Unsigned))
	case r.DryRun && r.Published:
		p.Line("would sign %s", edition)
	case r.DryRun:
		p.Line("would sign %s, which would then wait for more signatures", edition)
	case r.Unchanged && r.Published:
		p.Line("%s: already has this signature", edition)
	case r.Unchanged:
		p.Line("%s: already has this signature%s", edition, waits)
	case r.Cosigned && r.Published:
		p.Line("%s: signature added", edition)
	case r.Published:
		p.Line("%s: signed", edition)
	default:
		p.Line("%s: signed%s; until then users get the manifest published before", edition, waits)
	}
	for _, c := range r.Claims {
		who := c.KeyID
		if c.Issuer != "" {
			who = c.Issuer.Spaced()
		}
		p.Field("signed by", who)
	}
	if r.Unsigned == "" && !r.Published {
		p.Field("signed", fmt.Sprintf("by %d of %d required keys", r.Signers.Have, r.Signers.Need))
		nextSigners(p, r.Dir, r.Signers, r.Missing)
	}
	if r.Keys > 0 {
		p.Line("version %d of the keys is now in force", r.Keys)
	}
}

// Keys is what publish keys did.
type Keys struct {
	DryRun bool `json:"dry_run,omitempty"`
	publish.KeysSigned
	Out string `json:"unsigned,omitempty"` // file with the bytes to sign

	Dir string `json:"-"` // the directory as it was named
}

func (r Keys) Render(p *term.Page) {
	state := would(r.DryRun, "wait for signatures", "waits for signatures")
	if r.InForce {
		state = would(r.DryRun, "be in force", "in force")
	}
	p.Line("channel %s: version %d of its keys, valid until %s: %s", r.Channel, r.Version, r.Expires.UTC().Format(time.DateOnly), state)
	if r.Unchanged {
		p.Line("it already has this signature")
	}
	p.Field("key", prooftext.Spaced(r.Keys)...)
	p.Field("threshold", fmt.Sprintf("%d of %d keys", r.Threshold, len(r.Keys)))
	p.Field("revoked", prooftext.Spaced(r.Revoked)...)
	if r.Serial > 0 {
		p.Field("manifests", fmt.Sprintf("restart from serial %d", r.Serial))
	}
	if !r.InForce {
		r.missingText(p)
	}
	if r.Out != "" {
		p.Line("sign it: gpg --armor --detach-sign %s", host.Quote(r.Out))
	}
}

// missingText writes which signatures are missing, and who must do what.
func (r Keys) missingText(p *term.Page) {
	signed := func(name, how string, q publish.Quorum, keys string) {
		p.Field(name, fmt.Sprintf("%sby %d of %d %s", how, min(q.Have, q.Need), q.Need, keys))
	}
	if r.Old.Need > 0 {
		keys := "required keys in force"
		if r.Version == 1 { // all that users may have
			keys = "keys that signed channel.toml"
		}
		signed("signed", "", r.Old, keys)
	}
	signed("signed", "", r.New, "required new keys")
	if !r.Enough() {
		p.Field("not yet", prooftext.Spaced(r.Missing)...)
		p.Field("next", fmt.Sprintf("kist publish keys %s --secret-key FILE, by those who have not signed it", host.QuoteWords(r.Dir)))
	}
	if !r.Manifest.Reached() {
		signed("channel.toml", "signed ", r.Manifest, "required new keys")
		nextSigners(p, r.Dir, r.Manifest, r.ManifestMissing)
	}
}

// nextSigners writes which of the missing keys must sign the manifest, and how.
func nextSigners(p *term.Page, dir string, q publish.Quorum, missing []verify.Fingerprint) {
	p.Field("not yet", prooftext.Spaced(missing)...)
	n := q.Need - q.Have
	who := fmt.Sprintf("%d of them", n)
	if n == len(missing) {
		who = map[bool]string{true: "that key", false: "each of them"}[n == 1]
	}
	p.Field("next", fmt.Sprintf("kist publish sign %s --secret-key FILE, by %s", host.QuoteWords(dir), who))
}
