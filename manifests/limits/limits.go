// Package limits decides whether a proved release may be installed now: whether it is old
// enough, and whether its publisher withdrew it or this machine denies it. A signature says
// who made a release; these rules are for releases that are validly signed and yet bad.
//
// The rules only refuse. They have no effects, and know neither channels nor files: what is
// judged, and what is known about it, is passed in.
package limits

import (
	"fmt"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/verify"
)

// Limits are the limits of one machine at one time.
type Limits struct {
	Now   time.Time
	Rules []channels.Rules // of the policy files; all of them apply
	// AtLeast is a minimum age that the command line asks for. It can only raise that of
	// the policy files.
	AtLeast time.Duration
}

// A Candidate is a release to be judged.
type Candidate struct {
	Channel, Tool, Version string
	// Debian is set if the version is numbered as in Debian.
	Debian bool
	// Withdrawn is what the channel withdraws.
	Withdrawn []verify.Withdrawal
}

// Of returns r as a Candidate of a channel that withdraws withdrawn.
func Of(r manifests.Release, withdrawn []verify.Withdrawal) Candidate {
	return Candidate{r.Channel, r.Tool, r.Version, debian.IsIndex(r.Evidence.Name), withdrawn}
}

// A Refusal is an error by which this package refuses a release.
type Refusal interface {
	error
	// Note says in a few words why, for a list of versions.
	Note() string
}

// A WithdrawnError refuses a release that its publisher withdrew. It matches
// verify.ErrUntrusted.
type WithdrawnError struct {
	Channel, Version string
	verify.Withdrawal
}

func (e *WithdrawnError) Error() string {
	text := fmt.Sprintf("%s/%s@%s was withdrawn by its publisher", e.Channel, e.Tool, e.Version)
	if !e.Since.IsZero() {
		text += " on " + e.Since.UTC().Format(time.DateOnly)
	}
	if text += ": " + e.Reason; e.ReplacedBy != "" {
		text += "; it is replaced by " + e.ReplacedBy
	}
	return text
}
func (e *WithdrawnError) Note() string  { return "withdrawn: " + e.Reason }
func (e *WithdrawnError) Unwrap() error { return verify.ErrUntrusted }

// A DeniedError refuses a release that a policy file denies. It matches
// verify.ErrUntrusted.
type DeniedError struct {
	Channel, Tool, Version string
	By                     channels.Denial
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("%s/%s@%s is denied by %q (%s)", e.Channel, e.Tool, e.Version, e.By.Text, e.By.File)
}
func (e *DeniedError) Note() string  { return "denied by " + e.By.Text }
func (e *DeniedError) Unwrap() error { return verify.ErrUntrusted }

// A YoungError refuses a release that is not old enough. It matches verify.ErrStale.
type YoungError struct {
	Channel, Tool, Version string
	Since                  Date
	Minimum                time.Duration
	From                   string // the policy file or the flag that asks for Minimum
}

// Until returns when the release will be old enough.
func (e *YoungError) Until() time.Time { return e.Since.At.Add(e.Minimum) }

func (e *YoungError) Error() string {
	return fmt.Sprintf("%s/%s@%s is too new until %s: %s, and %s asks for an age of %s",
		e.Channel, e.Tool, e.Version, minute(e.Until()), e.Since, e.From, Age(e.Minimum))
}
func (e *YoungError) Note() string  { return "too new until " + minute(e.Until()) }
func (e *YoungError) Unwrap() error { return verify.ErrStale }

// minute formats a time for people, rounded up.
func minute(t time.Time) string {
	return t.Add(time.Minute - 1).UTC().Truncate(time.Minute).Format("2006-01-02 15:04 MST")
}

// Age formats a minimum age: in days if it is a number of days.
func Age(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == day:
		return "1 day"
	case d > day && d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}

// A Date is since when a release is known to exist.
type Date struct {
	At time.Time
	By Basis
}

// A Basis is what a Date rests on.
type Basis string

// The bases of a Date.
const (
	Stated Basis = "released"           // a signed document states when it was released
	Signed Basis = "signed"             // the signature that names it was made then
	Seen   Basis = "first seen here on" // no signature is dated; this machine first met it then
)

func (d Date) String() string {
	if d.By == Seen {
		return fmt.Sprintf("%s %s, because no signed document states its date", d.By, minute(d.At))
	}
	return fmt.Sprintf("%s on %s", d.By, minute(d.At))
}

// SignedDate returns the date that signed documents give r, zero if none does: when it was
// released, as one states it; else when the newest of the signatures that name it was
// made, since it existed by then.
func SignedDate(r manifests.Release) Date {
	if !r.Released.IsZero() {
		return Date{r.Released, Stated}
	}
	var latest time.Time
	for _, e := range append([]verify.Evidence{r.Evidence}, r.Evidence.Also...) {
		root := e.Root()
		if len(root.Signers) == 0 {
			return Date{}
		}
		for _, s := range root.Signers {
			if s.Created.After(latest) {
				latest = s.Created
			}
		}
	}
	return Date{latest, Signed}
}

// Earlier returns the earlier of two dates of the same release. A zero date is none.
func (d Date) Earlier(other Date) Date {
	if d.At.IsZero() || !other.At.IsZero() && other.At.Before(d.At) {
		return other
	}
	return d
}

// MinimumAge returns the minimum age in force and what asks for it: a policy file or the
// command line.
func (l Limits) MinimumAge() (age time.Duration, from string) {
	age, from = l.AtLeast, "--minimum-age"
	for _, r := range l.Rules {
		if r.MinimumAge() >= age {
			age, from = r.MinimumAge(), r.File()
		}
	}
	return age, from
}

// Forbids returns a *WithdrawnError or a *DeniedError if c may not be installed at any age.
func (l Limits) Forbids(c Candidate) error {
	if w, ok := manifests.Withdrawn(c.Withdrawn, c.Tool, c.Version); ok {
		return &WithdrawnError{c.Channel, c.Version, w}
	}
	var order manifests.Order
	if c.Debian {
		order = debian.Order()
	}
	for _, r := range l.Rules {
		if d, ok := r.Denied(c.Channel, c.Tool, c.Version, order); ok {
			return &DeniedError{c.Channel, c.Tool, c.Version, d}
		}
	}
	return nil
}

// TooYoung returns a *YoungError if c, which exists since the given date, is not old enough.
// A release without any date counts as first seen now.
func (l Limits) TooYoung(c Candidate, since Date) error {
	age, from := l.MinimumAge()
	if since.At.IsZero() {
		since = Date{l.Now, Seen}
	}
	if age == 0 || !l.Now.Before(since.At.Add(age)) {
		return nil
	}
	return &YoungError{c.Channel, c.Tool, c.Version, since, age, from}
}
