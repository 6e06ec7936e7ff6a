package rust

import (
	"fmt"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/tomldoc"
)

// A ToolchainFile is a project's request in its rust-toolchain.toml or rust-toolchain.
// The project's author wrote it, so it is only data: names and versions, which the
// channel's keys must prove like any others. Source: rust-lang/rustup,
// doc/user-guide/src/overrides.md and src/config.rs.
type ToolchainFile struct {
	Channel    string // such as "1.95" or "nightly-2026-11-01"; empty if the file names none
	Components []string
	Targets    []string
	Profile    string
}

// MaxToolchainFile is the ceiling on such a file, in bytes.
const MaxToolchainFile = 64 << 10

// maxNames is the ceiling on a list in it.
const maxNames = 256

// ToolchainFileError is returned for a toolchain file that cannot be used.
type ToolchainFileError struct {
	File string
	Rule string
}

func (e *ToolchainFileError) Error() string { return e.File + ": " + e.Rule }
func (*ToolchainFileError) Kind() string    { return "usage" }

// ParseToolchainFile reads the content of the file called name, one of ToolchainFiles.
// Without ".toml" it may be a single line with the name of a toolchain. Keys other than
// channel, components, targets and profile are ignored, except path, which is refused
// because nobody signs a local path. Errors are *ToolchainFileError.
func ParseToolchainFile(name string, data []byte) (ToolchainFile, error) {
	var f ToolchainFile
	err := f.parse(data, !strings.HasSuffix(name, ".toml"))
	if err != nil {
		return ToolchainFile{}, &ToolchainFileError{name, err.Error()}
	}
	return f, nil
}

func (f *ToolchainFile) parse(data []byte, bare bool) error {
	if len(data) > MaxToolchainFile {
		return fmt.Errorf("larger than the limit of %d bytes", MaxToolchainFile)
	}
	text := strings.TrimSuffix(string(data), "\n")
	if bare && !strings.Contains(text, "\n") {
		f.Channel = strings.TrimSpace(text)
		if f.Channel == "" {
			return fmt.Errorf("it is empty")
		}
		return f.check()
	}
	keys, err := tomldoc.Decode(data, tomldoc.Small())
	if err != nil {
		return fmt.Errorf("line %d: %w", tomldoc.LineOf(err), err)
	}
	t := tomldoc.NewTable(keys).Table("toolchain")
	if t.Has("path") {
		return fmt.Errorf("toolchain.path is not supported: kist installs only what a pinned key has signed, and nobody signs a path")
	}
	known := false
	for key, into := range map[string]*string{"channel": &f.Channel, "profile": &f.Profile} {
		if t.Has(key) {
			if *into = t.Text(key); *into == "" {
				t.Fail("%s is empty", key)
			}
			known = true
		}
	}
	for key, into := range map[string]*[]string{"components": &f.Components, "targets": &f.Targets} {
		if t.Has(key) {
			*into, known = t.Texts(key, maxNames), true
		}
	}
	if !known {
		t.Fail("it has none of channel, components, targets and profile")
	}
	if t.Err() != nil {
		return t.Err()
	}
	return f.check()
}

// check checks that every name is valid.
func (f *ToolchainFile) check() error {
	if f.Channel != "" {
		if err := manifests.ValidVersion(f.Channel); err != nil {
			return fmt.Errorf("channel %w", err)
		}
	}
	if f.Profile != "" {
		if err := manifests.ValidName(f.Profile); err != nil {
			return fmt.Errorf("profile %w", err)
		}
	}
	for kind, names := range map[string][]string{"component": f.Components, "target": f.Targets} {
		for _, name := range names {
			if err := manifests.ValidName(name); err != nil {
				return fmt.Errorf("%s %w", kind, err)
			}
		}
	}
	return nil
}
