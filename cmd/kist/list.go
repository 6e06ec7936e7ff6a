package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/change"
	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/cmd/kist/internal/upkeeptext"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/install/upkeep"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/limits"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) listCommand() *cobra.Command {
	var available, all bool
	var distros distroQuestion
	return a.Command(cli.Verb{
		Group: cli.Toolchains, Use: "list [TOOL] [--all] [--available] [--distros[=NAMES]]", Aliases: []string{"ls"},
		Short: "Show what is installed, or what could be",
		Long: `Shows the installed toolchains, those of other stores that config.toml names after
your own. With --all, it also shows the releases that only older generations hold,
with the size of each and why it stays; kist gc removes them, kist uninstall TOOL@V
one of them. With --available, lists the tools that can be
installed, as kist search does. With --available TOOL, asks the tool's channel for
its versions, and shows them newest first.

With --distros, shows which version of TOOL each distribution ships, according to
its signed indices; NAMES, separated by commas, are the distributions to ask. With
--minimum, prints the lowest of these versions. A distribution that cannot be
reached is left out with a warning, unless you named it.`,
		Example:   "kist list\nkist list --available go\nkist list rust --distros debian-bookworm,debian-trixie --minimum",
		Exits:     []int{0, 2, 3, 4, 5, 6, 7, 8, 9},
		ExitMeans: map[int]string{3: "no such tool, or it is not installed"},
		Args:      cli.Between(0, 2),
		Flags: func(f *pflag.FlagSet) {
			f.BoolVar(&all, "all", false, "also show what only older generations hold, with its size")
			f.BoolVar(&available, "available", false, "show what can be installed: all tools, or the versions of TOOL")
			f.StringSliceVar(&distros.names, "distros", nil, "show the version of TOOL in the distributions `NAMES`; default: all")
			f.Lookup("distros").NoOptDefVal = everyDistro
			f.BoolVar(&distros.minimum, "minimum", false, "with --distros, only print the lowest version")
		},
		Complete: a.Offers().Listed,
		Values:   map[string]completion.Completer{"distros": completion.List(a.Offers().Distros)},
		Run: a.WithSession(func(ctx context.Context, s *toolset.Set, args []string) (cli.Result, error) {
			if len(distros.names) > 0 || distros.minimum {
				return a.listDistros(ctx, s, args, distros)
			}
			if len(args) > 1 {
				return nil, failure.Usage("list: too many arguments; a second one is only allowed after --distros")
			}
			if available {
				if len(args) == 0 {
					return a.search(ctx, s, "")
				}
				return a.listAvailable(ctx, s, args[0])
			}
			return a.listInstalled(s, args, all)
		}),
	})
}

type listResult struct {
	Tools []change.Toolchain        `json:"tools"`
	Older []upkeeptext.OlderRelease `json:"older,omitempty"` // that only older generations hold, with --all
}

func (r listResult) Render(p *term.Page) {
	if len(r.Tools) > 0 {
		r.toolsText(p)
	}
	upkeeptext.OlderReleases(r.Older).Render(p)
}

func (r listResult) toolsText(p *term.Page) {
	rows := [][]string{{"TOOL", "VERSION", "CHANNEL", "INSTALLED", ""}}
	for _, t := range r.Tools {
		var marks []string
		if t.Default {
			marks = append(marks, "default")
		}
		if t.Missing != "" {
			marks = append(marks, "missing")
		}
		if t.Refused != "" {
			marks = append(marks, "refused")
		}
		if t.Store != "" {
			marks = append(marks, "in "+t.Store)
		}
		rows = append(rows, []string{t.Tool, t.Version, t.Channel, t.Installed.Format(time.DateOnly), strings.Join(marks, ", ")})
	}
	p.Table(rows)
}

func (a *app) listInstalled(s *toolset.Set, args []string, all bool) (cli.Result, error) {
	var ref trust.Ref
	if len(args) == 1 {
		var err error
		if ref, err = trust.ParseRef(args[0]); err != nil {
			return nil, err
		}
	}
	r := listResult{Tools: []change.Toolchain{}}
	for _, have := range s.Installed() {
		if len(args) == 0 || toolset.Means(ref, have) {
			if missing := s.Missing(have); missing != nil {
				change.WarnOfMissing(&a.Printer, missing)
			}
			t := change.Describe(s, have)
			if refused, ok := errors.AsType[limits.Refusal](s.Refused(have)); ok {
				a.Warn("%v; %s", refused, toolset.Remedy(have, refused))
				t.Refused = refused.Error()
			}
			r.Tools = append(r.Tools, t)
		}
	}
	if all {
		older, err := upkeep.Older(s, a.Keep())
		if err != nil {
			return nil, err
		}
		for _, one := range older {
			if len(args) == 0 || toolset.Means(ref, one.Head) {
				r.Older = append(r.Older, upkeeptext.NewOlderRelease(one, s.Prefix(one.ID)))
			}
		}
	}
	switch {
	case len(r.Tools)+len(r.Older) > 0:
	case len(args) == 1:
		return nil, s.NotInstalled(ref)
	default:
		a.Say("nothing is installed yet; try: kist install go")
	}
	return r, nil
}

// availableVersion is one version that a channel offers.
type availableVersion struct {
	manifests.Version
	Installed bool `json:"installed"`
	// Refused says why the version would not be installed now; empty: nothing is known
	// against it.
	Refused string `json:"refused,omitempty"`
	note    string
}

type availableResult struct {
	Tool     string             `json:"tool"`
	Channel  string             `json:"channel"`
	Versions []availableVersion `json:"versions"`
	Unsigned bool               `json:"unsigned"` // the list is a hint: each version is verified when it is installed
}

func (r availableResult) Render(p *term.Page) {
	rows := make([][]string, 0, len(r.Versions))
	for _, v := range r.Versions {
		date, mark := "", ""
		if !v.Date.IsZero() {
			date = v.Date.Format(time.DateOnly)
		}
		if v.Installed {
			mark = "installed"
		}
		if v.note != "" {
			mark = strings.TrimPrefix(mark+", "+v.note, ", ")
		}
		rows = append(rows, []string{v.Tool, v.Version.Version, strings.Join(v.Labels, " "), date, mark})
	}
	p.Table(rows)
}

func (a *app) listAvailable(ctx context.Context, s *toolset.Set, arg string) (cli.Result, error) {
	ref, err := trust.ParseRef(arg)
	if err != nil {
		return nil, err
	}
	b, list, err := s.Desk.Available(ctx, ref)
	if several, ok := errors.AsType[*trust.SeveralChannelsError](err); ok {
		several.Flags = []string{"--available"}
	}
	if err != nil {
		return nil, err
	}
	judge, err := s.Desk.JudgeListed(b)
	if err != nil {
		return nil, err
	}
	r := availableResult{Tool: ref.Name, Channel: b.Name}
	for _, v := range list {
		installed := slices.ContainsFunc(s.Installed(), func(have record.Head) bool {
			return have.Channel == b.Name && have.Tool == v.Tool && have.Version == v.Version && s.Missing(have) == nil
		})
		one := availableVersion{Version: v, Installed: installed}
		err := judge(v)
		if refused, ok := errors.AsType[limits.Refusal](err); ok {
			one.Refused, one.note = refused.Error(), refused.Note()
		} else if err != nil {
			return nil, err
		}
		r.Versions = append(r.Versions, one)
		r.Unsigned = r.Unsigned || v.Unsigned
	}
	if r.Unsigned {
		a.Say("the version list is unsigned: it may lack or invent versions, but each one is verified before it is installed")
	}
	return r, nil
}
