package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/help"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
)

func (a *app) manCommand() *cobra.Command {
	return a.command(verb{
		group: housekeeping, use: "man DIR", short: "Write manual pages into a directory",
		long: `Writes a manual page for kist and for each of its verbs into DIR, which it makes
if it is missing. Pages that kist wrote before are replaced; if any other file has
the name of a page, nothing is written. man finds the pages if DIR is named man1
and lies in a directory that MANPATH or man's settings name.`,
		example: `kist man ~/.local/share/man/man1
man kist-install`,
		exits:   []int{0, 1, 2, 8, 9},
		args:    exactly(1),
		changes: true,
		local:   true,
		run:     func(_ context.Context, args []string) (result, error) { return a.writeManPages(args[0]) },
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
func (a *app) writeManPages(dir string) (result, error) {
	pages := help.NewManPages((&app{}).root(), kistVersion().Version, a.now)
	r := manResult{DryRun: a.flags.dryRun, Dir: dir, Pages: pages.Names()}
	root, err := namedfiles.OpenRoot(dir, !a.flags.dryRun)
	if _, missing := errors.AsType[*namedfiles.MissingError](err); missing && a.flags.dryRun {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := pages.Check(root); err != nil {
		return nil, err
	}
	if a.flags.dryRun {
		return r, nil
	}
	a.changed = true
	if err := pages.Write(root); err != nil {
		return nil, err
	}
	return r, nil
}
