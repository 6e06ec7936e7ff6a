package rootfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// A Dir is an open directory. Its methods take single path elements and follow no
// links, so that nothing leads out of the directory; dir_unix.go says what they do.
type Dir struct {
	root  *os.Root
	names *os.File
}

// A File is a file in a Dir, created for writing or opened for reading.
type File = os.File

// OpenDir opens the directory of root itself.
func OpenDir(root *os.Root) (Dir, error) {
	sub, err := root.OpenRoot(".")
	if err != nil {
		return Dir{}, err
	}
	names, err := sub.Open(".")
	if err != nil {
		return Dir{}, errors.Join(err, sub.Close())
	}
	return Dir{sub, names}, nil
}

func (d Dir) Sub(name string) (Dir, error) {
	before, err := d.lstat("open", name)
	if err != nil {
		return Dir{}, err
	}
	if !before.IsDir() {
		return Dir{}, &fs.PathError{Op: "open", Path: name, Err: ErrNotDir}
	}
	root, err := d.root.OpenRoot(name)
	if err != nil {
		return Dir{}, err
	}
	defer root.Close()
	sub, err := OpenDir(root)
	if err != nil {
		return Dir{}, err
	}
	after, err := sub.root.Stat(".")
	if err == nil && !os.SameFile(before, after) { // replaced between the two calls
		err = &fs.PathError{Op: "open", Path: name, Err: ErrNotDir}
	}
	if err != nil {
		return Dir{}, errors.Join(err, sub.Close())
	}
	return sub, nil
}

func (d Dir) lstat(op, name string) (fs.FileInfo, error) {
	if err := checkElement(op, name); err != nil {
		return nil, err
	}
	return d.root.Lstat(name)
}

func (d Dir) Close() error { return errors.Join(d.names.Close(), d.root.Close()) }

func (d Dir) Names(n int) ([]string, error) { return d.names.Readdirnames(n) }

func (d Dir) AllNames() ([]string, error) {
	if _, err := d.names.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return d.names.Readdirnames(-1)
}

func (d Dir) Create(name string, perm fs.FileMode) (*File, error) { return d.CreateFile(name, perm) }

func (d Dir) CreateFile(name string, perm fs.FileMode) (*os.File, error) {
	if err := checkElement("create", name); err != nil {
		return nil, err
	}
	return d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
}

func (d Dir) Open(name string) (*File, error) {
	before, err := d.lstat("open", name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	}
	return OpenRegular(d.root, name)
}

func (d Dir) OpenFile(name string) (*os.File, error) { return d.Open(name) }

func (d Dir) Mkdir(name string, perm fs.FileMode) error {
	if err := checkElement("mkdir", name); err != nil {
		return err
	}
	return d.root.Mkdir(name, perm)
}

func (d Dir) Symlink(target, name string) error {
	if err := checkElement("symlink", name); err != nil {
		return err
	}
	return d.root.Symlink(target, name)
}

func (d Dir) Remove(name string) error {
	if err := checkElement("remove", name); err != nil {
		return err
	}
	return d.root.Remove(name)
}

func (d Dir) Chmod(name string, perm fs.FileMode) error {
	if err := checkElement("chmod", name); err != nil {
		return err
	}
	return d.root.Chmod(name, perm)
}

func (d Dir) Lstat(name string) (Info, error) {
	info, err := d.lstat("lstat", name)
	if err != nil {
		return Info{}, err
	}
	return Info{Mode: info.Mode(), Size: info.Size()}, nil
}

func (d Dir) Readlink(name string) (string, error) {
	if err := checkElement("readlink", name); err != nil {
		return "", err
	}
	return d.root.Readlink(name)
}
