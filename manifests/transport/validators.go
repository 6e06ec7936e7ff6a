package transport

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
)

// maxValidator is the longest ETag or date that is stored, in bytes. Servers send some 40.
const maxValidator = 256

// settled is how long before an answer's Date its document must have changed last for
// that time to identify it. It has a resolution of one second, and the clocks of the
// server that wrote the file and of the one that sends it may differ. RFC 9110, section
// 8.8.2.2.
const settled = time.Minute

// readValidators returns the validators in the header of an answer from u, without those
// that are malformed or too long.
func readValidators(u *url.URL, header http.Header) (v manifests.Validators) {
	if tag := header.Get("ETag"); isETag(tag) {
		v.ETag = tag
	}
	modified, err := http.ParseTime(header.Get("Last-Modified"))
	date, noDate := http.ParseTime(header.Get("Date"))
	if err == nil && noDate == nil && date.Sub(modified) >= settled {
		v.LastModified = modified.UTC().Format(http.TimeFormat)
	}
	if !v.IsZero() {
		v.Location = digestOfURL(u)
	}
	return v
}

// isETag reports whether s is an entity tag of at most maxValidator bytes. RFC 9110,
// section 8.8.3.
func isETag(s string) bool {
	if len(s) > maxValidator {
		return false
	}
	s = strings.TrimPrefix(s, "W/")
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	for _, c := range []byte(s[1 : len(s)-1]) {
		if c <= ' ' || c == '"' || c >= 0x7f {
			return false
		}
	}
	return true
}

// isUsable reports whether v, which was read from a file, may be sent to a server.
func isUsable(v manifests.Validators) bool {
	if v.LastModified != "" {
		if t, err := http.ParseTime(v.LastModified); err != nil || t.UTC().Format(http.TimeFormat) != v.LastModified {
			return false
		}
	}
	return !v.IsZero() && (v.ETag == "" || isETag(v.ETag))
}

// setConditions makes r a request for what changed since have, if have is of its URL.
func setConditions(r *http.Request, have manifests.Validators) {
	if have.IsZero() || have.Location != digestOfURL(r.URL) {
		return
	}
	if have.ETag != "" {
		r.Header.Set("If-None-Match", have.ETag)
	}
	if have.ETag == "" && have.LastModified != "" {
		r.Header.Set("If-Modified-Since", have.LastModified)
	}
}

// confirms reports whether a server that answers 304 with this header has the document
// that have identifies. Servers compare dates by "not later than": one that somebody on
// the path invented would match for ever, so the answer must state the same date. An
// answer may leave out the tag, which servers compare exactly. RFC 9110, sections 13.1.2,
// 13.1.3 and 15.4.5.
func confirms(header http.Header, have manifests.Validators) bool {
	if tag := header.Get("ETag"); have.ETag != "" {
		return tag == "" || strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(have.ETag, "W/")
	}
	modified, err := http.ParseTime(header.Get("Last-Modified"))
	return err == nil && modified.UTC().Format(http.TimeFormat) == have.LastModified
}

// isConditional reports whether setConditions changed r.
func isConditional(r *http.Request) bool {
	return r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Modified-Since") != ""
}

// LocationOf returns the Location of the validators of an https or http URL.
func LocationOf(ref string) string {
	u, err := url.Parse(ref)
	if err != nil {
		return ""
	}
	return digestOfURL(u)
}

// digestOfURL returns the SHA-256 of u without its user, password and fragment, in hex.
// URLs themselves are not stored, because some hold secrets in their query.
func digestOfURL(u *url.URL) string {
	bare := *u
	bare.User, bare.Fragment, bare.RawFragment = nil, "", ""
	sum := sha256.Sum256([]byte(bare.String()))
	return hex.EncodeToString(sum[:])
}
