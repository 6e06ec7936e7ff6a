package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) runCommand() *cobra.Command {
	var line runLine
	return a.Command(cli.Verb{
		Group: cli.Toolchains, Use: "run [TOOL] [--] CMD…", Aliases: []string{"exec", "x"},
		Short: "Run a command with a toolchain, changing nothing",
		Long: `Replaces kist by CMD, in the environment of the toolchain: its commands first on
PATH, and the variables it needs set, even if they are set already. TOOL without a
version is the default, else the newest installed. Without TOOL, the toolchains are
those that the project of this directory asks for, and the defaults of the tools
that it does not. The exit code is CMD's.

Without --, the first word is TOOL if it has a version, or if it is an installed
tool and no command of the toolchains in use; otherwise it is CMD. So kist run go
version runs go, and kist run go@1.25 go version a certain one.`,
		Example: "kist run go version\nkist run go@1.25 -- go test ./...\nkist run -- make\nkist run node@lts npm ci",
		Exits:   []int{2, 125, 126, 127},
		Args: func(cmd *cobra.Command, args []string) (err error) {
			line, err = parseRunLine(args, cmd.ArgsLenAtDash() == 0)
			return err
		},
		Plain:    true,
		Local:    true,
		Complete: a.Offers().Run,
		Flags:    func(f *pflag.FlagSet) { f.SetInterspersed(false) }, // CMD has flags of its own
		Run: func(ctx context.Context, _ []string) (cli.Result, error) {
			l, argv, err := a.prepareRun(ctx, line)
			if err != nil {
				return nil, err
			}
			return a.launch(l, argv)
		},
	})
}

// A runLine is the command line of run.
type runLine struct {
	tool *trust.Ref // that is named
	argv []string   // the command, with its name first
	// maybe is the tool that the first word of argv names, if it is no command.
	maybe *trust.Ref
}

// parseRunLine parses the arguments of run. dashed reports that they follow "--".
func parseRunLine(args []string, dashed bool) (l runLine, err error) {
	separated := !dashed && len(args) > 1 && args[1] == "--"
	switch {
	case len(args) == 0 || separated && len(args) == 2:
		return l, failure.Usage("run: want a command: kist run go version, or kist run TOOL -- CMD")
	case dashed:
		return runLine{argv: args}, nil
	}
	ref, err := trust.ParseRef(args[0])
	switch {
	case separated:
		return runLine{tool: &ref, argv: args[2:]}, err
	case err != nil:
		return runLine{argv: args}, nil
	case ref.Version == "" && len(args) > 1:
		return runLine{argv: args, maybe: &ref}, nil
	case ref.Version == "":
		return runLine{argv: args}, nil
	case len(args) == 1:
		return l, failure.Usage("run: want a command of %s: kist run %[1]s -- CMD", args[0])
	}
	return runLine{tool: &ref, argv: args[1:]}, nil
}

// A launch is what kist replaces itself by.
type launch struct {
	path    string
	environ []string
	release string // channel/tool@version that has the command, "" if none has
	noExec  bool   // it lies on a file system that is mounted noexec
}

// launch replaces kist by l with the arguments argv. The first argument is its name.
func (a *app) launch(l launch, argv []string) (cli.Result, error) {
	code, err := a.Exec(l.path, argv, l.environ)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &failure.LaunchError{Code: 127, Err: fmt.Errorf("%s: not found, or built for another system", l.path)}
	case l.noExec && errors.Is(err, fs.ErrPermission):
		return nil, &failure.LaunchError{Code: 126, Err: failure.NoExec(l.path, l.release)}
	case err != nil:
		return nil, &failure.LaunchError{Code: 126, Err: fmt.Errorf("%s: %w", l.path, err)}
	case code != 0:
		return nil, &failure.ExitError{Code: code}
	}
	return nil, nil
}

// prepareRun returns what line means, and the arguments of the command. kist's directories
// are closed again before the command starts.
func (a *app) prepareRun(ctx context.Context, line runLine) (l launch, argv []string, err error) {
	s, err := a.Open(ctx)
	if err != nil {
		return l, nil, &failure.LaunchError{Code: 125, Err: err}
	}
	defer s.Close()
	use, argv, err := a.releasesToRun(s, line)
	if err != nil {
		return l, nil, &failure.LaunchError{Code: 125, Err: err}
	}
	for _, r := range use {
		below, _ := toolset.CommandPath(r, argv[0])
		if missing := cmp.Or(s.MissingAt(r, ""), s.MissingAt(r, below)); missing != nil {
			return l, nil, &failure.LaunchError{Code: 125, Err: missing}
		}
	}
	a.warnOfOtherKists(s, use...)
	for _, r := range use {
		s.WarnOfRefused(r)
	}
	e := s.Environment(a.Getenv("PATH"), use)
	path, found, err := s.FindCommand(argv[0], use, e.Set["PATH"])
	switch {
	case err != nil && found:
		return l, nil, &failure.LaunchError{Code: 126, Err: err}
	case err != nil:
		return l, nil, &failure.LaunchError{Code: 127, Err: err}
	}
	l = launch{path: path, environ: e.Apply(a.Environ)}
	for _, r := range use {
		if host.IsBelow(path, s.Prefix(r.ID)) {
			s.Holder(r.ID).NoteUse(r.ID)
			l.release, l.noExec = r.Ref(), s.Holder(r.ID).NoExec()
		}
	}
	return l, argv, nil
}

// releasesToRun returns the releases in whose environment the command of line runs, and
// its arguments.
func (a *app) releasesToRun(s *toolset.Set, line runLine) (use []record.Head, argv []string, err error) {
	if line.tool != nil {
		r, err := s.InUse(*line.tool)
		return []record.Head{r}, line.argv, err
	}
	p, _, err := a.useProject(s)
	if err != nil {
		return nil, nil, err
	}
	use, err = s.InUseBy(p)
	if line.maybe != nil && err == nil && !slices.ContainsFunc(append(p.Uses, use...), func(r record.Head) bool { return toolset.HasCommand(r, line.argv[0]) }) {
		if r, none := s.InUse(*line.maybe); none == nil {
			return []record.Head{r}, line.argv[1:], nil
		}
	}
	return use, line.argv, err
}
