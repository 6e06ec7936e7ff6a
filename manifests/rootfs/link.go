package rootfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
)

// LinkFile makes name, below to, another name of the regular file old below from, as a
// hard link, durably and in one step. check reads the file and may refuse it. LinkFile
// follows no link. A file that only its owner may read gets the permissions perm, which the
// umask does not limit. LinkFile fails if the file is not this user's alone (see IsOurs), if
// it has other permissions than these, or if the two are not on one file system that has
// hard links: callers then write a copy.
func LinkFile(from *os.Root, old string, to *os.Root, name string, perm os.FileMode, check func(io.Reader) error) error {
	info, err := from.Lstat(old)
	if err != nil {
		return err
	}
	source, err := openRegular(from, old, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer source.Close()
	opened, err := source.Stat()
	if err != nil {
		return err
	}
	if mode := opened.Mode().Perm(); !os.SameFile(info, opened) || !IsOurs(source) || mode != 0o600 && mode != perm {
		return fmt.Errorf("%s is not a file of this user alone", source.Name())
	}
	temp := tempBeside(name)
	if err := linkByDirs(from, old, to, temp); err != nil {
		return err
	}
	err = publishLink(source, opened, to, temp, name, perm, check)
	if missing := IgnoreMissing(to.Remove(temp)); err == nil {
		err = missing
	}
	if err != nil {
		return err
	}
	if err := SyncDir(to, path.Dir(name)); err != nil {
		return fmt.Errorf("%w: %w", ErrNotDurable, err)
	}
	return nil
}

// ErrNotDurable means that a file could not be made durable: the disk may be failing, so a
// caller must not go on with a copy of it.
var ErrNotDurable = errors.New("not durable")

// publishLink renames temp to name if it is the file source, and check accepts it.
func publishLink(source *os.File, opened os.FileInfo, to *os.Root, temp, name string, perm os.FileMode, check func(io.Reader) error) error {
	linked, err := to.Lstat(temp)
	if err != nil {
		return err
	}
	if !os.SameFile(linked, opened) {
		return fmt.Errorf("%s was replaced", source.Name())
	}
	if err := check(source); err != nil {
		return err
	}
	if opened.Mode().Perm() != perm {
		if err := source.Chmod(perm); err != nil {
			return err
		}
	}
	if err := source.Sync(); err != nil {
		return fmt.Errorf("%w: %w", ErrNotDurable, err)
	}
	return to.Rename(temp, name)
}
