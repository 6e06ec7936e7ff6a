package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/change"
	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) uninstallCommand() *cobra.Command {
	var all bool
	var less plan.Parts
	return a.Command(cli.Verb{
		Group: cli.Toolchains, Use: "uninstall TOOL… | --all", Aliases: []string{"remove", "rm"},
		Short: "Remove exactly what was installed",
		Long: `Removes every path that the receipt of a toolchain records and that has not
changed. Files that were changed or added later are kept and listed. This needs
no network, no channel and no key. With --all it removes every toolchain. TOOL@V can
also be a release that an update replaced; kist list --all shows these.

With -c and -t it removes only these components and targets: kist makes a new
copy of the toolchain without them, from its own files, and replaces the old one.
kist rollback returns to the old one.`,
		Example:   "kist uninstall go@1.25.3\nkist uninstall rust -c clippy\nkist uninstall --all",
		Exits:     []int{0, 1, 2, 3, 7, 8, 9, 10},
		ExitMeans: map[int]string{3: "not installed"},
		Args:      cli.Between(0, 1000),
		Changes:   true,
		Flags: func(f *pflag.FlagSet) {
			f.StringArrayVarP(&less.Components, "component", "c", nil, "only the optional component `NAME` of it (repeatable)")
			f.StringArrayVarP(&less.Targets, "target", "t", nil, "only its support for building for `TRIPLE` (repeatable)")
			f.BoolVar(&all, "all", false, "every installed toolchain")
		},
		Complete: a.Offers().Installed,
		Values:   map[string]completion.Completer{"component": a.Offers().Components, "target": completion.Words()},
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			whole := len(less.Components)+len(less.Targets) == 0
			if all == (len(args) > 0) || all && !whole {
				return nil, failure.Usage("uninstall: name the tools, or use --all")
			}
			if err := less.Validate(); err != nil {
				return nil, failure.Usage("uninstall: %v", err)
			}
			refs, err := trust.ParseRefs(args)
			if err != nil {
				return nil, err
			}
			if all {
				return a.uninstallAll(ctx)
			}
			s, err := a.Open(ctx)
			if err != nil {
				return nil, err
			}
			defer s.Close()
			var c plan.Change
			for _, ref := range refs {
				r, err := s.ToRemove(ref)
				if err != nil {
					return nil, err
				}
				if whole {
					c.Remove = append(c.Remove, r.ID)
					continue
				}
				components, err := less.ComponentsIn(r)
				if err != nil {
					return nil, err
				}
				c.Reduce = append(c.Reduce, plan.Reduction{ID: r.ID, Components: components})
			}
			return a.Change(ctx, s, c, nil)
		},
	})
}

func (a *app) uninstallAll(ctx context.Context) (cli.Result, error) {
	s, err := a.openToEmpty(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	res, err := a.removeAll(ctx, s, false, "Remove %s?")
	if res == nil {
		return nil, err
	}
	r := change.Result{DryRun: a.Flags.DryRun, Generation: res.Generation.Number, Removed: toolset.Refs(res.Removed), Kept: res.Leftovers}
	if err == nil && len(r.Removed) == 0 && !r.DryRun {
		a.Say("nothing was installed")
	}
	return r, cmp.Or(err, failure.Kept(r.Kept, r.DryRun))
}

// removeAll removes every toolchain, after the user has confirmed the question, and with
// self kist's own files, too; or tells what it would remove, in a dry run. The result is nil
// if nothing was removed because of an error.
func (a *app) removeAll(ctx context.Context, s *toolset.Set, self bool, question string) (*install.Result, error) {
	if a.Flags.DryRun {
		left, err := s.PreviewRemoveAll(ctx, self)
		if err != nil {
			return nil, err
		}
		return &install.Result{Generation: s.State.Current, Removed: everything(s), Leftovers: left}, nil
	}
	if err := a.confirm(ctx, question, a.everything(s.State.Installed())); err != nil {
		return nil, err
	}
	res, err := s.RemoveAll(ctx, self)
	if _, done := errors.AsType[*install.UnfinishedError](err); err != nil && !done {
		return nil, err
	}
	return &res, err
}

// everything returns the releases whose files are installed, by ID.
func everything(s *toolset.Set) (all []record.Head) {
	for _, id := range slices.Sorted(maps.Keys(s.State.Receipts)) {
		if r := s.State.Receipts[id]; !r.Removed {
			all = append(all, r)
		}
	}
	return all
}

// openToEmpty opens a session to remove everything by the receipts alone, even if
// the current generation is damaged.
func (a *app) openToEmpty(ctx context.Context) (*toolset.Set, error) {
	s, damaged, err := a.OpenAnyway(ctx)
	if damaged != nil {
		a.Warn("%v; using only the receipts", damaged)
	}
	if err == nil {
		a.WarnOfDamage(s)
	}
	return s, err
}

func (a *app) everything(installed []record.Head) string {
	if len(installed) == 0 {
		return "everything that kist installed"
	}
	if len(installed) == 1 {
		return installed[0].Ref()
	}
	return fmt.Sprintf("all %d installed toolchains", len(installed))
}

// confirm asks before everything is removed, if the user is at a terminal. An
// interrupt ends the wait for the answer.
func (a *app) confirm(ctx context.Context, format string, args ...any) error {
	if a.Flags.Yes || !a.Terminal.Stdin || !a.Terminal.Stderr {
		return nil
	}
	yes, err := a.Confirm(ctx, a.Stdin, format, args...)
	if err == nil && !yes {
		err = failure.New("declined", "not confirmed; nothing was changed")
	}
	return err
}
