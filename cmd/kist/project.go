package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/projectfiles"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/project"
)

func (a *app) projectCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Group: cli.Toolchains, Use: "project",
		Short: "Show which tools the project of this directory asks for",
		Long: `Prints every file of this project that asks for tools, what kist makes of it, and
what is installed for it. kist reads the files of this directory and of those above
it, up to your home directory or the border of a file system. For each tool
kist.toml counts, else the nearest file; within a directory, the file that comes
first in the list of docs/projects.md.

The files are data: they can name tools, versions, components and targets. Nothing
in them is run or fetched, and nothing else in them has an effect.`,
		Example: "kist project\nkist project --json",
		Exits:   []int{0, 2, 8, 9},
		Args:    cli.Exactly(0),
		Local:   true,
		Run: a.WithSession(func(_ context.Context, s *toolset.Set, _ []string) (cli.Result, error) {
			p, err := a.FindProject()
			if err != nil {
				return nil, err
			}
			return projectfiles.Describe(p, s), nil
		}),
	})
}

// useProject returns what the project of the working directory means on this machine.
func (a *app) useProject(s *toolset.Set) (toolset.Project, namedfiles.ProjectFiles, error) {
	files, err := a.FindProject()
	if err != nil {
		return toolset.Project{}, files, err
	}
	for _, f := range files.Ignored {
		a.Detail("%s was not read: %s", f.Path, f.Why)
	}
	var wants []toolset.Want
	for _, w := range project.Merge(files.Read) {
		a.Detail("%s asks for %s", w.Path, w)
		wants = append(wants, projectfiles.WantOf(w))
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

// rememberProject stores, after toolchains were installed for the project of the working
// directory, what it means, if there are launchers, and records it, so that gc keeps what it
// needs.
func (a *app) rememberProject(ctx context.Context, s *toolset.Set) {
	p, files, err := a.useProject(s)
	if err != nil {
		a.Detail("neither launchers nor gc will know of this project: %v", err)
		return
	}
	if len(s.State.Current.Shims) > 0 {
		a.remember(ctx, s, p, files)
	}
	if files.Dir == "" {
		return
	}
	if err := s.NoteProject(ctx, install.SeenProject{Dir: files.Dir, Mount: host.MountOf(files.Dir), Uses: toolset.Refs(p.Uses)}); err != nil {
		a.Detail("gc will not know of %s: %v", files.Dir, err)
	}
}
