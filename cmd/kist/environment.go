package main

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/install/record"
)

func (a *app) envCommand() *cobra.Command {
	return a.command(verb{
		group: toolchains, use: "env [TOOL…]",
		short: "Print the environment of a toolchain, for a shell",
		long: `Prints lines that a shell can evaluate: the toolchain's directories first on PATH,
and what else it needs set or unset. Without TOOL, for every default.`,
		example:  `eval "$(kist env go@1.25)"`,
		exits:    []int{0, 2, 3, 8, 9},
		args:     between(0, 1000),
		complete: a.completeInstalled,
		run: func(ctx context.Context, args []string) (result, error) {
			refs, err := parseTools(args)
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
				use = append(use, r)
			}
			if len(refs) == 0 {
				use = slices.DeleteFunc(s.state.Installed(), func(r record.Head) bool { return !s.isDefault(r) })
			}
			a.warnOfAnotherKist(s, use)
			return s.environment(a.Getenv("PATH"), use), nil
		},
	})
}

// warnOfAnotherKist tells which of use bring a program called kist in a directory
// that their environment puts first on PATH: it is no command, and would be run
// in place of this one all the same.
func (a *app) warnOfAnotherKist(s *session, use []record.Head) {
	for _, r := range use {
		for _, dir := range s.commandDirs(r) {
			if path := firstIn([]string{dir}, "kist", isExecutable) + firstIn([]string{dir}, "kist.exe", isExecutable); path != "" {
				a.warn("in the environment of %s, kist is %s, and not this program", r.Ref(), path)
			}
		}
	}
}

// commandDirs are the directories that hold the commands of r, each once.
func (s *session) commandDirs(r record.Head) (dirs []string) {
	for _, c := range r.Commands {
		dir := filepath.Join(s.Prefix(r.ID), filepath.Dir(filepath.FromSlash(c.Path)))
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// An environment is what toolchains need set.
type environment struct {
	Set   map[string]string `json:"set"` // PATH among them
	Unset []string          `json:"unset,omitempty"`
}

func (e environment) text(p *page) {
	for _, name := range e.Unset {
		p.raw("unset " + name + "\n")
	}
	for _, name := range slices.Sorted(maps.Keys(e.Set)) {
		p.raw("export " + name + "=" + quote(e.Set[name]) + "\n")
	}
}

// quote makes s one word of a POSIX shell, whatever it holds.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// environment is what use need set, their directories first on path.
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

// apply lays e over environ: variables that e sets or unsets are not inherited.
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
