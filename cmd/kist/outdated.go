package main

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/change"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) outdatedCommand() *cobra.Command {
	var exitCode bool
	return a.command(verb{
		group: toolchains, use: "outdated [TOOL…]",
		short: "List tools that kist update would change",
		long: `Asks the channel of each TOOL (default: all) for the newest release of what you
asked for, and lists the tools that kist update would change. Nothing is changed.
A toolchain that you installed by its exact version is never outdated. A channel
that cannot be reached or trusted is left out with a warning; the exit code is then
that of the worst failure.`,
		example: "kist outdated\nkist outdated go\nkist outdated --exit-code --json",
		exits:   []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100},
		args:    between(0, 1000),
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&exitCode, "exit-code", false, "exit with 100 if anything is outdated")
		},
		complete: a.completeInstalled,
		run: a.withTools(func(ctx context.Context, s *toolset.Set, refs []trust.Ref) (result, error) {
			r, err := a.outdated(ctx, s, refs)
			switch {
			case r == nil:
				return nil, err
			case err != nil:
				return r, err
			case exitCode && len(r.Tools) > 0:
				return r, failure.New("outdated", term.Count(len(r.Tools), "toolchain")+" could be updated")
			}
			return r, nil
		}),
	})
}

type outdatedResult struct {
	Tools  []change.Replaced `json:"tools"`
	Failed []failedChannel   `json:"failed,omitempty"` // channels that were left out
}

func (r outdatedResult) Render(p *term.Page) {
	if len(r.Tools) == 0 {
		return
	}
	rows := [][]string{{"TOOL", "INSTALLED", "NEWEST", "FOLLOWS", "CHANNEL"}}
	for _, t := range r.Tools {
		rows = append(rows, []string{t.Tool, t.Installed, t.Newest, cmp.Or(t.Requested, t.Label), t.Channel})
	}
	p.Table(rows)
}

// outdated returns a result and, if channels were left out, an error with it. The
// result is nil if there is none.
func (a *app) outdated(ctx context.Context, s *toolset.Set, refs []trust.Ref) (*outdatedResult, error) {
	v := a.survey(s)
	answers, err := v.Ask(ctx, refs)
	if err != nil {
		return nil, err
	}
	r := &outdatedResult{Tools: []change.Replaced{}, Failed: a.failed(v)}
	var lost []*install.MissingError
	for _, answer := range answers {
		if answer.Missing != nil {
			lost = append(lost, answer.Missing)
		}
		if answer.IsNewer() {
			r.Tools = append(r.Tools, change.Replacing(answer))
		}
	}
	switch {
	case len(r.Tools) > 0:
		a.Say("kist update would update %s", term.Count(len(r.Tools), "toolchain"))
	case len(r.Failed)+len(lost) == 0:
		a.Say("everything is up to date")
	}
	return r, a.orMissing(a.end(v, r.Failed), lost)
}
