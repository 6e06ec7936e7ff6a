package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/toolset"
)

func (a *app) selfCommand() *cobra.Command {
	return a.Family(cli.Housekeeping, "self", "Update or remove kist itself", "",
		a.selfUpdateCommand(), a.selfRollbackCommand(),
		a.Command(cli.Verb{
			Use: "uninstall", Short: "Remove every toolchain, and kist itself",
			Long: `Removes every toolchain, and kist's cache, marks, settings and the directories it
made. The program itself is removed if it lies in the bin directory; otherwise
its path is printed. Everything else is then as it was before kist. Files whose
content does not show that they are kist's are kept and listed.`,
			Example: "kist self uninstall --dry-run\nkist self uninstall",
			Exits:   []int{0, 1, 2, 7, 8, 9, 10},
			Args:    cli.Exactly(0),
			Changes: true,
			Run:     a.selfUninstall,
		}))
}

// selfResult is what self uninstall removed and kept.
type selfResult struct {
	DryRun  bool            `json:"dry_run,omitempty"`
	Removed []string        `json:"removed,omitempty"` // channel/tool@version
	Kept    []install.Drift `json:"kept,omitempty"`
	Program string          `json:"program,omitempty"`          // path of kist itself
	Before  string          `json:"previous_program,omitempty"` // path of the program that self update kept, if it is removed too
	Gone    bool            `json:"program_removed"`

	nothing bool // there was nothing to remove
	whole   bool // everything else of kist's was removed, or would be
}

func (r selfResult) Render(p *term.Page) {
	removed, kept := "Removed", "Kept"
	if r.DryRun {
		removed, kept = "Would remove", "Would keep"
	}
	for _, ref := range r.Removed {
		p.Headline(removed, "%s", ref)
	}
	for _, k := range r.Kept {
		p.Line("%s %s (%s)", kept, k.Path, k.Reason)
	}
	switch {
	case r.nothing:
		p.Line("nothing to remove")
	case r.whole:
		p.Headline(removed, "kist's cache, marks, settings and directories")
	}
	switch {
	case r.Program == "":
	case r.Gone:
		p.Headline(removed, "%s", r.Program)
		if r.Before != "" {
			p.Headline(removed, "%s", r.Before)
		}
	default:
		p.Line("kist itself is %s; remove it as you installed it", r.Program)
	}
}

func (a *app) selfUninstall(ctx context.Context, _ []string) (cli.Result, error) {
	s, err := a.openToEmpty(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	r := selfResult{DryRun: a.Flags.DryRun, Program: a.Program, Gone: host.SameDir(filepath.Dir(a.Program), a.Dirs.Bin), nothing: s.Empty(), whole: true}
	removeProgram, removeBefore := func() error { return nil }, func() error { return nil }
	if r.Gone {
		r.Before, removeBefore = a.programBefore()
	}
	if r.Gone && !r.DryRun {
		if removeProgram, err = s.ProgramRemover(filepath.Base(a.Program)); err != nil {
			return nil, err
		}
	}
	res, err := a.removeAll(ctx, s, true, "Remove %s, and kist itself?")
	if res == nil {
		return nil, err
	}
	r.Removed, r.Kept = toolset.Refs(res.Removed), res.Leftovers
	if err != nil {
		r.Gone, r.whole = false, false
		return r, err
	}
	if err := errors.Join(removeBefore(), removeProgram()); err != nil {
		r.Gone = false
		return r, &install.UnfinishedError{Err: err}
	}
	return r, failure.Kept(r.Kept, r.DryRun)
}

// programBefore returns the path of the program that self update kept beside this one, and
// a function that removes it. The path is "" if no such program exists, or if it is not a
// program of kist.
func (a *app) programBefore() (path string, remove func() error) {
	nothing := func() error { return nil }
	p, err := a.openProgram()
	if err != nil {
		return "", nothing
	}
	path, err = p.RemovePrevious(a.Host, true)
	if err != nil || a.Flags.DryRun {
		return path, p.Close
	}
	return path, func() error {
		_, err := p.RemovePrevious(a.Host, false)
		return errors.Join(err, p.Close())
	}
}
