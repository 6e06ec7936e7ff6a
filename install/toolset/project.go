package toolset

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/system"
	"github.com/kist-tools/kist/manifests/trust"
)

// A Project is what a project's requests mean on this machine. The zero Project asks for
// nothing.
type Project struct {
	Uses    []record.Head // the installed releases that answer its requests, sorted by tool
	Missing []Want        // the requests that none answers
	tools   []string      // that it asks for
}

// Project returns what wants mean on this machine. An optional tool that is in no built-in
// channel and was never installed is left out: perhaps no channel offers it.
func (s *Set) Project(wants []Want) (p Project) {
	for _, w := range wants {
		r, ok := s.Satisfying(w)
		_, builtin := trust.BuiltinChannel(w.Name)
		known := w.Optional == "" || builtin || slices.ContainsFunc(s.Installed(), func(r record.Head) bool { return r.Tool == w.Name })
		switch {
		case ok:
			p.Uses = append(p.Uses, r)
		case known:
			p.Missing = append(p.Missing, w)
		default:
			continue
		}
		p.tools = append(p.tools, w.Name)
	}
	return p
}

// A ProjectError reports that a project asks for tools that are not installed.
type ProjectError struct{ Missing []Want }

func (e *ProjectError) Error() string {
	var asks []string
	for _, w := range e.Missing {
		ask := w.Ref.String()
		if w.Range != "" {
			ask += " " + w.Range
		}
		asks = append(asks, ask)
	}
	are := "is"
	if len(asks) > 1 {
		are = "are"
	}
	return fmt.Sprintf("the project of this directory asks for %s, which %s not installed", strings.Join(asks, ", "), are)
}
func (*ProjectError) Kind() string { return "not-installed" }

// InUseBy returns the releases whose commands p uses: its own, then the defaults of the
// tools that it does not ask for. It returns a *[ProjectError] if something is missing.
func (s *Set) InUseBy(p Project) ([]record.Head, error) {
	if len(p.Missing) > 0 {
		return nil, &ProjectError{p.Missing}
	}
	use := slices.Clone(p.Uses)
	for _, r := range s.Installed() {
		if s.IsDefault(r) && !slices.Contains(p.tools, r.Tool) {
			use = append(use, r)
		}
	}
	return use, nil
}

// Provider returns the release whose command p uses, and whether it is a default that p
// does not ask for. Its errors are *ProjectError and *NoCommandError.
func (s *Set) Provider(p Project, command string) (r record.Head, isDefault bool, err error) {
	for _, r := range p.Uses {
		if HasCommand(r, command) {
			return r, false, nil
		}
	}
	if slices.ContainsFunc(p.Missing, func(w Want) bool { return s.mayHave(w.Name, command) }) {
		return r, false, &ProjectError{p.Missing}
	}
	for _, l := range s.links() {
		if r := s.Head(l.ID); l.Name == command && !slices.Contains(p.tools, r.Tool) {
			return r, true, nil
		}
	}
	if len(p.Missing) > 0 {
		return r, false, &ProjectError{p.Missing}
	}
	_, _, err = s.Which(command)
	if err == nil { // a default has it, but the project uses another version
		err = &NoCommandError{Command: command, Project: Refs(p.Uses)}
	}
	return r, false, err
}

// Started returns the path of the program that a launcher starts in p, with the results of
// Provider. If the program is gone, it returns an *install.MissingError.
func (s *Set) Started(p Project, command string) (path string, r record.Head, isDefault bool, err error) {
	if r, isDefault, err = s.Provider(p, command); err != nil {
		return "", r, false, err
	}
	if isDefault {
		path, r, err = s.Which(command)
		return path, r, true, err
	}
	below, _ := CommandPath(r, command)
	if missing := s.MissingAt(r, below); missing != nil {
		return "", r, false, missing
	}
	return filepath.Join(s.Prefix(r.ID), below), r, false, nil
}

// mayHave reports whether command is one of tool's, as far as this machine knows.
func (s *Set) mayHave(tool, command string) bool {
	t, ok := system.Lookup(tool)
	return tool == command || ok && t.Command == command || slices.ContainsFunc(s.Installed(), func(r record.Head) bool {
		return r.Tool == tool && HasCommand(r, command)
	})
}

// Answer returns what the launchers run in p, whose files are files and whose nearest
// directory is dir. It leaves out the commands that are not installed.
func (s *Set) Answer(p Project, dir string, files, absent []string) install.Answer {
	a := install.Answer{Dir: dir, Files: files, Absent: absent}
	for _, name := range s.State.Current.Shims {
		r, isDefault, err := s.Provider(p, name)
		switch {
		case err != nil:
			continue
		case isDefault:
			a.Commands = append(a.Commands, install.LauncherCommand{Name: name})
			continue
		}
		below, _ := CommandPath(r, name)
		e := s.Environment("", []record.Head{r})
		dirs := e.Set["PATH"]
		delete(e.Set, "PATH")
		a.Commands = append(a.Commands, install.LauncherCommand{Name: name, Target: filepath.Join(s.Prefix(r.ID), below), Path: dirs, Set: e.Set, Unset: e.Unset})
	}
	return a
}
