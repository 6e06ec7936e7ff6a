package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

func (a *app) whichCommand() *cobra.Command {
	return a.command(verb{
		group: toolchains, use: "which CMD",
		short:    "Print the real path behind a command",
		example:  "kist which go",
		exits:    []int{0, 2, 3, 8, 9},
		args:     exactly(1),
		complete: completion.First(a.completeCommands),
		run: a.withSession(func(ctx context.Context, s *session, args []string) (result, error) {
			return s.which(args[0])
		}),
	})
}

type whichResult struct {
	Command string `json:"command"`
	Path    string `json:"path"`
	Release string `json:"release"` // channel/tool@version
}

func (r whichResult) text(p *term.Page) { p.Line("%s", r.Path) }

// A noCommandError reports that no default toolchain has a command of that name.
type noCommandError struct {
	Command string
	Has     string // an installed release that has it but is not a default
	Near    []string
}

func (e *noCommandError) Error() string {
	return fmt.Sprintf("no default toolchain has a command %q", e.Command)
}
func (*noCommandError) Kind() string { return "not-installed" }

func (s *session) which(command string) (result, error) {
	var names []string
	for _, l := range s.state.Current.Links {
		if l.Name == command {
			r := s.state.Receipts[l.ID]
			r.ID = l.ID // set even if the receipt cannot be read
			if missing := s.MissingAt(r, filepath.FromSlash(l.Target)); missing != nil {
				return nil, missing
			}
			return whichResult{command, filepath.Join(s.Prefix(l.ID), filepath.FromSlash(l.Target)), r.Ref()}, nil
		}
		names = append(names, l.Name)
	}
	e := &noCommandError{Command: command, Near: manifests.Near(command, names)}
	for _, r := range s.state.Installed() {
		if below, ok := commandPath(r, command); ok && s.MissingAt(r, below) == nil {
			e.Has = r.Ref()
			break
		}
	}
	return nil, e
}

// commandPath returns the path of a command of r below the prefix.
func commandPath(r record.Head, name string) (string, bool) {
	for _, c := range r.Commands {
		if c.Name == name {
			return filepath.FromSlash(c.Path), true
		}
	}
	return "", false
}
