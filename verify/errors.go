package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"time"
)

// A class is an error that others wrap to state their kind.
type class struct {
	text, kind string
	wraps      error
}

func (c *class) Error() string { return c.text }
func (c *class) Kind() string  { return c.kind }
func (c *class) Unwrap() error { return c.wraps }

// NewClass returns an error for others to wrap. Its Kind method returns kind, a name of
// the class for programs. wraps is a wider class that it matches too, or nil.
func NewClass(text, kind string, wraps error) error { return &class{text, kind, wraps} }

// Errorf is fmt.Errorf for an error that also matches class, whose text it leaves out.
func Errorf(class error, format string, args ...any) error {
	return &classified{fmt.Errorf(format, args...), class}
}

type classified struct{ err, class error }

func (e *classified) Error() string   { return e.err.Error() }
func (e *classified) Unwrap() []error { return []error{e.err, e.class} }

// ReadKind returns the kind of a failure to read a file of kist's own: "failed" or
// "permission" if err means that the system could not read the file, which may be
// intact, else damaged.
func ReadKind(err error, damaged string) string {
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, errno) {
			return "failed"
		}
	}
	if errors.Is(err, fs.ErrPermission) {
		return "permission"
	}
	return damaged
}

// ErrUntrusted matches, with errors.Is, every failed proof: a wrong or missing
// signature, a wrong digest or size.
var ErrUntrusted = NewClass("not trusted", "untrusted", nil)

// Untrusted returns an error that matches ErrUntrusted, with the text that format and
// args make, and nothing of its own.
func Untrusted(format string, args ...any) error { return Errorf(ErrUntrusted, format, args...) }

// ErrStale matches, with errors.Is, the refusal of a proved document that is out
// of date or out of order: expired, from the future, older than one already
// seen, or a different text under a serial already seen.
var ErrStale = NewClass("stale", "stale", nil)

// SignatureError reports that data was not signed as its policy demands.
type SignatureError struct {
	Name   string        // name of the data
	Wanted []Fingerprint // primary keys that may sign
	Need   int           // number of them that must sign
	Got    []Fingerprint // primary keys whose signature was accepted
	Rules  []string      // the rule that each other signature broke, one sentence each
}

func (e *SignatureError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", e.Name)
	if e.Need > 1 {
		fmt.Fprintf(&b, "%d of %d required signatures accepted", len(e.Got), e.Need)
	} else {
		b.WriteString("no acceptable signature")
	}
	if len(e.Rules) > 0 {
		b.WriteString(": " + strings.Join(e.Rules, "; "))
	}
	return b.String()
}

func (e *SignatureError) Unwrap() error { return ErrUntrusted }

// DigestError reports that content does not have the digest that was proved for it.
type DigestError struct {
	Name      string
	Want, Got Digest
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("%s: content does not match: want %s, got %s", e.Name, e.Want, e.Got)
}

func (e *DigestError) Unwrap() error { return ErrUntrusted }

// SizeError reports that content is shorter or longer, in bytes, than the size
// that was proved for it. For longer content Got may be Want+1, because reading
// stops there.
type SizeError struct {
	Name      string
	Want, Got int64
}

func (e *SizeError) Error() string {
	if e.Got > e.Want {
		return fmt.Sprintf("%s: longer than the %d bytes it must have", e.Name, e.Want)
	}
	return fmt.Sprintf("%s: only %d of the %d bytes it must have", e.Name, e.Got, e.Want)
}

func (e *SizeError) Unwrap() error { return ErrUntrusted }

// ExpiredError reports that a proved document is outside its period of validity:
// Now is not before Expires, or Issued is too far ahead of Now.
type ExpiredError struct {
	Channel         string
	Issued, Expires time.Time
	Now             time.Time
	Rule            string // the limit that was exceeded
}

func (e *ExpiredError) Error() string {
	return fmt.Sprintf("channel %s: %s", e.Channel, e.Rule)
}

func (e *ExpiredError) Unwrap() error { return ErrStale }

// DowngradeError reports that a channel served a manifest that is older than one
// seen before, or a different one under the same serial or date. (TUF calls the
// first a rollback attack and the second equivocation.)
type DowngradeError struct{ Have, Got Mark }

func (e *DowngradeError) Error() string {
	if e.Got.Serial == e.Have.Serial && (e.Got.Serial > 0 || e.Got.Issued.Equal(e.Have.Issued)) {
		return fmt.Sprintf("channel %s: a different manifest under %s, which was already seen with other contents",
			e.Got.displayName(), e.Got.position())
	}
	return fmt.Sprintf("channel %s: %s is older than %s, which was already seen",
		e.Got.displayName(), e.Got.position(), e.Have.position())
}

func (e *DowngradeError) Unwrap() error { return ErrStale }

// WithheldError reports that a channel no longer serves a line that it served
// before. Accepting that would hide every newer manifest of the line.
type WithheldError struct {
	Channel, Line string
	Seen          time.Time // issue date of the manifest that was seen
}

func (e *WithheldError) Error() string {
	return fmt.Sprintf("channel %s: %s is missing, but was served before (as of %s)", e.Channel, e.Line, e.Seen.UTC().Format(time.DateOnly))
}

func (e *WithheldError) Unwrap() error { return ErrStale }

// MarkError reports that the mark of a channel is missing or damaged, so that an
// old manifest cannot be told from a new one.
type MarkError struct {
	Channel string
	Err     error // nil if the mark is missing
}

func (e *MarkError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("channel %s: its mark (the newest manifest seen) is missing", e.Channel)
	}
	return fmt.Sprintf("channel %s: its mark (the newest manifest seen) is damaged: %v", e.Channel, e.Err)
}

func (e *MarkError) Unwrap() error { return e.Err }
func (e *MarkError) Kind() string  { return ReadKind(e.Err, "stale") }

func (e *MarkError) Is(target error) bool { return target == ErrStale }
