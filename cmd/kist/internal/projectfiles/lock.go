package projectfiles

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/lockfile"
	"github.com/kist-tools/kist/manifests/project"
)

// A Lock is the lock of a project as it is on the disk.
type Lock struct {
	lockfile.Lock
	Path string
	Text []byte // nil if there is no such file
}

// ReadLock reads the lock of p, if there is one: beside its kist.toml, or else the nearest
// file that counts. Errors name verb, which asks.
func ReadLock(verb string, p namedfiles.ProjectFiles) (l Lock, err error) {
	if len(p.Read) == 0 {
		return l, failure.NothingAsked("%s: no file here asks for a tool", verb)
	}
	l.Path = filepath.Join(lockDir(p), lockfile.Name)
	data, exists, err := p.ReadBeside(l.Path, lockfile.MaxFile)
	if err != nil || !exists {
		return l, err
	}
	l.Text = data
	l.Lock, err = lockfile.Parse(l.Path, data)
	return l, err
}

// lockDir returns the directory of the lock of p. A file that is nearer and does not count,
// such as the go.mod of a module in a workspace, has no part in it.
func lockDir(p namedfiles.ProjectFiles) string {
	if i := slices.IndexFunc(p.Read, func(f project.Read) bool { return filepath.Base(f.Path) == project.File }); i >= 0 {
		return filepath.Dir(p.Read[i].Path)
	}
	wants := project.Merge(p.Read)
	for _, f := range p.Read {
		if slices.ContainsFunc(wants, func(w project.Want) bool { return w.Path == f.Path }) {
			return filepath.Dir(f.Path)
		}
	}
	return filepath.Dir(p.Read[0].Path)
}

// Platforms returns the platforms to lock for: own, those in more, and those that l has.
func (l Lock) Platforms(more []manifests.Platform, own manifests.Platform) []manifests.Platform {
	all := append([]manifests.Platform{own}, more...)
	for _, t := range l.Tools {
		for _, p := range t.Platforms {
			all = append(all, p.Platform)
		}
	}
	var once []manifests.Platform
	for _, p := range all {
		if !slices.Contains(once, p) {
			once = append(once, p)
		}
	}
	return once
}

// LockedTools returns the path of the lock of p, and its entries that answer p. Errors
// name verb, which asks.
func LockedTools(verb string, p namedfiles.ProjectFiles) (path string, tools []lockfile.Tool, err error) {
	l, err := ReadLock(verb, p)
	if err != nil {
		return l.Path, nil, err
	}
	if l.Text == nil {
		return l.Path, nil, &lockfile.MissingError{Path: l.Path, What: lockfile.NoFile}
	}
	var wants []project.Want
	for _, w := range project.Merge(p.Read) {
		// What no channel offers is not in the lock; only kist.toml insists.
		if _, ok := l.Answering(w.Ask); ok || w.IsOwn() || l.Has(w.Tool) {
			wants = append(wants, w)
		}
	}
	tools, err = l.Answers(l.Path, wants)
	return l.Path, tools, err
}

// Holdings returns what a mirror is to hold for tools, which the lock at path names, and a
// function that refuses a release that is not what the lock names.
func Holdings(path string, tools []lockfile.Tool) (list []config.Holding, check func(manifests.Release) error) {
	for _, t := range tools {
		h := config.Holding{Name: t.Key() + "@=" + t.Version, Last: 1, Components: t.Components, Targets: t.Targets, Profile: t.Profile}
		for _, p := range t.Platforms {
			h.Platforms = append(h.Platforms, p.Platform)
		}
		list = append(list, h)
	}
	return list, func(r manifests.Release) error {
		for _, t := range tools {
			if t.Key() == r.Channel+"/"+r.Tool {
				return t.Check(path, r, nil)
			}
		}
		return nil
	}
}

// Locked is what kist.lock says now.
type Locked struct {
	Path    string       `json:"path"`
	Tools   []LockedTool `json:"tools"`
	Removed []string     `json:"removed,omitempty"` // requests that the project no longer makes
	Changed bool         `json:"changed"`
	DryRun  bool         `json:"dry_run,omitempty"`
}

// A LockedTool is a release that the lock names, and what asks for it.
type LockedTool struct {
	Asks      string               `json:"asks"`
	Release   string               `json:"release"`
	Was       string               `json:"was,omitempty"` // the version before, if it changed
	Platforms []manifests.Platform `json:"platforms"`
}

// NewLocked describes l, whose encoding is text, and how it differs from the lock before it.
func NewLocked(before Lock, l lockfile.Lock, text []byte, dryRun bool) Locked {
	r := Locked{Path: before.Path, Tools: []LockedTool{}, DryRun: dryRun, Changed: !bytes.Equal(text, before.Text)}
	for _, t := range l.Tools {
		one := LockedTool{Asks: t.Ask, Release: t.Key() + "@" + t.Version}
		for _, on := range t.Platforms {
			one.Platforms = append(one.Platforms, on.Platform)
		}
		if i := slices.IndexFunc(before.Tools, func(o lockfile.Tool) bool { return o.Key() == t.Key() }); i >= 0 && before.Tools[i].Version != t.Version {
			one.Was = before.Tools[i].Version
		}
		r.Tools = append(r.Tools, one)
	}
	for _, o := range before.Tools {
		if !slices.ContainsFunc(l.Tools, func(t lockfile.Tool) bool { return t.Key() == o.Key() }) {
			r.Removed = append(r.Removed, o.Ask)
		}
	}
	return r
}

func (r Locked) Render(p *term.Page) {
	did := "Locked"
	switch {
	case !r.Changed:
		did = "Unchanged"
	case r.DryRun:
		did = "Would lock"
	}
	p.Headline(did, "%s in %s", term.Count(len(r.Tools), "tool"), r.Path)
	for _, t := range r.Tools {
		line := fmt.Sprintf("  %s is %s", t.Asks, t.Release)
		if t.Was != "" {
			line += ", was " + t.Was
		}
		p.Line("%s", line)
	}
	for _, ask := range r.Removed {
		p.Line("  %s is not asked for any more", ask)
	}
}
