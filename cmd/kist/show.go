package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/change"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/prooftext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/evidence"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

func (a *app) showCommand() *cobra.Command {
	var withFiles bool
	return a.command(verb{
		group: trusting, use: "show TOOL", aliases: []string{"info"},
		short: "Show who signed a toolchain, and what was checked",
		long: `Shows the evidence for a toolchain: whose keys signed what, when, and how each
file was verified. For an installed toolchain it comes from the receipt, otherwise
from the manifest that kist last verified. With --evidence it names the files by
which you can verify an installed release again, with any OpenPGP program. The
network is not used.`,
		example:   "kist show go\nkist show go --evidence",
		exits:     []int{0, 2, 3, 4, 5, 6, 7, 8, 9},
		exitMeans: map[int]string{3: "no such tool, or kist has not fetched its channel"},
		args:      exactly(1),
		complete:  completion.First(a.offers().Shown),
		local:     true,
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&withFiles, "evidence", false, "name the stored files that prove it")
		},
		run: a.withTools(func(ctx context.Context, s *toolset.Set, refs []trust.Ref) (result, error) {
			return a.show(ctx, s, refs[0], withFiles)
		}),
	})
}

// showResult describes releases in full.
type showResult struct {
	Releases []shownRelease `json:"releases"`
}

type shownRelease struct {
	change.Toolchain
	Platform  manifests.Platform `json:"platform"`
	Status    string             `json:"status"` // "installed" or "available"
	Commands  []string           `json:"commands,omitempty"`
	Evidence  verify.Evidence    `json:"evidence"`
	Artifacts []record.Artifact  `json:"artifacts"`
	Kist      string             `json:"kist,omitempty"` // version that installed it
	Sandbox   string             `json:"sandbox,omitempty"`
	Stored    []storedEvidence   `json:"stored,omitempty"`
}

func (a *app) show(ctx context.Context, s *toolset.Set, ref trust.Ref, withFiles bool) (result, error) {
	found, err := s.Matching(ref)
	if err == nil {
		r := showResult{}
		for _, have := range found {
			shown := showInstalled(s, have)
			if withFiles {
				for _, f := range evidence.Stored(s.Holder(have.ID), have) {
					shown.Stored = append(shown.Stored, storedEvidence{f.Of.Name, prooftext.Kind(f.Of), f.Document, f.Proof, f.Certificates, f.Missing})
				}
			}
			r.Releases = append(r.Releases, shown)
		}
		return r, nil
	}
	if withFiles {
		return nil, err // only installed releases have stored evidence
	}
	rel, err := s.Cached(ctx, ref)
	if err != nil {
		return nil, err
	}
	shown := shownRelease{
		Toolchain: change.Toolchain{Tool: rel.Tool, Version: rel.Version, Channel: rel.Channel, Labels: rel.Labels, Components: rel.Components},
		Platform:  rel.Platform, Status: "available", Commands: rel.Commands, Evidence: rel.Evidence,
	}
	for _, art := range rel.Artifacts {
		item := record.Artifact{Name: art.Name, Component: art.Component, Size: art.Size, Digest: art.Integrity.Digest}
		if t := art.Integrity.Tree; t != nil {
			item.Evidence = t.Evidence
		}
		shown.Artifacts = append(shown.Artifacts, item)
	}
	return showResult{[]shownRelease{shown}}, nil
}

func showInstalled(s *toolset.Set, r record.Head) shownRelease {
	shown := shownRelease{
		Toolchain: change.Describe(s, r), Platform: r.Platform, Status: "installed",
		Evidence: r.Evidence, Artifacts: r.Artifacts, Kist: r.Kist, Sandbox: r.Sandbox,
	}
	for _, c := range r.Commands {
		shown.Commands = append(shown.Commands, c.Name)
	}
	return shown
}

func (r showResult) Render(p *term.Page) {
	for i, rel := range r.Releases {
		if i > 0 {
			p.Line("")
		}
		rel.Render(p)
	}
}

func (r shownRelease) Render(p *term.Page) {
	p.Line("%s %s · channel %s · %s", r.Tool, r.Version, r.Channel, r.Platform)
	p.Field("labels", strings.Join(r.Labels, ", "))
	p.Field("components", strings.Join(r.Components, ", "))
	prooftext.Write(p, r.Evidence)
	if r.Evidence.Kind == "" {
		p.Field("note", r.Evidence.Notes...)
	}
	for _, a := range r.Artifacts {
		p.Field("file", a.Name)
		if a.Size > 0 {
			p.Field("  size", fmt.Sprintf("%d bytes", a.Size))
		}
		p.Field("  digest", a.Digest.String())
		if !evidence.SameProof(a.Evidence, r.Evidence) {
			prooftext.Write(p, a.Evidence)
		}
	}
	p.Field("commands", strings.Join(r.Commands, ", "))
	if r.Status != "installed" {
		p.Field("status", "not installed; kist install "+r.Channel+"/"+r.Tool+"@"+r.Version)
		return
	}
	status := "installed " + r.Installed.Local().Format(time.DateTime)
	if r.Default {
		status += ", the default"
	}
	p.Field("status", status+", by kist "+r.Kist)
	p.Field("unpacked", unpackedIn(r.Sandbox))
	p.Field("store", r.Store)
	p.Field("prefix", r.Prefix)
	p.Field("missing", r.Missing)
	for _, e := range r.Stored {
		e.Render(p)
	}
}

// unpackedIn describes the sandbox that an archive was unpacked in.
func unpackedIn(sandbox string) string {
	switch sandbox {
	case "":
		return ""
	case "none":
		return "without a sandbox: this system offers none"
	}
	return "in a sandbox of " + sandbox
}

// storedEvidence lists the stored files of one proof, which other programs can read,
// too.
type storedEvidence struct {
	Name         string   `json:"name"` // what was proved
	Kind         string   `json:"kind"`
	Document     string   `json:"document,omitempty"` // file with the proved document
	Proof        string   `json:"proof,omitempty"`    // file with its signatures, or the database's answers
	Certificates []string `json:"certificates,omitempty"`
	Missing      bool     `json:"missing,omitempty"` // some of the files are missing or were changed
}

func (e storedEvidence) Render(p *term.Page) {
	p.Field("evidence", e.Name)
	p.Field("  kind", e.Kind)
	p.Field("  document", e.Document)
	p.Field("  proof", e.Proof)
	p.Field("  certificate", e.Certificates...)
	if e.Missing {
		p.Field("  note", "some of these files are missing or were changed")
	}
}
