package main

import (
	"context"
	"errors"
	"io/fs"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
)

func (a *app) shimsCommand() *cobra.Command {
	cmd := a.Command(cli.Verb{
		Group: cli.Toolchains, Use: "shims",
		Short: "Switch commands by project, with launchers",
		Long: `Lists the commands that a launcher starts. A launcher lies in the bin directory in
place of the link to the default. It finds the project of the working directory,
and runs the command of the release that the project uses, else the default's.
Running a command never installs anything: what the project asks for and is not
installed ends with the kist install line, and exit code 127.`,
		Example: "kist shims\nkist shims --json",
		Exits:   []int{0, 2, 8, 9},
		Args:    cli.Exactly(0),
		Local:   true,
		Run:     a.WithSession(a.listShims),
	})
	cmd.AddCommand(
		a.Command(cli.Verb{
			Use: "on [COMMAND…]", Short: "Start commands by a launcher",
			Long: `Makes a launcher of each COMMAND; without COMMAND, of every command of the
toolchains that are installed. A file in the bin directory that is not kist's is
refused. The commands may also be some that no toolchain has yet.`,
			Example: "kist shims on go gofmt\nkist shims on",
			Exits:   []int{0, 1, 2, 3, 7, 8, 9},
			Args:    cli.Between(0, 1000), Changes: true, Local: true,
			Complete: a.Offers().InstalledCommands,
			Run:      a.changeShims((*toolset.Set).InstalledCommands, func(names []string) plan.Change { return plan.Change{ShimsOn: names} }),
		}),
		a.Command(cli.Verb{
			Use: "off [COMMAND…]", Short: "Remove launchers",
			Long: `Removes the launcher of each COMMAND, or of all. Where a default toolchain has the
command, its link takes the place again.`,
			Example: "kist shims off go\nkist shims off -n",
			Exits:   []int{0, 1, 2, 3, 7, 8, 9},
			Args:    cli.Between(0, 1000), Changes: true, Local: true,
			Complete: a.Offers().Shims,
			Run:      a.changeShims((*toolset.Set).Shims, func(names []string) plan.Change { return plan.Change{ShimsOff: names} }),
		}),
		a.Command(cli.Verb{
			Use: "run COMMAND [ARG…]", Short: "Run a command as its launcher does",
			Long: `Runs COMMAND of the release that the project of this directory uses, else of the
default; never another one on PATH. Launchers do this for a project that they do
not know yet, or whose files have changed. The exit code is COMMAND's.`,
			Example: "kist shims run go version",
			Exits:   []int{2, 125, 126, 127},
			Args:    cli.Between(1, 1<<20), Plain: true, Local: true,
			Complete: a.Offers().Shims,
			Flags:    func(f *pflag.FlagSet) { f.SetInterspersed(false) },
			Run:      a.runShim,
		}))
	return cmd
}

// changeShims returns the run function of on and off: it makes changeOf the commands that
// are named, or else of those that all returns.
func (a *app) changeShims(all func(*toolset.Set) []string, changeOf func(names []string) plan.Change) func(context.Context, []string) (cli.Result, error) {
	return func(ctx context.Context, names []string) (cli.Result, error) {
		if a.Platform.OS == "windows" {
			return nil, failure.New("unsupported", "launchers are scripts for a POSIX shell, so kist makes none on Windows; kist run and kist env follow the project there")
		}
		for _, name := range names {
			if err := manifests.ValidCommand(name); err != nil {
				return nil, failure.Usage("%s: %v", a.VerbName, err)
			}
		}
		s, err := a.Open(ctx)
		if err != nil {
			return nil, err
		}
		defer s.Close()
		if len(names) == 0 {
			names = all(s)
		}
		if len(names) == 0 {
			a.Say("there is no command to change")
		}
		return a.Change(ctx, s, changeOf(names), nil)
	}
}

// shimsResult lists the commands that launchers start.
type shimsResult struct {
	Shims []shim `json:"shims"`
}

// A shim is a command that a launcher starts, and what it would run here.
type shim struct {
	Command string `json:"command"`
	Release string `json:"release,omitempty"` // channel/tool@version
	Default bool   `json:"default,omitempty"` // the project of this directory does not ask for its tool
	Problem string `json:"problem,omitempty"` // why it would run nothing
}

func (r shimsResult) Render(p *term.Page) {
	if len(r.Shims) == 0 {
		p.Line("no command has a launcher; kist shims on makes them")
		return
	}
	rows := [][]string{{"COMMAND", "RUNS HERE"}}
	for _, s := range r.Shims {
		runs := s.Release
		switch {
		case s.Problem != "":
			runs = s.Problem
		case s.Default:
			runs += " (default)"
		}
		rows = append(rows, []string{s.Command, runs})
	}
	p.Table(rows)
}

func (a *app) listShims(_ context.Context, s *toolset.Set, _ []string) (cli.Result, error) {
	p, _, err := a.useProject(s)
	if err != nil {
		return nil, err
	}
	r := shimsResult{Shims: []shim{}}
	for _, name := range s.State.Current.Shims {
		next := shim{Command: name}
		_, h, isDefault, err := s.Started(p, name)
		switch {
		case err != nil:
			next.Problem = err.Error()
		case !s.Links(name):
			next.Problem = "its launcher was replaced by something else"
		default:
			next.Release, next.Default = h.Ref(), isDefault
		}
		r.Shims = append(r.Shims, next)
	}
	return r, nil
}

// runShim runs a command of the project, or of the default. It stores what the project
// means, so that the launcher knows it the next time. It never looks on PATH, where it
// would find the launcher again.
func (a *app) runShim(ctx context.Context, args []string) (cli.Result, error) {
	l, err := a.prepareShim(ctx, args[0])
	if err != nil {
		return nil, err
	}
	return a.launch(l, args)
}

func (a *app) prepareShim(ctx context.Context, command string) (l launch, err error) {
	s, err := a.Open(ctx)
	if err != nil {
		return l, &failure.LaunchError{Code: 125, Err: err}
	}
	defer s.Close()
	p, files, err := a.useProject(s)
	if errors.Is(err, fs.ErrNotExist) { // the working directory was removed
		err = nil
	}
	if err != nil {
		return l, &failure.LaunchError{Code: 125, Err: err}
	}
	path, r, isDefault, err := s.Started(p, command)
	if err != nil {
		return l, &failure.LaunchError{Code: 127, Err: err}
	}
	a.remember(ctx, s, p, files)
	s.Holder(r.ID).NoteUse(r.ID)
	l = launch{path: path, environ: a.Environ, release: r.Ref(), noExec: s.Holder(r.ID).NoExec()}
	if !isDefault { // a default runs as by its link
		l.environ = s.Environment(a.Getenv("PATH"), []record.Head{r}).Apply(a.Environ)
	}
	return l, nil
}
