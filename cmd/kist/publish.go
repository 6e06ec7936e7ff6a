package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) publishCommand() *cobra.Command {
	return a.family(publishing, "publish", "Make a channel of your own, for any static web server",
		`A channel is a directory with two files, channel.toml and its signature, and the
artifacts they name. Any web server, object store or mirror can serve it. What
a step leaves behind can also be made with a text editor and gpg.

  kist publish init DIR --channel acme
  kist publish add DIR zig-linux-x86_64-0.14.0.tar.xz --command zig
  kist publish sign DIR --secret-key secret.asc
  kist publish verify DIR`,
		a.publishInitCommand(), a.publishAddCommand(), a.publishListCommand(), a.publishEditCommand(), a.publishRemoveCommand(),
		a.publishSignCommand(), a.publishKeysCommand(), a.publishVerifyCommand(), a.publishPruneCommand())
}

// withPublished calls run with the directory of a channel. For a dry run, that is a
// temporary copy of the directory's state files, so that the same code runs on the copy.
func (a *app) withPublished(dir string, run func(publish.Dir) (result, error)) (r result, err error) {
	root, err := openRoot(dir, false)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	d := publish.Dir{Root: root}
	if !a.flags.dryRun {
		return run(d)
	}
	scratch, remove, err := a.scratchDir()
	if err != nil {
		return nil, err
	}
	defer func() {
		if failed := remove(); err == nil {
			err = failed
		}
	}()
	if err := d.CopyState(scratch); err != nil {
		return nil, err
	}
	return run(publish.Dir{Root: scratch})
}

// would returns what a verb did, or what it would do in a dry run.
func would(dryRun bool, do, did string) string {
	if dryRun {
		return "would " + do
	}
	return did
}

// movedText notes the labels that moved from other versions to this one.
func movedText(p *term.Page, labels []string) {
	for _, label := range labels {
		field(p, "note", "label "+label+" moved here from another version")
	}
}

func (a *app) publishInitCommand() *cobra.Command {
	var channel string
	return a.command(verb{
		use: "init DIR --channel NAME", short: "Create a channel in a directory",
		example: "kist publish init public/ --channel acme",
		exits:   []int{0, 1, 2, 8},
		args:    exactly(1),
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&channel, "channel", "", "the `NAME` under which users will add it")
		},
		run: func(_ context.Context, args []string) (result, error) {
			if channel == "" {
				return nil, usage("publish init: name the channel with --channel NAME")
			}
			if err := manifests.ValidName(channel); err != nil {
				return nil, usage("publish init: name %v", err)
			}
			if trust.IsBuiltin(channel) || trust.IsBuiltinChannel(channel) {
				return nil, &trust.BuiltinError{Name: channel}
			}
			root, err := openRoot(args[0], true)
			if err != nil {
				return nil, err
			}
			defer root.Close()
			if err := (publish.Dir{Root: root}).Init(channel); err != nil {
				return nil, err
			}
			return publishBegun{args[0], channel}, nil
		},
	})
}

type publishBegun struct {
	Dir     string `json:"dir"`
	Channel string `json:"channel"`
}

func (r publishBegun) text(p *term.Page) {
	p.Line("created channel %s in %s; add a release with kist publish add", r.Channel, r.Dir)
}

func (a *app) publishListCommand() *cobra.Command {
	return a.command(verb{
		use: "list DIR", short: "List the releases of the channel, published or not",
		long: `Lists the releases of the channel with their states: published; waiting, in a
manifest that needs more signatures; draft, not signed yet; or removed from the
draft, but still published.`,
		example: "kist publish list public/",
		exits:   []int{0, 1, 2, 3, 4, 8},
		args:    exactly(1),
		local:   true,
		run: func(_ context.Context, args []string) (result, error) {
			return a.withPublished(args[0], func(d publish.Dir) (result, error) {
				channel, list, err := d.List()
				if err != nil {
					return nil, err
				}
				return publishListed{channel, append([]publish.ListedRelease{}, list...)}, nil
			})
		},
	})
}

type publishListed struct {
	Channel  string                  `json:"channel"`
	Releases []publish.ListedRelease `json:"releases"`
}

func (r publishListed) text(p *term.Page) {
	if len(r.Releases) == 0 {
		p.Line("channel %s has no releases; add one with kist publish add", r.Channel)
		return
	}
	rows := [][]string{{"TOOL", "VERSION", "STATE", "LABELS", "PLATFORMS", "COMMANDS"}}
	for _, one := range r.Releases {
		var platforms []string
		for _, art := range one.Artifacts {
			if !slices.Contains(platforms, art.Platform) {
				platforms = append(platforms, art.Platform)
			}
		}
		rows = append(rows, []string{one.Tool, one.Version, one.State, orDash(one.Labels), orDash(platforms), orDash(one.Commands)})
	}
	p.Table(rows)
}

// orDash joins names for one cell of a table, or returns "-" if there are none.
func orDash(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, " ")
}
