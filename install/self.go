package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// removeOwn removes the files of kist's that belong to no toolchain: the cache, the marks,
// the settings. It keeps a file that has changed since the survey. Then it removes the
// directories that held them, if they are empty.
func (i *Installer) removeOwn(left survey) error {
	for _, f := range left.own {
		if ofToolchains(f.name) {
			continue // removed with its receipt or its generation, which may stay
		}
		info, err := f.root.Lstat(f.name)
		if err == nil && os.SameFile(info, f.info) && info.Size() == f.info.Size() && info.ModTime().Equal(f.info.ModTime()) {
			err = f.root.Remove(f.name)
		}
		if err := ignore(err, fs.ErrNotExist); err != nil {
			return err
		}
		i.reached("own files dropped")
	}
	for _, which := range roots.Own() {
		if i.roots.Dir(which) == nil || i.roots.SharedWithEarlier(which) {
			continue
		}
		if err := i.rmdirOwn(which, left.foreign); err != nil {
			return err
		}
	}
	return nil
}

// rmdirOwn removes kist's empty directories below the root of a role, innermost first,
// except those that are reported as kept. It opens only directories, since opening a
// pipe would wait for its other end.
func (i *Installer) rmdirOwn(which roots.Role, kept []Drift) error {
	root := i.roots.Dir(which)
	var dirs []string // outermost first
	err := fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return ignore(ignore(err, fs.ErrNotExist), fs.ErrPermission)
		case p == "." || !d.IsDir():
			return nil
		case !i.ownDir(p), slices.ContainsFunc(kept, func(k Drift) bool { return k.Path == i.foreign(which, p).Path }):
			return fs.SkipDir
		}
		dirs = append(dirs, p)
		if path.Dir(p) == store.Prefixes {
			return fs.SkipDir // kist's patterns name no directory inside a prefix
		}
		return nil
	})
	slices.Reverse(dirs)
	return errors.Join(err, rootfs.RemoveEmptyDirs(root, dirs...))
}

func ignore(err, what error) error {
	if errors.Is(err, what) {
		return nil
	}
	return err
}

// ProgramRemover returns a function that removes kist itself, the file name in the bin
// directory, to be called after everything else is removed. It removes only the file that
// exists now, through a handle of the directory that is open now.
func (i *Installer) ProgramRemover(name string) (remove func() error, err error) {
	dir := i.roots.Dir(roots.Bin)
	if dir == nil {
		return nil, &fs.PathError{Op: "open", Path: i.o.Dirs.Bin, Err: fs.ErrNotExist}
	}
	bin, err := dir.OpenRoot(".")
	if err != nil {
		return nil, err
	}
	was, err := bin.Lstat(name)
	if err != nil {
		return nil, errors.Join(err, bin.Close())
	}
	return func() error {
		defer bin.Close()
		is, err := bin.Lstat(name)
		if err == nil && !os.SameFile(was, is) {
			err = fmt.Errorf("%s was replaced by another file", filepath.Join(i.o.Dirs.Bin, name))
		}
		if err != nil {
			return err
		}
		return bin.Remove(name)
	}, nil
}
