package plan

import (
	"fmt"
	"strings"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

var (
	// ErrNotInstalled matches the error for a change that names a release that is not
	// installed.
	ErrNotInstalled = verify.NewClass("is not installed", "not-installed", nil)
	// ErrNoPrevious matches the error for a rollback without a generation to return to.
	ErrNoPrevious = verify.NewClass("no earlier generation to return to", "unknown", nil)
)

func notInstalled(id record.ID) error { return fmt.Errorf("%s %w", id, ErrNotInstalled) }

// A GoneError is returned when a change needs an installed release whose files are gone
// from the disk.
type GoneError struct {
	Release    string // channel/tool@version
	Generation uint64 // the generation to return to that needs it, or 0
}

func (e *GoneError) Error() string {
	if e.Generation != 0 {
		return fmt.Sprintf("generation %d cannot be returned to: its %s is gone from the disk", e.Generation, e.Release)
	}
	return fmt.Sprintf("%s was installed, but is gone from the disk", e.Release)
}
func (*GoneError) Kind() string { return "gone" }

// A FreedError is returned for a rollback to a generation of which releases were removed
// since, to free space.
type FreedError struct {
	Generation uint64
	Releases   []string // channel/tool@version
}

func (e *FreedError) Error() string {
	return fmt.Sprintf("generation %d cannot be returned to: %s was removed to free space", e.Generation, strings.Join(e.Releases, ", "))
}
func (*FreedError) Kind() string { return "unknown" }

// A NeededError is returned for the removal of a component that its release requires.
type NeededError struct {
	Release   string // channel/tool@version
	Component string
}

func (e *NeededError) Error() string {
	return fmt.Sprintf("%s cannot be without its component %s", e.Release, e.Component)
}
func (*NeededError) Kind() string { return "usage" }

// A ConflictError is returned when two installed tools have a command of the same name.
type ConflictError struct {
	Command string
	Owner   string // channel/tool@version whose command is linked
	Wants   string // channel/tool@version that was refused the name
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("command %s of %s belongs to %s", e.Command, e.Wants, e.Owner)
}
func (*ConflictError) Kind() string { return "refused" }

// A ForeignFileError is returned when the path of a command link holds something that
// kist did not make.
type ForeignFileError struct {
	Path string // of the command link
	What string // such as "a file" or "a link to /opt/go/bin/go"
}

func (e *ForeignFileError) Error() string {
	return fmt.Sprintf("%s is %s that kist did not make", e.Path, e.What)
}
func (*ForeignFileError) Kind() string { return "refused" }
