package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
)

func (a *app) repairCommand() *cobra.Command {
	var relocated bool
	return a.Command(cli.Verb{
		Group: cli.Housekeeping, Use: "repair --relocated", Short: "Adapt toolchains that were moved or copied",
		Long: `With --relocated, adapts kist's data and state directory to the place where they
are now, after both were moved or copied together: a home under another path, a
layer of an image, or a restored cache. kist reads every file of the toolchains,
compares it with the receipts, links the commands, and records the new place in
the receipts. A toolchain that has changed is named and left as it is (1).

kist refuses (9) if another user owns or can write to a file there, or if the
original is still in use and links its commands in the same bin directory.`,
		Example:   "kist repair --relocated -n\nkist repair --relocated",
		Exits:     []int{0, 1, 2, 7, 8, 9},
		ExitMeans: map[int]string{1: "failed, or a file differs from its receipt"},
		Args:      cli.Exactly(0),
		Changes:   true,
		Local:     true,
		Flags: func(f *pflag.FlagSet) {
			f.BoolVar(&relocated, "relocated", false, "adapt toolchains that were moved or copied to where they are now")
		},
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			if !relocated {
				return nil, failure.Usage("repair: say what to repair: --relocated")
			}
			return a.WithSession(a.relocate)(ctx, args)
		},
	})
}

// relocatedResult is the result of repair --relocated.
type relocatedResult struct {
	DryRun   bool     `json:"dry_run,omitempty"`
	From     []string `json:"from"`     // the data directories that the receipts named
	To       string   `json:"to"`       // the data directory in use
	Adapted  []string `json:"adapted"`  // channel/tool@version
	Commands []string `json:"commands"` // that were linked

	Left     []leftRelease `json:"left"`
	OldPaths []string      `json:"old_paths,omitempty"` // files that were added, and hold an old path
}

// leftRelease is a toolchain that differs from its receipt, and so was left as it is.
type leftRelease struct {
	Release string          `json:"release"`
	Drift   []install.Drift `json:"drift"`
}

func (r relocatedResult) Render(p *term.Page) {
	adapted, linked := "Adapted", "Linked"
	if r.DryRun {
		adapted, linked = "Would adapt", "Would link"
	}
	for _, ref := range r.Adapted {
		p.Line("%s %s to %s", adapted, ref, r.To)
	}
	if len(r.Commands) > 0 {
		p.Line("%s %s", linked, term.Count(len(r.Commands), "command"))
		for _, name := range r.Commands {
			p.Line("  %s", name)
		}
	}
	for _, path := range r.OldPaths {
		p.Line("%s holds the old path, and is unchanged: kist did not write it", path)
	}
	for _, l := range r.Left {
		p.Line("%s: %s, so it is left as it is", l.Release, term.Count(len(l.Drift), "difference"))
		for _, d := range l.Drift {
			p.Line("  %s: %s", d.Reason, d.Path)
		}
	}
}

func (a *app) relocate(ctx context.Context, s *toolset.Set, _ []string) (cli.Result, error) {
	done, err := s.Relocate(ctx)
	a.EndProgress()
	if err != nil {
		return nil, err
	}
	r := relocatedResult{
		DryRun: a.Flags.DryRun, From: append([]string{}, done.From...), To: done.To,
		Adapted: append([]string{}, refsOf(done.Adapted)...), Commands: append([]string{}, done.Commands...), Left: []leftRelease{},
		OldPaths: done.OldPaths,
	}
	for _, have := range done.Left {
		l := leftRelease{Release: have.Ref()}
		for _, d := range done.Drifts {
			if d.ID == have.ID {
				l.Drift = append(l.Drift, d)
			}
		}
		r.Left = append(r.Left, l)
	}
	if len(r.Left) > 0 {
		return r, failure.Drift(refsOf(done.Left))
	}
	if len(r.Adapted) == 0 && len(r.Commands) == 0 {
		a.Say("nothing to adapt: receipts and commands name %s", done.To)
	}
	return r, nil
}

func refsOf(heads []record.Head) (refs []string) {
	for _, h := range heads {
		refs = append(refs, h.Ref())
	}
	return refs
}
