package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/lockfile"
	"github.com/kist-tools/kist/manifests/project"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) lockCommand() *cobra.Command {
	var update bool
	var platforms []string
	return a.command(verb{
		group: toolchains, use: "lock [--update [TOOL…]]",
		short: "Write into kist.lock which releases the project uses",
		long: `Asks the channels of what this project asks for, and writes what they offer into
kist.lock, beside the project's kist.toml: for each tool the version, the keys
that signed it, and the files of each platform with their digests. What the lock
has already stays as it is, unless --update names it or names no TOOL; a request
that changed is asked again. Nothing is installed.

kist install --locked then installs exactly that, with all checks as ever: a lock
narrows what is accepted, and makes nothing trusted.`,
		example:   "kist lock\nkist lock --platform linux/amd64/gnu --platform darwin/arm64\nkist lock --update go",
		exits:     []int{0, 2, 3, 4, 5, 6, 7, 8, 9},
		args:      between(0, 1000),
		changes:   true,
		complete:  a.offers().Installed,
		exitMeans: map[int]string{3: "no channel offers what kist.toml asks for"},
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&update, "update", false, "ask for the newest release of each TOOL (default: all) that answers the project")
			f.StringArrayVar(&platforms, "platform", nil, "also lock for `PLATFORM`, such as linux/arm64/gnu (repeatable; default: this machine's, and those in the lock)")
		},
		values: map[string]completion.Completer{"platform": completion.Words()},
		run: func(ctx context.Context, args []string) (result, error) {
			if len(args) > 0 && !update {
				return nil, usage("lock: TOOL is for --update: kist lock --update %s", args[0])
			}
			var names []string
			for _, arg := range args {
				ref, err := trust.ParseRef(arg)
				if err != nil || ref.Version != "" {
					return nil, usage("lock: %s is not the name of a tool", arg)
				}
				names = append(names, ref.Name)
			}
			var on []manifests.Platform
			for _, text := range platforms {
				p, err := manifests.ParsePlatform(text)
				if err != nil || p.IsAny() {
					return nil, usage("lock: --platform %s: want os/arch or os/arch/libc", text)
				}
				on = append(on, p)
			}
			return a.lock(ctx, func(tool string) bool { return update && (len(names) == 0 || slices.Contains(names, tool)) }, names, on)
		},
	})
}

// lockResult is what kist.lock says now.
type lockResult struct {
	Path    string       `json:"path"`
	Tools   []lockedTool `json:"tools"`
	Removed []string     `json:"removed,omitempty"` // requests that the project makes no more
	Changed bool         `json:"changed"`
	DryRun  bool         `json:"dry_run,omitempty"`
}

type lockedTool struct {
	Asks      string               `json:"asks"`
	Release   string               `json:"release"`
	Was       string               `json:"was,omitempty"` // the version before, if it changed
	Platforms []manifests.Platform `json:"platforms"`
}

func (r lockResult) Render(p *term.Page) {
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

func (a *app) lock(ctx context.Context, update func(string) bool, names []string, platforms []manifests.Platform) (result, error) {
	s, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	p, err := a.findProject()
	if err != nil {
		return nil, err
	}
	path, old, err := a.projectLock(p)
	if err != nil {
		return nil, err
	}
	wants := project.Merge(p.Read)
	for _, name := range names {
		if !slices.ContainsFunc(wants, func(w project.Want) bool { return w.Tool == name }) {
			return nil, usage("lock: the project does not ask for %s", name)
		}
	}
	l, err := s.Lock(ctx, wants, lockPlatforms(old.lock, platforms, a.Platform), old.lock, update)
	if err != nil {
		return nil, err
	}
	text := l.Encode()
	r := lockResult{Path: path, Tools: []lockedTool{}, DryRun: a.flags.dryRun, Changed: !bytes.Equal(text, old.text)}
	for _, t := range l.Tools {
		one := lockedTool{Asks: t.Ask, Release: t.Key() + "@" + t.Version}
		for _, on := range t.Platforms {
			one.Platforms = append(one.Platforms, on.Platform)
		}
		if i := slices.IndexFunc(old.lock.Tools, func(o lockfile.Tool) bool { return o.Key() == t.Key() }); i >= 0 && old.lock.Tools[i].Version != t.Version {
			one.Was = old.lock.Tools[i].Version
		}
		r.Tools = append(r.Tools, one)
	}
	for _, o := range old.lock.Tools {
		if !slices.ContainsFunc(l.Tools, func(t lockfile.Tool) bool { return t.Key() == o.Key() }) {
			r.Removed = append(r.Removed, o.Ask)
		}
	}
	if a.flags.dryRun || !r.Changed {
		return r, nil
	}
	return r, namedfiles.Replace(path, text)
}

// lockPlatforms returns the platforms to lock for: own, those of the flag, and those that
// the lock has.
func lockPlatforms(l lockfile.Lock, more []manifests.Platform, own manifests.Platform) []manifests.Platform {
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

// A storedLock is a lock as it is on the disk; nil text: there is none.
type storedLock struct {
	lock lockfile.Lock
	text []byte
}

// projectLock returns the path of the lock of a project, beside its kist.toml or else its
// nearest file, and the lock, if there is one.
func (a *app) projectLock(p namedfiles.ProjectFiles) (path string, l storedLock, err error) {
	if len(p.Read) == 0 {
		return "", l, usage("%s: no file here asks for a tool (kist project shows what kist reads)", a.path)
	}
	dir := filepath.Dir(p.Read[0].Path)
	if i := slices.IndexFunc(p.Read, func(f project.Read) bool { return filepath.Base(f.Path) == project.File }); i >= 0 {
		dir = filepath.Dir(p.Read[i].Path)
	}
	path = filepath.Join(dir, lockfile.Name)
	data, exists, err := namedfiles.ReadUnlinked(path, lockfile.MaxFile)
	if err != nil || !exists {
		return path, l, err
	}
	l.text = data
	l.lock, err = lockfile.Parse(path, data)
	return path, l, err
}

// locked returns the entries of the lock that answer the project of the working
// directory.
func (a *app) locked() (path string, tools []lockfile.Tool, err error) {
	p, err := a.findProject()
	if err != nil {
		return "", nil, err
	}
	path, l, err := a.projectLock(p)
	if err != nil {
		return path, nil, err
	}
	if l.text == nil {
		return path, nil, &lockfile.MissingError{Path: path, What: "does not exist"}
	}
	var wants []project.Want
	for _, w := range project.Merge(p.Read) {
		// What no channel offers is not in the lock; only kist.toml insists.
		if _, ok := l.lock.Answering(w.Ask); ok || w.IsOwn() || l.lock.Has(w.Tool) {
			wants = append(wants, w)
		}
	}
	tools, err = l.lock.Answers(path, wants)
	return path, tools, err
}

// lockedWants returns what to install for the lock of the project.
func (a *app) lockedWants(s *toolset.Set) ([]toolset.Want, error) {
	path, tools, err := a.locked()
	if err != nil {
		return nil, err
	}
	if len(tools) == 0 {
		return nil, usage("%s: %s names no tool", a.path, path)
	}
	return s.LockedWants(path, tools)
}
