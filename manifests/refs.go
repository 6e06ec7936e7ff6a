package manifests

import (
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Redact returns ref without a user name and password, for errors, logs and
// receipts. It works on any text: if ref is not a URL, Redact drops everything that
// could be a user name. It writes unprintable bytes as %XX, so that a ref cannot
// send control sequences to a terminal.
func Redact(ref string) string {
	scheme, rest, hasScheme := strings.Cut(ref, "://")
	u, err := url.Parse(ref)
	switch {
	case err != nil || u.Opaque != "":
		// Where its authority ends is unknown: keep only the text after the last @.
		rest := ref
		if hasScheme && !strings.Contains(scheme, "@") {
			_, rest, _ = strings.Cut(ref, "://")
			rest = scheme + "://" + rest[strings.LastIndex(rest, "@")+1:]
		} else {
			rest = rest[strings.LastIndex(rest, "@")+1:]
		}
		return escape(rest)
	case u.User == nil:
		return escape(ref)
	case strings.HasPrefix(ref, "//"):
		return escape("//" + dropUser(ref[2:]))
	}
	return escape(scheme + "://" + dropUser(rest))
}

// dropUser removes the user information from s, a URL without its scheme and "://".
func dropUser(s string) string {
	end := strings.IndexAny(s, "/?#")
	if end < 0 {
		end = len(s)
	}
	return s[strings.LastIndex(s[:end], "@")+1:]
}

// escape returns s with control characters and invalid UTF-8 written as %XX.
func escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || r < 0x20 || r >= 0x7f && r < 0xa0 {
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// Locate returns the ref of a manifest from the location that a user typed. where
// is the manifest or its directory: an https, http or file URL, a repository of an OCI
// registry (see RegistryRef), or a local path, relative to cwd. name is the manifest's file name, such as "channel.toml". If name
// is empty, the ref is where itself, and ends in a slash only if where does. A query
// or a fragment is refused, because no path can be joined to such a URL.
func Locate(where, cwd, name string) (string, error) {
	if IsRegistryRef(where) {
		ref, err := locateInRegistry(where, name)
		if err != nil {
			err = fmt.Errorf("%s: %w", Redact(where), err)
		}
		return ref, err
	}
	u, err := locate(where, cwd)
	if err != nil {
		return "", fmt.Errorf("%s: %w", Redact(where), err)
	}
	if name == "" || path.Base(u.Path) == name && !strings.HasSuffix(u.Path, "/") {
		return u.String(), nil
	}
	if !strings.HasSuffix(u.Path, "/") {
		u = u.JoinPath("/")
	}
	return Join(u.String(), name)
}

func locate(where, cwd string) (*url.URL, error) {
	if where == "" {
		return nil, fmt.Errorf("an empty location")
	}
	if !strings.Contains(where, "://") && !strings.HasPrefix(strings.ToLower(where), "file:") {
		if !filepath.IsAbs(where) {
			where = filepath.Join(cwd, where)
		}
		where = filepath.ToSlash(filepath.Clean(where))
		if !strings.HasPrefix(where, "/") { // a drive letter
			where = "/" + where
		}
		return &url.URL{Scheme: "file", Path: where}, nil
	}
	u, err := url.Parse(where)
	if err != nil {
		// The parser's error repeats the URL, password and all.
		return nil, fmt.Errorf("not a URL that can be read")
	}
	switch {
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("a location has no query and no fragment")
	case u.Scheme == "file" && u.Host != "" && u.Host != "localhost", u.Scheme == "file" && u.User != nil:
		return nil, fmt.Errorf("a file URL names a path of this machine, file:///path")
	case u.Scheme == "file" && !strings.HasPrefix(u.Path, "/"):
		return nil, fmt.Errorf("a file URL needs an absolute path, file:///path")
	case u.Scheme == "file":
		u.Host, u.OmitHost = "", false
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("scheme %q is not https, http, file or oci", u.Scheme)
	case u.Hostname() == "":
		return nil, fmt.Errorf("no host")
	}
	return u, nil
}

// Join returns the ref of a file that a manifest names by the path rel, relative to
// itself. rel is a path and not a URL: its bytes are literal, and Join escapes them
// as needed. rel must be slash-separated, in its simplest form and below the
// manifest's directory, without backslashes and control characters.
func Join(manifest, rel string) (string, error) {
	if err := ValidPath(rel); err != nil {
		return "", err
	}
	u, err := url.Parse(manifest)
	if err != nil || u.Opaque != "" || u.Scheme == "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%s: a path cannot be joined to it", Redact(manifest))
	}
	escaped := u.EscapedPath()
	elements := strings.Split(rel, "/")
	for i, e := range elements {
		// Some object stores read a bare + in a path as a space.
		elements[i] = strings.ReplaceAll(url.PathEscape(e), "+", "%2B")
	}
	u.RawPath = escaped[:strings.LastIndex(escaped, "/")+1] + strings.Join(elements, "/")
	if !strings.HasPrefix(u.RawPath, "/") {
		u.RawPath = "/" + u.RawPath
	}
	if u.Path, err = url.PathUnescape(u.RawPath); err != nil {
		return "", fmt.Errorf("%s: %w", Redact(manifest), err)
	}
	return u.String(), nil
}
