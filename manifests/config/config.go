// Package config defines config.toml: the settings of a machine and of its user that say
// where bytes come from, and how many of them stay. They name mirrors, credentials and read-only stores. Nothing
// here can weaken a check: what a mirror sends is proved as if the origin had sent it.
//
// A machine has one in /etc/kist, and each user may have one in the directory of kist's
// settings. A project never has one.
//
//	format = 1
//	stores = ["/opt/kist"]                        # read-only stores below the user's own
//	keep = 1                                      # earlier releases of each tool that update keeps, 0 to 100
//	cache-max-size = "2 GB"                       # the oldest files of the cache go beyond that
//
//	[[mirror]]
//	from = "https://static.rust-lang.org/"        # the beginning of the origin's URLs
//	to   = "https://mirror.corp.example/rust/"    # what replaces it; a list: several, in order
//	only = true                                   # never ask the origin itself
//
//	[[credential]]
//	url        = "https://mirror.corp.example/"   # the beginning of the URLs that it is for
//	token-file = "/run/secrets/mirror"            # or user and password-file, or helper
package config

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/tomldoc"
	"github.com/kist-tools/kist/verify"
)

// File is the name of the file.
const File = "config.toml"

// Ceilings on a file.
const (
	MaxFile = 256 << 10 // bytes
	maxList = 256       // mirrors, credentials, stores, and mirrors of one origin
	maxKeep = 100
)

// A Config is what one or several files say. The zero Config says nothing.
type Config struct {
	Mirrors     []Mirror
	Credentials []Credential
	Stores      []string // absolute paths of stores that are only read, the upper ones first
	// Keep is how many earlier releases of each tool an update keeps, 0 to 100; nil: not said,
	// which means DefaultKeep.
	Keep *int
	// CacheMaxSize is how many bytes the cache may have after an install; 0: no limit.
	CacheMaxSize int64
}

// DefaultKeep is how many earlier releases of each tool an update keeps, if no file says.
const DefaultKeep = 1

// Kept returns how many earlier releases of each tool an update keeps.
func (c Config) Kept() int {
	if c.Keep == nil {
		return DefaultKeep
	}
	return *c.Keep
}

// A Mirror says where to ask instead of an origin.
type Mirror struct {
	From string   // the beginning of the origin's URLs, ending in "/"
	To   []string // what replaces it, each ending in "/"; asked in this order
	Only bool     // the origin itself is never asked
	File string   // the path of the file that says so
}

// A Credential is what kist shows to the servers below one URL. Exactly one of
// TokenFile, PasswordFile and Helper is set.
type Credential struct {
	URL          string // ends in "/"
	TokenFile    string // absolute path of a file that holds a bearer token
	User         string // with PasswordFile
	PasswordFile string // absolute path of a file that holds a password
	Helper       string // absolute path of a program that prints a user and a password
	File         string // the path of the file that says so
}

// An Error reports that a file is invalid. Its kind is "usage".
type Error struct {
	File string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.File, e.Err) }
func (e *Error) Unwrap() error { return e.Err }
func (e *Error) Kind() string  { return verify.ReadKind(e.Err, "usage") }

// Parse parses the content of the file at the path file. A path in it that begins with
// "~/" is below home. Its error is an *Error.
func Parse(file, home string, data []byte) (Config, error) {
	c, err := parse(file, home, data)
	if err != nil {
		return Config{}, &Error{file, err}
	}
	return c, nil
}

// With returns c followed by what other says: c is asked first, and its numbers count.
func (c Config) With(other Config) Config {
	return Config{
		Keep:         cmp.Or(c.Keep, other.Keep),
		CacheMaxSize: cmp.Or(c.CacheMaxSize, other.CacheMaxSize),
		Mirrors:      append(c.Mirrors[:len(c.Mirrors):len(c.Mirrors)], other.Mirrors...),
		Credentials:  append(c.Credentials[:len(c.Credentials):len(c.Credentials)], other.Credentials...),
		Stores:       append(c.Stores[:len(c.Stores):len(c.Stores)], other.Stores...),
	}
}

func parse(file, home string, data []byte) (c Config, err error) {
	if len(data) > MaxFile {
		return c, &manifests.TooLargeError{Name: file, Limit: MaxFile}
	}
	keys, err := tomldoc.Decode(data, tomldoc.Small())
	if err != nil {
		return c, fmt.Errorf("line %d: %w", tomldoc.LineOf(err), err)
	}
	t := tomldoc.NewTable(keys)
	t.Format(1)
	for _, dir := range t.Texts("stores", maxList) {
		c.Stores = append(c.Stores, absolute(t, "stores", home, dir))
	}
	if t.Has("keep") {
		keep := int(t.Number("keep", 0, maxKeep))
		c.Keep = &keep
	}
	if t.Has("cache-max-size") {
		if c.CacheMaxSize, err = ParseSize(t.Text("cache-max-size")); err != nil {
			t.Fail("cache-max-size: %v", err)
		}
	}
	for _, m := range t.Tables("mirror", maxList) {
		c.Mirrors = append(c.Mirrors, parseMirror(m, file))
	}
	for _, cr := range t.Tables("credential", maxList) {
		c.Credentials = append(c.Credentials, parseCredential(cr, file, home))
	}
	return c, t.End()
}

func parseMirror(t *tomldoc.Table, file string) Mirror {
	m := Mirror{From: t.Text("from"), File: file}
	if t.IsList("to") {
		m.To = t.Texts("to", maxList)
	} else {
		m.To = []string{t.Text("to")}
	}
	if t.Has("only") {
		m.Only = t.Bool("only")
	}
	checkBeginning(t, "from", m.From, "https", "http")
	if len(m.To) == 0 {
		t.Fail("to names no mirror")
	}
	for _, to := range m.To {
		if manifests.IsRegistryRef(to) {
			checkRepository(t, to)
			continue
		}
		checkBeginning(t, "to", to, "https", "http", "file", "oci")
	}
	t.End()
	return m
}

func parseCredential(t *tomldoc.Table, file, home string) Credential {
	c := Credential{URL: t.Text("url"), File: file}
	checkBeginning(t, "url", c.URL, "https", "http")
	ways := 0
	path := func(key string) string {
		if !t.Has(key) {
			return ""
		}
		ways++
		return absolute(t, key, home, t.Text(key))
	}
	c.TokenFile, c.PasswordFile, c.Helper = path("token-file"), path("password-file"), path("helper")
	if t.Has("user") {
		c.User = t.Text("user")
	}
	switch {
	case ways != 1:
		t.Fail("want one of token-file, password-file and helper")
	case (c.User != "") != (c.PasswordFile != ""):
		t.Fail("user and password-file belong together")
	case strings.ContainsAny(c.User, ":\r\n\x00"):
		t.Fail("user holds a character that HTTP does not allow there")
	}
	t.End()
	return c
}

// checkBeginning checks that value is the beginning of URLs with one of these schemes.
func checkBeginning(t *tomldoc.Table, key, value string, schemes ...string) {
	u, err := manifests.ParseURL(value)
	switch {
	case err != nil || !strings.Contains(" "+strings.Join(schemes, " ")+" ", " "+u.Scheme+" "):
		t.Fail("%s: %.200q is not an %s URL", key, manifests.Redact(value), strings.Join(schemes, " or "))
	case u.User != nil:
		t.Fail("%s: %.200q has a user name or password; use a [[credential]]", key, manifests.Redact(value))
	case u.RawQuery != "" || !strings.HasSuffix(u.Path, "/"):
		t.Fail("%s: %.200q does not end in a slash", key, value)
	}
}

// checkRepository checks that to names a repository of a registry, and perhaps a tag.
func checkRepository(t *tomldoc.Table, to string) {
	r, err := manifests.ParseRegistryRef(to)
	if err == nil && (r.File != "" || !r.Digest.IsZero()) {
		err = errors.New("a mirror in a registry is oci://REGISTRY/REPOSITORY, or that with a colon and a tag")
	}
	if err != nil {
		t.Fail("to: %.200q: %v", manifests.Redact(to), err)
	}
}

// absolute returns path with "~/" replaced by home. It must be absolute then.
func absolute(t *tomldoc.Table, key, home, path string) string {
	if below, ok := strings.CutPrefix(path, "~/"); ok && home != "" {
		path = filepath.Join(home, filepath.FromSlash(below))
	}
	if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
		t.Fail("%s: %.200q is not an absolute path", key, path)
	}
	return filepath.Clean(path)
}
