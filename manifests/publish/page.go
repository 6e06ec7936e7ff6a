package publish

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// PageFile is the page for people, in the directory of the channel. kist never fetches it.
const PageFile = "index.html"

// MaxPage is the ceiling on the size of PageFile, in bytes.
const MaxPage = 16 << 20

// A Page is the page for people of a channel.
type Page struct {
	URL  string // of the channel's directory, with a slash at the end
	Text []byte // HTML, from the next element of the head on
	// shows is the digest of the documents that the page shows; PutPage sets it.
	shows verify.Digest
}

// A PageError reports that PageFile is something that kist did not write, or that was
// changed since. kist does not replace it.
type PageError struct{ Reason string }

func (e *PageError) Error() string { return PageFile + " " + e.Reason + ", so it is not replaced" }

// Kind implements the classification of errors.
func (*PageError) Kind() string { return "refused" }

// The lines of a page that kist recognizes it by. The last one has the digest of all before
// it, so that a page that was changed by hand is not taken for kist's.
const (
	pageStart = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"generator\" content=\"kist publish page\">\n"
	pageShows = `<meta name="kist-documents" content="`
	pageURL   = `<meta name="kist-url" content="`
	metaEnd   = "\">\n"
	pageSeal  = "<!-- kist publish page, sha256 "
	sealEnd   = " -->\n"
)

// encode returns the file of p.
func (p Page) encode() []byte {
	var w bytes.Buffer
	w.WriteString(pageStart + pageShows + p.shows.Hex() + metaEnd + pageURL + html.EscapeString(p.URL) + metaEnd)
	w.Write(p.Text)
	return append(w.Bytes(), pageSeal+seal(w.Bytes())+sealEnd...)
}

// unescape undoes html.EscapeString. html.UnescapeString does more, by a large table.
func unescape(s string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&#34;", `"`, "&#39;", "'", "&amp;", "&").Replace(s)
}

func seal(text []byte) string { return verify.SHA256(sha256.Sum256(text)).Hex() }

// decodePage reads what encode wrote. Anything else is a *PageError.
func decodePage(data []byte) (Page, error) {
	rest, ours := strings.CutPrefix(string(data), pageStart+pageShows)
	if !ours {
		return Page{}, &PageError{"was not written by kist"}
	}
	end := len(data) - len(pageSeal) - 2*sha256.Size - len(sealEnd)
	digest, rest, _ := strings.Cut(rest, metaEnd)
	shows, err := verify.ParseDigest("sha256:" + digest)
	url, ok := strings.CutPrefix(rest, pageURL)
	if err != nil || !ok || end < 0 || string(data[end:]) != pageSeal+seal(data[:end])+sealEnd {
		return Page{}, &PageError{"was changed after kist had written it"}
	}
	url, _, _ = strings.Cut(url, metaEnd)
	return Page{shows: shows, URL: unescape(url)}, nil
}

// Page returns the page of the directory without its Text, and the zero Page if there is
// none. The error is a *PageError for a file that is not kist's.
func (d Dir) Page() (Page, error) {
	info, err := d.Root.Lstat(PageFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Page{}, nil
	}
	if err == nil && !info.Mode().IsRegular() {
		err = &PageError{"is not a regular file"}
	}
	if err != nil {
		return Page{}, err
	}
	data, err := rootfs.ReadFile(d.Root, PageFile, MaxPage)
	if errors.Is(err, rootfs.ErrTooLarge) {
		err = &PageError{"was not written by kist"}
	}
	if err != nil {
		return Page{}, err
	}
	return decodePage(data)
}

// PutPage writes the page in one step, except in a dry run, and returns its size. It
// replaces an earlier page of kist's, and nothing else: the error is then a *PageError.
func (d Dir) PutPage(p Page, dryRun bool) (size int64, err error) {
	if p.shows, err = d.documentsDigest(); err != nil {
		return 0, err
	}
	data := p.encode()
	if len(data) > MaxPage {
		return 0, &manifests.TooLargeError{Name: PageFile, Limit: MaxPage}
	}
	if _, err := d.Page(); err != nil || dryRun {
		return int64(len(data)), err
	}
	return int64(len(data)), d.put(PageFile, data)
}

// HasStalePage reports whether there is a page of kist's that shows other documents or
// signatures than the published ones.
func (d Dir) HasStalePage() (bool, error) {
	page, err := d.Page()
	if _, foreign := errors.AsType[*PageError](err); foreign || err == nil && page.shows.IsZero() {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	now, err := d.documentsDigest()
	return now != page.shows, err
}

// documentsDigest returns a digest of the manifest and the keys document, with their
// signatures.
func (d Dir) documentsDigest() (verify.Digest, error) {
	var digests []byte
	for _, file := range []string{ManifestFile, SignatureFile, RotationFile, rotationSignatureFile} {
		data, err := d.read(file, manifests.MaxManifest)
		if err != nil {
			return verify.Digest{}, fmt.Errorf("%s: %w", file, err)
		}
		digests = append(digests, verify.DigestOf(data).Hex()...)
	}
	return verify.DigestOf(digests), nil
}
