package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/kist-tools/kist/install/record"
)

// A MissingError says that what a receipt records as installed is not on the disk: its
// prefix or a command was removed by hand, or lies on a file system that is not mounted.
// Or the system could not tell, which Gone distinguishes.
type MissingError struct {
	Release string // channel/tool@version
	Path    string // of the prefix, or of a command in it
	Err     error  // of the system
}

func (e *MissingError) Error() string {
	if e.Gone() {
		return fmt.Sprintf("%s was installed, but %s is gone", e.Release, e.Path)
	}
	return fmt.Sprintf("%s was installed, but %s cannot be used: %v", e.Release, e.Path, e.Err)
}

func (e *MissingError) Unwrap() error { return e.Err }

// Gone reports whether the system says that nothing is there. If not, it could not look.
func (e *MissingError) Gone() bool {
	return errors.Is(e.Err, fs.ErrNotExist) || errors.Is(e.Err, syscall.ENOTDIR) || errors.Is(e.Err, syscall.ELOOP)
}

// Missing looks whether the prefix of r and its commands are on the disk, at the very
// paths that a user is told: one look for each, not a walk. It returns nil where they are,
// else a *MissingError for the first that is not.
func (i *Installer) Missing(r record.Head) *MissingError {
	if missing := i.MissingAt(r, ""); missing != nil {
		return missing
	}
	for _, c := range r.Commands {
		if missing := i.MissingAt(r, filepath.FromSlash(c.Path)); missing != nil {
			return missing
		}
	}
	return nil
}

// MissingAt is Missing for the path below alone, relative to the prefix of r; "" is the
// prefix itself.
func (i *Installer) MissingAt(r record.Head, below string) *MissingError {
	path := filepath.Join(i.Prefix(r.ID), below)
	info, err := os.Stat(path)
	if err == nil && below == "" && !info.IsDir() {
		err = &fs.PathError{Op: "stat", Path: path, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return &MissingError{r.Ref(), path, err}
	}
	return nil
}

// gone returns those of receipts of which something is gone from the disk. What the system
// cannot tell counts as there.
func (i *Installer) gone(receipts map[record.ID]record.Head) map[record.ID]bool {
	gone := map[record.ID]bool{}
	for id, r := range receipts {
		if missing := i.Missing(r); !r.Removed && missing != nil && missing.Gone() {
			gone[id] = true
		}
	}
	return gone
}
