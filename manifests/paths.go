package manifests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Local reports whether p is a slash-separated relative path in its simplest form that
// stays below its starting directory, and is not that directory itself.
func Local(p string) bool {
	return p != "" && p != "." && !path.IsAbs(p) && path.Clean(p) == p && p != ".." && !strings.HasPrefix(p, "../") &&
		!strings.Contains(p, "\x00")
}

// ValidPath checks that p is Local on every system, and plain text: a path that a
// manifest states.
func ValidPath(p string) error {
	switch {
	case !Local(p):
		return fmt.Errorf("path %.100q leaves its directory or is not in its simplest form", p)
	case len(p) > 4096 || !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl) || strings.Contains(p, `\`):
		return fmt.Errorf("path %.100q is too long, or holds a backslash or a control character", p)
	case len(p) > 1 && p[1] == ':' && (p[0]|0x20 >= 'a' && p[0]|0x20 <= 'z'):
		return fmt.Errorf("path %q begins with a drive letter", p)
	}
	return nil
}

// ParseURL parses a URL that a transport can open: its scheme is https, http or file,
// it names a host unless the scheme is file, and it has no fragment. The error does not
// repeat the URL, which may hold a password.
func ParseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || !slices.Contains([]string{"https", "http", "file"}, u.Scheme) || (u.Host == "") != (u.Scheme == "file") ||
		u.Opaque != "" || u.Fragment != "" {
		return nil, errors.New("not an https, http or file URL")
	}
	return u, nil
}

// ReadLimited reads all of r. If that is more than limit bytes, the error is a
// *TooLargeError with this name.
func ReadLimited(r io.Reader, name string, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = &TooLargeError{name, limit}
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

// A ContextReader is a ReadSeeker whose reads fail once Ctx is done.
type ContextReader struct {
	io.ReadSeeker
	Ctx context.Context
}

func (r ContextReader) Read(p []byte) (int, error) {
	if err := r.Ctx.Err(); err != nil {
		return 0, err
	}
	return r.ReadSeeker.Read(p)
}
