package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/completion"
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
		complete:  completion.First(a.completeShown),
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
	installedTool
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
				for _, f := range evidence.Stored(s.Installer, have) {
					shown.Stored = append(shown.Stored, storedEvidence{f.Of.Name, kindText(f.Of), f.Document, f.Proof, f.Certificates, f.Missing})
				}
			}
			r.Releases = append(r.Releases, shown)
		}
		return r, nil
	}
	if withFiles {
		return nil, err // only installed releases have stored evidence
	}
	o, err := s.Desk.Pick(ctx, ref)
	if err != nil {
		return nil, err
	}
	cat, err := s.Desk.Cached(ctx, o, s.Desk.Request(ref))
	if errors.Is(err, manifests.ErrOffline) { // nothing is cached
		return nil, &toolset.NotInstalledError{Ref: ref}
	}
	if err != nil {
		return nil, err
	}
	rel, err := cat.Resolve(s.Desk.Request(ref))
	if err != nil {
		return nil, o.Explain(err)
	}
	shown := shownRelease{
		installedTool: installedTool{Tool: rel.Tool, Version: rel.Version, Channel: rel.Channel, Labels: rel.Labels, Components: rel.Components},
		Platform:      rel.Platform, Status: "available", Commands: rel.Commands, Evidence: rel.Evidence,
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
		installedTool: describe(s, r), Platform: r.Platform, Status: "installed",
		Evidence: r.Evidence, Artifacts: r.Artifacts, Kist: r.Kist, Sandbox: r.Sandbox,
	}
	for _, c := range r.Commands {
		shown.Commands = append(shown.Commands, c.Name)
	}
	return shown
}

func (r showResult) text(p *term.Page) {
	for i, rel := range r.Releases {
		if i > 0 {
			p.Line("")
		}
		rel.text(p)
	}
}

func (r shownRelease) text(p *term.Page) {
	p.Line("%s %s · channel %s · %s", r.Tool, r.Version, r.Channel, r.Platform)
	field(p, "labels", strings.Join(r.Labels, ", "))
	field(p, "components", strings.Join(r.Components, ", "))
	evidenceText(p, r.Evidence)
	if r.Evidence.Kind == "" {
		for _, note := range r.Evidence.Notes {
			field(p, "note", note)
		}
	}
	for _, a := range r.Artifacts {
		field(p, "file", a.Name)
		if a.Size > 0 {
			field(p, "  size", fmt.Sprintf("%d bytes", a.Size))
		}
		field(p, "  digest", a.Digest.String())
		if !evidence.SameProof(a.Evidence, r.Evidence) {
			evidenceText(p, a.Evidence)
		}
	}
	field(p, "commands", strings.Join(r.Commands, ", "))
	if r.Status != "installed" {
		field(p, "status", "not installed; kist install "+r.Channel+"/"+r.Tool+"@"+r.Version)
		return
	}
	status := "installed " + r.Installed.Local().Format(time.DateTime)
	if r.Default {
		status += ", the default"
	}
	field(p, "status", status+", by kist "+r.Kist)
	field(p, "unpacked", unpackedIn(r.Sandbox))
	field(p, "prefix", r.Prefix)
	field(p, "missing", r.Missing)
	for _, e := range r.Stored {
		e.text(p)
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

func (e storedEvidence) text(p *term.Page) {
	field(p, "evidence", e.Name)
	field(p, "  kind", e.Kind)
	field(p, "  document", e.Document)
	field(p, "  proof", e.Proof)
	for _, c := range e.Certificates {
		field(p, "  certificate", c)
	}
	if e.Missing {
		field(p, "  note", "some of these files are missing or were changed")
	}
}

func field(p *term.Page, name, value string) {
	if value != "" {
		p.Line("  %-13s %s", name, value)
	}
}

// evidenceText writes e and its parents, the signed document last.
func evidenceText(p *term.Page, e verify.Evidence) {
	if e.Kind == "" {
		return
	}
	field(p, "proved", e.Name)
	field(p, "  by", kindText(e))
	if !e.Digest.IsZero() {
		field(p, "  digest", e.Digest.String())
	}
	for _, s := range e.Signers {
		signerText(p, s)
	}
	if t := e.Tree; t != nil {
		field(p, "  database", t.Name)
		field(p, "  tree", fmt.Sprintf("%d records, root %s", t.Size, t.Root))
		field(p, "  record", fmt.Sprint(t.Record))
		field(p, "  content", t.H1)
	}
	if m := e.Mark; m != nil && !m.IsZero() && len(m.Head) == 0 {
		if m.Serial > 0 {
			field(p, "  serial", fmt.Sprint(m.Serial))
		}
		field(p, "  issued", m.Issued.UTC().Format(time.RFC3339))
		if !m.Expires.IsZero() {
			field(p, "  fresh until", m.Expires.UTC().Format(time.RFC3339))
		}
	}
	for _, note := range e.Notes {
		field(p, "  note", note)
	}
	if e.Parent != nil {
		evidenceText(p, *e.Parent)
	}
	for _, also := range e.Also {
		evidenceText(p, also)
	}
}

func signerText(p *term.Page, s verify.Signer) {
	field(p, "  signed by", s.Primary.Spaced())
	field(p, "    name", s.UserID)
	if s.Key != s.Primary {
		field(p, "    subkey", s.Key.Spaced())
	}
	field(p, "    with", s.Algorithm+", "+s.Hash)
	field(p, "    on", s.Created.UTC().Format(time.RFC3339))
	if !s.Expired.IsZero() {
		field(p, "    note", "the key expired later, on "+s.Expired.UTC().Format(time.DateOnly))
	}
	if s.Pinned {
		field(p, "    note", "the subkey is trusted by its pinned fingerprint: its binding signature is too weak by itself")
	}
}

func kindText(e verify.Evidence) string {
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
