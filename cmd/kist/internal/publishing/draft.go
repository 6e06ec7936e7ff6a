package publishing

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/change"
	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/publishtext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/trial"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *verbs) publishAddCommand() *cobra.Command {
	o := trial.Files{Open: namedfiles.Open}
	var witness string
	return a.Command(cli.Verb{
		Use:   "add DIR FILE… [--tool NAME] [--version V] [--platform OS/ARCH]",
		Short: "Add files of releases to what will be signed next",
		Long: `Copies each FILE into DIR under its digest, unpacks it once to check that it can
be installed and how large it is, and adds it to the draft: all files, or none.
Tool, version, platform and format come from the name of the file, or of the
single directory in the archive, which is then dropped; a flag sets them for all
files. A PATTERN is a path below the prefix, such as bin/zig or bin/*. With -n,
a table shows what would be added. Nothing is published before "kist publish
sign".`,
		Example: `kist publish add public/ dist/zig-*.tar.xz --command zig --label stable
kist publish add public/ zig.zip --version 0.14.0 --command zig
kist publish add -n public/ dist/*`,
		Exits:     []int{0, 1, 2, 3, 4, 8},
		ExitMeans: map[int]string{3: "no such directory, file or release"},
		Args:      cli.Between(1, 1<<20),
		Changes:   true,
		Flags: func(f *pflag.FlagSet) {
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
		Values: map[string]completion.Completer{
			"format":   completion.Words(manifests.Formats()...),
			"platform": completion.Words("any", "darwin/amd64", "darwin/arm64", "linux/amd64", "linux/arm64", "windows/amd64", "windows/arm64"),
		},
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			o.Paths = append(args[1:], o.Paths...)
			if len(o.Paths) == 0 {
				return nil, failure.Usage("publish add: name the files to add")
			}
			if o.Strip < -1 {
				return nil, failure.Usage("publish add: --strip %d: want 0 to %d", o.Strip, trial.MaxStrip)
			}
			if witness != "" {
				file, text, ok := strings.Cut(witness, "=")
				if !ok || file == "" || text == "" {
					return nil, failure.Usage("publish add: --witness %s: want PATH=TEXT", witness)
				}
				o.Witness = &native.Witness{Path: file, Contains: text}
			}
			return a.withPublished(args[0], func(d publish.Dir) (cli.Result, error) { return a.publishAdd(ctx, d, o) })
		},
	})
}

func (a *verbs) publishAdd(ctx context.Context, d publish.Dir, files trial.Files) (cli.Result, error) {
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
	if !a.Flags.DryRun {
		if err := draft.Write(); err != nil {
			return nil, err
		}
	}
	return publishtext.Added{DryRun: a.Flags.DryRun, Added: added}, nil
}

// unpacker returns what unpacks a publisher's files, to try them.
func (a *verbs) unpacker() trial.Unpacker {
	return trial.Unpacker{Child: a.Child, Scratch: func() (*os.Root, func() error, error) { return namedfiles.Scratch(a.Stages) }}
}

// parseRelease parses TOOL@VERSION, where the version is exact.
func (a *verbs) parseRelease(arg string) (tool, version string, err error) {
	ref, err := trust.ParseRef(arg)
	if err != nil {
		return "", "", err
	}
	if ref.Channel != "" || ref.Version == "" {
		return "", "", failure.Usage("%s: %s: want TOOL@VERSION", a.VerbName, arg)
	}
	return ref.Name, strings.TrimPrefix(ref.Version, "="), nil
}

func (a *verbs) publishRemoveCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Use: "remove DIR TOOL@VERSION…", Short: "Remove releases from what will be signed next",
		Long: `Removes each release from the draft. Users get it until "kist publish sign" has
published the rest; then "kist publish prune" removes the files that no release
uses any more.`,
		Example:   "kist publish remove public/ zig@0.13.0 zig@0.14.0",
		Exits:     []int{0, 1, 2, 3, 4, 8},
		ExitMeans: map[int]string{3: "no such directory, file or release"},
		Args:      cli.Between(2, 1<<20),
		Changes:   true,
		Run: func(_ context.Context, args []string) (cli.Result, error) {
			var releases [][2]string
			r := publishtext.Removed{DryRun: a.Flags.DryRun}
			for _, arg := range args[1:] {
				tool, version, err := a.parseRelease(arg)
				if err != nil {
					return nil, err
				}
				releases = append(releases, [2]string{tool, version})
				r.Removed = append(r.Removed, tool+"@"+version)
			}
			return a.withPublished(args[0], func(d publish.Dir) (cli.Result, error) {
				if err := d.Remove(releases...); err != nil {
					return nil, err
				}
				return r, nil
			})
		},
	})
}

func (a *verbs) publishEditCommand() *cobra.Command {
	var commands, labels []string
	var noLabels bool
	return a.Command(cli.Verb{
		Use: "edit DIR TOOL@VERSION [--command PATTERN…] [--label NAME… | --no-labels]", Short: "Change the commands and labels of a release",
		Long: `Replaces the commands of a release in the draft with those given, and likewise
its labels. A label of another release of the tool moves here. Commands or labels
that are not given do not change. Nothing is published before "kist publish
sign".`,
		Example: `kist publish edit public/ zig@0.14.0 --command bin/zig
kist publish edit public/ zig@0.14.0 --label stable --label 0.14`,
		Exits:     []int{0, 1, 2, 3, 4, 8},
		ExitMeans: map[int]string{3: "no such directory, file or release"},
		Args:      cli.Exactly(2),
		Changes:   true,
		Flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&commands, "command", nil, "files that become commands: `PATTERN` (repeatable)")
			f.StringArrayVar(&labels, "label", nil, "moving `NAME`, such as stable (repeatable)")
			f.BoolVar(&noLabels, "no-labels", false, "remove all its labels")
		},
		Run: func(_ context.Context, args []string) (cli.Result, error) {
			tool, version, err := a.parseRelease(args[1])
			if err != nil {
				return nil, err
			}
			switch {
			case noLabels && labels != nil:
				return nil, failure.Usage("publish edit: want --label or --no-labels, not both")
			case noLabels:
				labels = []string{}
			case commands == nil && labels == nil:
				return nil, failure.Usage("publish edit: nothing to change; use --command, --label or --no-labels")
			}
			return a.withPublished(args[0], func(d publish.Dir) (cli.Result, error) {
				done, err := d.Edit(tool, version, publish.Edit{Commands: commands, Labels: labels})
				if err != nil {
					return nil, err
				}
				return publishtext.Edited{DryRun: a.Flags.DryRun, Edited: done}, nil
			})
		},
	})
}
