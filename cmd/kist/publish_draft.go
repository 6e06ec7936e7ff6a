package main

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/change"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/publishtext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/trial"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) publishAddCommand() *cobra.Command {
	o := trial.Files{Open: namedfiles.Open}
	var witness string
	return a.command(verb{
		use:   "add DIR FILE… [--tool NAME] [--version V] [--platform OS/ARCH]",
		short: "Add files of releases to what will be signed next",
		long: `Copies each FILE into DIR under its digest, unpacks it once to check that it can
be installed and how large it is, and adds it to the draft: all files, or none.
Tool, version, platform and format come from the name of the file, or of the
single directory in the archive, which is then dropped; a flag sets them for all
files. A PATTERN is a path below the prefix, such as bin/zig or bin/*. With -n,
a table shows what would be added. Nothing is published before "kist publish
sign".`,
		example: `kist publish add public/ dist/zig-*.tar.xz --command zig --label stable
kist publish add public/ zig.zip --version 0.14.0 --command zig
kist publish add -n public/ dist/*`,
		exits:     []int{0, 1, 2, 3, 4, 8},
		exitMeans: map[int]string{3: "no such directory, file or release"},
		args:      between(1, 1<<20),
		changes:   true,
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&o.Tool, "tool", "", "`NAME` of the tool")
			f.StringVar(&o.Version, "version", "", "version of the release: `V`")
			f.StringVar(&o.Platform, "platform", "", "`OS/ARCH` or OS/ARCH/LIBC in Go's names, or any")
			f.StringArrayVar(&o.Paths, "file", nil, "another `FILE` to add (repeatable)")
			f.StringVar(&o.Format, "format", "", "`FORMAT`: "+strings.Join(manifests.Formats(), ", "))
			f.IntVar(&o.Strip, "strip", -1, "drop `N` leading directories; default: a single one")
			f.Lookup("strip").DefValue = "0" // no default in the help
			f.StringArrayVar(&o.Commands, "command", nil, "more files that become commands: `PATTERN` (repeatable)")
			f.StringVar(&o.Component, "component", "", "`NAME` of the component; default: the tool's")
			f.BoolVar(&o.Optional, "optional", false, "installed only on request")
			f.StringArrayVar(&o.Labels, "label", nil, "moving `NAME`, such as stable (repeatable)")
			f.StringVar(&witness, "witness", "", "`PATH=TEXT`: file and text that confirm the version")
		},
		values: map[string]completion.Completer{
			"format":   completion.Words(manifests.Formats()...),
			"platform": completion.Words("any", "darwin/amd64", "darwin/arm64", "linux/amd64", "linux/arm64", "windows/amd64", "windows/arm64"),
		},
		run: func(ctx context.Context, args []string) (result, error) {
			o.Paths = append(args[1:], o.Paths...)
			if len(o.Paths) == 0 {
				return nil, usage("publish add: name the files to add")
			}
			if o.Strip < -1 {
				return nil, usage("publish add: --strip %d: want 0 to %d", o.Strip, trial.MaxStrip)
			}
			if witness != "" {
				file, text, ok := strings.Cut(witness, "=")
				if !ok || file == "" || text == "" {
					return nil, usage("publish add: --witness %s: want PATH=TEXT", witness)
				}
				o.Witness = &native.Witness{Path: file, Contains: text}
			}
			return a.withPublished(args[0], func(d publish.Dir) (result, error) { return a.publishAdd(ctx, d, o) })
		},
	})
}

func (a *app) publishAdd(ctx context.Context, d publish.Dir, files trial.Files) (result, error) {
	draft, err := d.Begin()
	if err != nil {
		return nil, err
	}
	added, err := a.unpacker().Add(ctx, draft, files)
	if err != nil {
		return nil, err
	}
	for _, done := range added {
		if len(done.Skipped) > 0 {
			a.Warn("%s: a pattern cannot make commands with these names: %s", done.Name(), term.Enumerate(change.BaseNames(done.Skipped), a.Verbose))
		}
		if done.Partly != nil {
			a.Warn("%s: %v; the other files of the release may contain them", done.Name(), done.Partly)
		}
	}
	if !a.flags.dryRun {
		if err := draft.Write(); err != nil {
			return nil, err
		}
	}
	return publishtext.Added{DryRun: a.flags.dryRun, Added: added}, nil
}

// unpacker returns what unpacks a publisher's files, to try them.
func (a *app) unpacker() trial.Unpacker {
	return trial.Unpacker{Child: a.Child, Scratch: func() (*os.Root, func() error, error) { return namedfiles.Scratch(a.Stages) }}
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
		example:   "kist publish remove public/ zig@0.13.0 zig@0.14.0",
		exits:     []int{0, 1, 2, 3, 4, 8},
		exitMeans: map[int]string{3: "no such directory, file or release"},
		args:      between(2, 1<<20),
		changes:   true,
		run: func(_ context.Context, args []string) (result, error) {
			var releases [][2]string
			r := publishtext.Removed{DryRun: a.flags.dryRun}
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

func (a *app) publishEditCommand() *cobra.Command {
	var commands, labels []string
	var noLabels bool
	return a.command(verb{
		use: "edit DIR TOOL@VERSION [--command PATTERN…] [--label NAME… | --no-labels]", short: "Change the commands and labels of a release",
		long: `Replaces the commands of a release in the draft with those given, and likewise
its labels. A label of another release of the tool moves here. Commands or labels
that are not given do not change. Nothing is published before "kist publish
sign".`,
		example: `kist publish edit public/ zig@0.14.0 --command bin/zig
kist publish edit public/ zig@0.14.0 --label stable --label 0.14`,
		exits:     []int{0, 1, 2, 3, 4, 8},
		exitMeans: map[int]string{3: "no such directory, file or release"},
		args:      exactly(2),
		changes:   true,
		flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&commands, "command", nil, "files that become commands: `PATTERN` (repeatable)")
			f.StringArrayVar(&labels, "label", nil, "moving `NAME`, such as stable (repeatable)")
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
				return publishtext.Edited{DryRun: a.flags.dryRun, Edited: done}, nil
			})
		},
	})
}
