package failure

import "syscall"

// systemKinds returns the kinds of the errors of this system that package syscall has no
// names for.
// Source: Microsoft, System Error Codes (winerror.h).
func systemKinds() []systemKind {
	return []systemKind{
		{syscall.Errno(39), "space"},      // ERROR_HANDLE_DISK_FULL
		{syscall.Errno(112), "space"},     // ERROR_DISK_FULL
		{syscall.Errno(1295), "space"},    // ERROR_DISK_QUOTA_EXCEEDED
		{syscall.Errno(19), "permission"}, // ERROR_WRITE_PROTECT
		{syscall.Errno(32), "permission"}, // ERROR_SHARING_VIOLATION: another program has the file open
	}
}
