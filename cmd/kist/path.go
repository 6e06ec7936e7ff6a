package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// A searchPath is where a shell looks for commands: the absolute directories of
// PATH, without the toolchains that kist run and kist env put there.
type searchPath struct {
	before, after []string // directories before and after the bin directory
	on            bool     // the bin directory is on PATH
}

func (a *app) searchPath() (p searchPath) {
	for _, dir := range filepath.SplitList(a.Getenv("PATH")) {
		switch {
		case sameDir(dir, a.Dirs.Bin):
			p.on = true
		case !filepath.IsAbs(dir) || a.installedBelow(dir):
		case p.on:
			p.after = append(p.after, dir)
		default:
			p.before = append(p.before, dir)
		}
	}
	return p
}

// A hiddenCommand is a command on PATH that one of kist's commands hides.
type hiddenCommand struct {
	Name string `json:"name"`
	Path string `json:"path"` // of the hidden command
}

// hiddenBy returns the commands that names hide: those after the bin directory on
// PATH, or on all of PATH if the bin directory is not on it yet. Commands that users
// type passwords into come first.
func (p searchPath) hiddenBy(names []string, isExecutable func(path string) bool) (list []hiddenCommand) {
	later := p.after
	if !p.on {
		later = p.before
	}
	for _, name := range names {
		if path := firstIn(later, name, isExecutable); path != "" {
			list = append(list, hiddenCommand{name, path})
		}
	}
	slices.SortStableFunc(list, func(a, b hiddenCommand) int { return sensitive(a.Name) - sensitive(b.Name) })
	return list
}

// sensitive ranks a command: those that users type passwords into come first.
func sensitive(name string) int {
	order := []string{"sudo", "su", "doas", "pkexec", "run0", "passwd", "login", "ssh", "ssh-add", "ssh-agent", "ssh-keygen", "scp", "sftp", "gpg", "gpg-agent", "git"}
	if i := slices.Index(order, strings.TrimSuffix(name, ".exe")); i >= 0 {
		return i
	}
	return len(order)
}

// tellHidden reports which commands on PATH the commands called names will hide,
// before they are linked, and adds them to r. It reports each only once.
func (a *app) tellHidden(r *changeResult, names []string) {
	var fresh []hiddenCommand
	for _, h := range a.searchPath().hiddenBy(names, isExecutable) {
		if !slices.Contains(r.Hides, h) {
			fresh = append(fresh, h)
		}
	}
	r.Hides = append(r.Hides, fresh...)
	for _, line := range hiddenLines(fresh, a.flags.verbose) {
		a.say("%s", line)
	}
}

// hiddenLines returns one line for each directory whose commands are hidden, with
// all their names if all is true.
func hiddenLines(hidden []hiddenCommand, all bool) (lines []string) {
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
	if !path.on {
		return []note{{a.Dirs.Bin + " is not on PATH; this line in your shell's start-up file adds it:", a.pathLine()}}
	}
	for _, name := range commands {
		if first := firstIn(path.before, name, isExecutable); first != "" {
			notes = append(notes, note{text: fmt.Sprintf("%s is hidden by %s, which comes first on PATH", name, first)})
		}
	}
	return notes
}

func firstIn(dirs []string, name string, isExecutable func(path string) bool) string {
	for _, dir := range dirs {
		if path := filepath.Join(dir, name); isExecutable(path) {
			return path
		}
	}
	return ""
}

func isExecutable(path string) bool {
	can, _ := executable(path)
	return can
}

// pathLine returns the line that puts the bin directory on PATH in the user's shell.
func (a *app) pathLine() string {
	return guessShell(a.Getenv, a.Platform.OS).pathLine(a.Dirs.Bin, a.Dirs.Home)
}
