package transport

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
)

// StatusError is returned for an answer with an unexpected status. It matches
// manifests.ErrNotFound for 404 and 410, else manifests.ErrUnreachable.
type StatusError struct {
	Ref  string // redacted; empty for a proxy's answer
	Code int    // RFC 9110, section 15

	Server   string // the scheme and host that answered, after redirects; empty for a proxy's answer
	Shown    string // the Source of the Authorization that it was shown, empty if none
	Registry bool   // the server is an OCI registry
	// Challenges are the values of WWW-Authenticate: how the server wants to be shown who
	// asks. RFC 9110, section 11.6.1.
	Challenges []string
}

// by completes e: answer came from a server to which shown was shown.
func (e *StatusError) by(answer *http.Response, shown Authorization) {
	e.Server, e.Shown = answer.Request.URL.Scheme+"://"+answer.Request.URL.Host, shown.Source
	e.Challenges = answer.Header.Values("WWW-Authenticate")
}

func (e *StatusError) Error() string {
	text := strings.TrimSpace(strconv.Itoa(e.Code) + " " + http.StatusText(e.Code))
	if e.Ref == "" {
		return "answered " + text
	}
	return e.Ref + ": answered " + text
}

// Unwrap returns the class of the status.
func (e *StatusError) Unwrap() error {
	switch {
	case e.Ref != "" && (e.Code == http.StatusNotFound || e.Code == http.StatusGone):
		return manifests.ErrNotFound
	case e.Ref != "" && e.Code == http.StatusForbidden:
		return manifests.ErrDenied
	}
	return manifests.ErrUnreachable
}

// isTransient reports whether a later answer may be different. A network that requires
// a login (511) does not change by waiting.
func isTransient(code int) bool {
	return code == http.StatusTooManyRequests || code >= 500 && code != http.StatusNetworkAuthenticationRequired
}

// WaitError is returned when a server asks for a longer wait than kist accepts. It
// unwraps to the answer's error.
type WaitError struct {
	After time.Duration // the wait that the server asks for
	Err   error
}

func (e *WaitError) Error() string {
	return fmt.Sprintf("%v; the server asks to wait %s", e.Err, FormatWait(e.After))
}

func (e *WaitError) Unwrap() error { return e.Err }

// FormatWait formats a wait for display: "45 s", "1 h 3 min".
func FormatWait(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d s", (d+time.Second-1)/time.Second)
	}
	minutes := (d + time.Minute - 1) / time.Minute
	switch hours, minutes := minutes/60, minutes%60; {
	case hours == 0:
		return fmt.Sprintf("%d min", minutes)
	case minutes == 0:
		return fmt.Sprintf("%d h", hours)
	default:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	}
}

type waitsKey struct{}

// WithWaitNotifier returns a context that makes a transport call tell before each wait that a server
// asks for. Calls may overlap.
func WithWaitNotifier(ctx context.Context, tell func(ref string, wait time.Duration)) context.Context {
	return context.WithValue(ctx, waitsKey{}, tell)
}

func tellWait(ctx context.Context, ref string, wait time.Duration) {
	if tell, ok := ctx.Value(waitsKey{}).(func(string, time.Duration)); ok {
		tell(manifests.Redact(ref), wait)
	}
}

// checkAnswer accepts an answer only if it is exactly the part of the document that q
// requests, and returns the size of the whole document, or -1 if unknown.
func checkAnswer(ref string, answer *http.Response, q question, now func() time.Time) (int64, error) {
	want := http.StatusPartialContent
	if q.whole() {
		want = http.StatusOK
	}
	switch code := answer.StatusCode; {
	case code == want:
	case !q.whole() && (code == http.StatusOK || code == http.StatusRequestedRangeNotSatisfiable):
		return 0, fmt.Errorf("%s: %w", ref, manifests.ErrNoRange)
	case isTransient(code):
		return 0, &retryError{err: &StatusError{Ref: ref, Code: code}, after: retryAfter(answer.Header, now)}
	default:
		return 0, &StatusError{Ref: ref, Code: code}
	}
	if q.whole() {
		return answer.ContentLength, nil
	}
	if encoding := contentEncoding(answer.Header); encoding != "" {
		return 0, fmt.Errorf("%s: %w: a range with Content-Encoding %.40q", ref, manifests.ErrNoRange, encoding)
	}
	first, last, size, err := contentRange(answer.Header.Get("Content-Range"))
	end := q.to
	if end < 0 {
		end = size
	}
	if err != nil || first != q.from || last != end-1 || last >= size || answer.ContentLength >= 0 && answer.ContentLength != end-q.from {
		return 0, fmt.Errorf("%s: %w: requested %s, got %.60q", ref, manifests.ErrNoRange, q.bounds(), answer.Header.Get("Content-Range"))
	}
	return size, nil
}

// contentRange reads "bytes first-last/size". RFC 9110, section 14.4.
func contentRange(s string) (first, last, size int64, err error) {
	var numbers [3]int64
	rest, ok := strings.CutPrefix(s, "bytes ")
	for i, end := range []string{"-", "/", ""} {
		digits := rest
		if end != "" {
			var found bool
			digits, rest, found = strings.Cut(rest, end)
			ok = ok && found
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		ok = ok && err == nil
		numbers[i] = int64(n)
	}
	if !ok {
		return 0, 0, 0, fmt.Errorf("content range %.60q", s)
	}
	return numbers[0], numbers[1], numbers[2], nil
}

// contentEncoding returns the content encodings of an answer in lower case, without
// "identity", which means none.
func contentEncoding(header http.Header) string {
	var all []string
	for _, token := range strings.Split(strings.Join(header.Values("Content-Encoding"), ","), ",") {
		if token = strings.ToLower(strings.TrimSpace(token)); token != "" && token != "identity" {
			all = append(all, token)
		}
	}
	return strings.Join(all, ", ")
}

// retryAfter returns how long the server asks to wait, by its own clock or else by now,
// which may be nil; 0 if it does not say. RFC 9110, section 10.2.3.
func retryAfter(header http.Header, now func() time.Time) time.Duration {
	const longest = 1 << 31 // seconds; longer waits are cut to this
	value := strings.TrimSpace(header.Get("Retry-After"))
	if value != "" && strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			seconds = longest
		}
		return time.Duration(min(seconds, longest)) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil && now == nil {
		return 0
	} else if err != nil {
		date = now()
	}
	return min(max(until.Sub(date), 0), longest*time.Second)
}
