package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/releasetext"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/evidence"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

func (a *app) verifyCommand() *cobra.Command {
	var prove, locked bool
	return a.Command(cli.Verb{
		Group: cli.Trusting, Use: "verify [TOOL…]",
		Short: "Compare installed files with their receipts",
		Long: `Reads every file of the toolchains named, or of all, and compares it with the
receipt. If a file has changed or is missing, it is printed, and the exit code
is 1. A file that you may not read is printed too, and the exit code is then 8.
With --evidence it also verifies every release again from the evidence stored
with its receipt, by today's rules and keys. If that fails, for example because
a key has been revoked, the exit code is 4. The receipt lists the files as they
came out of the verified archive; the archive is not unpacked again.
With --locked it verifies what the project's kist.lock names, and that it is what
was locked: the version, the archives, and the digest of all files.`,
		Example:   "kist verify\nkist verify go --evidence\nkist verify --locked",
		Exits:     []int{0, 1, 2, 3, 4, 8, 9},
		ExitMeans: map[int]string{1: "failed, or a file differs from its receipt", 3: "not installed"},
		Flags: func(f *pflag.FlagSet) {
			f.BoolVar(&prove, "evidence", false, "verify the stored evidence of each release again")
			f.BoolVar(&locked, "locked", false, "verify what the project's kist.lock names, without TOOL")
		},
		Args:     cli.Between(0, 1000),
		Complete: a.Offers().Installed,
		Run: a.WithTools(func(ctx context.Context, s *toolset.Set, refs []trust.Ref) (cli.Result, error) {
			if locked && len(refs) > 0 {
				return nil, failure.Usage("verify: --locked takes no TOOL: kist.lock names them")
			}
			if locked {
				return a.verifyLocked(ctx, s, prove)
			}
			check, err := s.Selected(refs)
			if err != nil {
				return nil, err
			}
			r, done, err := a.verifyInstalled(ctx, s, check, prove)
			if !done {
				return nil, err
			}
			if damaged := slices.Sorted(maps.Keys(s.State.Damaged)); len(refs) == 0 && len(damaged) > 0 {
				return r, &install.ReceiptError{ID: damaged[0], Err: s.State.Damaged[damaged[0]]}
			}
			if err == nil && len(check) == 0 {
				a.Say("nothing is installed")
			}
			return r, err
		}),
	})
}

// verifyLocked verifies what the lock of the project names: the files by their receipts,
// and the receipts by the lock.
func (a *app) verifyLocked(ctx context.Context, s *toolset.Set, prove bool) (cli.Result, error) {
	path, tools, err := a.Lock()
	if err != nil {
		return nil, err
	}
	list, installed, err := s.VerifyLocked(path, tools)
	if err != nil {
		return nil, err
	}
	r, done, err := a.verifyInstalled(ctx, s, installed, prove)
	if !done {
		return nil, err
	}
	if r.Locked = list; err != nil {
		return r, err
	}
	for _, t := range list {
		if t.Problem != "" {
			return r, failure.NotLocked(t.Release)
		}
	}
	return r, nil
}

// verifyInstalled compares releases with their receipts. done is false if an error kept it
// from comparing all of them.
func (a *app) verifyInstalled(ctx context.Context, s *toolset.Set, check []record.Head, prove bool) (r releasetext.Checked, done bool, err error) {
	r.Checked = []releasetext.CheckedRelease{}
	var changed, unread []string
	var unproved error
	for _, have := range check {
		paths, drift, err := s.Verify(ctx, have.ID)
		a.EndProgress()
		if err != nil {
			return r, false, fmt.Errorf("%s: %w", have.Ref(), err)
		}
		if drift == nil {
			drift = []install.Drift{}
		}
		checked := releasetext.CheckedRelease{Release: have.Ref(), Entries: paths, Drift: drift}
		if prove {
			notes, err := evidence.Prove(ctx, s.Desk, s.Holder(have.ID), have)
			if ctx.Err() != nil {
				return r, false, ctx.Err()
			}
			checked.Proof = &releasetext.ProvedAgain{Proved: err == nil, Files: have.FilesProved && len(drift) == 0, Notes: notes}
			if err != nil {
				checked.Proof.Problem = err.Error()
				unproved = graver(unproved, err)
			}
		}
		r.Checked = append(r.Checked, checked)
		if checked.Unread() > 0 {
			unread = append(unread, have.Ref())
		}
		if len(drift) > checked.Unread() {
			changed = append(changed, have.Ref())
		}
	}
	if unproved != nil {
		return r, true, unproved
	}
	if len(changed) > 0 {
		return r, true, failure.Drift(changed)
	}
	if len(unread) > 0 {
		return r, true, failure.Unread(unread)
	}
	return r, true, nil
}

// graver returns the more serious of two errors, either of which may be nil: one that
// matches verify.ErrUntrusted, else the first.
func graver(a, b error) error {
	if a == nil || !errors.Is(a, verify.ErrUntrusted) && errors.Is(b, verify.ErrUntrusted) {
		return b
	}
	return a
}
