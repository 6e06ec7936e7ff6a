package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) runCommand() *cobra.Command {
	return a.command(verb{
		group: toolchains, use: "run TOOL -- CMD…", aliases: []string{"exec", "x"},
		short: "Run a command with a toolchain, changing nothing",
		long: `Replaces kist by CMD, in the environment of the toolchain: its commands first on
PATH, and the variables it needs set, even if they are set already. TOOL without a
version is the default, else the newest installed. The exit code is CMD's.`,
		example: "kist run go@1.25 -- go test ./...\nkist run node@lts -- npm ci",
		exits:   []int{2, 125, 126, 127},
		args: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); dash != 1 || len(args) < 2 {
				return usage("run: want one TOOL, then -- and a command: kist run go -- go version")
			}
			return nil
		},
		plain:    true,
		complete: a.offers().Run,
		run:      a.run,
	})
}

func (a *app) run(ctx context.Context, args []string) (result, error) {
	ref, err := trust.ParseRef(args[0])
	if err != nil {
		return nil, err
	}
	path, r, environ, noExec, err := a.prepareRun(ctx, ref, args[1])
	if err != nil {
		return nil, err
	}
	code, err := a.Exec(path, args[1:], environ)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &failure.LaunchError{Code: 127, Err: fmt.Errorf("%s: not found, or built for another system", path)}
	case noExec && errors.Is(err, fs.ErrPermission):
		return nil, &failure.LaunchError{Code: 126, Err: failure.NoExec(path, r.Ref())}
	case err != nil:
		return nil, &failure.LaunchError{Code: 126, Err: fmt.Errorf("%s: %w", path, err)}
	case code != 0:
		return nil, &failure.ExitError{Code: code}
	}
	return nil, nil
}

// prepareRun returns the path of command, the release r that ref means, the environment of
// r, and whether command lies on a file system mounted noexec. kist's directories are
// closed again before the command starts.
func (a *app) prepareRun(ctx context.Context, ref trust.Ref, command string) (path string, r record.Head, environ []string, noExec bool, err error) {
	s, err := a.open(ctx)
	if err != nil {
		return "", r, nil, false, &failure.LaunchError{Code: 125, Err: err}
	}
	defer s.Close()
	if r, err = s.InUse(ref); err != nil {
		return "", r, nil, false, &failure.LaunchError{Code: 125, Err: err}
	}
	below, _ := toolset.CommandPath(r, command)
	if missing := cmp.Or(s.MissingAt(r, ""), s.MissingAt(r, below)); missing != nil {
		return "", r, nil, false, &failure.LaunchError{Code: 125, Err: missing}
	}
	a.warnOfOtherKists(s, r)
	e := s.Environment(a.Getenv("PATH"), []record.Head{r})
	path, found, err := s.FindCommand(command, r, e.Set["PATH"])
	switch {
	case err != nil && found:
		err = &failure.LaunchError{Code: 126, Err: err}
	case err != nil:
		err = &failure.LaunchError{Code: 127, Err: err}
	}
	return path, r, e.Apply(a.Environ), s.Holder(r.ID).NoExec() && host.IsBelow(path, s.Prefix(r.ID)), err
}
