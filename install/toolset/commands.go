package toolset

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// LinkedCommands returns the names of the commands that kist linked into the user's own
// bin directory.
func (s *Set) LinkedCommands() (names []string) {
	for _, l := range s.State.Current.Links {
		names = append(names, l.Name)
	}
	return names
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

// A NoCommandError reports that no default toolchain has a command of that name.
type NoCommandError struct {
	Command string
	Has     string // an installed release that has it but is not a default
	Near    []string
}

func (e *NoCommandError) Error() string {
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

// FindCommand looks for command among those of r, then on path. A command that contains
// a separator is a path. With an error, found reports that there is such a file or
// directory, which cannot be executed.
func (s *Set) FindCommand(command string, r record.Head, path string) (file string, found bool, err error) {
	var candidates []string
	if strings.ContainsRune(command, filepath.Separator) {
		if info, err := os.Stat(command); err == nil && info.IsDir() {
			return "", true, fmt.Errorf("%s: is a directory", command)
		}
		candidates = []string{command}
	} else {
		if below, ok := CommandPath(r, command); ok {
			candidates = append(candidates, filepath.Join(s.Prefix(r.ID), below))
		}
		for _, dir := range filepath.SplitList(path) {
			if filepath.IsAbs(dir) { // never the working directory
				candidates = append(candidates, filepath.Join(dir, command))
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
	var names []string
	for _, c := range r.Commands {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	return "", false, fmt.Errorf("%s: not a command of %s (%s), nor on PATH", command, r.Ref(), strings.Join(names, ", "))
}

// An Environment holds the variables that toolchains need set and unset.
type Environment struct {
	Set   map[string]string `json:"set"` // PATH among them
	Unset []string          `json:"unset,omitempty"`
}

// Environment returns the environment of the releases use, with their directories first
// on path.
func (s *Set) Environment(path string, use []record.Head) Environment {
	e := Environment{Set: map[string]string{}}
	var dirs []string
	for _, r := range use {
		dirs = append(dirs, s.commandDirs(r)...)
		for name, value := range r.Env {
			if value == "" {
				e.Unset = append(e.Unset, name)
				continue
			}
			e.Set[name] = strings.ReplaceAll(value, "{prefix}", s.Prefix(r.ID))
		}
	}
	slices.Sort(e.Unset)
	e.Unset = slices.Compact(e.Unset)
	e.Set["PATH"] = strings.Join(eachOnce(append(dirs, filepath.SplitList(path)...)), string(filepath.ListSeparator))
	return e
}

// commandDirs returns the directories that hold the commands of r.
func (s *Set) commandDirs(r record.Head) (dirs []string) {
	for _, c := range r.Commands {
		dirs = append(dirs, filepath.Join(s.Prefix(r.ID), filepath.Dir(filepath.FromSlash(c.Path))))
	}
	return eachOnce(dirs)
}

// eachOnce returns list without repetitions.
func eachOnce(list []string) (once []string) {
	for _, item := range list {
		if !slices.Contains(once, item) {
			once = append(once, item)
		}
	}
	return once
}

// Apply returns environ with the variables of e set and unset.
func (e Environment) Apply(environ []string) []string {
	var out []string
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		if _, set := e.Set[name]; !set && !slices.Contains(e.Unset, name) {
			out = append(out, pair)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Set)) {
		out = append(out, name+"="+e.Set[name])
	}
	return out
}

// Script returns the lines that set e in a shell.
func (e Environment) Script(shell host.Shell) (string, error) {
	var script strings.Builder
	for _, name := range e.Unset {
		script.WriteString(shell.UnsetLine(name) + "\n")
	}
	for _, name := range slices.Sorted(maps.Keys(e.Set)) {
		line, err := shell.SetLine(name, e.Set[name])
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		script.WriteString(line + "\n")
	}
	return script.String(), nil
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
