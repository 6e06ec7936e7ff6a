package host

import (
	"io/fs"

	"github.com/kist-tools/kist/install"
)

// ChangeableByOthers returns "": access lists of Windows are not read.
func ChangeableByOthers(fs.FileInfo, install.Host) string { return "" }

// replaceableByOthers returns "": access lists of Windows are not read.
func replaceableByOthers(fs.FileInfo, install.Host) string { return "" }

// readableByOthers returns "": access lists of Windows are not read.
func readableByOthers(fs.FileInfo, install.Host) string { return "" }

// ownerOf returns false: access lists of Windows are not read.
func ownerOf(fs.FileInfo) (uid int, ok bool) { return 0, false }
