package rootfs

import (
	"fmt"
	"os"
	"path"
)

// CreateUnnamed creates an empty file in dir without a name, so that no other process
// can open it, and opens it twice: for writing, and for reading only. Where the file
// system has no unnamed files, the file has a name for a moment, and a crash in that
// moment leaves an empty temporary file behind.
func CreateUnnamed(root *os.Root, dir string) (write, read *os.File, err error) {
	if write, read, err = createUnnamed(root, dir); err == nil {
		return write, read, nil
	}
	name := tempBeside(path.Join(dir, "unnamed"))
	if write, err = root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return nil, nil, err
	}
	if read, err = OpenRegular(root, name); err == nil {
		err = sameFile(write, read)
	}
	if removeErr := root.Remove(name); err == nil {
		err = removeErr
	}
	if err != nil {
		write.Close()
		if read != nil {
			read.Close()
		}
		return nil, nil, err
	}
	return write, read, nil
}

func sameFile(f, g *os.File) error {
	one, err := f.Stat()
	if err != nil {
		return err
	}
	other, err := g.Stat()
	if err == nil && !os.SameFile(one, other) {
		err = fmt.Errorf("%s: replaced by another file", f.Name())
	}
	return err
}
