package failure

import (
	"fmt"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/verify"
)

// This file holds the errors of the command line itself.

// New returns an error of a kind, with nothing that a hint depends on.
func New(kind, text string) error { return &plainError{kind, text} }

// Usage returns an error about a wrong command line.
func Usage(format string, args ...any) error { return New("usage", fmt.Sprintf(format, args...)) }

type plainError struct{ kind, text string }

func (e *plainError) Error() string { return e.text }
func (e *plainError) Kind() string  { return e.kind }

// An UnknownVerbError reports a verb that does not exist.
type UnknownVerbError struct {
	Parent, Verb string
	Near         []string
	Try          string // the command line that was probably meant
}

func (e *UnknownVerbError) Error() string { return fmt.Sprintf("%s has no verb %q", e.Parent, e.Verb) }
func (*UnknownVerbError) Kind() string    { return "usage" }

// An InternalError is a panic: a bug in kist.
type InternalError struct{ What, Stack string }

func (e *InternalError) Error() string { return "internal error: " + e.What }
func (*InternalError) Kind() string    { return "internal" }

// An InterruptedError reports that the user interrupted the work.
type InterruptedError struct{ Err error }

func (e *InterruptedError) Error() string { return "interrupted" }
func (*InterruptedError) Kind() string    { return "interrupted" }
func (e *InterruptedError) Unwrap() error { return e.Err }

// A LaunchError reports that run could not start its command.
type LaunchError struct {
	Code int // exit code: 125, 126 or 127
	Err  error
}

func (e *LaunchError) Error() string { return e.Err.Error() }
func (e *LaunchError) Unwrap() error { return e.Err }

// A NoExecError reports that a command is on a file system mounted noexec.
type NoExecError struct{ Path, Release string }

func (e *NoExecError) Error() string {
	return e.Path + ": cannot be started: its file system is mounted noexec"
}
func (*NoExecError) Kind() string { return "noexec" }

// An ExitError is the exit code of a child, which has printed its own errors.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

// A NoToolError reports that a search found nothing.
type NoToolError struct{ Word string }

func (e *NoToolError) Error() string { return "no tool matches " + e.Word }
func (*NoToolError) Kind() string    { return "unknown" }

// A DriftError reports that installed files differ from their receipts.
type DriftError struct{ Releases []string }

func (e *DriftError) Error() string {
	if len(e.Releases) == 1 {
		return e.Releases[0] + " is not as it was installed"
	}
	return fmt.Sprintf("%d toolchains are not as they were installed", len(e.Releases))
}
func (*DriftError) Kind() string { return "drift" }

// A KeptError reports that a removal left, or would leave, changed files in place.
type KeptError struct {
	Kept   []install.Drift
	DryRun bool
}

// Kept returns a *[KeptError] about drifts, or nil if there are none.
func Kept(drifts []install.Drift, dryRun bool) error {
	if len(drifts) == 0 {
		return nil
	}
	return &KeptError{drifts, dryRun}
}

func (e *KeptError) Error() string {
	one, several := "was", "were"
	if e.DryRun {
		one, several = "would be", "would be"
	}
	if len(e.Kept) == 1 {
		return fmt.Sprintf("1 path %s kept: %s", one, e.Kept[0].Reason)
	}
	return fmt.Sprintf("%d paths %s kept", len(e.Kept), several)
}
func (*KeptError) Kind() string { return "kept" }

// An UnreadableError reports that a file to check, or to check against, cannot be
// read. What is not proved is not trusted, for whatever reason, so the reason is not
// unwrapped: a directory, for instance, is not a usage error here.
type UnreadableError struct{ Err error }

func (e *UnreadableError) Error() string { return e.Err.Error() }
func (e *UnreadableError) Unwrap() error { return verify.ErrUntrusted }
