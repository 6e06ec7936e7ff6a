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

// A StatusError is an answer other than the one that was asked for. It matches
// manifests.ErrNotFound for 404 and 410, else manifests.ErrUnreachable.
type StatusError struct {
	Ref  string // redacted; empty for the answer of a proxy
	Code int    // RFC 9110, section 15
}

func (e *StatusError) Error() string {
	text := strings.TrimSpace(strconv.Itoa(e.Code) + " " + http.StatusText(e.Code))
	if e.Ref == "" {
		return "answered " + text
	}
	return e.Ref + ": answered " + text
}

// Is matches the sentinel that the code stands for.
func (e *StatusError) Is(target error) bool {
	if e.Code == http.StatusNotFound || e.Code == http.StatusGone {
		return e.Ref != "" && target == manifests.ErrNotFound
	}
	denied := e.Code == http.StatusForbidden && e.Ref != "" && target == manifests.ErrDenied
	return denied || target == manifests.ErrUnreachable
}

// passing reports whether an answer may be another one later. A network that wants
// a login first (511) is one that time alone does not mend.
func passing(code int) bool {
	return code == http.StatusTooManyRequests || code >= 500 && code != http.StatusNetworkAuthenticationRequired
}

// A WaitError says that a server asks for a longer wait than kist makes. It
// unwraps to the answer.
type WaitError struct {
	After time.Duration // that the server asks for
	Err   error
}

func (e *WaitError) Error() string {
	return fmt.Sprintf("%v; the server asks to wait %s", e.Err, SpellWait(e.After))
}

func (e *WaitError) Unwrap() error { return e.Err }

// SpellWait writes a wait for people: "45 s", "1 h 3 min".
func SpellWait(d time.Duration) string {
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

// WithWaits returns a context under which tell is called before each wait that a
// server asks for. Calls may overlap.
func WithWaits(ctx context.Context, tell func(ref string, wait time.Duration)) context.Context {
	return context.WithValue(ctx, waitsKey{}, tell)
}

func tellWait(ctx context.Context, ref string, wait time.Duration) {
	if tell, ok := ctx.Value(waitsKey{}).(func(string, time.Duration)); ok {
		tell(manifests.Redact(ref), wait)
	}
}

// judge accepts an answer that is what q asks of the document, and nothing else,
// and returns the size of the whole document, -1 if it is not said.
func judge(ref string, answer *http.Response, q question, now func() time.Time) (int64, error) {
	want := http.StatusPartialContent
	if q.whole() {
		want = http.StatusOK
	}
	switch code := answer.StatusCode; {
	case code == want:
	case !q.whole() && (code == http.StatusOK || code == http.StatusRequestedRangeNotSatisfiable):
		return 0, fmt.Errorf("%s: %w", ref, manifests.ErrNoRange)
	case passing(code):
		return 0, &retryError{err: &StatusError{ref, code}, after: retryAfter(answer.Header, now)}
	default:
		return 0, &StatusError{ref, code}
	}
	if q.whole() {
		return answer.ContentLength, nil
	}
	if encoding := contentEncoding(answer.Header); encoding != "" {
		return 0, fmt.Errorf("%s: %w: a part of it, with Content-Encoding %.40q", ref, manifests.ErrNoRange, encoding)
	}
	first, last, size, err := contentRange(answer.Header.Get("Content-Range"))
	end := q.to
	if end < 0 {
		end = size
	}
	if err != nil || first != q.from || last != end-1 || last >= size || answer.ContentLength >= 0 && answer.ContentLength != end-q.from {
		return 0, fmt.Errorf("%s: %w: asked for %s, was sent %.60q", ref, manifests.ErrNoRange, q.header(), answer.Header.Get("Content-Range"))
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

// contentEncoding is the content encodings of an answer, in lower case and without
// "identity", which is none.
func contentEncoding(header http.Header) string {
	var all []string
	for _, token := range strings.Split(strings.Join(header.Values("Content-Encoding"), ","), ",") {
		if token = strings.ToLower(strings.TrimSpace(token)); token != "" && token != "identity" {
			all = append(all, token)
		}
	}
	return strings.Join(all, ", ")
}

// retryAfter is how long the server asks to wait, by its own clock, else by now,
// which may be nil; 0 if it does not say. RFC 9110, section 10.2.3.
func retryAfter(header http.Header, now func() time.Time) time.Duration {
	const longest = 1 << 31 // seconds: what is more is as much
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
