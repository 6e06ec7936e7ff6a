package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) publishListCommand() *cobra.Command {
	return a.command(verb{
		use: "list DIR", short: "List the releases of a channel, published or not",
		long: `Lists the releases of the channel with their states: published; waiting, in a
manifest that needs more signatures; draft, not signed yet; or removed from the
draft, but still published.`,
		example: "kist publish list public/",
		exits:   []int{0, 1, 2, 3, 4, 8},
		args:    exactly(1),
		local:   true,
		run: func(_ context.Context, args []string) (result, error) {
			root, err := openRoot(args[0], false)
			if err != nil {
				return nil, err
			}
			defer root.Close()
			channel, list, err := publish.Dir{Root: root}.List()
			if err != nil {
				return nil, err
			}
			r := publishListed{Channel: channel, Releases: []publishedRelease{}}
			for _, l := range list {
				one := publishedRelease{Tool: l.Tool, Version: l.Version, Labels: l.Labels, Commands: l.Commands, State: l.State}
				for _, art := range l.Artifacts {
					one.Artifacts = append(one.Artifacts, publishedArtifact{art.Platform.String(), art.Component, art.Optional, art.Format,
						art.Strip, art.Path, art.URLs, art.Size, art.SHA256.Hex()})
				}
				r.Releases = append(r.Releases, one)
			}
			return r, nil
		},
	})
}

// publishListed is what publish list found.
type publishListed struct {
	Channel  string             `json:"channel"`
	Releases []publishedRelease `json:"releases"`
}

type publishedRelease struct {
	Tool      string              `json:"tool"`
	Version   string              `json:"version"`
	Labels    []string            `json:"labels,omitempty"`
	Commands  []string            `json:"commands,omitempty"`
	State     string              `json:"state"` // published, waiting, draft or removed
	Artifacts []publishedArtifact `json:"artifacts"`
}

type publishedArtifact struct {
	Platform  string   `json:"platform"`
	Component string   `json:"component"`
	Optional  bool     `json:"optional,omitempty"`
	Format    string   `json:"format"`
	Strip     int      `json:"strip"`
	Path      string   `json:"path,omitempty"`
	URLs      []string `json:"urls,omitempty"`
	Size      int64    `json:"size"`
	SHA256    string   `json:"sha256"`
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
		example: "kist publish remove public/ zig@0.14.0",
		exits:   []int{0, 1, 2, 3, 4, 8},
		args:    between(2, 1<<20),
		changes: true,
		run: func(_ context.Context, args []string) (result, error) {
			var releases [][2]string
			for _, arg := range args[1:] {
				tool, version, err := a.parseRelease(arg)
				if err != nil {
					return nil, err
				}
				releases = append(releases, [2]string{tool, version})
			}
			d, closeDir, err := a.openPublished(args[0])
			if err != nil {
				return nil, err
			}
			defer closeDir()
			if err := d.Remove(releases...); err != nil {
				return nil, err
			}
			r := publishRemoved{DryRun: a.flags.dryRun}
			for _, one := range releases {
				r.Removed = append(r.Removed, one[0]+"@"+one[1])
			}
			return r, nil
		},
	})
}

// publishRemoved is what publish remove did.
type publishRemoved struct {
	DryRun  bool     `json:"dry_run,omitempty"`
	Removed []string `json:"removed"` // tool@version
}

func (r publishRemoved) text(p *term.Page) {
	did := "removed"
	if r.DryRun {
		did = "would remove"
	}
	for _, one := range r.Removed {
		p.Line("%s %s from what will be signed next", did, one)
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
		example: "kist publish edit public/ zig@0.14.0 --command bin/zig --label stable",
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
			d, closeDir, err := a.openPublished(args[0])
			if err != nil {
				return nil, err
			}
			defer closeDir()
			done, err := d.Edit(tool, version, publish.Edit{Commands: commands, Labels: labels})
			if err != nil {
				return nil, err
			}
			return publishEdited{a.flags.dryRun, tool, version, done.Release.Commands, done.Release.Labels, done.Moved}, nil
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
	has := "has"
	if r.DryRun {
		has = "would have"
	}
	p.Line("%s %s %s, once it is signed:", r.Tool, r.Version, has)
	field(p, "commands", strings.Join(r.Commands, " "))
	field(p, "labels", orDash(r.Labels))
	for _, label := range r.Moved {
		field(p, "note", fmt.Sprintf("label %s moved here from another version", label))
	}
}

func (a *app) publishPruneCommand() *cobra.Command {
	return a.command(verb{
		use: "prune DIR", short: "Remove the files that no release uses any more",
		long: `Removes the files below DIR/blobs that neither the published manifest nor a draft
or waiting one names. Only a file in a directory named after its digest is
removed; other files that no manifest names are kept and listed (exit 10).`,
		example: "kist publish prune public/",
		exits:   []int{0, 1, 2, 3, 4, 8, 10},
		args:    exactly(1),
		changes: true,
		run: func(_ context.Context, args []string) (result, error) {
			root, err := openRoot(args[0], false)
			if err != nil {
				return nil, err
			}
			defer root.Close()
			done, err := publish.Dir{Root: root}.Prune(a.flags.dryRun)
			r := publishPruned{a.flags.dryRun, done.Removed, done.Bytes, done.Kept}
			if err == nil && len(done.Kept) > 0 {
				err = &plainError{"kept", fmt.Sprintf("kept %s that no release names: not in a directory named after its digest", term.Count(len(done.Kept), "file"))}
			}
			return r, err
		},
	})
}

// publishPruned is what publish prune did.
type publishPruned struct {
	DryRun  bool     `json:"dry_run,omitempty"`
	Removed []string `json:"removed,omitempty"` // below DIR
	Bytes   int64    `json:"bytes"`
	Kept    []string `json:"kept,omitempty"`
}

func (r publishPruned) text(p *term.Page) {
	did := "removed"
	if r.DryRun {
		did = "would remove"
	}
	for _, name := range r.Removed {
		p.Line("%s %s", did, name)
	}
	for _, name := range r.Kept {
		p.Line("kept %s", name)
	}
	p.Line("%s %s, %s", did, term.Count(len(r.Removed), "file"), term.ByteSize(r.Bytes))
}
