package rootfs

import (
	"io/fs"
	"os"
)

// SyncDir makes the entries of dir durable: names that were made, renamed or
// removed in it. File systems that cannot sync a directory are taken at their
// word that they need not.
func SyncDir(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return syncDir(f)
}

// SyncTree makes everything below root durable: by one syncfs(2) on Linux,
// which is some twenty times quicker than a sync of each file, elsewhere by a
// walk. Links are not followed.
func SyncTree(root *os.Root) error {
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	if done, err := syncFS(f); done || err != nil {
		return err
	}
	if err := syncWalk(root); err != nil {
		return err
	}
	return syncDir(f)
}

func syncWalk(root *os.Root) error {
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		return syncOne(root, name, d.IsDir())
	})
}
