package change

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/prooftext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/evidence"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

// A Result is what install, uninstall, default and rollback did, or with
// --dry-run would do.
type Result struct {
	DryRun     bool                 `json:"dry_run,omitempty"`
	Generation uint64               `json:"generation"` // current afterwards
	Already    []Toolchain          `json:"already,omitempty"`
	Installed  []Release            `json:"installed,omitempty"`
	Removed    []string             `json:"removed,omitempty"` // channel/tool@version
	Reduced    []Reduced            `json:"reduced,omitempty"`
	Follows    []Followed           `json:"follows,omitempty"`   // already installed, but requested differently than before
	Defaults   map[string]string    `json:"defaults,omitempty"`  // changed ones: channel/tool to version, "" for none
	Commands   []Link               `json:"commands,omitempty"`  // links that are new or lead somewhere else
	ShimsOn    []string             `json:"shims_on,omitempty"`  // commands that have a launcher now
	ShimsOff   []string             `json:"shims_off,omitempty"` // commands that have none any more
	Patterns   []string             `json:"patterns,omitempty"`  // commands whose names only the archive states
	Hides      []host.HiddenCommand `json:"hides,omitempty"`     // commands on PATH that new links hide
	Skipped    []Skipped            `json:"skipped,omitempty"`   // files not linked because of their names
	Kept       []install.Drift      `json:"kept,omitempty"`
	Freed      int64                `json:"freed,omitempty"` // bytes of what was removed
	Notes      []Note               `json:"notes,omitempty"` // what a user must know about PATH

	// Replaces are the releases that those of Installed replace, in an update.
	Replaces []Replaced `json:"-"`

	released   []string // those of Removed that only older generations held, and that nobody named
	rolledBack bool
	took       time.Duration // from the start of the command to the end of the change
	details    bool          // print digests and trees too
}

// An Release is a release and how it was proved.
type Release struct {
	Tool    string `json:"tool"`
	Version string `json:"version"`
	Channel string `json:"channel"`
	Prefix  string `json:"prefix,omitempty"`
	Proof   string `json:"proof"`
	Size    int64  `json:"size,omitempty"` // bytes to fetch; 0 if unknown
	// Announced reports that Size rests in part on what servers announce, not only on
	// proved documents.
	Announced bool            `json:"announced,omitempty"`
	Evidence  verify.Evidence `json:"evidence"`
	// Keys are, in a dry run, the keys that the release is or will be proved by.
	Keys []evidence.Key `json:"keys,omitempty"`
	// Packages are the packages that a distribution's toolchain would be made of.
	Packages []Package `json:"packages,omitempty"`

	proof    prooftext.Proof
	unpacked install.Unpacked
}

// A Package is one package that would be fetched.
type Package struct {
	Package string        `json:"package"`
	File    string        `json:"file"` // its name contains the package's version
	Size    int64         `json:"size"` // bytes
	Digest  verify.Digest `json:"digest"`
}

// A Reduced is a release that was replaced by itself without some components.
type Reduced struct {
	Tool    string   `json:"tool"`
	Version string   `json:"version"`
	Channel string   `json:"channel"`
	Prefix  string   `json:"prefix,omitempty"`
	Without []string `json:"without"`
}

type Link struct {
	Name string `json:"name"`
	Path string `json:"path"` // of the link
}

// Render writes r as text.
func (r Result) Render(p *term.Page) {
	r.alreadyText(p)
	for _, rel := range r.Installed {
		done, would, what := "Installed", "Would install", rel.Tool+" "+rel.Version
		if i := replacedBy(r.Replaces, rel); i >= 0 {
			done, would, what = "Updated", "Would update", rel.Tool+" from "+r.Replaces[i].Installed+" to "+rel.Version
		}
		if r.DryRun {
			done = would
		}
		r.releaseText(p, done, what, rel)
	}
	r.removedText(p)
	r.defaultsText(p)
	if len(r.Installed) == 0 || len(r.Installed) > 1 {
		r.commandsText(p, "")
	}
	if n := len(r.Installed); n > 1 && !r.DryRun {
		p.Headline("Installed", "%s in %s", term.Count(n, "toolchain"), seconds(r.took))
	}
}

func (r Result) alreadyText(p *term.Page) {
	for _, t := range r.Already {
		where := ""
		if t.Store != "" {
			where = " in " + t.Store
		}
		p.Line("%s/%s@%s is already installed%s", t.Channel, t.Tool, t.Version, where)
	}
	for _, f := range r.Follows {
		p.Line("%s", f.sentence(r.DryRun))
	}
}

// releaseText writes one installed release: what happened, then who proved it and which
// commands it has.
func (r Result) releaseText(p *term.Page, did, what string, rel Release) {
	if len(r.Installed) == 1 && !r.DryRun {
		what += " in " + seconds(r.took)
	}
	switch {
	case !r.DryRun:
		what += fmt.Sprintf(": %s, %s", term.ByteSize(rel.unpacked.Bytes), term.Count(rel.unpacked.Files, "file"))
	case rel.Size > 0:
		what += ": " + term.ByteSize(rel.Size) + " to fetch"
	}
	p.Headline(did, "%s", what)
	p.Line("  channel %s", rel.Channel)
	for _, line := range rel.proof.Lines(r.details) {
		p.Line("  %s", line)
	}
	for _, f := range rel.Packages {
		p.Line("  %s, %s", f.File, term.ByteSize(f.Size))
	}
	if len(r.Installed) == 1 {
		r.commandsText(p, "  ")
	}
}

func (r Result) removedText(p *term.Page) {
	removed, kept := "Removed", "Kept"
	if r.DryRun {
		removed, kept = "Would remove", "Would keep"
	}
	for _, ref := range r.Removed {
		if !slices.Contains(r.released, ref) {
			p.Headline(removed, "%s", ref)
		}
	}
	for _, t := range r.Reduced {
		p.Headline(removed, "%s of %s/%s@%s", strings.Join(t.Without, ", "), t.Channel, t.Tool, t.Version)
	}
	if len(r.released) > 0 {
		freed := "Freed"
		if r.DryRun {
			freed = "Would free"
		}
		p.Headline(freed, "%s: %s, which only older generations held", term.ByteSize(r.Freed), strings.Join(r.released, ", "))
	}
	for _, k := range r.Kept {
		p.Line("%s %s (%s)", kept, k.Path, k.Reason)
	}
}

// addReleased adds to r.released those of removed that p frees.
func (r *Result) addReleased(p plan.Plan, removed []record.Head) {
	for _, have := range removed {
		if slices.Contains(p.Free, have.ID) {
			r.released = append(r.released, have.Ref())
		}
	}
}

func (r Result) defaultsText(p *term.Page) {
	if r.rolledBack && r.DryRun {
		p.Line("Would return to generation %d", r.Generation)
	} else if r.rolledBack {
		p.Line("Returned to generation %d", r.Generation)
	}
	for _, key := range slices.Sorted(maps.Keys(r.Defaults)) {
		switch v := r.Defaults[key]; {
		case v == "" && r.DryRun:
			p.Line("%s would have no default", key)
		case v == "":
			p.Line("%s has no default now", key)
		case r.DryRun:
			p.Line("%s would default to %s", key, v)
		default:
			p.Line("%s now defaults to %s", key, v)
		}
	}
}

func (r Result) commandsText(p *term.Page, indent string) {
	if len(r.Patterns) > 0 {
		p.Wrapped(indent+"commands that match:", slices.Compact(slices.Sorted(slices.Values(r.Patterns))))
	}
	if len(r.Commands) > 0 {
		p.Wrapped(indent+"commands:", names(r.Commands))
	}
	if len(r.ShimsOn) > 0 {
		p.Wrapped(indent+"launchers:", r.ShimsOn)
	}
	if len(r.ShimsOff) > 0 {
		p.Wrapped(indent+"no launchers:", r.ShimsOff)
	}
}

// seconds formats a duration for people: "40 ms", "0.3 s", "2 min 5 s".
func seconds(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	d = d.Round(time.Second)
	return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
}
