package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/trial"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
)

func (a *app) publishAddCommand() *cobra.Command {
	o := trial.Files{Open: openFile}
	var witness string
	return a.command(verb{
		use:   "add DIR FILE… [--tool NAME] [--version V] [--platform OS/ARCH] [--command PATTERN…]",
		short: "Add files of releases to what will be signed next",
		long: `Copies each FILE below DIR under its digest, unpacks it once to check that it can
be installed and how large it is, and adds it to the draft: all files, or none.
Tool, version, platform and format come from the name of the file, or of the
single directory in the archive, which is then dropped; a flag sets them for all
files. With -n, a table shows what would be added. Nothing is published
before "kist publish sign".`,
		example: `kist publish add public/ dist/zig-*.tar.xz --command zig --label stable
kist publish add public/ tool.tar.gz --tool zig --version 0.14.0 --platform linux/amd64 --strip 1 --command zig`,
		exits:   []int{0, 1, 2, 3, 4, 8},
		args:    between(1, 1<<20),
		changes: true,
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&o.Tool, "tool", "", "the `NAME` of the tool")
			f.StringVar(&o.Version, "version", "", "the version, `V`")
			f.StringVar(&o.Platform, "platform", "", "what it runs on: `OS/ARCH`, OS/ARCH/LIBC or any")
			f.StringArrayVar(&o.Paths, "file", nil, "a `FILE`, as if it was named after DIR (repeatable)")
			f.StringVar(&o.Format, "format", "", "the `FORMAT`: "+strings.Join(manifests.Formats(), ", "))
			f.IntVar(&o.Strip, "strip", -1, "drop `N` leading directories; by default one that contains everything")
			f.Lookup("strip").DefValue = "0" // no default in the help
			f.StringArrayVar(&o.Commands, "command", nil, "a `PATTERN` of files that become commands, below the prefix (repeatable)")
			f.StringVar(&o.Component, "component", "", "the `NAME` of the component; by default the tool's")
			f.BoolVar(&o.Optional, "optional", false, "installed only on request")
			f.StringArrayVar(&o.Labels, "label", nil, "a moving `NAME` for this version, such as stable (repeatable)")
			f.StringVar(&witness, "witness", "", "a file that confirms the version: `PATH=TEXT`")
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
	r := publishAdded{DryRun: a.flags.dryRun}
	for _, done := range added {
		if len(done.Skipped) > 0 {
			a.Warn("%s: a pattern cannot make commands with these names: %s", done.Name(), enumerate(spelled(done.Skipped), a.Verbose))
		}
		if done.Partly != nil {
			a.Warn("%s: %v; the other files of the release may contain them", done.Name(), done.Partly)
		}
		r.Added = append(r.Added, addedFile{done.File, done.Release.Tool, done.Release.Version, publish.Summarize(done.Artifact),
			done.Artifact.Unpacked, done.Replaced, done.Moved})
	}
	if a.flags.dryRun {
		return r, nil
	}
	return r, draft.Write()
}

// unpacker returns what unpacks a publisher's files, to try them.
func (a *app) unpacker() trial.Unpacker {
	return trial.Unpacker{Child: a.Child, Scratch: a.scratchDir}
}

// publishAdded is what publish add did.
type publishAdded struct {
	DryRun bool        `json:"dry_run,omitempty"`
	Added  []addedFile `json:"added"`
}

type addedFile struct {
	File    string `json:"file"`
	Tool    string `json:"tool"`
	Version string `json:"version"`
	publish.ArtifactSummary
	Unpacked int64    `json:"unpacked"`
	Replaced bool     `json:"replaced,omitempty"`
	Moved    []string `json:"labels_moved,omitempty"`
}

func (r publishAdded) text(p *term.Page) {
	did := would(r.DryRun, "add", "added")
	if r.DryRun || len(r.Added) > 1 {
		rows := [][]string{{"FILE", "TOOL", "VERSION", "PLATFORM", "FORMAT", "STRIP", "SIZE", "UNPACKED", "COMPONENT"}}
		for _, f := range r.Added {
			rows = append(rows, []string{f.File, f.Tool, f.Version, f.Platform, f.Format, strconv.Itoa(f.Strip), term.ByteSize(f.Size), term.ByteSize(f.Unpacked), f.Component})
		}
		p.Table(rows)
	}
	if len(r.Added) == 1 {
		f := r.Added[0]
		p.Line("%s %s %s for %s: %s, unpacks to %s", did, f.Tool, f.Version, f.Platform, term.ByteSize(f.Size), term.ByteSize(f.Unpacked))
		field(p, "file", f.Path)
		field(p, "sha256", f.SHA256)
	} else {
		p.Line("%s %s", did, term.Count(len(r.Added), "file"))
	}
	for _, f := range r.Added {
		if f.Replaced {
			field(p, "note", f.File+" replaces the earlier file for this platform and component")
		}
		movedText(p, f.Moved)
	}
}
