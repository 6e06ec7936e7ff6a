package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/manifests/trust"
)

// parseRelease parses TOOL@VERSION, where the version is exact.
func (a *app) parseRelease(arg string) (tool, version string, err error) {
	ref, err := trust.ParseRef(arg)
	if err != nil {
		return "", "", err
	}
	if ref.Channel != "" || ref.Version == "" {
		return "", "", usage("%s: %s: want TOOL@VERSION", a.path, arg)
	}
	return ref.Name, strings.TrimPrefix(ref.Version, "="), nil
}

func (a *app) publishRemoveCommand() *cobra.Command {
	return a.command(verb{
		use: "remove DIR TOOL@VERSION…", short: "Remove releases from what will be signed next",
		long: `Removes each release from the draft. Users get it until "kist publish sign" has
published the rest; then "kist publish prune" removes the files that no release
uses any more.`,
		example: "kist publish remove public/ zig@0.13.0 zig@0.14.0",
		exits:   []int{0, 1, 2, 3, 4, 8},
		args:    between(2, 1<<20),
		changes: true,
		run: func(_ context.Context, args []string) (result, error) {
			var releases [][2]string
			r := publishRemoved{DryRun: a.flags.dryRun}
			for _, arg := range args[1:] {
				tool, version, err := a.parseRelease(arg)
				if err != nil {
					return nil, err
				}
				releases = append(releases, [2]string{tool, version})
				r.Removed = append(r.Removed, tool+"@"+version)
			}
			return a.withPublished(args[0], func(d publish.Dir) (result, error) {
				if err := d.Remove(releases...); err != nil {
					return nil, err
				}
				return r, nil
			})
		},
	})
}

// publishRemoved is what publish remove did.
type publishRemoved struct {
	DryRun  bool     `json:"dry_run,omitempty"`
	Removed []string `json:"removed"` // tool@version
}

func (r publishRemoved) text(p *term.Page) {
	for _, one := range r.Removed {
		p.Line("%s %s from what will be signed next", would(r.DryRun, "remove", "removed"), one)
	}
}

func (a *app) publishEditCommand() *cobra.Command {
	var commands, labels []string
	var noLabels bool
	return a.command(verb{
		use: "edit DIR TOOL@VERSION [--command PATTERN…] [--label NAME… | --no-labels]", short: "Change the commands and labels of a release",
		long: `Replaces the commands of a release in the draft with the ones given, and likewise
its labels. A label of another release of the tool moves here. Commands or labels
that are not given do not change. Nothing is published before "kist publish
sign".`,
		example: `kist publish edit public/ zig@0.14.0 --command bin/zig
kist publish edit public/ zig@0.14.0 --label stable --label 0.14`,
		exits:   []int{0, 1, 2, 3, 4, 8},
		args:    exactly(2),
		changes: true,
		flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&commands, "command", nil, "a `PATTERN` of files that become commands (repeatable)")
			f.StringArrayVar(&labels, "label", nil, "a moving `NAME` for this version (repeatable)")
			f.BoolVar(&noLabels, "no-labels", false, "remove all its labels")
		},
		run: func(_ context.Context, args []string) (result, error) {
			tool, version, err := a.parseRelease(args[1])
			if err != nil {
				return nil, err
			}
			switch {
			case noLabels && labels != nil:
				return nil, usage("publish edit: want --label or --no-labels, not both")
			case noLabels:
				labels = []string{}
			case commands == nil && labels == nil:
				return nil, usage("publish edit: nothing to change; use --command, --label or --no-labels")
			}
			return a.withPublished(args[0], func(d publish.Dir) (result, error) {
				done, err := d.Edit(tool, version, publish.Edit{Commands: commands, Labels: labels})
				if err != nil {
					return nil, err
				}
				return publishEdited{a.flags.dryRun, tool, version, done.Release.Commands, done.Release.Labels, done.Moved}, nil
			})
		},
	})
}

// publishEdited is what publish edit did.
type publishEdited struct {
	DryRun   bool     `json:"dry_run,omitempty"`
	Tool     string   `json:"tool"`
	Version  string   `json:"version"`
	Commands []string `json:"commands"`
	Labels   []string `json:"labels,omitempty"`
	Moved    []string `json:"labels_moved,omitempty"`
}

func (r publishEdited) text(p *term.Page) {
	p.Line("%s %s %s, once it is signed:", r.Tool, r.Version, would(r.DryRun, "have", "has"))
	field(p, "commands", strings.Join(r.Commands, " "))
	field(p, "labels", orDash(r.Labels))
	movedText(p, r.Moved)
}
