package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

func (a *app) outdatedCommand() *cobra.Command {
	var exitCode bool
	return a.command(verb{
		group: toolchains, use: "outdated [TOOL…]",
		short: "Show which toolchains kist update would bring forward",
		long: `Asks the channel of each TOOL, or of everything installed, what the label or the
beginning of a version that it was installed by means now, and shows those that
something newer takes the place of. Nothing is changed. What was asked for by an
exact version is never outdated.`,
		example: "kist outdated --exit-code",
		exits:   []int{0, 1, 2, 3, 4, 5, 6, 8, 9, 100},
		args:    between(0, 1000),
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&exitCode, "exit-code", false, "exit with 100 if anything is outdated")
		},
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
			r, err := a.outdated(ctx, s, refs)
			switch {
			case err != nil:
				return nil, err
			case exitCode && len(r.Tools) > 0:
				return r, &outdatedError{len(r.Tools)}
			}
			return r, nil
		},
	})
}

// An outdatedTool is an installed release and the newer one that takes its place.
type outdatedTool struct {
	Tool      string `json:"tool"`
	Channel   string `json:"channel"`
	Installed string `json:"installed"` // its version
	Newest    string `json:"newest"`
	// Label is what it was asked for by; where nothing was said, "stable" if the
	// channel has that label, else empty.
	Label string `json:"label"`
}

func outdated(have record.Head, next manifests.Release) outdatedTool {
	t := outdatedTool{have.Tool, have.Channel, have.Version, next.Version, have.Requested}
	if t.Label == "" && slices.Contains(next.Labels, manifests.Stable) {
		t.Label = manifests.Stable
	}
	return t
}

type outdatedResult struct {
	Tools []outdatedTool `json:"tools"`
}

func (r outdatedResult) text(p *page) {
	if len(r.Tools) == 0 {
		return
	}
	rows := [][]string{{"TOOL", "INSTALLED", "NEWEST", "LABEL", "CHANNEL"}}
	for _, t := range r.Tools {
		rows = append(rows, []string{t.Tool, t.Installed, t.Newest, t.Label, t.Channel})
	}
	p.table(rows)
}

func (a *app) outdated(ctx context.Context, s *session, refs []toolRef) (outdatedResult, error) {
	r := outdatedResult{Tools: []outdatedTool{}}
	chosen, err := s.chosen(refs)
	if err != nil {
		return r, err
	}
	for _, have := range chosen {
		next, err := a.newest(ctx, s, have)
		if len(refs) == 0 && a.left(have, err) {
			continue
		}
		if err != nil {
			return r, err
		}
		if next.Version != have.Version {
			r.Tools = append(r.Tools, outdated(have, next))
		}
	}
	if len(r.Tools) == 0 {
		a.say("everything is up to date")
	} else {
		a.say("kist update brings %s forward", count(len(r.Tools), "toolchain"))
	}
	return r, nil
}

// An outdatedError says, by its exit code alone, that updates are available.
type outdatedError struct{ Tools int }

func (e *outdatedError) Error() string {
	return count(e.Tools, "toolchain") + " could be updated"
}
