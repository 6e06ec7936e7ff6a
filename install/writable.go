package install

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/kist-tools/kist/manifests/rootfs"
)

// Writable checks, before anything is stored, that settings can be written: in the
// settings directory and in the given directories below it that exist. If the settings
// directory is missing, it checks the nearest directory above it. It leaves nothing
// behind.
func (i *Installer) Writable(below ...string) error {
	if i.unfit != nil {
		return i.unfit
	}
	root := i.roots.open(configDir)
	if root == nil {
		p, err := i.roots.check(configDir)
		if err != nil {
			return err
		}
		above, err := openChecked(configDir, p)
		if err != nil {
			return err
		}
		defer above.Close()
		return namePlace(p.at, rootfs.Probe(above))
	}
	at := filepath.Join(i.o.Dirs.Config, "kist")
	if err := rootfs.Probe(root); err != nil {
		return namePlace(at, err)
	}
	for _, name := range below {
		dir, err := root.OpenRoot(name + "/.") // with "/.", a named pipe is an error instead of blocking
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = errors.Join(rootfs.Probe(dir), dir.Close())
		}
		if err != nil {
			return namePlace(filepath.Join(at, name), err)
		}
	}
	return nil
}

// namePlace adds the full path of the directory to err, which holds only a part of it.
func namePlace(dir string, err error) error {
	var why *fs.PathError
	if errors.As(err, &why) {
		err = why.Err
	}
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", dir, err)
	}
	return nil
}
