package change

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/host"
)

// tellHidden reports which commands on PATH the commands called names will hide,
// before they are linked, and adds them to r. It reports each only once.
func (m *Maker) tellHidden(r *Result, names []string) {
	var fresh []host.HiddenCommand
	for _, h := range m.Path.Hides(names) {
		if !slices.Contains(r.Hides, h) {
			fresh = append(fresh, h)
		}
	}
	r.Hides = append(r.Hides, fresh...)
	for _, line := range hiddenLines(fresh, m.Printer.Verbose) {
		m.Printer.Say("%s", line)
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
			lines = append(lines, fmt.Sprintf("%s would be found before those of %s", term.Enumerate(list, all), dir))
		}
	}
	return lines
}

// A Note is something that a user must know after a change; code, if any, is a line
// to copy. In JSON a note is one string.
type Note struct{ text, code string }

// MarshalText returns n as one string, for JSON.
func (n Note) MarshalText() ([]byte, error) {
	if n.code == "" {
		return []byte(n.text), nil
	}
	return []byte(n.text + "\n  " + n.code), nil
}

// pathNotes returns what a user must know about PATH after commands were linked into
// the bin directory: that the directory is not on PATH, or that another command of
// the same name comes first.
func (m *Maker) pathNotes(commands []string) (notes []Note) {
	if len(commands) == 0 {
		return nil
	}
	if !m.Path.HasBin() {
		return []Note{{m.Dirs.Bin + " is not on PATH; " + m.PathHow, m.PathLine}}
	}
	for _, name := range commands {
		if first := m.Path.HiddenBy(name); first != "" {
			notes = append(notes, Note{text: fmt.Sprintf("%s is hidden by %s, which comes first on PATH", name, first)})
		}
	}
	return notes
}
