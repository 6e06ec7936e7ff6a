package copies

import (
	"net/url"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// ErrName is returned for a URL that has no name in a mirror.
var ErrName = verify.NewClass("cannot be mirrored", "unsupported", nil)

const (
	// filesDir is the top directory for file URLs. No host has this name.
	filesDir = "_file"
	// indexFile is the file for a URL that ends in a slash. Web servers send it for its
	// directory.
	indexFile = "index.html"
)

// Name returns the path of the file that holds the content of the URL ref, below a
// snapshot: <host>[_<port>]/<path>, without user, password and query. A colon in an IPv6
// address becomes "_", and a file URL lies below "_file". An element of a path that begins
// with a dot has no name, since web servers and their modules read their settings from
// such files (.htaccess, .user.ini); below "_file" directories may begin with a dot. Its
// error matches ErrName.
func Name(ref string) (string, error) {
	if manifests.IsRegistryRef(ref) {
		return "", verify.Errorf(ErrName, "%s: a channel in a registry cannot be copied to a mirror or a bundle; copy the repository instead", manifests.Redact(ref))
	}
	u, err := manifests.ParseURL(ref)
	if err != nil {
		return "", verify.Errorf(ErrName, "%s: %w", manifests.Redact(ref), err)
	}
	path := strings.TrimPrefix(u.Path, "/")
	if path == "" || strings.HasSuffix(path, "/") {
		path += indexFile
	}
	name := topDir(u) + "/" + path
	switch {
	case strings.Contains(strings.ToLower(u.RawPath), "%2f"):
		err = verify.Errorf(ErrName, "its path has an escaped slash")
	case hasHiddenElement(u.Scheme, path):
		err = verify.Errorf(ErrName, "a part of its path begins with a dot")
	case strings.HasPrefix(u.Host, "_") || strings.HasPrefix(u.Host, "."):
		err = verify.Errorf(ErrName, "its host is not a name")
	default:
		err = manifests.ValidPath(name)
	}
	if err != nil {
		return "", verify.Errorf(ErrName, "%s: %w", manifests.Redact(ref), err)
	}
	return name, nil
}

// hasHiddenElement reports whether a file of that path would be hidden, or lie in a hidden
// directory. The directories of this machine's own files may be hidden.
func hasHiddenElement(scheme, path string) bool {
	if scheme == "file" {
		path = path[strings.LastIndex(path, "/")+1:]
	}
	return strings.HasPrefix(path, ".") || strings.Contains(path, "/.")
}

// topDir returns the top directory of the files of u's host.
func topDir(u *url.URL) string {
	if u.Scheme == "file" {
		return filesDir
	}
	name := strings.ReplaceAll(u.Hostname(), ":", "_")
	if port := u.Port(); port != "" {
		name += "_" + port
	}
	return strings.ToLower(name)
}

// Origin returns the beginning of all URLs of ref's host, as config.toml names it; "" for
// a file URL.
func Origin(ref string) string {
	u, err := manifests.ParseURL(ref)
	if err != nil || u.Scheme == "file" {
		return ""
	}
	return u.Scheme + "://" + strings.ToLower(u.Host) + "/"
}

// TopDir returns the directory, below a snapshot, for the URLs that begin with origin.
func TopDir(origin string) string {
	u, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	return topDir(u)
}
