package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/project"
)

func (a *app) projectCommand() *cobra.Command {
	return a.command(verb{
		group: toolchains, use: "project",
		short: "Show which tools the project of this directory asks for",
		long: `Prints every file of this project that asks for tools, what kist makes of it, and
what is installed for it. kist reads the files of this directory and of those above
it, up to your home directory or the border of a file system. For each tool
kist.toml counts, else the nearest file; within a directory, the file that comes
first in the list of docs/projects.md.

The files are data: they can name tools, versions, components and targets. Nothing
in them is run or fetched, and nothing else in them has an effect.`,
		example: "kist project\nkist project --json",
		exits:   []int{0, 2, 8, 9},
		args:    exactly(0),
		local:   true,
		run: a.withSession(func(_ context.Context, s *toolset.Set, _ []string) (result, error) {
			p, err := a.findProject()
			if err != nil {
				return nil, err
			}
			r := projectResult{Ignored: p.Ignored, Files: []projectFile{}, Tools: []projectTool{}}
			for _, f := range p.Read {
				file := projectFile{Path: f.Path, Unanswered: f.Unanswered, Asks: []string{}}
				for _, ask := range f.Asks {
					file.Asks = append(file.Asks, ask.String())
				}
				r.Files = append(r.Files, file)
			}
			for _, w := range project.Merge(p.Read) {
				tool := projectTool{Tool: w.Tool, Asks: w.String(), Path: w.Path}
				for _, o := range w.Over {
					tool.Overrules = append(tool.Overrules, overruled{o.String(), o.Path})
				}
				if have, ok := s.Satisfying(wantOf(w)); ok {
					tool.Installed, tool.Prefix = have.Ref(), s.Prefix(have.ID)
				}
				r.Tools = append(r.Tools, tool)
			}
			return r, nil
		}),
	})
}

// projectResult is what the files of a project ask for.
type projectResult struct {
	Files   []projectFile            `json:"files"` // the nearest first
	Ignored []namedfiles.IgnoredFile `json:"ignored,omitempty"`
	Tools   []projectTool            `json:"tools"`
}

type projectFile struct {
	Path       string   `json:"path"`
	Asks       []string `json:"asks"`
	Unanswered []string `json:"unanswered,omitempty"` // what kist cannot install, and why
}

type projectTool struct {
	Tool      string      `json:"tool"`
	Asks      string      `json:"asks"`
	Path      string      `json:"path"` // of the file that counts
	Overrules []overruled `json:"overrules,omitempty"`
	Installed string      `json:"installed,omitempty"` // the release that answers it
	Prefix    string      `json:"prefix,omitempty"`
}

// overruled is what another file asks for, which does not count.
type overruled struct {
	Asks string `json:"asks"`
	Path string `json:"path"`
}

func (r projectResult) Render(p *term.Page) {
	if len(r.Files) == 0 {
		p.Line("no file here asks for a tool")
	}
	for _, f := range r.Files {
		p.Line("%s", f.Path)
		for _, ask := range f.Asks {
			p.Line("  %s", ask)
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
	for _, t := range r.Tools {
		for _, o := range t.Overrules {
			p.Line("%s asks for %s; %s counts", o.Path, o.Asks, t.Path)
		}
	}
}

// findProject reads the files of the project of the working directory.
func (a *app) findProject() (namedfiles.ProjectFiles, error) {
	cwd, err := os.Getwd()
	if err == nil {
		cwd, err = filepath.EvalSymlinks(cwd) // as the launchers see it
	}
	if err != nil {
		return namedfiles.ProjectFiles{}, err
	}
	return namedfiles.FindProject(cwd, a.Getenv("HOME"))
}

// projectFileNames returns the names of the files by which launchers recognize a project.
func projectFileNames() (names []string) {
	for _, f := range project.Formats() {
		names = append(names, f.Name)
	}
	return names
}

// useProject returns what the project of the working directory means on this machine.
func (a *app) useProject(s *toolset.Set) (toolset.Project, namedfiles.ProjectFiles, error) {
	files, err := a.findProject()
	if err != nil {
		return toolset.Project{}, files, err
	}
	var wants []toolset.Want
	for _, w := range project.Merge(files.Read) {
		a.Detail("%s asks for %s", w.Path, w)
		wants = append(wants, wantOf(w))
	}
	return s.Project(wants), files, nil
}

// remember stores, for the launchers, what p means. Files that are not read, such as
// links, could change unnoticed: then nothing is stored.
func (a *app) remember(ctx context.Context, s *toolset.Set, p toolset.Project, files namedfiles.ProjectFiles) {
	if files.Dir == "" || len(files.Ignored) > 0 {
		return
	}
	var paths []string
	for _, f := range files.Read {
		paths = append(paths, f.Path)
	}
	stored, err := s.Remember(ctx, s.State.Current, s.Answer(p, files.Dir, paths, files.Absent), files.Times)
	switch {
	case err != nil:
		a.Detail("the launchers will ask kist about %s each time: %v", files.Dir, err)
	case stored:
		a.Detail("the launchers know what %s uses", files.Dir)
	}
}

// projectWants returns what the project of the working directory wants, with parts added.
func (a *app) projectWants(parts plan.Parts) (wants []toolset.Want, err error) {
	p, err := a.findProject()
	if err != nil {
		return nil, err
	}
	for _, f := range p.Ignored {
		a.Warn("%s was not read: %s", f.Path, f.Why)
	}
	for _, f := range p.Read {
		for _, line := range f.Unanswered {
			a.Warn("%s: %s", f.Path, line)
		}
	}
	for _, w := range project.Merge(p.Read) {
		for _, o := range w.Over {
			a.Detail("%s asks for %s; %s counts", o.Path, o, w.Path)
		}
		want := wantOf(w)
		a.Say("%s asks for %s", w.Path, w)
		wants = append(wants, want)
	}
	switch added := len(parts.Components)+len(parts.Targets) > 0 || parts.Profile != ""; {
	case len(wants) == 0:
		return nil, usage("%s: name a TOOL; no file here asks for one that kist can install (kist project shows what it reads)", a.path)
	case added && len(wants) > 1:
		return nil, usage("%s: --component, --target and --profile need a TOOL, since the project asks for several", a.path)
	case added:
		wants[0].Parts = wants[0].With(parts)
	}
	return wants, nil
}

// rememberProject is remember for the project of the working directory, after a change.
func (a *app) rememberProject(ctx context.Context, s *toolset.Set) {
	p, files, err := a.useProject(s)
	if err != nil {
		a.Detail("the launchers will ask kist each time: %v", err)
		return
	}
	a.remember(ctx, s, p, files)
}

// wantOf returns what w means to the toolchains of this machine. A tool that kist.toml does
// not name is optional: other programs' files also ask for what no channel offers.
func wantOf(w project.Want) toolset.Want {
	want := toolset.WantOf(w.Ask)
	if !w.IsOwn() {
		want.Optional = w.Path
	}
	return want
}
