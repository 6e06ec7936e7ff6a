// Package bundletext describes what the bundle verbs did or found, for people and as JSON.
// It reads and writes no bundle.
package bundletext

import (
	"slices"
	"strings"

	"github.com/kist-tools/kist/cmd/kist/internal/prooftext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/bundles"
	"github.com/kist-tools/kist/install/copies"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// Created is what bundle create wrote.
type Created struct {
	File      string     `json:"file"`
	Replaced  bool       `json:"replaced,omitempty"` // there was a bundle of that name before
	Releases  []Contents `json:"releases"`
	Documents int        `json:"documents"`
	Artifacts int        `json:"artifacts"`
	Fetched   int        `json:"fetched"` // artifacts that were fetched or proved again
	Size      int64      `json:"size"`    // bytes of documents and artifacts
}

// Contents is a release in a bundle, and the platforms that it is there for.
type Contents struct {
	Release   string               `json:"release"`
	Platforms []manifests.Platform `json:"platforms"`
}

// NewCreated describes d, which was written to file.
func NewCreated(file string, d bundles.Draft, replaced bool) Created {
	return Created{File: file, Replaced: replaced, Releases: group(d.Releases), Documents: d.Documents, Artifacts: d.Artifacts, Fetched: d.Fetched, Size: d.Bytes}
}

// group returns each of releases once, with its platforms.
func group(releases []copies.Release) (list []Contents) {
	for _, r := range releases {
		name := r.Channel + "/" + r.Tool + "@" + r.Version
		i := slices.IndexFunc(list, func(c Contents) bool { return c.Release == name })
		if i < 0 {
			i, list = len(list), append(list, Contents{Release: name})
		}
		if !slices.Contains(list[i].Platforms, r.Platform) {
			list[i].Platforms = append(list[i].Platforms, r.Platform)
		}
	}
	return list
}

func (r Created) Render(p *term.Page) {
	did := "Wrote"
	if r.Replaced {
		did = "Replaced"
	}
	p.Headline(did, "%s: %s and %s, %s", r.File, term.Count(r.Documents, "document"), term.Count(r.Artifacts, "artifact"), term.ByteSize(r.Size))
	for _, c := range r.Releases {
		p.Line("  %s for %s", c.Release, platforms(c.Platforms))
	}
}

func platforms(list []manifests.Platform) string {
	var texts []string
	for _, p := range list {
		texts = append(texts, p.String())
	}
	return strings.Join(texts, ", ")
}

// Shown is what a bundle holds, and whether it is proved.
type Shown struct {
	File      string    `json:"file"`
	Releases  []Release `json:"releases"`
	Documents int       `json:"documents"` // that the proofs needed
	Artifacts int       `json:"artifacts"` // proved
	Others    int       `json:"others"`    // files that no proof needed
	Size      int64     `json:"size"`      // bytes of all files
	Problems  []Problem `json:"problems"`
	Unnamed   []string  `json:"unnamed,omitempty"` // releases that the documents do not name
}

// A Release is a release that a bundle holds for a platform.
type Release struct {
	Release    string             `json:"release"`
	Channel    string             `json:"channel"`
	Tool       string             `json:"tool"`
	Version    string             `json:"version"`
	Platform   manifests.Platform `json:"platform"`
	Components []string           `json:"components,omitempty"`
	Proved     bool               `json:"proved"`
	Size       int64              `json:"size,omitempty"`     // bytes of its artifacts
	Evidence   *verify.Evidence   `json:"evidence,omitempty"` // if it is proved

	proof string
}

// A Problem is a file or release that is not as it should be.
type Problem struct {
	copies.Problem
	Why string `json:"why,omitempty"`
}

// NewShown describes found, which proving b returned. proof returns the evidence of a
// release that was proved.
func NewShown(b *bundles.Bundle, found bundles.Shown, proof func(manifests.Release) verify.Evidence) Shown {
	r := Shown{File: b.Name, Releases: []Release{}, Documents: found.Documents, Artifacts: found.Artifacts, Others: found.Others,
		Problems: []Problem{}, Unnamed: found.Unnamed}
	for _, f := range b.Files {
		r.Size += f.Size
	}
	for _, one := range found.Releases {
		shown := Release{Release: one.Channel + "/" + one.Tool + "@" + one.Version, Channel: one.Channel, Tool: one.Tool,
			Version: one.Version, Platform: one.Platform, Components: one.State.Components, Proved: one.Proved, Size: one.Size}
		if one.Proved {
			e := proof(one.State)
			shown.Evidence, shown.proof = &e, prooftext.Line(e)
		}
		r.Releases = append(r.Releases, shown)
	}
	for _, p := range found.Problems {
		why := ""
		if p.Err != nil {
			why = p.Err.Error()
		}
		r.Problems = append(r.Problems, Problem{p, why})
	}
	return r
}

func (r Shown) Render(p *term.Page) {
	proved := 0
	for _, one := range r.Releases {
		if one.Proved {
			proved++
		}
	}
	p.Line("%s: %d of %s proved, with %s and %s; %s in all", r.File, proved, term.Count(len(r.Releases), "release"),
		term.Count(r.Documents, "document"), term.Count(r.Artifacts, "artifact"), term.ByteSize(r.Size))
	for _, one := range r.Releases {
		if one.Proved {
			p.Line("  %s for %s: %s", one.Release, one.Platform, term.ByteSize(one.Size))
			if one.proof != "" {
				p.Line("    %s", one.proof)
			}
		}
	}
	for _, problem := range r.Problems {
		if problem.Why == "" {
			p.Line("%s: %s", problem.State, problem.What)
		} else {
			p.Line("%s: %s: %s", problem.State, problem.What, problem.Why)
		}
	}
	for _, release := range r.Unnamed {
		p.Line("not proved: %s: the documents in the bundle do not name it", release)
	}
	if r.Others > 0 {
		were := "were"
		if r.Others == 1 {
			were = "was"
		}
		p.Line("note: %s %s not needed by any proof", term.Count(r.Others, "other file"), were)
	}
}
