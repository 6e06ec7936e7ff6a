package trial

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

// Files are files that a publisher adds, and what the publisher says about all of them.
type Files struct {
	Paths []string
	Open  func(path string) (*os.File, error)

	Tool, Version, Platform, Format string // empty: as the file's name says
	Component                       string // empty: the tool
	Optional                        bool   // installed only on request
	Strip                           int    // leading directories to drop; -1: one that contains everything
	Commands, Labels                []string
	Witness                         *native.Witness // may be nil
}

// Added is a file that is in the draft now.
type Added struct {
	File    string `json:"file"` // its path
	Tool    string `json:"tool"`
	Version string `json:"version"`
	publish.ArtifactSummary
	Unpacked int64    `json:"unpacked"`               // bytes that it unpacks to
	Replaced bool     `json:"replaced,omitempty"`     // it replaced an earlier file
	Moved    []string `json:"labels_moved,omitempty"` // labels that moved here from other releases
	// Skipped are paths that a pattern matches but that cannot be commands by their names.
	Skipped []string `json:"-"`
	// Partly is nil, or why this file has no commands. Another file of the release may
	// contain them.
	Partly error `json:"-"`
}

// Name returns the base name of the file.
func (a Added) Name() string { return filepath.Base(a.File) }

// Add unpacks each of f as an install would, and puts all of them in draft, which the
// caller writes. Tool, version, platform and format that f does not state come from the
// name of the file, or else of the directory that contains everything in the archive.
// Errors are those of [publish.Draft.Add] and [install.Inspect], *[WitnessError] and
// *[NoCommandError].
func (u Unpacker) Add(ctx context.Context, draft *publish.Draft, f Files) ([]Added, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	in := inspection{u, f}
	var files []*newFile
	for _, path := range f.Paths {
		one, err := in.read(ctx, path)
		if err != nil {
			return nil, err
		}
		files = append(files, one)
	}
	if err := in.inspectAll(ctx, files); err != nil {
		return nil, err
	}
	var list []publish.Addition
	for _, one := range files {
		add, err := f.describe(one)
		if err != nil {
			return nil, err
		}
		list = append(list, add)
	}
	done, err := draft.Add(list)
	if err != nil {
		return nil, err
	}
	var added []Added
	matched := map[string]bool{} // by pattern of f
	for i, one := range files {
		d := done[i]
		a := Added{File: one.path, Tool: d.Release.Tool, Version: d.Release.Version, ArtifactSummary: publish.Summarize(d.Artifact),
			Unpacked: d.Artifact.Unpacked, Replaced: d.Replaced, Moved: d.Moved}
		if one.art.Format == "file" {
			one.entries = []record.Entry{{Path: programPath(d), Type: record.File, Mode: 0o755, Size: one.art.Size}}
		}
		for _, pattern := range f.Commands {
			matched[pattern] = matched[pattern] || matches([]string{pattern}, one.entries)
		}
		if err := a.checkCommands(d, one.entries); err != nil {
			return nil, err
		}
		added = append(added, a)
	}
	for _, pattern := range f.Commands {
		if !matched[pattern] {
			return nil, &NoCommandError{files[0].path, []string{pattern}, programs(files[0].entries), nil}
		}
	}
	return added, nil
}

// MaxStrip is the most leading directories that Files.Strip drops.
const MaxStrip = 16

// check returns an error that matches manifests.ErrInput if f says what no manifest can have. It reads no
// file.
func (f Files) check() error {
	if f.Platform != "" {
		platform, err := manifests.ParsePlatform(f.Platform)
		if err == nil {
			err = publish.CheckPlatform(platform)
		}
		if err != nil {
			return manifests.Invalid("%v", err)
		}
	}
	if f.Format != "" && !slices.Contains(manifests.Formats(), f.Format) {
		return manifests.Invalid("format %s: want one of %s", f.Format, strings.Join(manifests.Formats(), ", "))
	}
	if f.Strip > MaxStrip {
		return manifests.Invalid("strip %d: want at most %d", f.Strip, MaxStrip)
	}
	return nil
}

// describe returns what f says about one of its files, or else the names of the file and
// of its directory.
func (f Files) describe(one *newFile) (publish.Addition, error) {
	add := publish.Addition{Tool: f.Tool, Version: f.Version, Labels: f.Labels, Commands: f.Commands, Witness: f.Witness,
		Name: one.name(), Artifact: one.art, Open: func() (io.ReadCloser, error) { return f.Open(one.path) }}
	guess := publish.GuessName(one.name())
	if one.top != "" {
		guess = guess.Or(publish.GuessName(one.top))
	}
	platform := f.Platform
	for _, part := range []struct {
		value       *string
		guess, what string
	}{{&add.Tool, guess.Tool, "tool"}, {&add.Version, guess.Version, "version"}, {&platform, guess.Platform, "platform"}} {
		if *part.value == "" {
			*part.value = part.guess
		}
		if *part.value == "" {
			return add, publish.NotGuessed(one.path, part.what)
		}
	}
	add.Artifact.Component, add.Artifact.Optional = f.Component, f.Optional
	if one.art.Format == "file" && (f.Component == "" || f.Component == add.Tool) {
		add.Usual = []string{add.Tool}
	}
	var err error
	add.Artifact.Platform, err = manifests.ParsePlatform(platform)
	return add, err
}

// checkCommands checks that the release of done has the commands that its patterns select
// from entries, the contents of a.
func (a *Added) checkCommands(done publish.Added, entries []record.Entry) error {
	if done.Artifact.Component != done.Release.Tool {
		return nil
	}
	patterns, could := done.Release.Commands, programs(entries)
	if len(patterns) == 0 {
		if len(could) > 0 { // otherwise it is data, and has no commands
			return &NoCommandError{a.File, nil, could, nil}
		}
		return nil
	}
	commands, skipped, err := plan.Commands(patterns, plan.MakeExecutable(patterns, entries))
	a.Skipped = skipped
	switch {
	case err == nil && len(commands) > 0:
	case err == nil, installedAlone(done):
		return &NoCommandError{a.File, patterns, could, err}
	default:
		a.Partly = err
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
	return path.Base(done.Artifact.Path)
}

// installedAlone reports whether no other artifact of the release is installed with this
// one.
func installedAlone(done publish.Added) bool {
	a := done.Artifact
	return !slices.ContainsFunc(done.Release.Artifacts, func(b native.Artifact) bool {
		return b.Component != a.Component && !b.Optional &&
			(b.Platform.IsAny() || a.Platform.IsAny() || b.Platform.OS == a.Platform.OS && b.Platform.Arch == a.Platform.Arch)
	})
}

// A NoCommandError reports that patterns of commands match no executable file.
type NoCommandError struct {
	File     string
	Patterns []string // empty: the release has no commands
	Programs []string // files that could be commands
	Err      error    // the error of plan.Commands; may be nil
}

func (e *NoCommandError) Error() string {
	has := executables(e.Programs)
	if len(e.Patterns) == 0 {
		return fmt.Sprintf("%s: the release has no commands (%s)", e.File, has)
	}
	what := "no executable file matches the commands " + strings.Join(e.Patterns, ", ")
	if e.Err != nil {
		what = strings.TrimSuffix(e.Err.Error(), ": "+verify.ErrUntrusted.Error()) // it is not signed yet, so trust is not the problem
	}
	return fmt.Sprintf("%s: %s (%s)", e.File, what, has)
}

// Kind returns the class of e, for the exit code.
func (*NoCommandError) Kind() string { return "usage" }
