package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/kist-tools/kist/manifests/rust"
)

// A project's own files say which tools it wants. They come with a check-out,
// from anybody: they name tools and versions, and can neither add a channel nor
// weaken what a channel must prove.

// A wish is one tool that a project asks for.
type wish struct {
	File string // that says so
	Tool toolRef
	parts
}

// projectWish is what the project here asks for.
func (a *app) projectWish() (wish, error) {
	cwd, err := os.Getwd()
	if err != nil {
		return wish{}, err
	}
	w, found, err := nearestWish(cwd, a.Getenv("HOME"))
	if err != nil {
		return wish{}, err
	}
	if !found {
		return wish{}, usage("install: name a TOOL; no project file here asks for one (only rust-toolchain.toml and rust-toolchain are read)")
	}
	a.say("%s asks for %s", w.File, w.Tool)
	return w, nil
}

// nearestWish reads the toolchain file of the directory dir, or of the nearest
// one above it, up to the home directory or the root. found is false without one.
func nearestWish(dir, home string) (w wish, found bool, err error) {
	for {
		for _, name := range rust.ToolchainFiles() {
			path := filepath.Join(dir, name)
			data, there, err := readProjectFile(path, rust.MaxToolchainFile)
			if err != nil {
				return wish{}, false, err
			}
			if !there {
				continue
			}
			f, err := rust.ParseToolchainFile(name, data)
			var refused *rust.ToolchainFileError
			if errors.As(err, &refused) {
				refused.File = path
			}
			return wish{path, toolRef{Name: rust.Tool, Version: f.Channel}, parts{f.Components, f.Targets, f.Profile}}, true, err
		}
		above := filepath.Dir(dir)
		if dir == above || sameDir(dir, home) {
			return wish{}, false, nil
		}
		dir = above
	}
}

// with is w and what the command line asks for besides; its profile wins.
func (w parts) with(more parts) parts {
	w.Components = append(w.Components, more.Components...)
	w.Targets = append(w.Targets, more.Targets...)
	if more.Profile != "" {
		w.Profile = more.Profile
	}
	return w
}
