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

// A MissingError reports that a path that a receipt records as installed is not on the
// disk: the prefix or a command was removed by hand, or lies on a file system that is not
// mounted. It is also returned if the system could not tell; then Gone returns false.
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

func (e *MissingError) Kind() string {
	if e.Gone() {
		return "gone"
	}
	return ""
}

func (e *MissingError) Unwrap() error { return e.Err }

// Gone reports whether the path does not exist. If not, the system could not tell.
func (e *MissingError) Gone() bool {
	return errors.Is(e.Err, fs.ErrNotExist) || errors.Is(e.Err, syscall.ENOTDIR) || errors.Is(e.Err, syscall.ELOOP)
}

// Missing checks that the prefix of r and its commands are on the disk, at the paths that
// users see. It needs one stat for each, not a walk. It returns nil if all exist, else a
// *MissingError for the first that does not.
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

// MissingAt is Missing for the single path below, relative to the prefix of r; "" means
// the prefix itself.
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

// gone returns the receipts whose prefix or commands no longer exist. If the system cannot
// tell, they count as existing.
func (i *Installer) gone(receipts map[record.ID]record.Head) map[record.ID]bool {
	gone := map[record.ID]bool{}
	for id, r := range receipts {
		if missing := i.Missing(r); !r.Removed && missing != nil && missing.Gone() {
			gone[id] = true
		}
	}
	return gone
}
