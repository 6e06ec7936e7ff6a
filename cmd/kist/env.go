package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/record"
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
		exits:    []int{0, 1, 2, 3, 8, 9},
		args:     between(0, 1000),
		complete: a.completeInstalled,
		values:   map[string]completion.Completer{"shell": completion.Words(host.Shells()...)},
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&language, "shell", "", "write for `SHELL`: posix, fish, powershell or cmd")
		},
		run: func(ctx context.Context, args []string) (result, error) {
			if language != "" && !slices.Contains(host.Shells(), language) {
				return nil, usage("env: --shell %s: want one of %s", language, strings.Join(host.Shells(), ", "))
			}
			refs, err := trust.ParseRefs(args)
			if err != nil {
				return nil, err
			}
			s, err := a.open(ctx)
			if err != nil {
				return nil, err
			}
			defer s.Close()
			var use []record.Head
			for _, ref := range refs {
				r, err := s.inUse(ref)
				if err != nil {
					return nil, err
				}
				if missing := s.MissingAt(r, ""); missing != nil {
					return nil, missing
				}
				use = append(use, r)
			}
			if len(refs) == 0 {
				use = slices.DeleteFunc(s.state.Installed(), func(r record.Head) bool { return !s.isDefault(r) })
			}
			use = slices.DeleteFunc(use, func(r record.Head) bool {
				missing := s.Missing(r)
				if missing != nil {
					a.warnOfMissing(missing)
				}
				return s.MissingAt(r, "") != nil
			})
			a.warnOfAnotherKist(s, use)
			if a.JSON { // JSON is not for a shell
				return shellEnvironment{environment: s.environment(a.Getenv("PATH"), use)}, nil
			}
			to := cmp.Or(host.Shell(language), host.GuessShell(a.Getenv, a.Platform.OS))
			return s.environment(a.Getenv("PATH"), use).in(to)
		},
	})
}

// warnOfAnotherKist warns about releases that have a program called kist in a
// directory that their environment puts first on PATH. kist never links such a
// program, but the shell would run it in place of this one.
func (a *app) warnOfAnotherKist(s *session, use []record.Head) {
	for _, r := range use {
		for _, dir := range s.commandDirs(r) {
			if path := host.FindIn([]string{dir}, "kist") + host.FindIn([]string{dir}, "kist.exe"); path != "" {
				a.Warn("in the environment of %s, kist is %s, and not this program", r.Ref(), path)
			}
		}
	}
}

// commandDirs returns the directories that hold the commands of r, each once.
func (s *session) commandDirs(r record.Head) (dirs []string) {
	for _, c := range r.Commands {
		dir := filepath.Join(s.Prefix(r.ID), filepath.Dir(filepath.FromSlash(c.Path)))
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// An environment holds the variables that toolchains need set and unset.
type environment struct {
	Set   map[string]string `json:"set"` // PATH among them
	Unset []string          `json:"unset,omitempty"`
}

// A shellEnvironment is an environment with the lines that set it in a shell.
type shellEnvironment struct {
	environment
	script string
}

func (e shellEnvironment) text(p *term.Page) { p.Raw(e.script) }

// in returns e with the lines that set it in a shell.
func (e environment) in(to host.Shell) (shellEnvironment, error) {
	var script strings.Builder
	for _, name := range e.Unset {
		script.WriteString(to.UnsetLine(name) + "\n")
	}
	for _, name := range slices.Sorted(maps.Keys(e.Set)) {
		line, err := to.SetLine(name, e.Set[name])
		if err != nil {
			return shellEnvironment{}, fmt.Errorf("%s: %w", name, err)
		}
		script.WriteString(line + "\n")
	}
	return shellEnvironment{e, script.String()}, nil
}

// environment returns the environment of the releases use, with their directories
// first on path.
func (s *session) environment(path string, use []record.Head) environment {
	e := environment{Set: map[string]string{}}
	var dirs []string
	for _, r := range use {
		prefix := s.Prefix(r.ID)
		for _, dir := range s.commandDirs(r) {
			if !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
		for name, value := range r.Env {
			if value == "" {
				e.Unset = append(e.Unset, name)
				continue
			}
			e.Set[name] = strings.ReplaceAll(value, "{prefix}", prefix)
		}
	}
	slices.Sort(e.Unset)
	e.Unset = slices.Compact(e.Unset)
	for _, dir := range filepath.SplitList(path) {
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	e.Set["PATH"] = strings.Join(dirs, string(filepath.ListSeparator))
	return e
}

// apply returns environ with the variables of e set and unset.
func (e environment) apply(environ []string) []string {
	var out []string
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		if _, set := e.Set[name]; !set && !slices.Contains(e.Unset, name) {
			out = append(out, pair)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Set)) {
		out = append(out, name+"="+e.Set[name])
	}
	return out
}
