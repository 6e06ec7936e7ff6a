package install

import (
	"os"

	"github.com/kist-tools/kist/install/internal/roots"
)

// Dirs are the five base directories of the user.
type Dirs = roots.Dirs

// A Diagnosis says what is known of one of kist's directories, even of one with which Open
// fails.
type Diagnosis = roots.Diagnosis

// Diagnose describes kist's directories. It changes nothing.
func Diagnose(d Dirs, h Host) ([]Diagnosis, error) { return roots.Diagnose(d, h) }

// Host describes the user who runs kist.
type Host = roots.Host

// Errors of Open and of Installer.MayChange.
type (
	SystemPrefixError = roots.SystemPrefixError
	UnsafeDirError    = roots.UnsafeDirError
	OwnerError        = roots.OwnerError
	ReadOnlyError     = roots.ReadOnlyError
	SeparatorError    = roots.SeparatorError
	OtherPlaceError   = roots.OtherPlaceError
	BecameLinkError   = roots.BecameLinkError
	UnmountedError    = roots.UnmountedError
	SharedBinError    = roots.SharedBinError
	NoteError         = roots.NoteError
)

// OpenDir checks and opens a directory that the user named for kist to write to, by the
// rules for kist's own directories: none of the system's, and none that others control.
// role stands for it in errors. With create, it makes the directory if its parent
// exists; else a missing directory is an error that matches fs.ErrNotExist. Other errors
// are those of Open. warn receives doubts that are no errors.
func OpenDir(h Host, role, path string, create bool, warn func(string)) (*os.Root, error) {
	return roots.OpenNamed(h, role, path, create, warn)
}
