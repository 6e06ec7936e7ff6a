// Package project reads the files in which a project says which tools it needs: kist's
// own kist.toml, and those of other programs, such as go.mod and .nvmrc.
//
// The files come with a check-out and are not trusted. They are data: they name tools,
// versions and parts of tools, and nothing else. No URL, key, channel, setting, path or
// command in them has an effect; what this package cannot express is left out and named.
// It opens no files and no connections.
package project

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rust"
)

// An Ask is a project's request for one tool.
type Ask struct {
	Channel string // "" for a built-in tool, or one that exactly one added channel offers
	Tool    string
	Version string // as on the command line: the beginning of one, "=" and an exact one, a label, or ""
	// Range is a range of versions in npm's syntax, with an empty Version: the newest
	// release in it is meant.
	Range      string
	Components []string
	Targets    []string
	Profile    string
}

// String returns a as a user would type it.
func (a Ask) String() string {
	s := a.Tool
	if a.Channel != "" {
		s = a.Channel + "/" + s
	}
	switch {
	case a.Version != "":
		s += "@" + a.Version
	case a.Range != "":
		s += " " + a.Range
	}
	return s
}

// A Content is what one file says.
type Content struct {
	Asks []Ask
	// Unanswered names what the file asks for and kist cannot express, one line each.
	Unanswered []string
}

// add adds a request for a built-in tool, unless its version cannot be one.
func (c *Content) add(tool, version string) {
	number, _ := manifests.ExactVersion(version)
	if err := manifests.ValidVersion(number); err != nil {
		c.skip("%s: version %v", tool, err)
		return
	}
	c.Asks = append(c.Asks, Ask{Tool: tool, Version: version})
}

func (c *Content) skip(format string, args ...any) {
	c.Unanswered = append(c.Unanswered, fmt.Sprintf(format, args...))
}

// A Format is a kind of file.
type Format struct {
	Name  string // of the file
	Limit int64  // ceiling on its size, in bytes
	parse func(data []byte) (Content, error)
}

// MaxFile is the ceiling on kist.toml and the files of one version, in bytes.
const MaxFile = 64 << 10

// Formats returns all formats. If two files of one directory ask for the same tool, the
// one whose format comes first counts: kist's own file, then files that choose the
// version of one tool, then those that state what a project needs, then lists of many
// tools.
func Formats() []Format {
	return []Format{
		{File, MaxFile, parseKist},
		{"rust-toolchain", rust.MaxToolchainFile, parseRust("rust-toolchain")},
		{"rust-toolchain.toml", rust.MaxToolchainFile, parseRust("rust-toolchain.toml")},
		{".go-version", MaxFile, oneVersion("go")},
		{"go.work", 1 << 20, parseGoWork},
		{"go.mod", 1 << 20, parseGoMod},
		{".node-version", MaxFile, oneVersion("node")},
		{".nvmrc", MaxFile, oneVersion("node")},
		{"package.json", 4 << 20, parsePackageJSON},
		{".java-version", MaxFile, oneVersion("java")},
		{".terraform-version", MaxFile, oneVersion("terraform")},
		{".bun-version", MaxFile, oneVersion("bun")},
		{".sdkmanrc", MaxFile, parseSdkman},
		{".tool-versions", MaxFile, parseToolVersions},
	}
}

// An Error reports that a file does not have the form of its format.
type Error struct {
	File string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.File, e.Err) }
func (e *Error) Unwrap() error { return e.Err }
func (*Error) Kind() string    { return "usage" }

// Parse reads the content of the file at path, which has format f. Errors are *Error.
func (f Format) Parse(path string, data []byte) (Content, error) {
	if int64(len(data)) > f.Limit {
		return Content{}, &Error{path, fmt.Errorf("larger than the limit of %d bytes", f.Limit)}
	}
	c, err := f.parse(data)
	if err != nil {
		return Content{}, &Error{path, err}
	}
	return c, nil
}

// ParseOwn reads the content of the file at path, which has the form of kist.toml. Errors
// are *Error.
func ParseOwn(path string, data []byte) (Content, error) { return Formats()[0].Parse(path, data) }

// parseRust returns the parser of a toolchain file of rustup.
func parseRust(name string) func([]byte) (Content, error) {
	return func(data []byte) (Content, error) {
		f, err := rust.ParseToolchainFile(name, data)
		if refused, ok := errors.AsType[*rust.ToolchainFileError](err); ok {
			err = errors.New(refused.Rule)
		}
		if err != nil {
			return Content{}, err
		}
		return Content{Asks: []Ask{{Tool: rust.Tool, Version: f.Channel, Components: f.Components, Targets: f.Targets, Profile: f.Profile}}}, nil
	}
}

// firstWord returns the first word of the first line that is neither empty nor a comment.
func firstWord(data []byte) string {
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) > 0 {
			return words[0]
		}
	}
	return ""
}

// oneVersion returns the parser of a file that holds one version of tool.
func oneVersion(tool string) func([]byte) (Content, error) {
	return func(data []byte) (c Content, err error) {
		word := firstWord(data)
		if word == "" {
			return c, errors.New("it names no version")
		}
		c.addSpelled(tool, word)
		return c, nil
	}
}
