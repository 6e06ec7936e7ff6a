package verify

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrUntrusted matches, with errors.Is, every failed proof: a wrong or missing
// signature, a wrong digest or size.
var ErrUntrusted = errors.New("not trusted")

// Untrusted returns an error that matches ErrUntrusted, with the text that format and
// args make, and nothing of its own.
func Untrusted(format string, args ...any) error { return untrustedError{fmt.Errorf(format, args...)} }

type untrustedError struct{ error }

func (e untrustedError) Is(target error) bool { return target == ErrUntrusted }
func (e untrustedError) Unwrap() error        { return e.error }

// ErrStale matches, with errors.Is, the refusal of a proved document that is out
// of date or out of order: expired, from the future, older than one already
// seen, or a different text under a serial already seen.
var ErrStale = errors.New("stale")

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

func (e *SignatureError) Is(target error) bool { return target == ErrUntrusted }

// DigestError reports that content does not have the digest that was proved for it.
type DigestError struct {
	Name      string
	Want, Got Digest
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("%s: content does not match: want %s, got %s", e.Name, e.Want, e.Got)
}

func (e *DigestError) Is(target error) bool { return target == ErrUntrusted }

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

func (e *SizeError) Is(target error) bool { return target == ErrUntrusted }

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

func (e *ExpiredError) Is(target error) bool { return target == ErrStale }

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

func (e *DowngradeError) Is(target error) bool { return target == ErrStale }

// WithheldError reports that a channel no longer serves a line that it served
// before. Accepting that would hide every newer manifest of the line.
type WithheldError struct {
	Channel, Line string
	Seen          time.Time // issue date of the manifest that was seen
}

func (e *WithheldError) Error() string {
	return fmt.Sprintf("channel %s: %s is missing, but was served before (as of %s)", e.Channel, e.Line, e.Seen.UTC().Format(time.DateOnly))
}

func (e *WithheldError) Is(target error) bool { return target == ErrStale }

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

func (e *MarkError) Is(target error) bool { return target == ErrStale }
