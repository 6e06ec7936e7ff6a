package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/projectfiles"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/project"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) pinCommand() *cobra.Command {
	var parts plan.Parts
	return a.Command(cli.Verb{
		Group: cli.Toolchains, Use: "pin TOOL@V…",
		Short: "Write into kist.toml which version of a tool the project needs",
		Long: `Adds each TOOL to the nearest kist.toml of this project, or replaces what it says
of it; comments and the order of lines stay. Without a kist.toml, one is made in
this directory. Nothing is fetched or installed: kist install does that.`,
		Example: "kist pin go@1.26\nkist pin rust@1.95 -c clippy -t wasm32-unknown-unknown",
		Exits:   []int{0, 2, 8},
		Args:    cli.Between(1, 100),
		Changes: true,
		Local:   true,
		Flags: func(f *pflag.FlagSet) {
			f.StringArrayVarP(&parts.Components, "component", "c", nil, "with component `NAME` (repeatable)")
			f.StringArrayVarP(&parts.Targets, "target", "t", nil, "with support for building for `TRIPLE` (repeatable)")
			f.StringVar(&parts.Profile, "profile", "", "with the components of `PROFILE`: minimal, default or complete")
		},
		Complete: a.Offers().Tools,
		Values: map[string]completion.Completer{
			"component": completion.Words(), "target": completion.Words(), "profile": completion.Words("minimal", "default", "complete"),
		},
		Run: func(_ context.Context, args []string) (cli.Result, error) {
			refs, err := trust.ParseRefs(args)
			if err != nil {
				return nil, err
			}
			if err := parts.Validate(); err != nil {
				return nil, failure.Usage("pin: %v", err)
			}
			for _, ref := range refs {
				if ref.Channel == toolset.System {
					return nil, failure.Usage("pin: kist cannot install %s; a project can only pin what a channel publishes", ref)
				}
				if ref.Version == "" {
					return nil, failure.Usage("pin: which version of %s? as in kist pin %s@1.2", ref, ref)
				}
			}
			return a.pin(refs, parts)
		},
	})
}

func (a *app) pin(refs []trust.Ref, parts plan.Parts) (cli.Result, error) {
	p, err := a.FindProject()
	if err != nil {
		return nil, err
	}
	cwd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	path, data, err := projectfiles.ReadOwn(p, cwd)
	if err != nil {
		return nil, err
	}
	r := projectfiles.Pinned{Path: path, DryRun: a.Flags.DryRun}
	for _, ref := range refs {
		ask := project.Ask{Channel: ref.Channel, Tool: ref.Name, Version: ref.Version,
			Components: parts.Components, Targets: parts.Targets, Profile: parts.Profile}
		if data, err = project.Pin(data, ask); err != nil {
			return nil, &project.Error{File: path, Err: err}
		}
		r.Pinned = append(r.Pinned, ask.String())
	}
	if a.Flags.DryRun {
		return r, nil
	}
	return r, namedfiles.Replace(path, data)
}
