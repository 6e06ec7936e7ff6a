// Package healthtext describes what doctor found and what repair did, for people and as
// JSON. It finds and changes nothing.
package healthtext

import (
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/toolset"
)

// Repaired is what repair did, or with --dry-run would do.
type Repaired struct {
	DryRun bool               `json:"dry_run,omitempty"`
	Mended []install.Leftover `json:"mended"` // what an interrupted change left
	Remade []Remade           `json:"remade"`
	Left   []Left             `json:"left"`
	Kept   []install.Drift    `json:"kept,omitempty"` // changed or added files of what was made again
}

// A Remade is a release that was made again.
type Remade struct {
	Release string          `json:"release"`          // channel/tool@version
	Prefix  string          `json:"prefix,omitempty"` // where it is now
	Drift   []install.Drift `json:"drift"`            // how it differed from its receipt
}

// A Left is a release that is not as its receipt says, and was left as it is.
type Left struct {
	Release string          `json:"release"` // channel/tool@version, or the ID if its receipt is damaged
	Drift   []install.Drift `json:"drift"`
	Problem string          `json:"problem,omitempty"` // why it could not be made again
}

// Render writes r as text.
func (r Repaired) Render(p *term.Page) {
	mended, remade, kept := "Mended", "Made", "Kept"
	if r.DryRun {
		mended, remade, kept = "Would mend", "Would make", "Would keep"
	}
	for _, m := range r.Mended {
		p.Headline(mended, "%s: %s", m.Path, m.Reason)
	}
	for _, one := range r.Remade {
		p.Headline(remade, "%s again: %s", one.Release, differences(one.Drift))
		listDrift(p, one.Drift)
	}
	for _, k := range r.Kept {
		p.Line("%s %s (%s)", kept, k.Path, k.Reason)
	}
	for _, l := range r.Left {
		switch {
		case l.Problem == "":
			p.Line("%s: %s, so it is left as it is", l.Release, differences(l.Drift))
		case len(l.Drift) == 0:
			p.Line("%s is left as it is: %s", l.Release, l.Problem)
		default:
			p.Line("%s: %s; it is left as it is: %s", l.Release, differences(l.Drift), l.Problem)
		}
		listDrift(p, l.Drift)
	}
}

func differences(drift []install.Drift) string { return term.Count(len(drift), "difference") }

// maxListed is how many differences of a release are listed: of one whose prefix lost all
// its files, there are thousands.
const maxListed = 20

func listDrift(p *term.Page, drift []install.Drift) {
	for n, d := range drift {
		if n == maxListed && len(drift) > maxListed+1 {
			p.Line("  and %d more; --json lists all", len(drift)-maxListed)
			return
		}
		p.Line("  %s: %s", d.Reason, d.Path)
	}
}

// Relocated is what repair --relocated did, or with --dry-run would do.
type Relocated struct {
	DryRun   bool     `json:"dry_run,omitempty"`
	From     []string `json:"from"`     // the data directories that the receipts named
	To       string   `json:"to"`       // the data directory in use
	Adapted  []string `json:"adapted"`  // channel/tool@version
	Commands []string `json:"commands"` // that were linked
	Left     []Left   `json:"left"`
	OldPaths []string `json:"old_paths,omitempty"` // files that were added, and hold an old path
}

// NewRelocated describes what a relocation did.
func NewRelocated(done install.Relocation, dryRun bool) Relocated {
	r := Relocated{
		DryRun: dryRun, From: append([]string{}, done.From...), To: done.To,
		Adapted: append([]string{}, toolset.Refs(done.Adapted)...), Commands: append([]string{}, done.Commands...), Left: []Left{},
		OldPaths: done.OldPaths,
	}
	for _, have := range done.Left {
		l := Left{Release: have.Ref()}
		for _, d := range done.Drifts {
			if d.ID == have.ID {
				l.Drift = append(l.Drift, d)
			}
		}
		r.Left = append(r.Left, l)
	}
	return r
}

// Render writes r as text.
func (r Relocated) Render(p *term.Page) {
	adapted, linked := "Adapted", "Linked"
	if r.DryRun {
		adapted, linked = "Would adapt", "Would link"
	}
	for _, ref := range r.Adapted {
		p.Line("%s %s to %s", adapted, ref, r.To)
	}
	if len(r.Commands) > 0 {
		p.Line("%s %s", linked, term.Count(len(r.Commands), "command"))
		for _, name := range r.Commands {
			p.Line("  %s", name)
		}
	}
	for _, path := range r.OldPaths {
		p.Line("%s holds the old path, and is unchanged: kist did not write it", path)
	}
	for _, l := range r.Left {
		p.Line("%s: %s, so it is left as it is", l.Release, differences(l.Drift))
		for _, d := range l.Drift {
			p.Line("  %s: %s", d.Reason, d.Path)
		}
	}
}
