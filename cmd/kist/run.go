package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) runCommand() *cobra.Command {
	return a.command(verb{
		group: toolchains, use: "run TOOL -- CMD…", aliases: []string{"exec", "x"},
		short: "Run a command with a toolchain, changing nothing",
		long: `Replaces kist by CMD, in the environment of the toolchain: its commands first on
PATH, and the variables it needs set, even if they are set already. TOOL without a
version is the default, else the newest installed. The exit code is CMD's.`,
		example: "kist run go@1.25 -- go version",
		exits:   []int{2, 125, 126, 127},
		args: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); dash != 1 || len(args) < 2 {
				return usage("run: want one TOOL, then -- and a command: kist run go -- go version")
			}
			return nil
		},
		plain:    true,
		complete: a.completeRun,
		run:      a.run,
	})
}

// A launchError reports that run could not start its command.
type launchError struct {
	Code int // exit code: 125, 126 or 127
	Err  error
}

func (e *launchError) Error() string { return e.Err.Error() }
func (e *launchError) Unwrap() error { return e.Err }

// A noExecError reports that a command is on a file system mounted noexec.
type noExecError struct{ Path, Release string }

func (e *noExecError) Error() string {
	return e.Path + ": cannot be started: its file system is mounted noexec"
}
func (*noExecError) Kind() string { return "noexec" }

// An exitError is the exit code of a child, which has printed its own errors.
type exitError struct{ Code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

func (a *app) run(ctx context.Context, args []string) (result, error) {
	ref, err := trust.ParseRef(args[0])
	if err != nil {
		return nil, err
	}
	s, err := a.open(ctx)
	if err != nil {
		return nil, &launchError{125, err}
	}
	r, err := s.inUse(ref)
	if err != nil {
		s.Close()
		return nil, &launchError{125, err}
	}
	inPrefix, _ := commandPath(r, args[1])
	for _, path := range []string{"", inPrefix} {
		if missing := s.MissingAt(r, path); missing != nil {
			s.Close()
			return nil, &launchError{125, missing}
		}
	}
	a.warnOfAnotherKist(s, []record.Head{r})
	e := s.environment(a.Getenv("PATH"), []record.Head{r})
	path, err := s.findCommand(args[1], r, e.Set["PATH"])
	noExec := s.NoExec() && host.IsBelow(path, s.Prefix(r.ID))
	s.Close()
	if err != nil {
		return nil, err
	}
	code, err := a.Exec(path, args[1:], e.apply(a.Environ))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &launchError{127, fmt.Errorf("%s: not found, or built for another system", path)}
	case noExec && errors.Is(err, fs.ErrPermission):
		return nil, &launchError{126, &noExecError{path, r.Ref()}}
	case err != nil:
		return nil, &launchError{126, fmt.Errorf("%s: %w", path, err)}
	case code != 0:
		return nil, &exitError{code}
	}
	return nil, nil
}

// findCommand looks for command among those of r, then on path. A command that
// contains a slash is a path.
func (s *session) findCommand(command string, r record.Head, path string) (string, error) {
	var candidates []string
	if strings.ContainsRune(command, filepath.Separator) {
		if info, err := os.Stat(command); err == nil && info.IsDir() {
			return "", &launchError{126, fmt.Errorf("%s: is a directory", command)}
		}
		candidates = []string{command}
	} else {
		if below, ok := commandPath(r, command); ok {
			candidates = append(candidates, filepath.Join(s.Prefix(r.ID), below))
		}
		for _, dir := range filepath.SplitList(path) {
			if filepath.IsAbs(dir) { // never the working directory
				candidates = append(candidates, filepath.Join(dir, command))
			}
		}
	}
	found := ""
	for _, c := range candidates {
		can, exists := host.Executable(c)
		if can {
			return c, nil
		}
		if exists && found == "" {
			found = c
		}
	}
	if found != "" {
		return "", &launchError{126, fmt.Errorf("%s: cannot be executed", found)}
	}
	var names []string
	for _, c := range r.Commands {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	return "", &launchError{127, fmt.Errorf("%s: not a command of %s (%s), nor on PATH", command, r.Ref(), strings.Join(names, ", "))}
}
