// Package publishtext describes what the publish verbs did or found, for people and as JSON.
// It neither reads nor writes a channel, nor decides what is printed as a warning.
package publishtext

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/cmd/kist/internal/prooftext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests/publish"
)

// Created is the channel that publish init created.
type Created struct {
	Dir     string `json:"dir"`
	Channel string `json:"channel"`
}

func (r Created) Render(p *term.Page) {
	p.Line("created channel %s in %s; add a release with kist publish add", r.Channel, r.Dir)
}

// Listed is what publish list found: the releases and the sets of a channel.
type Listed struct{ publish.Listing }

func (r Listed) Render(p *term.Page) {
	r.releasesText(p)
	withdrawnText(p, r.Withdrawn)
	if len(r.Sets) == 0 {
		return
	}
	p.Line("")
	rows := [][]string{{"SET", "STATE", "TOOLS"}}
	for _, one := range r.Sets {
		rows = append(rows, []string{one.Name, one.State, strings.Join(one.Tools, ", ")})
	}
	p.Table(rows)
}

func (r Listed) releasesText(p *term.Page) {
	if len(r.Releases) == 0 {
		p.Line("channel %s has no releases; add one with kist publish add", r.Channel)
		return
	}
	rows := [][]string{{"TOOL", "VERSION", "STATE", "LABELS", "PLATFORMS", "COMMANDS"}}
	for _, one := range r.Releases {
		var platforms []string
		for _, art := range one.Artifacts {
			if !slices.Contains(platforms, art.Platform) {
				platforms = append(platforms, art.Platform)
			}
		}
		rows = append(rows, []string{one.Tool, one.Version, one.State, orDash(one.Labels), orDash(platforms), orDash(one.Commands)})
	}
	p.Table(rows)
}

// Verified is what publish verify checked successfully.
type Verified struct {
	Channel  string `json:"channel"`
	Releases int    `json:"releases"`
	Sets     int    `json:"sets,omitempty"`
	Unpacked int    `json:"unpacked"` // number of different toolchains unpacked
	publish.Report
}

func (r Verified) Render(p *term.Page) {
	p.Line("channel %s · %s", r.Channel, prooftext.Line(r.Evidence))
	what := term.Count(r.Releases, "release")
	if r.Sets > 0 {
		what += ", " + term.Count(r.Sets, "set")
	}
	p.Line("%s; %s of %s, as they were signed", what, term.Count(r.Files, "file"), term.ByteSize(r.Bytes))
	p.Line("%s unpacked, as an install would", term.Count(r.Unpacked, "toolchain"))
	if r.Missing > 0 {
		p.Field("note", fmt.Sprintf("%d of %d files are here and were checked; %d missing", r.Files, r.Files+r.Missing, r.Missing))
	}
	if r.Elsewhere > 0 {
		p.Field("note", fmt.Sprintf("%s at other URLs, not checked", term.Count(r.Elsewhere, "artifact")))
	}
	p.Field("note", r.Notes...)
}

// Pruned is what publish prune did.
type Pruned struct {
	DryRun bool `json:"dry_run,omitempty"`
	publish.Pruned
}

func (r Pruned) Render(p *term.Page) {
	did := would(r.DryRun, "remove", "removed")
	for _, name := range r.Removed {
		p.Line("%s %s", did, name)
	}
	for _, name := range r.Kept {
		p.Line("kept %s", name)
	}
	p.Line("%s %s, %s", did, term.Count(len(r.Removed), "file"), term.ByteSize(r.Bytes))
}

// would returns what a verb did, or what it would do in a dry run.
func would(dryRun bool, do, did string) string {
	if dryRun {
		return "would " + do
	}
	return did
}

// movedText notes the labels that moved from other versions to this one.
func movedText(p *term.Page, labels []string) {
	for _, label := range labels {
		p.Field("note", "label "+label+" moved here from another version")
	}
}

// orDash joins names for one cell of a table, or returns "-" if there are none.
func orDash(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, " ")
}
