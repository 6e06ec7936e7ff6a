package install

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// This file searches a toolchain that was moved for its old path. The files of a receipt
// cannot hold it: they are those of the archive, and kist chose the path at the install.
// What a program of the toolchain, such as pip, added later can.

// Ceilings on the search in one toolchain.
const (
	maxSearched = 200_000 // files
	maxSearchIn = 1 << 20 // bytes of a file, from its start
	maxOldPaths = 1000    // files that are reported
)

// withOldPath returns the absolute paths of the files and links in the prefix of r that r
// does not record and that hold the path old. It passes over what this user may not read.
func (i *Installer) withOldPath(ctx context.Context, r record.Receipt, old string) (found []string, err error) {
	root, top := i.roots.Dir(roots.Data), path.Join(store.Prefixes, string(r.ID))
	recorded, searched := r.Paths(), 0
	err = fs.WalkDir(root.FS(), top, func(name string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			return nil
		case err != nil || d.IsDir() || recorded[strings.TrimPrefix(name, top+"/")]:
			return err
		case searched == maxSearched, len(found) == maxOldPaths:
			return fs.SkipAll
		}
		searched++
		text := ""
		switch {
		case d.Type() == fs.ModeSymlink:
			text, err = root.Readlink(name)
		case d.Type().IsRegular():
			text, err = i.startOf(name)
		}
		if strings.Contains(text, old) {
			found = append(found, i.pathIn(r.ID, strings.TrimPrefix(name, top+"/")))
		}
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, rootfs.ErrNotRegular) {
			return nil
		}
		return rootfs.IgnoreMissing(err)
	})
	return found, err
}

// startOf returns the start of a file in the data directory.
func (i *Installer) startOf(name string) (string, error) {
	f, err := rootfs.OpenRegular(i.roots.Dir(roots.Data), name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var text bytes.Buffer
	_, err = io.Copy(&text, io.LimitReader(f, maxSearchIn))
	return text.String(), err
}
