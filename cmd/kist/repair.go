package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/change"
	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/healthtext"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/toolset"
)

func (a *app) repairCommand() *cobra.Command {
	var relocated bool
	return a.Command(cli.Verb{
		Group: cli.Housekeeping, Use: "repair [--relocated]", Short: "Repair toolchains, links, and what an interrupted change left",
		Long: `Removes what an interrupted change left, and makes links that are missing. Then
it compares every toolchain with its receipt. One that differs is made again, with
exactly the same files, from the cache or the network, and proved as by kist
install; links, defaults and the version that it follows stay. Files that were
changed or added are never lost: they stay in the old directory, and are listed
(10). What cannot be made again is listed with the reason, and left as it is.

With --relocated, adapts kist's data and state directory to the place where they
are now, after both were moved or copied together: a home under another path, a
layer of an image, or a restored cache. kist reads every file of the toolchains,
compares it with the receipts, links the commands, and records the new place in
the receipts. A toolchain that has changed is named and left as it is (1).

kist refuses (9) if another user owns or can write to a file there, or if the
original is still in use and links its commands in the same bin directory.`,
		Example:   "kist repair -n\nkist repair\nkist repair --relocated",
		Exits:     []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
		ExitMeans: map[int]string{1: "failed, or a file differs from its receipt"},
		Args:      cli.Exactly(0),
		Changes:   true,
		Fetches:   true,
		Flags: func(f *pflag.FlagSet) {
			f.BoolVar(&relocated, "relocated", false, "adapt toolchains that were moved or copied to where they are now")
		},
		Run: a.WithSession(func(ctx context.Context, s *toolset.Set, _ []string) (cli.Result, error) {
			if relocated {
				return a.relocate(ctx, s)
			}
			return a.repair(ctx, s)
		}),
	})
}

func (a *app) relocate(ctx context.Context, s *toolset.Set) (cli.Result, error) {
	done, err := s.Relocate(ctx)
	a.EndProgress()
	if err != nil {
		return nil, err
	}
	r := healthtext.NewRelocated(done, a.Flags.DryRun)
	if len(r.Left) > 0 {
		return r, failure.Drift(toolset.Refs(done.Left))
	}
	if len(r.Adapted) == 0 && len(r.Commands) == 0 {
		a.Say("nothing to adapt: receipts and commands name %s", done.To)
	}
	return r, nil
}

func (a *app) repair(ctx context.Context, s *toolset.Set) (cli.Result, error) {
	if moved := s.Relocated(s.State); moved != nil {
		a.Warn("%v; %s", moved, failure.RepairRelocated)
	}
	r := healthtext.Repaired{DryRun: a.Flags.DryRun, Mended: []install.Leftover{}, Remade: []healthtext.Remade{}, Left: []healthtext.Left{}}
	if err := a.mend(ctx, s, &r); err != nil {
		return nil, err
	}
	drifted, err := s.Drifted(ctx)
	a.EndProgress()
	if err != nil {
		return r, err
	}
	var problem error
	for _, one := range drifted {
		if err := a.remake(ctx, s, one, &r); err != nil {
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			problem = graver(problem, err)
		}
	}
	if problem != nil {
		return r, problem
	}
	if len(r.Mended)+len(r.Remade) == 0 {
		a.Say("nothing to repair")
	}
	return r, failure.Kept(r.Kept, r.DryRun)
}

// mend removes what an interrupted change left, unless this is a dry run.
func (a *app) mend(ctx context.Context, s *toolset.Set, r *healthtext.Repaired) error {
	if r.DryRun {
		found, err := s.Leftovers(s.State)
		r.Mended = append(r.Mended, found...)
		return err
	}
	mended, kept, err := s.Repair(ctx)
	if err != nil {
		return err
	}
	r.Mended, r.Kept = append(r.Mended, mended...), append(r.Kept, kept...)
	a.Changed = len(mended) > 0
	s.State, err = s.Installer.State()
	return err
}

// remake makes a release again that differs from its receipt.
func (a *app) remake(ctx context.Context, s *toolset.Set, one toolset.Drifted, r *healthtext.Repaired) error {
	var did change.Result
	err := one.Err
	if err == nil {
		c, failed := s.Remaking(ctx, one.Head)
		if err = failed; err == nil {
			_, err = a.Maker(s).Make(ctx, c, nil, &did)
		}
		err = toolset.ExplainRemaking(one.Head, err)
	}
	name := string(one.ID)
	if one.Tool != "" {
		name = one.Ref()
	}
	drift := append([]install.Drift{}, one.Drift...)
	if _, kept := errors.AsType[*failure.KeptError](err); err != nil && !kept {
		r.Left = append(r.Left, healthtext.Left{Release: name, Drift: drift, Problem: err.Error()})
		return fmt.Errorf("%s is left as it is: %w", name, err)
	}
	made := healthtext.Remade{Release: name, Drift: drift}
	if len(did.Installed) > 0 {
		made.Prefix = did.Installed[0].Prefix
	}
	r.Remade, r.Kept = append(r.Remade, made), append(r.Kept, did.Kept...)
	a.Changed = !r.DryRun
	return nil
}
