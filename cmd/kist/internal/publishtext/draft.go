package publishtext

import (
	"strconv"
	"strings"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/trial"
	"github.com/kist-tools/kist/manifests/publish"
)

// Added is what publish add did.
type Added struct {
	DryRun bool          `json:"dry_run,omitempty"`
	Added  []trial.Added `json:"added"`
}

func (r Added) Render(p *term.Page) {
	did := would(r.DryRun, "add", "added")
	if r.DryRun || len(r.Added) > 1 {
		rows := [][]string{{"FILE", "TOOL", "VERSION", "PLATFORM", "FORMAT", "STRIP", "SIZE", "UNPACKED", "COMPONENT"}}
		for _, f := range r.Added {
			rows = append(rows, []string{f.File, f.Tool, f.Version, f.Platform, f.Format, strconv.Itoa(f.Strip), term.ByteSize(f.Size), term.ByteSize(f.Unpacked), f.Component})
		}
		p.Table(rows)
	}
	if len(r.Added) == 1 {
		f := r.Added[0]
		p.Line("%s %s %s for %s: %s, unpacks to %s", did, f.Tool, f.Version, f.Platform, term.ByteSize(f.Size), term.ByteSize(f.Unpacked))
		p.Field("file", f.Path)
		p.Field("sha256", f.SHA256)
	} else {
		p.Line("%s %s", did, term.Count(len(r.Added), "file"))
	}
	for _, f := range r.Added {
		if f.Replaced {
			p.Field("note", f.File+" replaces the earlier file for this platform and component")
		}
		movedText(p, f.Moved)
	}
}

// Removed is what publish remove did.
type Removed struct {
	DryRun  bool     `json:"dry_run,omitempty"`
	Removed []string `json:"removed"` // tool@version
}

func (r Removed) Render(p *term.Page) {
	for _, one := range r.Removed {
		p.Line("%s %s from what will be signed next", would(r.DryRun, "remove", "removed"), one)
	}
}

// Edited is what publish edit did.
type Edited struct {
	DryRun bool `json:"dry_run,omitempty"`
	publish.Edited
}

func (r Edited) Render(p *term.Page) {
	p.Line("%s %s %s, once it is signed:", r.Tool, r.Version, would(r.DryRun, "have", "has"))
	p.Field("commands", strings.Join(r.Commands, " "))
	p.Field("labels", orDash(r.Labels))
	movedText(p, r.Moved)
}

// SetEdited is what publish set did.
type SetEdited struct {
	DryRun  bool `json:"dry_run,omitempty"`
	Removed bool `json:"removed,omitempty"`
	publish.SetEdit
}

func (r SetEdited) Render(p *term.Page) {
	switch {
	case r.Removed:
		p.Line("%s set %s from what will be signed next", would(r.DryRun, "remove", "removed"), r.Name)
		return
	case r.Replaced:
		p.Line("%s set %s, once it is signed:", would(r.DryRun, "replace", "replaced"), r.Name)
	default:
		p.Line("%s set %s, once it is signed:", would(r.DryRun, "add", "added"), r.Name)
	}
	p.Field("tools", r.Tools...)
}
