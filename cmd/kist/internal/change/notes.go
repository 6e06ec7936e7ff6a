package change

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/trust"
)

// This file holds the notes of a change: which files were not linked, where commands
// still lead, and what update follows from now on. The notes about PATH are in path_notes.go.

// notePath tells what the user must know about PATH.
func (m *Maker) notePath(r *Result) {
	for _, n := range m.pathNotes(append(names(r.Commands), r.ShimsOn...)) {
		if !slices.Contains(r.Notes, n) {
			m.note(r, n)
		}
	}
}

// note prints n, and adds it to r.
func (m *Maker) note(r *Result, n Note) {
	r.Notes = append(r.Notes, n)
	m.Printer.Say("%s", n.text)
	if n.code != "" {
		m.Printer.Say("  %s", n.code)
	}
}

// noteDefaults tells, for each requested release that is not its tool's default, which
// version the commands lead to, and how to switch. already are those that were installed
// before.
func (m *Maker) noteDefaults(r *Result, c plan.Change, already []record.Head) {
	if c.Links != plan.FirstBecomesDefault {
		return
	}
	var asked []trust.Ref
	for _, rel := range c.Install {
		asked = append(asked, trust.Ref{Channel: rel.Channel, Name: rel.Tool, Version: rel.Version})
	}
	for _, have := range already {
		m.noteLayer(r, have)
		if ref := (trust.Ref{Channel: have.Channel, Name: have.Tool, Version: have.Version}); !slices.Contains(asked, ref) {
			asked = append(asked, ref)
		}
	}
	for _, ref := range asked {
		id, ok := m.State.Current.Defaults[ref.Channel+"/"+ref.Name]
		have := m.Head(id)
		byLauncher := func(c record.Command) bool { return slices.Contains(m.State.Current.Shims, c.Name) }
		if !ok || have.Version == ref.Version || !slices.ContainsFunc(have.Commands, func(c record.Command) bool { return !byLauncher(c) }) {
			continue // launchers run what each project uses
		}
		m.note(r, Note{text: fmt.Sprintf("the commands of %s still lead to %s; kist default %s switches", have.Key(), have.Version, ref)})
	}
}

// noteLayer tells how to link the commands of have, if it is in a layer and the user's own
// bin directory links no version of its tool.
func (m *Maker) noteLayer(r *Result, have record.Head) {
	l := m.LayerOf(have.ID)
	if _, linked := m.State.Current.Defaults[have.Key()]; l == nil || linked || len(have.Commands) == 0 {
		return
	}
	m.note(r, Note{text: fmt.Sprintf("kist default %s links its commands in %s; those of the store are in %s",
		have.Ref(), m.Dirs.Bin, install.StoreDirs(l.Dir).Bin)})
}

// A Skipped is a file that a command pattern of a release matches, but whose
// name no command may have.
type Skipped struct {
	Release string `json:"release"` // channel/tool@version
	Path    string `json:"path"`    // below its prefix
	Reason  string `json:"reason"`
}

// tellSkipped prints which files of have were not linked, and adds them to r.
func (m *Maker) tellSkipped(r *Result, have record.Head, paths []string) {
	if len(paths) == 0 {
		return
	}
	for _, p := range paths {
		r.Skipped = append(r.Skipped, Skipped{have.Ref(), p, manifests.MatchedCommand(path.Base(p)).Error()})
	}
	m.Printer.Say("%s: not linked, since no pattern makes commands of such names: %s", have.Ref(), term.Enumerate(BaseNames(paths), m.Printer.Verbose))
}

// BaseNames returns the names of the files at paths: first those that look like
// commands, such as kist, then the others, quoted if they could be misread.
func BaseNames(paths []string) (names []string) {
	var others []string
	for _, p := range paths {
		switch name := path.Base(p); {
		case strings.Trim(name, plainName) != "":
			others = append(others, strconv.QuoteToASCII(name))
		case strings.ContainsAny(name[:1], ".+-"):
			others = append(others, name)
		default:
			names = append(names, name)
		}
	}
	return append(names, others...)
}

// plainName holds the characters that need no quoting in a list of names.
const plainName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+"

// A Followed is an installed release and the label that update now follows.
type Followed struct {
	Release   string `json:"release"`   // channel/tool@version
	Was       string `json:"was"`       // the previous request
	Requested string `json:"requested"` // the new request; empty: a bare name
}

func (f Followed) sentence(would bool) string {
	verb := map[bool]string{false: "now follows", true: "would follow"}[would]
	switch version, exact := manifests.ExactVersion(f.Requested); {
	case exact && would:
		return fmt.Sprintf("%s would stay at %s", f.Release, version)
	case exact:
		return fmt.Sprintf("%s now stays at %s: it was requested by %s before", f.Release, version, cmp.Or(f.Was, "its name"))
	}
	return fmt.Sprintf("%s was requested by its number; update %s %s", f.Release, verb, cmp.Or(f.Requested, "what its bare name means"))
}
