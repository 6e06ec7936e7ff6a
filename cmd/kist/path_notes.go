package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/host"
)

// searchPath returns where the user's shell looks for commands.
func (a *app) searchPath() host.SearchPath {
	return host.ParsePath(a.Getenv("PATH"), a.Dirs.Bin, filepath.Join(a.Dirs.Data, "kist"))
}

// tellHidden reports which commands on PATH the commands called names will hide,
// before they are linked, and adds them to r. It reports each only once.
func (a *app) tellHidden(r *changeResult, names []string) {
	var fresh []host.HiddenCommand
	for _, h := range a.searchPath().Hides(names) {
		if !slices.Contains(r.Hides, h) {
			fresh = append(fresh, h)
		}
	}
	r.Hides = append(r.Hides, fresh...)
	for _, line := range hiddenLines(fresh, a.Verbose) {
		a.Say("%s", line)
	}
}

// hiddenLines returns one line for each directory whose commands are hidden, with
// all their names if all is true.
func hiddenLines(hidden []host.HiddenCommand, all bool) (lines []string) {
	var dirs []string
	names := map[string][]string{}
	for _, h := range hidden {
		dir := filepath.Dir(h.Path)
		if names[dir] == nil {
			dirs = append(dirs, dir)
		}
		names[dir] = append(names[dir], h.Name)
	}
	for _, dir := range dirs {
		switch list := names[dir]; {
		case len(list) == 1:
			lines = append(lines, fmt.Sprintf("%s would be found before %s", list[0], filepath.Join(dir, list[0])))
		default:
			lines = append(lines, fmt.Sprintf("%s would be found before those of %s", enumerate(list, all), dir))
		}
	}
	return lines
}

// maxEnumerated is how many names one line lists; it counts the others.
const maxEnumerated = 8

// enumerate lists names as a sentence does.
func enumerate(names []string, all bool) string {
	if n := len(names) - maxEnumerated; n > 1 && !all {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxEnumerated], ", "), n)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// A note is something that a user must know after a change; code, if any, is a line
// to copy. In JSON a note is one string.
type note struct{ text, code string }

// MarshalText returns n as one string, for JSON.
func (n note) MarshalText() ([]byte, error) {
	if n.code == "" {
		return []byte(n.text), nil
	}
	return []byte(n.text + "\n  " + n.code), nil
}

// pathNotes returns what a user must know about PATH after commands were linked into
// the bin directory: that the directory is not on PATH, or that another command of
// the same name comes first.
func (a *app) pathNotes(commands []string) (notes []note) {
	if len(commands) == 0 {
		return nil
	}
	path := a.searchPath()
	if !path.HasBin() {
		return []note{{a.Dirs.Bin + " is not on PATH; this line in your shell's start-up file adds it:", a.pathLine()}}
	}
	for _, name := range commands {
		if first := path.HiddenBy(name); first != "" {
			notes = append(notes, note{text: fmt.Sprintf("%s is hidden by %s, which comes first on PATH", name, first)})
		}
	}
	return notes
}

// pathLine returns the line that puts the bin directory on PATH in the user's shell.
func (a *app) pathLine() string {
	return host.GuessShell(a.Getenv, a.Platform.OS).PathLine(a.Dirs.Bin, a.Dirs.Home)
}
