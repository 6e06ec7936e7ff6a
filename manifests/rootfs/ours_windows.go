package rootfs

import "os"

// IsOurs reports whether other users cannot write to f. On Windows the permissions of
// its directory ensure that.
func IsOurs(*os.File) bool { return true }
