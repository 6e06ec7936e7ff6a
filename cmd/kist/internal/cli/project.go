package cli

import (
	"os"
	"path/filepath"

	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/projectfiles"
	"github.com/kist-tools/kist/manifests/lockfile"
)

// FindProject reads the files of the project of the working directory.
func (a *App) FindProject() (namedfiles.ProjectFiles, error) {
	cwd, err := os.Getwd()
	if err == nil {
		cwd, err = filepath.EvalSymlinks(cwd) // as the launchers see it
	}
	if err != nil {
		return namedfiles.ProjectFiles{}, err
	}
	return namedfiles.FindProject(cwd, a.Getenv("HOME"), a.Host)
}

// Lock returns the path of the lock of the project of the working directory, and its
// entries that answer the project.
func (a *App) Lock() (path string, tools []lockfile.Tool, err error) {
	p, err := a.FindProject()
	if err != nil {
		return "", nil, err
	}
	return projectfiles.LockedTools(a.VerbName, p)
}
