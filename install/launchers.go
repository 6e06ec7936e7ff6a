package install

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/kist-tools/kist/install/internal/launcher"
	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// An Answer says what launchers run in a project; see package launcher.
type Answer = launcher.Answer

// A LauncherCommand is what one launcher runs in a project.
type LauncherCommand = launcher.Command

// launcher returns the text of the launcher.
func (i *Installer) launcher() []byte {
	return launcher.Script{Current: filepath.Join(i.o.Dirs.Data, "kist", store.Current), Kist: i.o.Kist, Files: i.o.ProjectFiles}.Encode()
}

// settled is how long ago a file of a project must have been modified before an answer
// made from it is stored. Some shells compare times by the second, and would not notice
// another change within the same one.
const settled = 2 * time.Second

// Remember stores a for the launchers of g, so that they need not ask kist. times are the
// times of the last modification of a.Files. stored is false, without an error, if there
// are no launchers, a file has changed just now, the answer is too long, or kist's
// directories cannot be changed at present: launchers then go on asking.
func (i *Installer) Remember(ctx context.Context, g record.Generation, a Answer, times []time.Time) (stored bool, err error) {
	if len(g.Shims) == 0 || i.o.DryRun || i.MayChange() != nil || len(a.Encode()) > launcher.MaxFile ||
		slices.ContainsFunc(times, func(t time.Time) bool { return i.o.Now.Sub(t) < settled }) {
		return false, nil
	}
	lock, err := i.roots.LockExisting(ctx)
	if lock == nil || err != nil {
		if _, busy := errors.AsType[*rootfs.BusyError](err); busy || cannotWrite(err) {
			err = nil
		}
		return false, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	_, current, err := i.store().Generations()
	if err != nil || current != g.Number {
		return false, err
	}
	err = i.store().PutAnswer(current, a, times)
	if cannotWrite(err) {
		return false, nil
	}
	return err == nil, err
}

// A SeenProject is a directory in which toolchains were installed for what its files ask.
type SeenProject = store.Project

// NoteProject records that toolchains were installed for the project p, so that they are
// kept for it. A record of the same day that says the same is left as it is.
func (i *Installer) NoteProject(ctx context.Context, p SeenProject) (err error) {
	if i.o.DryRun || i.MayChange() != nil {
		return nil
	}
	have, known, err := i.store().Project(p.Dir)
	if err != nil || known && have.Mount == p.Mount && slices.Equal(have.Uses, p.Uses) && i.o.Now.Sub(have.Seen) < usedAgain {
		return err
	}
	lock, err := i.roots.LockExisting(ctx)
	if lock == nil || err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	_, current, err := i.store().Generations()
	if err != nil || current == 0 {
		return err
	}
	p.Seen = i.o.Now
	return i.store().PutProject(current, p)
}

// SeenProjects returns the projects that NoteProject recorded, sorted by directory.
func (i *Installer) SeenProjects() ([]SeenProject, error) { return i.store().Projects() }

// Launcher describes the launcher of g, to tell it from other files. The error matches
// fs.ErrNotExist if there is none.
func (i *Installer) Launcher(g record.Generation) (fs.FileInfo, error) {
	return i.store().Launcher(g.Number)
}

// Links reports whether the bin directory has kist's link of a command.
func (i *Installer) Links(name string) bool {
	bin := i.roots.Dir(roots.Bin)
	if bin == nil {
		return false
	}
	target, err := linkTarget(bin, name)
	return err == nil && i.isCommand(name, target)
}
