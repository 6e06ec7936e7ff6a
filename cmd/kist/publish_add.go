package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

func (a *app) publishAddCommand() *cobra.Command {
	o := addOptions{}
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
			f.StringVar(&o.tool, "tool", "", "the `NAME` of the tool")
			f.StringVar(&o.version, "version", "", "the version, `V`")
			f.StringVar(&o.platform, "platform", "", "what it runs on: `OS/ARCH`, OS/ARCH/LIBC or any, in Go's words: linux/amd64, not linux/x86_64")
			f.StringArrayVar(&o.files, "file", nil, "a `FILE`, as if it was named after DIR (repeatable)")
			f.StringVar(&o.format, "format", "", "the `FORMAT`: "+strings.Join(manifests.Formats(), ", "))
			f.IntVar(&o.strip, "strip", -1, "drop `N` leading directories; by default one that contains everything")
			f.Lookup("strip").DefValue = "0" // no default in the help
			f.StringArrayVar(&o.commands, "command", nil, "a `PATTERN` of files that become commands, below the prefix, beside those of the release (repeatable)")
			f.StringVar(&o.component, "component", "", "the `NAME` of the component; by default the tool's")
			f.BoolVar(&o.optional, "optional", false, "installed only on request")
			f.StringArrayVar(&o.labels, "label", nil, "a moving `NAME` for this version, such as stable (repeatable)")
			f.StringVar(&o.witness, "witness", "", "a file that confirms the version: `PATH=TEXT`")
		},
		values: map[string]completion.Completer{
			"format":   completion.Words(manifests.Formats()...),
			"platform": completion.Words("any", "darwin/amd64", "darwin/arm64", "linux/amd64", "linux/arm64", "windows/amd64", "windows/arm64"),
		},
		run: func(ctx context.Context, args []string) (result, error) {
			o.files = append(args[1:], o.files...)
			return a.publishAdd(ctx, args[0], o)
		},
	})
}

type addOptions struct {
	files, commands, labels                             []string
	tool, version, platform, format, component, witness string
	strip                                               int
	optional                                            bool
}

// check validates the flags, without reading the files, and parses the witness.
func (o addOptions) check() (*native.Witness, error) {
	if len(o.files) == 0 {
		return nil, usage("publish add: name the files to add")
	}
	if o.platform != "" {
		platform, err := manifests.ParsePlatform(o.platform)
		if err == nil {
			err = publish.CheckPlatform(platform)
		}
		if err != nil {
			return nil, usage("publish add: %v", err)
		}
	}
	if o.format != "" && !slices.Contains(manifests.Formats(), o.format) {
		return nil, usage("publish add: --format %s: want one of %s", o.format, strings.Join(manifests.Formats(), ", "))
	}
	if o.strip < -1 || o.strip > 16 {
		return nil, usage("publish add: --strip %d: want 0 to 16", o.strip)
	}
	if o.witness == "" {
		return nil, nil
	}
	file, text, ok := strings.Cut(o.witness, "=")
	if !ok || file == "" || text == "" {
		return nil, usage("publish add: --witness %s: want PATH=TEXT", o.witness)
	}
	return &native.Witness{Path: file, Contains: text}, nil
}

// addition describes f by the flags in o, or else by the names of f and of its
// directory.
func (o addOptions) addition(f *newFile, witness *native.Witness) (publish.Addition, error) {
	add := publish.Addition{Tool: o.tool, Version: o.version, Labels: o.labels, Commands: o.commands, Witness: witness,
		Name: f.name(), Artifact: f.art, Open: func() (io.ReadCloser, error) { return openFile(f.path) }}
	guess := publish.GuessName(f.name())
	if f.top != "" {
		guess = guess.Or(publish.GuessName(f.top))
	}
	platform := o.platform
	for _, part := range []struct {
		value      *string
		guess      string
		what, flag string
	}{{&add.Tool, guess.Tool, "tool", "tool"}, {&add.Version, guess.Version, "version", "version"}, {&platform, guess.Platform, "platform", "platform"}} {
		if *part.value == "" {
			*part.value = part.guess
		}
		if *part.value == "" {
			return add, publish.NotGuessed(f.path, part.what, part.flag)
		}
	}
	add.Artifact.Component, add.Artifact.Optional = o.component, o.optional
	var err error
	if add.Artifact.Platform, err = manifests.ParsePlatform(platform); err != nil {
		return add, err
	}
	if f.art.Format == "file" && (o.component == "" || o.component == add.Tool) {
		add.Usual = []string{add.Tool}
	}
	return add, nil
}

func (a *app) publishAdd(ctx context.Context, dir string, o addOptions) (result, error) {
	witness, err := o.check()
	if err != nil {
		return nil, err
	}
	d, closeDir, err := a.openPublished(dir)
	if err != nil {
		return nil, err
	}
	defer closeDir()
	draft, err := d.Begin()
	if err != nil {
		return nil, err
	}
	var files []*newFile
	for _, path := range o.files {
		f, err := readNewFile(ctx, path, o.format)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	if err := (inspection{a, o.strip, o.commands, witness}).inspectAll(ctx, files); err != nil {
		return nil, err
	}
	var list []publish.Addition
	for _, f := range files {
		add, err := o.addition(f, witness)
		if err != nil {
			return nil, err
		}
		list = append(list, add)
	}
	added, err := draft.Add(list)
	if err != nil {
		return nil, err
	}
	if err := a.checkCommands(o, files, added); err != nil {
		return nil, err
	}
	r := publishAdded{DryRun: a.flags.dryRun}
	for i, done := range added {
		r.Added = append(r.Added, addedFile{
			File: files[i].path, Tool: done.Release.Tool, Version: done.Release.Version, Platform: done.Artifact.Platform.String(),
			Component: done.Artifact.Component, Format: done.Artifact.Format, Strip: done.Artifact.Strip, Path: done.Artifact.Path,
			Size: done.Artifact.Size, Unpacked: done.Artifact.Unpacked, SHA256: done.Artifact.SHA256.Hex(), Replaced: done.Replaced, Moved: done.Moved,
		})
	}
	if a.flags.dryRun {
		return r, nil
	}
	return r, draft.Write()
}

// checkCommands refuses patterns of commands that match nothing in the added files.
func (a *app) checkCommands(o addOptions, files []*newFile, added []publish.Added) error {
	matched := map[string]bool{} // patterns of o
	for i, done := range added {
		f, main := files[i], done.Artifact.Component == done.Release.Tool
		entries := f.entries
		if f.art.Format == "file" {
			entries = []record.Entry{{Path: programPath(done), Type: record.File, Mode: 0o755, Size: f.art.Size}}
		}
		for _, pattern := range o.commands {
			matched[pattern] = matched[pattern] || matches([]string{pattern}, entries)
		}
		if !main {
			continue
		}
		commands, skipped, err := plan.Commands(done.Release.Commands, plan.MakeExecutable(done.Release.Commands, entries))
		if len(skipped) > 0 {
			a.Warn("%s: a pattern cannot make commands with these names: %s", f.name(), enumerate(spelled(skipped), a.Verbose))
		}
		switch {
		case len(done.Release.Commands) == 0:
			if could := programs(entries); len(could) > 0 { // otherwise it is data, and has no commands
				return &noMatchError{f.path, nil, could, nil}
			}
		case err == nil && len(commands) > 0:
		case err == nil, installedAlone(done):
			return &noMatchError{f.path, done.Release.Commands, programs(entries), err}
		default:
			a.Warn("%s: %v; the other files of the release may contain them", f.name(), err)
		}
	}
	for _, pattern := range o.commands {
		if !matched[pattern] {
			return &noMatchError{files[0].path, []string{pattern}, programs(files[0].entries), nil}
		}
	}
	return nil
}

// programPath returns where a file that is itself a program is installed.
func programPath(done publish.Added) string {
	for _, c := range done.Release.Commands {
		if p, ok := manifests.CommandPath(c); ok && done.Artifact.Component == done.Release.Tool {
			return p
		}
	}
	return done.Artifact.Path[strings.LastIndex(done.Artifact.Path, "/")+1:]
}

// installedAlone reports whether no other artifact of the release is installed with
// this one.
func installedAlone(done publish.Added) bool {
	return !slices.ContainsFunc(done.Release.Artifacts, func(b native.Artifact) bool {
		return b.Component != done.Artifact.Component && !b.Optional &&
			(b.Platform.IsAny() || done.Artifact.Platform.IsAny() || b.Platform.OS == done.Artifact.Platform.OS && b.Platform.Arch == done.Artifact.Platform.Arch)
	})
}

// A noMatchError reports that patterns of commands match no executable file.
type noMatchError struct {
	File     string
	Patterns []string // empty: the release has no commands
	Programs []string // files that could be commands
	Why      error    // the error of plan.Commands; may be nil
}

func (e *noMatchError) Error() string {
	has := "no file in it is executable"
	if len(e.Programs) > 0 {
		has = "executable in it: " + enumerate(e.Programs, false)
	}
	if len(e.Patterns) == 0 {
		return fmt.Sprintf("%s: the release has no commands (%s)", e.File, has)
	}
	what := "no executable file matches the commands " + strings.Join(e.Patterns, ", ")
	if e.Why != nil {
		what = strings.TrimSuffix(e.Why.Error(), ": "+verify.ErrUntrusted.Error()) // it is not signed yet, so trust is not the problem
	}
	return fmt.Sprintf("%s: %s (%s)", e.File, what, has)
}
func (*noMatchError) Kind() string { return "usage" }

// publishAdded is what publish add did.
type publishAdded struct {
	DryRun bool        `json:"dry_run,omitempty"`
	Added  []addedFile `json:"added"`
}

type addedFile struct {
	File      string   `json:"file"`
	Tool      string   `json:"tool"`
	Version   string   `json:"version"`
	Platform  string   `json:"platform"`
	Component string   `json:"component"`
	Format    string   `json:"format"`
	Strip     int      `json:"strip"`
	Path      string   `json:"path"` // below DIR
	Size      int64    `json:"size"`
	Unpacked  int64    `json:"unpacked"`
	SHA256    string   `json:"sha256"`
	Replaced  bool     `json:"replaced,omitempty"`
	Moved     []string `json:"labels_moved,omitempty"`
}

func (r publishAdded) text(p *term.Page) {
	did := "added"
	if r.DryRun {
		did = "would add"
	}
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
		for _, label := range f.Moved {
			field(p, "note", fmt.Sprintf("label %s moved here from another version", label))
		}
	}
}
