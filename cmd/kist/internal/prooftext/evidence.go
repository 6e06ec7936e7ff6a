package prooftext

import (
	"fmt"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/verify"
)

// Write writes e and its parents, the signed document last.
func Write(p *term.Page, e verify.Evidence) {
	if e.Kind == "" {
		return
	}
	p.Field("proved", e.Name)
	p.Field("  by", Kind(e))
	if !e.Digest.IsZero() {
		p.Field("  digest", e.Digest.String())
	}
	for _, s := range e.Signers {
		WriteSigner(p, s)
	}
	if t := e.Tree; t != nil {
		p.Field("  database", t.Name)
		p.Field("  tree", fmt.Sprintf("%d records, root %s", t.Size, t.Root))
		p.Field("  record", fmt.Sprint(t.Record))
		p.Field("  content", t.H1)
	}
	if m := e.Mark; m != nil && !m.IsZero() && len(m.Head) == 0 {
		if m.Serial > 0 {
			p.Field("  serial", fmt.Sprint(m.Serial))
		}
		p.Field("  issued", m.Issued.UTC().Format(time.RFC3339))
		if !m.Expires.IsZero() {
			p.Field("  fresh until", m.Expires.UTC().Format(time.RFC3339))
		}
	}
	p.Field("  note", e.Notes...)
	if e.Parent != nil {
		Write(p, *e.Parent)
	}
	for _, also := range e.Also {
		Write(p, also)
	}
}

// WriteSigner writes who made a signature, and with what.
func WriteSigner(p *term.Page, s verify.Signer) {
	p.Field("  signed by", s.Primary.Spaced())
	p.Field("    name", s.UserID)
	if s.Key != s.Primary {
		p.Field("    subkey", s.Key.Spaced())
	}
	p.Field("    with", s.Algorithm+", "+s.Hash)
	p.Field("    on", s.Created.UTC().Format(time.RFC3339))
	if !s.Expired.IsZero() {
		p.Field("    note", "the key expired later, on "+s.Expired.UTC().Format(time.DateOnly))
	}
	if s.Pinned {
		p.Field("    note", "the subkey is trusted by its pinned fingerprint: its binding signature is too weak by itself")
	}
}

// Kind names the kind of e.
func Kind(e verify.Evidence) string {
	switch e.Kind {
	case verify.ByDetached:
		return "a detached OpenPGP signature"
	case verify.ByClearsigned:
		return "an OpenPGP signature around the text"
	case verify.ByDigest:
		return "the digest that a proved document states"
	case verify.ByTree:
		return "the signed tree of a checksum database"
	}
	return string(e.Kind)
}
