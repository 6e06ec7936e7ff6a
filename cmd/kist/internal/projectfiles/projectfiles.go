// Package projectfiles finds out what the files of a project ask for, its kist.lock
// included, and describes it for people and as JSON. It installs nothing and writes no file.
package projectfiles

import (
	"path/filepath"
	"slices"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/project"
)

// Asked is what the files of a project ask for.
type Asked struct {
	Files   []AskingFile             `json:"files"` // the nearest first
	Ignored []namedfiles.IgnoredFile `json:"ignored,omitempty"`
	Tools   []AskedTool              `json:"tools"`
}

// An AskingFile is a file of the project, and what it asks for.
type AskingFile struct {
	Path       string   `json:"path"`
	Asks       []string `json:"asks"`
	Unanswered []string `json:"unanswered,omitempty"` // what kist cannot install, and why
}

// An AskedTool is a tool that the project asks for, and what is installed for it.
type AskedTool struct {
	Tool      string      `json:"tool"`
	Asks      string      `json:"asks"`
	Path      string      `json:"path"` // of the file that counts
	Overrules []Overruled `json:"overrules,omitempty"`
	Installed string      `json:"installed,omitempty"` // the release that answers it
	Prefix    string      `json:"prefix,omitempty"`
}

// Overruled is what another file asks for, which does not count.
type Overruled struct {
	Asks string `json:"asks"`
	Path string `json:"path"`
}

// Describe returns what the files of p ask for, and what s has installed for it.
func Describe(p namedfiles.ProjectFiles, s *toolset.Set) Asked {
	r := Asked{Ignored: p.Ignored, Files: []AskingFile{}, Tools: []AskedTool{}}
	for _, f := range p.Read {
		file := AskingFile{Path: f.Path, Unanswered: f.Unanswered, Asks: []string{}}
		for _, ask := range f.Asks {
			file.Asks = append(file.Asks, ask.String())
		}
		r.Files = append(r.Files, file)
	}
	for _, w := range project.Merge(p.Read) {
		tool := AskedTool{Tool: w.Tool, Asks: w.String(), Path: w.Path}
		for _, o := range w.Over {
			tool.Overrules = append(tool.Overrules, Overruled{o.String(), o.Path})
		}
		if have, ok := s.Satisfying(WantOf(w)); ok {
			tool.Installed, tool.Prefix = have.Ref(), s.Prefix(have.ID)
		}
		r.Tools = append(r.Tools, tool)
	}
	return r
}

func (r Asked) Render(p *term.Page) {
	if len(r.Files) == 0 {
		p.Line("no file here asks for a tool")
	}
	for _, f := range r.Files {
		p.Line("%s", f.Path)
		for _, ask := range f.Asks {
			p.Line("  %s%s", ask, r.overruled(ask, f.Path))
		}
		for _, line := range f.Unanswered {
			p.Line("  cannot be installed: %s", line)
		}
	}
	for _, f := range r.Ignored {
		p.Line("%s was not read: %s", f.Path, f.Why)
	}
	if len(r.Tools) == 0 {
		return
	}
	p.Line("")
	rows := [][]string{{"TOOL", "ASKED FOR", "BY", "INSTALLED"}}
	for _, t := range r.Tools {
		have := t.Installed
		if have == "" {
			have = "missing: kist install"
		}
		rows = append(rows, []string{t.Tool, t.Asks, filepath.Base(t.Path), have})
	}
	p.Table(rows)
}

// overruled says which file counts instead of a request that the file at path makes, by its
// path from there.
func (r Asked) overruled(ask, path string) string {
	for _, t := range r.Tools {
		if slices.Contains(t.Overrules, Overruled{ask, path}) {
			if counts, err := filepath.Rel(filepath.Dir(path), t.Path); err == nil {
				return ": " + counts + " counts"
			}
		}
	}
	return ""
}

// Wants returns what the files of p want, with parts added. It prints what they ask for
// and what was not read. Errors name verb, which asks.
func Wants(out *term.Printer, verb string, p namedfiles.ProjectFiles, parts plan.Parts) (wants []toolset.Want, err error) {
	for _, f := range p.Ignored {
		out.Warn("%s was not read: %s", f.Path, f.Why)
	}
	for _, f := range p.Read {
		for _, line := range f.Unanswered {
			out.Warn("%s: %s", f.Path, line)
		}
	}
	for _, w := range project.Merge(p.Read) {
		for _, o := range w.Over {
			out.Detail("%s asks for %s; %s counts", o.Path, o, w.Path)
		}
		want := WantOf(w)
		out.Say("%s asks for %s", w.Path, w)
		wants = append(wants, want)
	}
	switch added := len(parts.Components)+len(parts.Targets) > 0 || parts.Profile != ""; {
	case len(wants) == 0:
		return nil, failure.NothingAsked("%s: name a TOOL; no file here asks for one that kist can install", verb)
	case added && len(wants) > 1:
		return nil, failure.Usage("%s: --component, --target and --profile need a TOOL, since the project asks for several", verb)
	case added:
		wants[0].Parts = wants[0].With(parts)
	}
	return wants, nil
}

// WantOf returns what w means to the toolchains of this machine. A tool that kist.toml does
// not name is optional: other programs' files also ask for what no channel offers.
func WantOf(w project.Want) toolset.Want {
	want := toolset.WantOf(w.Ask)
	if !w.IsOwn() {
		want.Optional = w.Path
	}
	return want
}

// FileNames returns the names of the files by which launchers recognize a project.
func FileNames() (names []string) {
	for _, f := range project.Formats() {
		names = append(names, f.Name)
	}
	return names
}

// ReadOwn returns the path and the content of the nearest kist.toml of p, or of one that
// is to be made in cwd.
func ReadOwn(p namedfiles.ProjectFiles, cwd string) (path string, data []byte, err error) {
	for _, f := range p.Ignored {
		if filepath.Base(f.Path) == project.File && !f.Foreign {
			return "", nil, failure.Usage("%s is not changed: %s", f.Path, f.Why)
		}
	}
	for _, f := range p.Read {
		if filepath.Base(f.Path) == project.File {
			data, err := namedfiles.Read(f.Path, project.MaxFile)
			return f.Path, data, err
		}
	}
	return filepath.Join(cwd, project.File), nil, nil
}

// Pinned is what kist.toml says now.
type Pinned struct {
	Path   string   `json:"path"`
	Pinned []string `json:"pinned"`
	DryRun bool     `json:"dry_run,omitempty"`
}

func (r Pinned) Render(p *term.Page) {
	did := "Pinned"
	if r.DryRun {
		did = "Would pin"
	}
	for _, ask := range r.Pinned {
		p.Headline(did, "%s in %s", ask, r.Path)
	}
}
