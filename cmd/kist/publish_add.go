package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/unpack"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
)

func (a *app) publishAddCommand() *cobra.Command {
	var o addOptions
	return a.command(verb{
		use:   "add DIR --tool NAME --version V --platform OS/ARCH --file FILE [--command PATTERN…]",
		short: "Add a file of a release to what will be signed next",
		long: `Copies FILE below DIR under its digest, unpacks it once to see that it can be
installed and how large it is, and enters it into the draft. Repeat it for
further platforms and components of the release. Nothing is published before
"kist publish sign".`,
		example: "kist publish add public/ --tool zig --version 0.14.0 --platform linux/amd64 --file zig.tar.gz --strip 1 --command zig",
		exits:   []int{0, 1, 2, 3, 4, 8},
		args:    exactly(1),
		changes: true,
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&o.tool, "tool", "", "the `NAME` of the tool")
			f.StringVar(&o.version, "version", "", "its version `V`")
			f.StringVar(&o.platform, "platform", "", "what it runs on: `OS/ARCH`, OS/ARCH/LIBC or any")
			f.StringVar(&o.file, "file", "", "the `FILE`")
			f.StringVar(&o.format, "format", "", "its `FORMAT`; by default what its name says: "+strings.Join(manifests.Formats(), ", "))
			f.IntVar(&o.strip, "strip", 0, "how many leading directories to drop: `N`")
			f.StringArrayVar(&o.commands, "command", nil, "a `PATTERN` of files that become commands, below the prefix (repeatable)")
			f.StringVar(&o.component, "component", "", "the `NAME` of the component; by default the tool's")
			f.BoolVar(&o.optional, "optional", false, "installed only on request")
			f.StringArrayVar(&o.labels, "label", nil, "a moving `NAME` for this version, such as stable (repeatable)")
			f.StringVar(&o.witness, "witness", "", "a file that confirms the version: `PATH=TEXT`")
		},
		run: func(ctx context.Context, args []string) (result, error) { return a.publishAdd(ctx, args[0], o) },
	})
}

type addOptions struct {
	tool, version, platform, file, format, component, witness string
	strip                                                     int
	optional                                                  bool
	commands, labels                                          []string
}

// addition checks o and says what is to be added, but for the file itself.
func (o addOptions) addition() (publish.Addition, error) {
	var add publish.Addition
	for _, must := range []struct{ flag, value string }{
		{"tool", o.tool}, {"version", o.version}, {"platform", o.platform}, {"file", o.file},
	} {
		if must.value == "" {
			return add, usage("publish add: --%s is missing", must.flag)
		}
	}
	platform, err := manifests.ParsePlatform(o.platform)
	if err != nil {
		return add, usage("publish add: %v", err)
	}
	if o.format == "" {
		if o.format = formatOf(o.file); o.format == "" {
			return add, usage("publish add: the name of %s does not tell its format; say --format", o.file)
		}
	}
	add = publish.Addition{
		Tool: o.tool, Version: o.version, Labels: o.labels, Commands: o.commands, Name: filepath.Base(o.file),
		Artifact: native.Artifact{Platform: platform, Component: o.component, Optional: o.optional, Format: o.format, Strip: o.strip},
	}
	if o.witness != "" {
		file, text, ok := strings.Cut(o.witness, "=")
		if !ok || file == "" || text == "" {
			return add, usage("publish add: --witness %s: want PATH=TEXT", o.witness)
		}
		add.Witness = &native.Witness{Path: file, Contains: text}
	}
	return add, nil
}

// formatOf reads a file's format off its name, "" if that does not tell.
func formatOf(name string) string {
	for _, f := range []struct{ suffix, format string }{
		{".tar.gz", "tar.gz"}, {".tgz", "tar.gz"}, {".tar.xz", "tar.xz"}, {".txz", "tar.xz"},
		{".tar.zst", "tar.zst"}, {".tzst", "tar.zst"}, {".tar.bz2", "tar.bz2"}, {".tbz2", "tar.bz2"},
		{".tar", "tar"}, {".zip", "zip"}, {".deb", "deb"},
	} {
		if strings.HasSuffix(strings.ToLower(name), f.suffix) {
			return f.format
		}
	}
	return ""
}

// publishAdded is what publish add did.
type publishAdded struct {
	DryRun   bool     `json:"dry_run,omitempty"`
	Tool     string   `json:"tool"`
	Version  string   `json:"version"`
	Platform string   `json:"platform"`
	Path     string   `json:"path,omitempty"` // below DIR
	Size     int64    `json:"size"`
	Unpacked int64    `json:"unpacked,omitempty"`
	SHA256   string   `json:"sha256,omitempty"`
	Replaced bool     `json:"replaced,omitempty"`
	Moved    []string `json:"labels_moved,omitempty"`
}

func (r publishAdded) text(p *page) {
	did := "added"
	if r.DryRun {
		did = "would add"
	}
	p.line("%s %s %s for %s: %s, unpacks to %s", did, r.Tool, r.Version, r.Platform, byteSize(r.Size), byteSize(r.Unpacked))
	field(p, "file", r.Path)
	field(p, "sha256", r.SHA256)
	if r.Replaced {
		field(p, "note", "it replaces the file that was there for this platform and component")
	}
	for _, label := range r.Moved {
		field(p, "note", "label "+label+" moved here from another version")
	}
}

func (a *app) publishAdd(ctx context.Context, dir string, o addOptions) (result, error) {
	add, err := o.addition()
	if err != nil {
		return nil, err
	}
	d, closeDir, err := a.openPublished(dir)
	if err != nil {
		return nil, err
	}
	defer closeDir()
	content, err := openFile(o.file)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	add.Content = untilDone{content, ctx}
	add.Inspect = func(f *os.File, r native.Release, art native.Artifact) (int64, error) {
		return a.inspect(ctx, f, r, art)
	}
	r := publishAdded{DryRun: a.flags.dryRun, Tool: add.Tool, Version: add.Version, Platform: add.Artifact.Platform.String()}
	done, err := d.Add(add)
	if err != nil {
		return nil, err
	}
	r.Path, r.Size, r.Unpacked = done.Artifact.Path, done.Artifact.Size, done.Artifact.Unpacked
	r.SHA256, r.Replaced, r.Moved = done.Artifact.SHA256.Hex(), done.Replaced, done.Moved
	return r, nil
}

// inspect unpacks a file as an install would, into a directory for the moment,
// and returns the size of what is in it.
func (a *app) inspect(ctx context.Context, f *os.File, r native.Release, art native.Artifact) (unpacked int64, err error) {
	if art.Format == "file" {
		return art.Size, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	scratch, remove, err := a.scratchDir()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	archive := unpack.Archive{Name: filepath.Base(f.Name()), Component: art.Component,
		Layout: manifests.Layout{Format: art.Format, Strip: art.Strip}}
	entries, err := install.Inspect(ctx, a.Child, scratch, f, art.SHA256, archive, r.Commands)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		unpacked += e.Size
	}
	if art.Component != r.Tool {
		return unpacked, nil
	}
	_, skipped, err := plan.Commands(r.Commands, entries)
	if err != nil {
		a.warn("%s: %v; what its other files bring may supply them", archive.Name, err)
	}
	if len(skipped) > 0 {
		a.warn("%s: no pattern makes commands of such names: %s", archive.Name, enumerate(spelled(skipped), a.flags.verbose))
	}
	if err := confirmed(scratch, r.Witness); err != nil {
		return unpacked, fmt.Errorf("%s: %w", archive.Name, err)
	}
	return unpacked, nil
}

// A silentWitnessError says that a witness does not confirm its release.
type silentWitnessError struct {
	Witness native.Witness
	Why     string
}

func (e *silentWitnessError) Error() string {
	return fmt.Sprintf("the witness %s %s %q", e.Witness.Path, e.Why, e.Witness.Contains)
}

// confirmed looks whether w, if there is one, confirms its release as it will when
// that is installed.
func confirmed(prefix *os.Root, w *native.Witness) error {
	if w == nil {
		return nil
	}
	err := install.Confirm(prefix, manifests.Artifact{Witness: &manifests.Witness{Path: w.Path, Contains: w.Contains}})
	if _, silent := errors.AsType[*install.WitnessError](err); !silent {
		return err
	}
	if _, absent := prefix.Stat(w.Path); absent != nil {
		return &silentWitnessError{*w, "is not there, so it cannot confirm"}
	}
	return &silentWitnessError{*w, "does not hold"}
}
