// Package upkeeptext describes what gc, cache and list --all found or did, for people and
// as JSON. It reads and removes nothing.
package upkeeptext

import (
	"slices"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/change"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/upkeep"
)

// An OlderRelease is a release that only older generations hold.
type OlderRelease struct {
	Tool        string    `json:"tool"`
	Version     string    `json:"version"`
	Channel     string    `json:"channel"`
	Prefix      string    `json:"prefix"`
	Size        int64     `json:"size"`     // bytes of its files
	LastUse     time.Time `json:"last_use"` // to the day
	Generations []uint64  `json:"generations"`
	Why         string    `json:"why,omitempty"` // why it stays; empty: nothing needs it
}

// NewOlderRelease describes r, whose prefix is at a path.
func NewOlderRelease(r upkeep.Release, prefix string) OlderRelease {
	return OlderRelease{r.Tool, r.Version, r.Channel, prefix, r.Files.Bytes, r.LastUse.UTC().Truncate(time.Second), r.Generations, r.Why}
}

// Ref returns channel/tool@version.
func (r OlderRelease) Ref() string { return r.Channel + "/" + r.Tool + "@" + r.Version }

// OlderReleases is the releases that list --all shows although they are not in force.
type OlderReleases []OlderRelease

// Render writes list as text.
func (list OlderReleases) Render(p *term.Page) {
	if len(list) == 0 {
		return
	}
	p.Line("")
	p.Line("Held by older generations:")
	rows := [][]string{{"TOOL", "VERSION", "CHANNEL", "SIZE", "LAST USE", ""}}
	var total int64
	for _, o := range list {
		why := o.Why
		if why == "" {
			why = "until the next update, or kist gc"
		}
		rows = append(rows, []string{o.Tool, o.Version, o.Channel, term.ByteSize(o.Size), o.LastUse.Format(time.DateOnly), why})
		total += o.Size
	}
	p.Table(rows)
	p.Line("%s in all", term.ByteSize(total))
}

// Collected is what gc did, or with --dry-run would do.
type Collected struct {
	change.Result
	Collected []OlderRelease `json:"collected"` // that nothing needed
	Stay      []OlderRelease `json:"stay"`      // that something needs
}

// Render writes r as text.
func (r Collected) Render(p *term.Page) {
	removed, freed, kept := "Removed", "Freed", "Kept"
	if r.DryRun {
		removed, freed, kept = "Would remove", "Would free", "Would keep"
	}
	for _, o := range r.Collected {
		if slices.Contains(r.Removed, o.Ref()) {
			p.Headline(removed, "%s: %s, last used on %s", o.Ref(), term.ByteSize(o.Size), o.LastUse.Format(time.DateOnly))
		}
	}
	for _, k := range r.Kept {
		p.Line("%s %s (%s)", kept, k.Path, k.Reason)
	}
	for _, o := range r.Stay {
		p.Line("%s %s: %s", kept, o.Ref(), o.Why)
	}
	if len(r.Removed) > 1 {
		p.Headline(freed, "%s", term.ByteSize(r.Freed))
	}
}
