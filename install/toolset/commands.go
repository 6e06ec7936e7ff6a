package toolset

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// Shims returns the names of the commands that a launcher starts.
func (s *Set) Shims() []string { return s.State.Current.Shims }

// InstalledCommands returns the names, sorted, of the commands of every installed release.
func (s *Set) InstalledCommands() (names []string) {
	for _, r := range s.Installed() {
		for _, c := range r.Commands {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// CommandPath returns the path of a command of r below the prefix.
func CommandPath(r record.Head, name string) (below string, ok bool) {
	for _, c := range r.Commands {
		if c.Name == name {
			return filepath.FromSlash(c.Path), true
		}
	}
	return "", false
}

// HasCommand reports whether r has a command of that name.
func HasCommand(r record.Head, name string) bool {
	_, ok := CommandPath(r, name)
	return ok
}

// A NoCommandError reports that no default toolchain has a command of that name.
type NoCommandError struct {
	Command string
	Has     string // an installed release that has it but is not a default
	Near    []string
	Project []string // the releases that a project uses, if it counts, and not a default
}

func (e *NoCommandError) Error() string {
	if len(e.Project) > 0 {
		return fmt.Sprintf("the project of this directory uses %s, without a command %q", strings.Join(e.Project, ", "), e.Command)
	}
	return fmt.Sprintf("no default toolchain has a command %q", e.Command)
}
func (*NoCommandError) Kind() string { return "not-installed" }

// links returns the command links of all stores, the user's own first.
func (s *Set) links() []record.CommandLink {
	links := slices.Clone(s.State.Current.Links)
	for _, l := range s.Layers {
		links = append(links, l.State.Current.Links...)
	}
	return links
}

// Commands returns the names of the commands that are linked in any store.
func (s *Set) Commands() (names []string) {
	for _, l := range s.links() {
		names = append(names, l.Name)
	}
	return eachOnce(names)
}

// Which returns the real path behind a linked command, and the release that it belongs
// to. The links in the user's own bin directory come before those of layers. Its errors
// are *install.MissingError and *NoCommandError.
func (s *Set) Which(command string) (path string, r record.Head, err error) {
	for _, l := range s.links() {
		if l.Name != command {
			continue
		}
		r, below := s.Head(l.ID), filepath.FromSlash(l.Target)
		if l.Prefix != "" && s.LayerOf(l.ID) == nil {
			return "", r, &GoneStoreError{command, l.Prefix}
		}
		if missing := s.MissingAt(r, below); missing != nil {
			return "", r, missing
		}
		return filepath.Join(s.Prefix(l.ID), below), r, nil
	}
	e := &NoCommandError{Command: command, Near: manifests.Near(command, s.Commands())}
	for _, r := range s.Installed() {
		if below, ok := CommandPath(r, command); ok && s.MissingAt(r, below) == nil {
			e.Has = r.Ref()
			break
		}
	}
	return "", r, e
}

// A GoneStoreError reports that a command is linked to a release of a store that is not,
// or no longer, a layer, or that does not hold the release any more.
type GoneStoreError struct {
	Command string
	Prefix  string // of the release
}

func (e *GoneStoreError) Error() string {
	return fmt.Sprintf("%s leads to %s, which is in no store that config.toml names", e.Command, e.Prefix)
}
func (*GoneStoreError) Kind() string { return "gone" }

// FindCommand looks for command among those of the releases use, then on path, where
// launchers do not count, since they would ask again. A command that contains a separator
// is a path. With an error, found reports that there is such a file or directory, which
// cannot be executed.
func (s *Set) FindCommand(command string, use []record.Head, path string) (file string, found bool, err error) {
	var candidates []string
	if strings.ContainsRune(command, filepath.Separator) {
		if info, err := os.Stat(command); err == nil && info.IsDir() {
			return "", true, fmt.Errorf("%s: is a directory", command)
		}
		candidates = []string{command}
	} else {
		for _, r := range use {
			if below, ok := CommandPath(r, command); ok {
				candidates = append(candidates, filepath.Join(s.Prefix(r.ID), below))
			}
		}
		for _, dir := range filepath.SplitList(path) {
			file := filepath.Join(dir, command)
			if filepath.IsAbs(dir) && !s.isLauncher(file) { // never the working directory
				candidates = append(candidates, file)
			}
		}
	}
	for _, c := range candidates {
		can, exists := host.Executable(c)
		if can {
			return c, true, nil
		}
		if exists && !found {
			found, err = true, fmt.Errorf("%s: cannot be executed", c)
		}
	}
	if found {
		return "", true, err
	}
	if len(use) == 0 {
		return "", false, fmt.Errorf("%s: not on PATH, and no toolchain is in use here", command)
	}
	var of []string
	for _, r := range use {
		var names []string
		for _, c := range r.Commands {
			names = append(names, c.Name)
		}
		slices.Sort(names)
		of = append(of, fmt.Sprintf("%s (%s)", r.Ref(), strings.Join(names, ", ")))
	}
	return "", false, fmt.Errorf("%s: not a command of %s, nor on PATH", command, strings.Join(of, " or "))
}

// isLauncher reports whether the file at path is kist's launcher, through whatever links.
func (s *Set) isLauncher(path string) bool {
	launcher, err := s.Launcher(s.State.Current)
	if err != nil {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && os.SameFile(info, launcher)
}

// OtherKist returns a program called kist in a directory that the environment of r puts
// first on PATH, or "". kist never links such a program, but the shell would run it in
// place of this one.
func (s *Set) OtherKist(r record.Head) string {
	for _, dir := range s.commandDirs(r) {
		for _, name := range []string{"kist", "kist.exe"} {
			if path := host.FindIn([]string{dir}, name); path != "" {
				return path
			}
		}
	}
	return ""
}
