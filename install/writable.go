package install

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/kist-tools/kist/install/internal/rootfs"
)

// Writable finds, before anything is stored, whether settings can be: in the
// settings directory and those of the directories below it that exist. Where it
// is missing, the nearest directory above it is asked. Nothing is left behind.
func (i *Installer) Writable(below ...string) error {
	if i.unfit != nil {
		return i.unfit
	}
	root := i.roots.open(configDir)
	if root == nil {
		p, err := i.roots.judge(configDir)
		if err != nil {
			return err
		}
		above, err := openJudged(configDir, p)
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
		dir, err := root.OpenRoot(name + "/.") // in this spelling a pipe is an error, not a wait
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

// namePlace names the directory, of which err knows no more than a part.
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
