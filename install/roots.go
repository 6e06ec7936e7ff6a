package install

import "fmt"

// Host is who runs kist, as far as the judgement of directories depends on it.
type Host struct {
	EUID int
	Home string // that the user database gives EUID, "" if none; never $HOME
	// Caller is the user on whose behalf root acts (SUDO_UID, DOAS_USER or
	// PKEXEC_UID), or -1.
	Caller int
}

// A SystemPrefixError refuses a directory that belongs to the system.
type SystemPrefixError struct {
	Role string // which base: "data", "state", "cache", "config", "bin"
	Path string // as given
	Is   string // what it is, where that differs: the resolved path or another name of the same directory
	Rule string // the prefix it lies in
}

func (e *SystemPrefixError) Error() string {
	if e.Is != "" && e.Is != e.Path {
		return fmt.Sprintf("%s directory %s is %s, which belongs to the system (%s)", e.Role, e.Path, e.Is, e.Rule)
	}
	return fmt.Sprintf("%s directory %s belongs to the system (%s)", e.Role, e.Path, e.Rule)
}

// An UnsafeDirError refuses a directory that others control, or that lies where
// kist must not write.
type UnsafeDirError struct{ Role, Path, Why string }

func (e *UnsafeDirError) Error() string {
	return fmt.Sprintf("%s directory %s: %s", e.Role, e.Path, e.Why)
}
