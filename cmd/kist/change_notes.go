package main

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/trust"
)

// This file holds the notes of a change: which files were not linked, where commands
// still lead, and what update follows from now on. The notes about PATH are in path_notes.go.

// note prints, and adds to r, what the user must know about PATH.
func (a *app) note(r *changeResult) {
	for _, n := range a.pathNotes(names(r.Commands)) {
		if slices.Contains(r.Notes, n) {
			continue
		}
		r.Notes = append(r.Notes, n)
		a.Say("%s", n.text)
		if n.code != "" {
			a.Say("  %s", n.code)
		}
	}
}

// noteDefaults tells, for each requested release that is not its tool's default, which
// version the commands lead to, and how to switch. already are those that were installed
// before.
func (a *app) noteDefaults(r *changeResult, s *toolset.Set, c plan.Change, already []record.Head) {
	if c.Links != plan.FirstBecomesDefault {
		return
	}
	var asked []trust.Ref
	for _, rel := range c.Install {
		asked = append(asked, trust.Ref{Channel: rel.Channel, Name: rel.Tool, Version: rel.Version})
	}
	for _, have := range already {
		if ref := (trust.Ref{Channel: have.Channel, Name: have.Tool, Version: have.Version}); !slices.Contains(asked, ref) {
			asked = append(asked, ref)
		}
	}
	for _, ref := range asked {
		id, ok := s.State.Current.Defaults[ref.Channel+"/"+ref.Name]
		have := s.State.Receipts[id]
		if !ok || have.Version == ref.Version || len(have.Commands) == 0 {
			continue
		}
		n := note{text: fmt.Sprintf("the commands of %s still lead to %s; kist default %s switches", have.Key(), have.Version, ref)}
		r.Notes = append(r.Notes, n)
		a.Say("%s", n.text)
	}
}

// A skippedCommand is a file that a command pattern of a release matches, but whose
// name no command may have.
type skippedCommand struct {
	Release string `json:"release"` // channel/tool@version
	Path    string `json:"path"`    // below its prefix
	Reason  string `json:"reason"`
}

// tellSkipped prints which files of have were not linked, and adds them to r.
func (a *app) tellSkipped(r *changeResult, have record.Head, paths []string) {
	if len(paths) == 0 {
		return
	}
	for _, p := range paths {
		r.Skipped = append(r.Skipped, skippedCommand{have.Ref(), p, manifests.MatchedCommand(path.Base(p)).Error()})
	}
	a.Say("%s: not linked, since no pattern makes commands of such names: %s", have.Ref(), enumerate(spelled(paths), a.Verbose))
}

// spelled returns the names of the files at paths: first those that look like
// commands, such as kist, then the others, quoted if they could be misread.
func spelled(paths []string) (names []string) {
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

// A followedTool is an installed release and the label that update now follows.
type followedTool struct {
	Release   string `json:"release"`   // channel/tool@version
	Was       string `json:"was"`       // the previous request
	Requested string `json:"requested"` // the new request; empty: a bare name
}

func (f followedTool) sentence(would bool) string {
	verb := map[bool]string{false: "now follows", true: "would follow"}[would]
	switch version, exact := manifests.ExactVersion(f.Requested); {
	case exact && would:
		return fmt.Sprintf("%s would stay at %s", f.Release, version)
	case exact:
		return fmt.Sprintf("%s now stays at %s: it was requested by %s before", f.Release, version, cmp.Or(f.Was, "its name"))
	}
	return fmt.Sprintf("%s was requested by its number; update %s %s", f.Release, verb, cmp.Or(f.Requested, "what its bare name means"))
}
