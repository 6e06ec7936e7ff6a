package main

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/change"
	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/projectfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) envCommand() *cobra.Command {
	var form, hook string
	return a.Command(cli.Verb{
		Group: cli.Toolchains, Use: "env [TOOL…]",
		Short: "Print the environment of toolchains, for a shell or a CI job",
		Long: `Prints lines that a shell can evaluate: the directories of the toolchains first on
PATH, and what else they need set or unset. Without TOOL, for what the project of
this directory asks for, and for the defaults of the tools that it does not.
Without --shell, kist guesses the shell from the environment: in scripts, name it.

The form github prints nothing: it adds to the files that GITHUB_PATH and GITHUB_ENV
name. json is one object, with null for what is to be unset.

--hook prints a function for a shell's start-up file. Before each prompt it sets the
environment of the project, and undoes that outside. It starts kist only when the
project's files, or what is installed, changed.`,
		Example: `eval "$(kist env go@1.25 --shell posix)"
kist env --shell fish | source
kist env go@1.25 --shell pwsh | Out-String | Invoke-Expression
kist env go@1.25 --shell cmd > "%TEMP%\kist-env.cmd" && call "%TEMP%\kist-env.cmd"
kist env --shell github
eval "$(kist env --hook bash)"`,
		Exits:     []int{0, 1, 2, 3, 8, 9},
		ExitMeans: map[int]string{3: "not installed"},
		Args:      cli.Between(0, 1000),
		Local:     true,
		Complete:  a.Offers().Installed,
		Values: map[string]completion.Completer{
			"shell": completion.Words(host.Shells()...), "hook": completion.Words(host.HookShells()...),
		},
		Flags: func(f *pflag.FlagSet) {
			f.StringVar(&form, "shell", "", "write for `SHELL`: posix, fish, pwsh or cmd; or as json, dotenv or github")
			f.StringVar(&hook, "hook", "", "print a prompt hook for `SHELL`: bash, zsh or fish")
		},
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			shell, known := host.ParseShell(form)
			switch prompt, ok := strings.CutSuffix(form, hookSuffix); {
			case hook != "" && (form != "" || len(args) > 0):
				return nil, failure.Usage("env: --hook takes neither TOOL nor --shell")
			case hook != "" && !slices.Contains(host.HookShells(), hook):
				return nil, failure.Usage("env: --hook %s: want one of %s", hook, strings.Join(host.HookShells(), ", "))
			case hook != "":
				return a.hook(hook)
			case ok && len(args) == 0 && (prompt == string(host.POSIX) || prompt == string(host.Fish)):
				return a.WithSession(func(_ context.Context, s *toolset.Set, _ []string) (cli.Result, error) {
					return a.hookEnvironment(s, host.Shell(prompt))
				})(ctx, nil)
			case form != "" && !known:
				return nil, failure.Usage("env: --shell %s: want one of %s", form, strings.Join(host.Shells(), ", "))
			}
			return a.WithTools(func(_ context.Context, s *toolset.Set, refs []trust.Ref) (cli.Result, error) {
				use, err := a.releasesToUse(s, refs)
				if err != nil {
					return nil, err
				}
				return a.environment(s, use, shell)
			})(ctx, args)
		},
	})
}

// hookSuffix follows the syntax in the form that a prompt hook asks for. It is internal,
// and not listed in the help.
const hookSuffix = "-hook"

// hook returns the prompt hook of a shell.
func (a *app) hook(shell string) (cli.Result, error) {
	if a.Dirs.Err != nil {
		return nil, a.Dirs.Err
	}
	h := host.Hook{Kist: a.Program, Files: projectfiles.FileNames(), Generation: filepath.Join(a.Dirs.Data, "kist", "current", "generation.json")}
	return scriptResult(h.Script(shell)), nil
}

// hookEnvironment returns the environment of the project alone: outside, the commands of
// the defaults are on PATH already.
func (a *app) hookEnvironment(s *toolset.Set, shell host.Shell) (cli.Result, error) {
	p, _, err := a.useProject(s)
	if err != nil {
		return nil, err
	}
	if len(p.Missing) > 0 {
		a.Warn("%v: kist install", &toolset.ProjectError{Missing: p.Missing})
	}
	use := slices.DeleteFunc(p.Uses, func(r record.Head) bool { return s.MissingAt(r, "") != nil })
	r := shellEnvironment{Environment: s.Environment(a.Getenv("PATH"), use)}
	r.script, err = r.HookScript(shell, a.Environ)
	return r, err
}

// releasesToUse returns the releases that refs mean; without refs, those that the project
// of the working directory asks for, and the defaults of other tools.
func (a *app) releasesToUse(s *toolset.Set, refs []trust.Ref) (use []record.Head, err error) {
	for _, ref := range refs {
		r, err := s.InUse(ref)
		if err != nil {
			return nil, err
		}
		if missing := s.MissingAt(r, ""); missing != nil {
			return nil, missing
		}
		use = append(use, r)
	}
	if len(refs) == 0 {
		p, _, err := a.useProject(s)
		if err != nil {
			return nil, err
		}
		if use, err = s.InUseBy(p); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(use, func(r record.Head) bool {
		missing := s.Missing(r)
		if missing != nil {
			change.WarnOfMissing(&a.Printer, missing)
		}
		return s.MissingAt(r, "") != nil
	}), nil
}

// environment returns the environment of the releases use, for a shell; "" is the shell
// that is in use.
func (a *app) environment(s *toolset.Set, use []record.Head, shell host.Shell) (cli.Result, error) {
	a.warnOfOtherKists(s, use...)
	r := shellEnvironment{Environment: s.Environment(a.Getenv("PATH"), use)}
	var err error
	switch {
	case shell == host.GitHub:
		err = a.writeGitHubFiles(r.Environment)
	case !a.JSON: // JSON is not for a shell
		r.script, err = r.Script(cmp.Or(shell, host.GuessShell(a.Getenv, a.Platform.OS)))
	}
	return r, err
}

// writeGitHubFiles adds e to the files that later steps of a job of GitHub Actions read.
func (a *app) writeGitHubFiles(e toolset.Environment) error {
	paths, variables, err := e.GitHubFiles()
	if err != nil {
		return err
	}
	for _, name := range []string{"GITHUB_PATH", "GITHUB_ENV"} {
		if a.Getenv(name) == "" {
			return failure.Usage("env: --shell github: %s is not set, so this is no job of GitHub Actions", name)
		}
	}
	if err := namedfiles.Append(a.Getenv("GITHUB_PATH"), []byte(paths)); err != nil {
		return err
	}
	return namedfiles.Append(a.Getenv("GITHUB_ENV"), []byte(variables))
}

// warnOfOtherKists warns about releases whose environment runs another kist.
func (a *app) warnOfOtherKists(s *toolset.Set, use ...record.Head) {
	for _, r := range use {
		if path := s.OtherKist(r); path != "" {
			a.Warn("in the environment of %s, kist is %s, and not this program", r.Ref(), path)
		}
	}
}

// A shellEnvironment is an environment with the lines that set it in a shell.
type shellEnvironment struct {
	toolset.Environment
	script string
}

func (e shellEnvironment) Render(p *term.Page) { p.Raw(e.script) }
