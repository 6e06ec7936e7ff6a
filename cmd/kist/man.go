package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/help"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
)

func (a *app) manCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Group: cli.Housekeeping, Use: "man DIR", Short: "Write manual pages into a directory",
		Long: `Writes a manual page for kist and for each of its verbs into DIR, which it makes
if it is missing. Pages that kist wrote before are replaced; if any other file has
the name of a page, nothing is written. man finds the pages if DIR is named man1
and lies in a directory that MANPATH or man's settings name.`,
		Example: `kist man ~/.local/share/man/man1
man kist-install`,
		Exits:   []int{0, 1, 2, 8, 9},
		Args:    cli.Exactly(1),
		Changes: true,
		Local:   true,
		Run:     func(_ context.Context, args []string) (cli.Result, error) { return a.writeManPages(args[0]) },
	})
}

// manResult lists the pages that were written.
type manResult struct {
	DryRun bool     `json:"dry_run,omitempty"`
	Dir    string   `json:"dir"`
	Pages  []string `json:"pages"`
}

func (r manResult) Render(p *term.Page) {
	if r.DryRun {
		p.Line("would write %s to %s", term.Count(len(r.Pages), "manual page"), r.Dir)
		return
	}
	p.Line("wrote %s to %s", term.Count(len(r.Pages), "manual page"), r.Dir)
}

// writeManPages writes the pages into dir, unless another file has the name of one.
func (a *app) writeManPages(dir string) (cli.Result, error) {
	build := cli.ReadBuild()
	date := build.Committed // so that everybody who builds a release gets the same pages
	if date.IsZero() {
		date = a.Started
	}
	pages := help.NewManPages(kistCommand(), build.Version, date)
	r := manResult{DryRun: a.Flags.DryRun, Dir: dir, Pages: pages.Names()}
	root, err := namedfiles.OpenRoot(dir, !a.Flags.DryRun)
	if _, missing := errors.AsType[*namedfiles.MissingError](err); missing && a.Flags.DryRun {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := pages.Check(root); err != nil {
		return nil, err
	}
	if a.Flags.DryRun {
		return r, nil
	}
	a.Changed = true
	if err := pages.Write(root); err != nil {
		return nil, err
	}
	return r, nil
}
