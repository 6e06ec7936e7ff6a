package install

import "github.com/kist-tools/kist/install/internal/roots"

// Dirs are the five base directories of the user.
type Dirs = roots.Dirs

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
