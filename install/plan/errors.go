package plan

import "fmt"

// A NotInstalledError says that something to act on is not installed.
type NotInstalledError struct{ Name string }

func (e *NotInstalledError) Error() string { return fmt.Sprintf("%s is not installed", e.Name) }

// A GoneError says that what a change needs was installed, and is gone from the disk.
type GoneError struct {
	Release    string // channel/tool@version
	Generation uint64 // that cannot be returned to for want of it, or 0
}

func (e *GoneError) Error() string {
	if e.Generation != 0 {
		return fmt.Sprintf("generation %d cannot be returned to: its %s is gone from the disk", e.Generation, e.Release)
	}
	return fmt.Sprintf("%s was installed, but is gone from the disk", e.Release)
}

// A NoPreviousError says that there is no generation to roll back to.
type NoPreviousError struct{ Current uint64 }

func (e *NoPreviousError) Error() string {
	if e.Current == 0 {
		return "nothing is installed, so there is no generation to return to"
	}
	return fmt.Sprintf("generation %d has none before it to return to", e.Current)
}

// A NeededError says that a release cannot be without one of its components.
type NeededError struct {
	Release   string // channel/tool@version
	Component string
}

func (e *NeededError) Error() string {
	return fmt.Sprintf("%s cannot be without its component %s", e.Release, e.Component)
}

// A ConflictError says that two installed tools want the same command.
type ConflictError struct {
	Command string
	Owner   string // channel/tool@version that has it
	Wants   string // channel/tool@version that was to get it
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("command %s of %s belongs to %s", e.Command, e.Wants, e.Owner)
}

// A ForeignFileError says that something kist did not make stands where a
// command link should go.
type ForeignFileError struct {
	Path string // of the thing
	What string // such as "a file" or "a link to /opt/go/bin/go"
}

func (e *ForeignFileError) Error() string {
	return fmt.Sprintf("%s is %s that kist did not make", e.Path, e.What)
}
