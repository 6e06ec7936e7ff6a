// Package releasetext describes releases for people and as JSON: who signed them, how that
// was checked, and whether their installed files are those of their receipts. It checks
// nothing itself.
package releasetext

import (
	"fmt"
	"strings"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/change"
	"github.com/kist-tools/kist/cmd/kist/internal/prooftext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/evidence"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// Shown describes releases in full.
type Shown struct {
	Releases []ShownRelease `json:"releases"`
}

// A ShownRelease is one release, installed or available.
type ShownRelease struct {
	change.Toolchain
	Platform  manifests.Platform `json:"platform"`
	Status    string             `json:"status"` // "installed" or "available"
	Commands  []string           `json:"commands,omitempty"`
	Evidence  verify.Evidence    `json:"evidence"`
	Artifacts []record.Artifact  `json:"artifacts"`
	Expired   time.Time          `json:"expired,omitzero"` // see record.Head
	Kist      string             `json:"kist,omitempty"`   // version that installed it
	Sandbox   string             `json:"sandbox,omitempty"`
	Stored    []StoredEvidence   `json:"stored,omitempty"`
}

// Installed describes r, which is installed.
func Installed(s *toolset.Set, r record.Head) ShownRelease {
	shown := ShownRelease{
		Toolchain: change.Describe(s, r), Platform: r.Platform, Status: "installed",
		Evidence: r.Evidence, Artifacts: r.Artifacts, Expired: r.Expired, Kist: r.Kist, Sandbox: r.Sandbox,
	}
	for _, c := range r.Commands {
		shown.Commands = append(shown.Commands, c.Name)
	}
	return shown
}

// Available describes rel, which is known from the manifest that kist last verified and is
// not installed.
func Available(rel manifests.Release) ShownRelease {
	shown := ShownRelease{
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
	return shown
}

func (r Shown) Render(p *term.Page) {
	for i, rel := range r.Releases {
		if i > 0 {
			p.Line("")
		}
		rel.Render(p)
	}
}

func (r ShownRelease) Render(p *term.Page) {
	p.Line("%s %s · channel %s · %s", r.Tool, r.Version, r.Channel, r.Platform)
	p.Field("labels", strings.Join(r.Labels, ", "))
	p.Field("components", strings.Join(r.Components, ", "))
	prooftext.Write(p, r.Evidence)
	if r.Evidence.Kind == "" {
		p.Field("note", r.Evidence.Notes...)
	}
	if !r.Expired.IsZero() {
		p.Field("note", evidence.ExpiredNote(r.Expired))
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

// StoredEvidence lists the stored files of one proof, which other programs can read,
// too.
type StoredEvidence struct {
	Name         string   `json:"name"` // what was proved
	Kind         string   `json:"kind"`
	Document     string   `json:"document,omitempty"` // file with the proved document
	Proof        string   `json:"proof,omitempty"`    // file with its signatures, or the database's answers
	Certificates []string `json:"certificates,omitempty"`
	Missing      bool     `json:"missing,omitempty"` // some of the files are missing or were changed
}

func (e StoredEvidence) Render(p *term.Page) {
	p.Field("evidence", e.Name)
	p.Field("  kind", e.Kind)
	p.Field("  document", e.Document)
	p.Field("  proof", e.Proof)
	p.Field("  certificate", e.Certificates...)
	if e.Missing {
		p.Field("  note", "some of these files are missing or were changed")
	}
}
