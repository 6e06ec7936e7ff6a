package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/change"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) envCommand() *cobra.Command {
	var language string
	return a.command(verb{
		group: toolchains, use: "env [TOOL…]",
		short: "Print the environment of a toolchain, for a shell",
		long: `Prints lines that a shell can evaluate: the toolchain's directories first on PATH,
and what else it needs set or unset. Without TOOL, for every default. Without
--shell, kist guesses the shell from the environment: in scripts, name it.`,
		example: `eval "$(kist env go@1.25 --shell posix)"
kist env go@1.25 --shell fish | source
kist env go@1.25 --shell powershell | Out-String | Invoke-Expression
kist env go@1.25 --shell cmd > "%TEMP%\kist-env.cmd" && call "%TEMP%\kist-env.cmd"`,
		exits:     []int{0, 1, 2, 3, 8, 9},
		exitMeans: map[int]string{3: "not installed"},
		args:      between(0, 1000),
		complete:  a.offers().Installed,
		values:    map[string]completion.Completer{"shell": completion.Words(host.Shells()...)},
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&language, "shell", "", "write for `SHELL`: posix, fish, powershell or cmd")
		},
		run: func(ctx context.Context, args []string) (result, error) {
			if language != "" && !slices.Contains(host.Shells(), language) {
				return nil, usage("env: --shell %s: want one of %s", language, strings.Join(host.Shells(), ", "))
			}
			return a.withTools(func(_ context.Context, s *toolset.Set, refs []trust.Ref) (result, error) {
				return a.environment(s, refs, host.Shell(language))
			})(ctx, args)
		},
	})
}

// environment returns the environment of the toolchains that refs mean, or of every
// default, for a shell; "" is the shell that is in use.
func (a *app) environment(s *toolset.Set, refs []trust.Ref, shell host.Shell) (result, error) {
	var use []record.Head
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
		use = slices.DeleteFunc(s.Installed(), func(r record.Head) bool { return !s.IsDefault(r) })
	}
	use = slices.DeleteFunc(use, func(r record.Head) bool {
		missing := s.Missing(r)
		if missing != nil {
			change.WarnOfMissing(&a.Printer, missing)
		}
		return s.MissingAt(r, "") != nil
	})
	a.warnOfOtherKists(s, use...)
	r := shellEnvironment{Environment: s.Environment(a.Getenv("PATH"), use)}
	var err error
	if !a.JSON { // JSON is not for a shell
		r.script, err = r.Script(cmp.Or(shell, host.GuessShell(a.Getenv, a.Platform.OS)))
	}
	return r, err
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
