package releasetext

import (
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/toolset"
)

// Checked is what verify found.
type Checked struct {
	Checked []CheckedRelease     `json:"checked"`
	Locked  []toolset.LockedTool `json:"locked,omitempty"` // with --locked
}

// A CheckedRelease is a release that was compared with its receipt.
type CheckedRelease struct {
	Release string          `json:"release"` // channel/tool@version
	Entries int             `json:"entries"` // paths compared
	Drift   []install.Drift `json:"drift"`
	Proof   *ProvedAgain    `json:"proof,omitempty"` // with --evidence
}

// Unread returns how many paths could not be compared, since this user may not read them.
func (c CheckedRelease) Unread() (n int) {
	for _, d := range c.Drift {
		if d.Reason == install.Unreadable {
			n++
		}
	}
	return n
}

// A ProvedAgain is the result of verifying a release again from its evidence.
type ProvedAgain struct {
	Proved  bool   `json:"proved"`
	Problem string `json:"problem,omitempty"`
	// Files reports that the installed files were recorded while the proved archive was
	// unpacked, so that comparing them with the receipt compares them with the archive.
	Files bool     `json:"files"`
	Notes []string `json:"notes,omitempty"`
}

func (r Checked) Render(p *term.Page) {
	for _, c := range r.Checked {
		unread := c.Unread()
		differ := len(c.Drift) - unread
		if differ == 0 && unread == 0 {
			p.Line("%s: %s, as installed", c.Release, term.Count(c.Entries, "path"))
			c.Proof.Render(p)
			continue
		}
		if differ > 0 {
			p.Line("%s: %d of %s differ", c.Release, differ, term.Count(c.Entries, "path"))
		}
		if unread > 0 {
			p.Line("%s: %d of %s cannot be read by this user", c.Release, unread, term.Count(c.Entries, "path"))
		}
		for _, d := range c.Drift {
			p.Line("  %s: %s", d.Reason, d.Path)
		}
		c.Proof.Render(p)
	}
	for _, t := range r.Locked {
		if t.Problem == "" {
			p.Line("%s: as locked", t.Release)
		} else {
			p.Line("%s: not as locked: %s", t.Release, t.Problem)
		}
	}
}

func (r *ProvedAgain) Render(p *term.Page) {
	switch {
	case r == nil:
		return
	case r.Proved && r.Files:
		p.Line("  proved again by its evidence; its files are those of the proved archive")
	case r.Proved:
		p.Line("  proved again by its evidence; whether its files are those of the proved archive was not recorded, and not checked")
	default:
		p.Line("  %s", r.Problem)
	}
	p.Field("  note", r.Notes...)
}
