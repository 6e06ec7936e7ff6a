package main

import (
	"context"
	"path/filepath"

	"github.com/kist-tools/kist/cmd/kist/internal/change"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
)

// change plans c and carries it out, unless this is a dry run. already holds the
// releases that the user named and that need no change.
func (a *app) change(ctx context.Context, s *toolset.Set, c plan.Change, already []record.Head) (result, error) {
	var r change.Result
	done, err := a.maker(s).Make(ctx, c, already, &r)
	if !done {
		return nil, err
	}
	return r, err
}

// maker returns what makes changes of s.
func (a *app) maker(s *toolset.Set) *change.Maker {
	return &change.Maker{
		Set: s, Printer: &a.Printer, Context: a.failureContext(), DryRun: a.flags.dryRun,
		Dirs: a.Dirs, Path: a.searchPath(), PathLine: host.GuessShell(a.Getenv, a.Platform.OS).PathLine(a.Dirs.Bin, a.Dirs.Home),
		Started: a.now, Clock: a.Now,
		SetLinkHook: func(hook func(now, next record.Generation)) { a.linking = hook },
	}
}

// searchPath returns where the user's shell looks for commands. What is in the stores
// below the user's own counts as installed by kist.
func (a *app) searchPath() host.SearchPath {
	own := []string{filepath.Join(a.Dirs.Data, "kist")}
	for _, dir := range a.stores {
		own = append(own, filepath.Join(install.StoreDirs(dir).Data, "kist"))
	}
	return host.ParsePath(a.Getenv("PATH"), a.Dirs.Bin, own...)
}
