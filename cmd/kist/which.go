package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
)

func (a *app) whichCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Group: cli.Toolchains, Use: "which CMD",
		Short: "Print the real path behind a command",
		Long: `Prints the path of the program that the command CMD leads to: that of the default,
or, if CMD has a launcher, what the project of this directory uses.`,
		Example:   "kist which go\nkist which rustc --json",
		Exits:     []int{0, 2, 3, 8, 9},
		ExitMeans: map[int]string{3: "no installed tool has that command"},
		Args:      cli.Exactly(1),
		Complete:  completion.First(a.Offers().Commands),
		Run: a.WithSession(func(ctx context.Context, s *toolset.Set, args []string) (cli.Result, error) {
			path, r, err := a.which(s, args[0])
			if err != nil {
				return nil, err
			}
			return whichResult{args[0], path, r.Ref()}, nil
		}),
	})
}

// which returns the path of a command, and its release: what its launcher would run here,
// if it has one.
func (a *app) which(s *toolset.Set, command string) (path string, r record.Head, err error) {
	if !slices.Contains(s.Shims(), command) {
		return s.Which(command)
	}
	p, _, err := a.useProject(s)
	if err != nil {
		return "", r, err
	}
	path, r, _, err = s.Started(p, command)
	return path, r, err
}

type whichResult struct {
	Command string `json:"command"`
	Path    string `json:"path"`
	Release string `json:"release"` // channel/tool@version
}

func (r whichResult) Render(p *term.Page) { p.Line("%s", r.Path) }
