package failure

import (
	"fmt"
	"strings"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/verify"
)

// This file holds the errors of the command line itself.

// New returns an error of a kind. Nothing depends on its type.
func New(kind, text string) error { return &plainError{kind, text, ""} }

// Usage returns an error about a wrong command line.
func Usage(format string, args ...any) error { return New("usage", fmt.Sprintf(format, args...)) }

// NothingAsked returns the error, with this text, that no file of a project asks for a tool.
func NothingAsked(format string, args ...any) error {
	return &plainError{"usage", fmt.Sprintf(format, args...), "kist project shows which files kist reads, and what they ask for"}
}

// NoExec returns the error that the command at path, of a release, is on a file system
// mounted noexec.
func NoExec(path, release string) error {
	return &plainError{"noexec", path + ": cannot be started: its file system is mounted noexec",
		fmt.Sprintf("mount it without noexec, or set XDG_DATA_HOME to a directory on another file system and install %s there", release)}
}

// NoTool returns the error that a search for word found nothing.
func NoTool(word string) error {
	return &plainError{"unknown", "no tool matches " + word, "kist search without a word lists every tool"}
}

// Drift returns the error that installed files differ from the receipts of releases.
func Drift(releases []string) error {
	text := fmt.Sprintf("%d toolchains are not as they were installed", len(releases))
	if len(releases) == 1 {
		text = releases[0] + " is not as it was installed"
	}
	return &plainError{"drift", text, "kist repair makes it again as it was; what was changed or added stays, and is listed"}
}

// NotLocked returns the error for a release that is not what kist.lock names.
func NotLocked(release string) error {
	return &plainError{"drift", release + " is not what kist.lock names", "kist install --locked installs what it names; kist lock brings it up to date"}
}

// Unread returns the error that this user may not read some of the installed files of
// releases.
func Unread(releases []string) error {
	return &plainError{"permission", "not all files of " + strings.Join(releases, ", ") + " could be read, and so compared",
		"kist verify, run by the owner of the files, compares them all"}
}

// A plainError has a kind, a text, and a hint, which may be empty.
type plainError struct{ kind, text, hint string }

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

// An ExitError is the exit code of a child, which has printed its own errors.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

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
		return fmt.Sprintf("1 path %s kept%s", one, because(e.Kept[0].Reason))
	}
	return fmt.Sprintf("%d paths %s kept", len(e.Kept), several)
}
func (*KeptError) Kind() string { return "kept" }

// because returns the reason of a Drift as the end of a sentence about why its path was kept.
func because(reason string) string {
	switch verb, _, _ := strings.Cut(reason, " "); {
	case reason == "changed":
		return " because it was changed"
	case reason == "kept earlier":
		return " because an earlier removal kept it"
	case reason == "without a receipt":
		return " because it has no receipt"
	case strings.HasSuffix(reason, " changed"):
		return " because its " + reason
	case verb == "cannot":
		return " because it " + reason
	case verb == "a":
		return " because " + reason
	case verb == "not" || verb == "no" || verb == "kist's":
		return " because it is " + reason
	}
	return ": " + reason
}

// An UnreadableError reports that a file to check, or to check against, cannot be
// read. What is not proved is not trusted, for whatever reason, so the reason is not
// unwrapped: a directory, for instance, is not a usage error here.
type UnreadableError struct{ Err error }

func (e *UnreadableError) Error() string { return e.Err.Error() }
func (e *UnreadableError) Unwrap() error { return verify.ErrUntrusted }
