package install

import (
	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/unpack"
)

// Dirs are the five base directories of the user.
type Dirs = roots.Dirs

// Host describes the user who runs kist.
type Host = roots.Host

// Errors of Apply and Inspect: an archive that was refused, and a lack of space.
type (
	EntryError = unpack.EntryError
	SpaceError = download.SpaceError
)

// Errors of Open and of Installer.MayChange.
type (
	SystemPrefixError = roots.SystemPrefixError
	UnsafeDirError    = roots.UnsafeDirError
	OwnerError        = roots.OwnerError
	SeparatorError    = roots.SeparatorError
	OtherPlaceError   = roots.OtherPlaceError
	BecameLinkError   = roots.BecameLinkError
	UnmountedError    = roots.UnmountedError
	NoteError         = roots.NoteError
)
