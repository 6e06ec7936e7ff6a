package roots

import (
	"fmt"
	"path/filepath"
)

// A SystemPrefixError is returned for a directory that belongs to the system.
type SystemPrefixError struct {
	Role string // which base: "data", "state", "cache", "config", "bin"
	Path string // as given
	Is   string // the resolved path or another name of the same directory, if it differs
	Rule string // the prefix it lies in
}

func (e *SystemPrefixError) Error() string {
	if e.Is != "" && e.Is != e.Path {
		return fmt.Sprintf("%s directory %s is %s, which belongs to the system (%s)", e.Role, e.Path, e.Is, e.Rule)
	}
	return fmt.Sprintf("%s directory %s belongs to the system (%s)", e.Role, e.Path, e.Rule)
}
func (*SystemPrefixError) Kind() string { return "refused" }

// An UnsafeDirError is returned for a directory that others control, or that lies
// where kist must not write.
type UnsafeDirError struct{ Role, Path, Why string }

func (e *UnsafeDirError) Error() string {
	return fmt.Sprintf("%s directory %s: %s", e.Role, e.Path, e.Why)
}
func (*UnsafeDirError) Kind() string { return "refused" }

// An OwnerError is returned for changes in a directory of root's; kist may read it.
type OwnerError struct {
	Role, Path string
	Owner      string // for people, such as "root"
	EUID       int    // the user who runs kist
}

func (e *OwnerError) Error() string {
	return fmt.Sprintf("%s directory %s belongs to %s, and kist runs as user %d: only %[3]s can change what is in it", e.Role, e.Path, e.Owner, e.EUID)
}
func (*OwnerError) Kind() string { return "refused" }

// A ReadOnlyError is returned for changes of a store that was opened only to be read.
type ReadOnlyError struct{ Path string }

func (e *ReadOnlyError) Error() string { return e.Path + " was opened only to be read" }
func (*ReadOnlyError) Kind() string    { return "refused" }

// A SeparatorError is returned for a directory whose path contains the separator of
// path lists.
type SeparatorError struct {
	Role, Path string
	Separator  string
}

func (e *SeparatorError) Error() string {
	return fmt.Sprintf("%s directory %s: a PATH entry cannot contain %q, so no command below it would be found", e.Role, e.Path, e.Separator)
}
func (*SeparatorError) Kind() string { return "refused" }

// A BecameLinkError is returned for a directory that is now reached through a link,
// and was reached through none or another when kist recorded its place: the directory
// behind the link is not the one that kist made.
type BecameLinkError struct {
	Role string
	Path string // as the environment names it
	Was  string // where it was
	Is   string // where it leads now
}

func (e *BecameLinkError) Error() string {
	return fmt.Sprintf("%s directory %s leads through a link to %s, and was at %s before", e.Role, e.Path, e.Is, e.Was)
}
func (*BecameLinkError) Kind() string { return "refused" }

// Base returns the value for the Role's environment variable if the directory was moved
// there on purpose, or "" if it has another name there.
func (e *BecameLinkError) Base() string {
	switch {
	case e.Role == string(Bin):
		return e.Is
	case filepath.Base(e.Is) == "kist":
		return filepath.Dir(e.Is)
	}
	return ""
}

// An OtherPlaceError is returned for a data directory with a state directory that
// belongs to another one: neither would record what the other has in force.
type OtherPlaceError struct {
	Role string // of the directory to correct: "data" or "state"
	Path string // of that directory, as it is set
	Of   string // the directory of the other role, as it is set
	Own  string // the directory that belongs with Of
	Base string // what the variable of Role must be set to
}

func (e *OtherPlaceError) Error() string {
	other := State
	if e.Role == string(State) {
		other = Data
	}
	return fmt.Sprintf("the %s directory %s belongs with the %s directory %s, not with %s", other, e.Of, e.Role, e.Own, e.Path)
}
func (*OtherPlaceError) Kind() string { return "refused" }

// A SharedBinError is returned for a store whose commands cannot be linked because the store
// that it was copied from, or another one in its place, links its own in the same directory.
type SharedBinError struct {
	Bin   string // the bin directory
	Other string // the data directory of the other store
}

func (e *SharedBinError) Error() string {
	return fmt.Sprintf("bin directory %s is also that of the store in %s, which is still in use", e.Bin, e.Other)
}
func (*SharedBinError) Kind() string { return "refused" }

// An UnmountedError is returned while the data or the state directory seems to be on a file
// system that is not mounted. A change would drop receipts, or leave toolchains without
// receipts.
type UnmountedError struct {
	Role string // "data" or "state"
	Path string // of the directory, as the environment names it
	Note string // path of the note that records where it was
}

func (e *UnmountedError) Error() string {
	return fmt.Sprintf("%s directory %s holds nothing of what is recorded: it was on another file system, which seems not to be mounted", e.Role, e.Path)
}
func (*UnmountedError) Kind() string { return "refused" }

// A NoteError reports that a note of where kist's directories are cannot be parsed.
type NoteError struct {
	Path string
	Err  error
}

func (e *NoteError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }
func (*NoteError) Kind() string    { return "refused" }
func (e *NoteError) Unwrap() error { return e.Err }
