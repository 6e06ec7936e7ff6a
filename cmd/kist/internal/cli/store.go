package cli

import (
	"path/filepath"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
)

// useStore makes the directories of the store that --store names those of this run. No
// variable of the environment counts for them.
func (a *App) useStore() error {
	if a.Flags.Store == "" {
		return failure.Usage("--store: want a directory")
	}
	dir, err := filepath.Abs(a.Flags.Store)
	if err != nil {
		return err
	}
	a.Dirs = a.Dirs.InStore(dir)
	return nil
}
