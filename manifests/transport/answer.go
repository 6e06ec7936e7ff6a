package transport

import (
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

func passing(code int) bool { return code == http.StatusTooManyRequests || code >= 500 }

// judge accepts an answer that is what q asks of the document, and nothing else,
// and returns the size of the whole document, -1 if it is not said.
func judge(ref string, answer *http.Response, q question) (int64, error) {
	want := http.StatusPartialContent
	if q.whole() {
		want = http.StatusOK
	}
	switch code := answer.StatusCode; {
	case code == want:
	case !q.whole() && (code == http.StatusOK || code == http.StatusRequestedRangeNotSatisfiable):
		return 0, fmt.Errorf("%s: %w", ref, manifests.ErrNoRange)
	case passing(code):
		return 0, &retryError{&StatusError{ref, code}, retryAfter(answer.Header)}
	default:
		return 0, &StatusError{ref, code}
	}
	if e := answer.Header.Values("Content-Encoding"); len(e) > 0 && !strings.EqualFold(strings.Join(e, ","), "identity") {
		return 0, fmt.Errorf("%s: %w: sent with content encoding %.40q, though none was asked for", ref, manifests.ErrUnreachable, e[0])
	}
	if q.whole() {
		return answer.ContentLength, nil
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

// retryAfter is how long the far side asks to wait, by its own clock; 0 if it
// does not say. RFC 9110, section 10.2.3.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return 0
	}
	return max(until.Sub(now), 0)
}
