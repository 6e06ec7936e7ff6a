package rootfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// A Dir is an open directory. What lies right in it is reached by its name, one
// element, and by no link: nothing leads out of it.
type Dir struct {
	root  *os.Root
	names *os.File
}

// A File is a file of a Dir, new for writing or opened for reading.
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

// Sub opens the directory name. Its error matches ErrNotDir where that is
// something else, such as a link to one.
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
	if err == nil && !os.SameFile(before, after) { // swapped between the two looks
		err = &fs.PathError{Op: "open", Path: name, Err: ErrNotDir}
	}
	if err != nil {
		return Dir{}, errors.Join(err, sub.Close())
	}
	return sub, nil
}

func (d Dir) lstat(what, name string) (fs.FileInfo, error) {
	if err := element(what, name); err != nil {
		return nil, err
	}
	return d.root.Lstat(name)
}

// Close closes d.
func (d Dir) Close() error { return errors.Join(d.names.Close(), d.root.Close()) }

// Names returns up to n names of what is in d, at the next call the next ones, and
// io.EOF at the end.
func (d Dir) Names(n int) ([]string, error) { return d.names.Readdirnames(n) }

// AllNames returns the names of all that is in d.
func (d Dir) AllNames() ([]string, error) {
	if _, err := d.names.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return d.names.Readdirnames(-1)
}

// Create makes the file name, which must not exist, for writing.
func (d Dir) Create(name string, perm fs.FileMode) (*File, error) { return d.CreateFile(name, perm) }

// CreateFile is Create for what is written, and then read.
func (d Dir) CreateFile(name string, perm fs.FileMode) (*os.File, error) {
	if err := element("create", name); err != nil {
		return nil, err
	}
	return d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
}

// Open opens the regular file name for reading. It returns ErrNotRegular for
// anything else.
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

// OpenFile is Open for what is more than read from its start.
func (d Dir) OpenFile(name string) (*os.File, error) { return d.Open(name) }

// Mkdir makes the directory name.
func (d Dir) Mkdir(name string, perm fs.FileMode) error {
	if err := element("mkdir", name); err != nil {
		return err
	}
	return d.root.Mkdir(name, perm)
}

// Symlink makes name a link to target.
func (d Dir) Symlink(target, name string) error {
	if err := element("symlink", name); err != nil {
		return err
	}
	return d.root.Symlink(target, name)
}

// Remove removes name, if it is a directory an empty one.
func (d Dir) Remove(name string) error {
	if err := element("remove", name); err != nil {
		return err
	}
	return d.root.Remove(name)
}

// Chmod gives the file or directory name the mode perm.
func (d Dir) Chmod(name string, perm fs.FileMode) error {
	if err := element("chmod", name); err != nil {
		return err
	}
	return d.root.Chmod(name, perm)
}

// Lstat says what name is.
func (d Dir) Lstat(name string) (Info, error) {
	info, err := d.lstat("lstat", name)
	if err != nil {
		return Info{}, err
	}
	return Info{Mode: info.Mode(), Size: info.Size()}, nil
}

// Readlink returns where the link name leads.
func (d Dir) Readlink(name string) (string, error) {
	if err := element("readlink", name); err != nil {
		return "", err
	}
	return d.root.Readlink(name)
}
