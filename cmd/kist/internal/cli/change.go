package cli

import (
	"context"
	"path/filepath"

	"github.com/kist-tools/kist/cmd/kist/internal/change"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/transport"
)

// Change plans c and carries it out, unless this is a dry run. already holds the
// releases that the user named and that need no change.
func (a *App) Change(ctx context.Context, s *toolset.Set, c plan.Change, already []record.Head) (Result, error) {
	var r change.Result
	done, err := a.Maker(s).Make(ctx, c, already, &r)
	if !done {
		return nil, err
	}
	return r, err
}

// Maker returns what makes changes of s.
func (a *App) Maker(s *toolset.Set) *change.Maker {
	how, line := host.GuessShell(a.Getenv, a.Platform.OS).AddToPath(a.Platform.OS, a.Dirs.Bin, a.Dirs.Home)
	return &change.Maker{
		Set: s, Printer: &a.Printer, Context: a.FailureContext(), DryRun: a.Flags.DryRun,
		Dirs: a.Dirs, Path: a.SearchPath(), PathHow: how, PathLine: line,
		Started: a.Started, Clock: a.Now, Keep: a.Keep(), CacheMaxSize: a.CacheMaxSize(), OwnsDocument: transport.Owns,
		SetLinkHook: func(hook func(now, next record.Generation)) { a.linking = hook },
	}
}

// Keep returns how many earlier releases of each tool an update keeps, as config.toml says;
// nil, for all of them, if a config.toml cannot be read. It is known once kist's
// directories are open.
func (a *App) Keep() *int {
	if a.configErr != nil {
		return nil
	}
	keep := a.config.Kept()
	return &keep
}

// CacheMaxSize returns how many bytes the cache may have after an install, as config.toml
// says; 0: no limit. It is known once kist's directories are open.
func (a *App) CacheMaxSize() int64 { return a.config.CacheMaxSize }

// SearchPath returns where the user's shell looks for commands. What is in the stores
// below the user's own counts as installed by kist.
func (a *App) SearchPath() host.SearchPath {
	own := []string{filepath.Join(a.Dirs.Data, "kist")}
	for _, dir := range a.stores {
		own = append(own, filepath.Join(install.StoreDirs(dir).Data, "kist"))
	}
	return host.ParsePath(a.Getenv("PATH"), a.Dirs.Bin, own...)
}
