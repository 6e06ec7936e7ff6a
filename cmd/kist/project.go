package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/manifests/rust"
	"github.com/kist-tools/kist/manifests/trust"
)

// A project's own files say which tools it needs. They come with a check-out and
// are not trusted: they name tools and versions, and can neither add a channel nor
// weaken a channel's policy.

// A projectTool is a tool that a project file asks for.
type projectTool struct {
	File string // path of the project file
	Tool trust.Ref
	plan.Parts
}

// projectTool returns the tool that the project of the working directory asks for.
func (a *app) projectTool() (projectTool, error) {
	cwd, err := os.Getwd()
	if err != nil {
		return projectTool{}, err
	}
	t, found, err := nearestToolchainFile(cwd, a.Getenv("HOME"))
	if err != nil {
		return projectTool{}, err
	}
	if !found {
		return projectTool{}, usage("install: name a TOOL; no project file here asks for one (only rust-toolchain.toml and rust-toolchain are read)")
	}
	a.Say("%s asks for %s", t.File, t.Tool)
	return t, nil
}

// nearestToolchainFile reads the toolchain file in the directory dir, or in the
// nearest one above it, up to the home directory or the root. found is false if
// there is none.
func nearestToolchainFile(dir, home string) (t projectTool, found bool, err error) {
	for {
		for _, name := range rust.ToolchainFiles() {
			path := filepath.Join(dir, name)
			data, exists, err := readProjectFile(path, rust.MaxToolchainFile)
			if err != nil {
				return projectTool{}, false, err
			}
			if !exists {
				continue
			}
			f, err := rust.ParseToolchainFile(name, data)
			var refused *rust.ToolchainFileError
			if errors.As(err, &refused) {
				refused.File = path
			}
			return projectTool{path, trust.Ref{Name: rust.Tool, Version: f.Channel}, plan.Parts{Components: f.Components, Targets: f.Targets, Profile: f.Profile}}, true, err
		}
		above := filepath.Dir(dir)
		if dir == above || host.SameDir(dir, home) {
			return projectTool{}, false, nil
		}
		dir = above
	}
}
