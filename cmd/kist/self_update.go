package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/selftext"
	"github.com/kist-tools/kist/install/selfupdate"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/manifests/upstreams"
)

func (a *app) selfUpdateCommand() *cobra.Command {
	var version string
	return a.Command(cli.Verb{
		Use: "update [--version V]", Short: "Replace kist by its newest release",
		Long: `Asks kist's own channel for the newest release, proves it as it would prove any
toolchain, and puts its program in place of this one in a single step. The program
before it stays beside it, for kist self rollback. Neither is run.

That is done only where you decide what lies in the directory: it must be your own,
and nobody else's to write to. Where a package manager or the system put kist, the
message says which command updates it.

Without --version, kist never goes to an older release. With it, kist takes any
release that the channel still lists.`,
		Example: "kist self update\nkist self update -n\nkist self update --version 0.2.0",
		Exits:   []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		Args:    cli.Exactly(0),
		Changes: true,
		Flags: func(f *pflag.FlagSet) {
			f.StringVar(&version, "version", "", "take release `V`, which may be an older one")
		},
		Run: func(ctx context.Context, _ []string) (cli.Result, error) {
			if number, _ := manifests.ExactVersion(version); version != "" && manifests.ValidVersion(number) != nil {
				return nil, failure.Usage("self update: --version %s: not a version", version)
			}
			return a.WithSession(func(ctx context.Context, s *toolset.Set, _ []string) (cli.Result, error) {
				return a.selfUpdate(ctx, s, version)
			})(ctx, nil)
		},
	})
}

func (a *app) selfUpdate(ctx context.Context, s *toolset.Set, version string) (cli.Result, error) {
	p, err := a.openProgram() // before the network is asked for what could not be used
	if err != nil {
		return nil, err
	}
	defer p.Close()
	have, err := selfupdate.RunningDigest(p.Path)
	if err != nil {
		return nil, err
	}
	b, err := s.Desk.Own()
	if err != nil {
		return nil, err
	}
	r, err := s.Desk.Resolve(ctx, b, ownRequest(s, version))
	if err != nil {
		return nil, err
	}
	r, artifact, err := selfupdate.Of(r)
	if err != nil {
		return nil, err
	}
	done := selftext.Updated{DryRun: a.Flags.DryRun, Program: p.Path, Have: a.Build.Version,
		Release: selftext.NewRelease(b.Name, r.Version, artifact.Integrity.Digest, r.Evidence)}
	done.Outcome, err = selfupdate.Compare(a.Build.Version, have, r, artifact, version != "")
	if err != nil {
		return nil, err
	}
	if done.Outcome != selfupdate.Newer || a.Flags.DryRun {
		return done, nil
	}
	err = s.FetchFile(ctx, r, artifact, func(proved *os.File) error {
		if err := selfupdate.CheckBuild(proved, r, artifact); err != nil {
			return err
		}
		if _, err := proved.Seek(0, 0); err != nil {
			return err
		}
		unlock, err := s.Installer.Lock(ctx)
		if err != nil {
			return err
		}
		return errors.Join(p.Replace(ctx, proved, artifact.Size, artifact.Integrity.Digest), unlock())
	})
	if err != nil {
		return nil, err
	}
	done.Changed, done.Previous = true, p.PreviousPath()
	return done, nil
}

// ownRequest returns the request for a version of kist itself.
func ownRequest(s *toolset.Set, version string) manifests.Request {
	return s.Desk.Request(trust.Ref{Name: upstreams.OwnTool, Version: version})
}

// openProgram opens the file of this kist, to be replaced.
func (a *app) openProgram() (*selfupdate.Program, error) {
	return selfupdate.Open(selfupdate.Machine{
		Root: a.Machine, User: a.Host, Own: []string{filepath.Join(a.Dirs.Data, "kist")},
		Warn: func(text string) { a.Warn("%s", text) },
	}, a.Program)
}

func (a *app) selfRollbackCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Use: "rollback", Short: "Go back to the program before the last update",
		Long: `Exchanges this program and the one that the last kist self update kept beside it.
It uses no network. Done again, it goes forward again.`,
		Example:   "kist self rollback\nkist self rollback -n",
		Exits:     []int{0, 1, 2, 3, 7, 8, 9},
		ExitMeans: map[int]string{3: "no earlier program was kept"},
		Args:      cli.Exactly(0),
		Changes:   true,
		Local:     true,
		Run: a.WithSession(func(ctx context.Context, s *toolset.Set, _ []string) (cli.Result, error) {
			p, err := a.openProgram()
			if err != nil {
				return nil, err
			}
			defer p.Close()
			done := selftext.RolledBack{DryRun: a.Flags.DryRun, Program: p.Path, Have: a.Build.Version, Previous: p.PreviousPath()}
			if a.Flags.DryRun {
				b, err := p.Previous(a.Host)
				if err != nil {
					return nil, err
				}
				done.Version = b.Version
				return done, nil
			}
			unlock, err := s.Installer.Lock(ctx)
			if err != nil {
				return nil, err
			}
			b, err := p.Rollback(a.Host)
			if err = errors.Join(err, unlock()); err != nil {
				return nil, err
			}
			done.Version = b.Version
			return done, nil
		}),
	})
}

// verifyProgram finds the release of kist whose program is the one that runs.
func (a *app) verifyProgram(ctx context.Context, s *toolset.Set) (r selftext.Release, err error) {
	digest, err := selfupdate.RunningDigest(a.Program)
	if err != nil {
		return r, err
	}
	b, err := s.Desk.Own()
	if err != nil {
		return r, err
	}
	cat, err := s.Desk.Fetch(ctx, b, ownRequest(s, ""))
	if err != nil {
		return r, err
	}
	found, ok := selfupdate.Identify(cat.Versions(upstreams.OwnTool), digest, func(version string) (manifests.Release, error) {
		return s.Release(cat, b.Channel, ownRequest(s, version))
	})
	if !ok {
		return r, &selfupdate.UnknownProgramError{Channel: b.Name, Path: a.Program, Digest: digest}
	}
	return selftext.NewRelease(b.Name, found.Version, digest, found.Evidence), nil
}
