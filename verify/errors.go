package verify

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrUntrusted matches, with errors.Is, every failed proof of this package:
// a wrong or missing signature, a wrong digest or size.
var ErrUntrusted = errors.New("not trusted")

// ErrStale matches, with errors.Is, every proved document that is nevertheless
// out of date or out of order: expired, from the future, older than one already
// seen, or another text under a serial already seen.
var ErrStale = errors.New("stale")

// A SignatureError says that data was not signed as its policy demands.
type SignatureError struct {
	Name   string        // what was to be proved
	Wanted []Fingerprint // primary keys that could have signed
	Need   int           // how many of them must
	Got    []Fingerprint // primary keys whose signature was accepted
	Rules  []string      // why each other signature was not, one sentence each
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

// A DigestError says that content does not have the digest that was proved for it.
type DigestError struct {
	Name      string
	Want, Got Digest
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("%s: content does not match: want %s, got %s", e.Name, e.Want, e.Got)
}

func (e *DigestError) Is(target error) bool { return target == ErrUntrusted }

// A SizeError says that content is shorter or longer, in bytes, than what was
// proved for it. Got may be one more than Want where reading stopped there.
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

// An ExpiredError says that a proved document is outside its own validity:
// Now is not before Expires, or Issued is too far ahead of Now.
type ExpiredError struct {
	Channel         string
	Issued, Expires time.Time
	Now             time.Time
	Rule            string // which limit was crossed
}

func (e *ExpiredError) Error() string {
	return fmt.Sprintf("channel %s: %s", e.Channel, e.Rule)
}

func (e *ExpiredError) Is(target error) bool { return target == ErrStale }

// A DowngradeError says that a channel served something older than, or
// something else under the same number as, what it served before. (TUF calls
// the first a rollback attack and the second equivocation.)
type DowngradeError struct{ Have, Got Mark }

func (e *DowngradeError) Error() string {
	if e.Got.Serial == e.Have.Serial && (e.Got.Serial > 0 || e.Got.Issued.Equal(e.Have.Issued)) {
		return fmt.Sprintf("channel %s: a different manifest under %s, which was already seen with other contents",
			e.Got.name(), e.Got.number())
	}
	return fmt.Sprintf("channel %s: %s is older than %s, which was already seen",
		e.Got.name(), e.Got.number(), e.Have.number())
}

func (e *DowngradeError) Is(target error) bool { return target == ErrStale }

// A WithheldError says that a channel serves a line no more, of which it served
// a manifest before: what is newer on that line would never be seen.
type WithheldError struct {
	Channel, Line string
	Seen          time.Time // when the manifest that was seen was issued
}

func (e *WithheldError) Error() string {
	return fmt.Sprintf("channel %s: %s is not there, and was before, as of %s", e.Channel, e.Line, e.Seen.UTC().Format(time.DateOnly))
}

func (e *WithheldError) Is(target error) bool { return target == ErrStale }

// A MarkError says that the mark of a channel is lost or damaged, so that
// nothing can tell a fresh manifest from an old one.
type MarkError struct {
	Channel string
	Err     error // nil where the mark is missing
}

func (e *MarkError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("channel %s: its mark (the newest manifest seen) is missing", e.Channel)
	}
	return fmt.Sprintf("channel %s: its mark (the newest manifest seen) is damaged: %v", e.Channel, e.Err)
}

func (e *MarkError) Unwrap() error { return e.Err }

func (e *MarkError) Is(target error) bool { return target == ErrStale }
