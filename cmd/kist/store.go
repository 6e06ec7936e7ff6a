package main

import "path/filepath"

// useStore makes the directories of the store that --store names those of this run. No
// variable of the environment counts for them.
func (a *app) useStore() error {
	if a.flags.store == "" {
		return usage("--store: want a directory")
	}
	dir, err := filepath.Abs(a.flags.store)
	if err != nil {
		return err
	}
	a.Dirs = a.Dirs.InStore(dir)
	return nil
}
