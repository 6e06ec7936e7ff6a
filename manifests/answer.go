package manifests

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// An Answer is a server's response to a request for a ref. None of it is verified.
type Answer struct {
	Body io.ReadCloser
	Size int64 // bytes of the whole, as encoded; -1 if not known
	// Encoding is the Content-Encoding that the server states, in lower case; ""
	// for none. RFC 9110, section 8.4.
	Encoding string
	Type     string // the Content-Type; "" if the server states none
	// Validators identify the document for a later request; zero if the server states
	// none.
	Validators Validators
	// Again waits until ref may be requested again after its body failed with err.
	// try counts these failures from 0. Again returns err if there should be no
	// further request. If Again is nil, a failed body is not requested again.
	Again func(ctx context.Context, try int, err error) error
}

// An Answerer is a Transport that can also return answers with a content encoding,
// which Open refuses. OpenAnswer is for callers that verify the bytes themselves:
// the encoding is only the server's claim, and often wrong for archives.
type Answerer interface {
	Transport
	OpenAnswer(ctx context.Context, ref string, offset int64) (Answer, error)
}

// OpenAnswer calls t.OpenAnswer if t is an Answerer, and t.Open otherwise.
func OpenAnswer(ctx context.Context, t Transport, ref string, offset int64) (Answer, error) {
	if a, ok := t.(Answerer); ok {
		return a.OpenAnswer(ctx, ref, offset)
	}
	body, size, err := t.Open(ctx, ref, offset)
	return Answer{Body: body, Size: size}, err
}

// CheckExists returns nil if t can open ref, and otherwise the reason why not. It
// reads at most the first bytes of ref. A web page is a *PageError.
func CheckExists(ctx context.Context, t Transport, ref string) error {
	a, err := OpenAnswer(ctx, t, ref, 0)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if a.IsPage() {
		return &PageError{Redact(ref)}
	}
	return nil
}

// A PageError reports that a server sent a web page instead of a file: a captive
// portal, a login page, or a host that sends a page for every missing file. It
// matches ErrUnreachable.
type PageError struct{ Ref string } // redacted

func (e *PageError) Error() string { return e.Ref + ": the server answered with a web page" }
func (*PageError) Kind() string    { return "web-page" }

func (e *PageError) Unwrap() error { return ErrUnreachable }

// An EncodedError reports that a server compressed a document although kist asked
// for it uncompressed: kist decodes nothing before it is verified. It matches
// ErrUnreachable.
type EncodedError struct{ Ref, Encoding string }

func (e *EncodedError) Error() string {
	return fmt.Sprintf("%s: the server sent it compressed (Content-Encoding: %.40s), though it was asked not to", e.Ref, e.Encoding)
}
func (*EncodedError) Kind() string { return "encoded" }

func (e *EncodedError) Unwrap() error { return ErrUnreachable }

// headSize is how many bytes at the start of a body are examined for its type.
const headSize = 512

// peek returns the first bytes of the body, up to headSize, without consuming them.
// An error of the body is left to the reader of the body.
func (a *Answer) peek() []byte {
	p, ok := a.Body.(*peekedBody)
	if !ok {
		p = &peekedBody{bufio.NewReaderSize(a.Body, headSize), a.Body}
		a.Body = p
	}
	head, _ := p.Peek(headSize)
	return head
}

// A peekedBody is a body whose first bytes may be examined before they are read.
type peekedBody struct {
	*bufio.Reader
	io.Closer
}

// IsPage reports whether the answer is a web page, by its type and its first
// bytes. It must be called before the body is read.
func (a *Answer) IsPage() bool {
	head := a.peek()
	if isPage(a.Type, head) {
		return true
	}
	if a.Encoding == "" || isText(head) {
		return false
	}
	plain, err := NewDecoder(a.Encoding, bytes.NewReader(head))
	if err != nil {
		return false
	}
	begin := make([]byte, headSize)
	n, _ := io.ReadFull(plain, begin) // head is cut off, so an early end is expected
	return isPage(a.Type, begin[:n])
}

// checkPlain returns an error if the answer is a web page or compressed. A
// document that is plain text despite the encoding that the server states passes.
func (a *Answer) checkPlain(ref string) error {
	switch {
	case a.IsPage():
		return &PageError{Redact(ref)}
	case a.Encoding != "" && !isText(a.peek()):
		return &EncodedError{Redact(ref), a.Encoding}
	}
	return nil
}

// isPage reports whether a body of type contentType that begins with head is a web
// page.
func isPage(contentType string, head []byte) bool {
	begin := strings.TrimPrefix(strings.ToLower(string(head)), "\ufeff")
	xml := false
	for {
		begin = strings.TrimLeft(begin, " \t\r\n\f")
		end := ""
		switch {
		case strings.HasPrefix(begin, "<!--"):
			end = "-->"
		case strings.HasPrefix(begin, "<?xml"):
			end, xml = "?>", true
		}
		_, rest, found := strings.Cut(begin, end)
		if end == "" || !found {
			break
		}
		begin = rest
	}
	for _, tag := range []string{"<!doctype html", "<html"} {
		if rest, ok := strings.CutPrefix(begin, tag); ok && (rest == "" || strings.ContainsAny(rest[:1], " \t\r\n\f>/")) {
			return true
		}
	}
	media, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	media = strings.TrimSpace(media)
	return !xml && strings.HasPrefix(begin, "<") && (media == "text/html" || media == "application/xhtml+xml")
}

// isText reports whether head is the beginning of a UTF-8 text.
func isText(head []byte) bool {
	if len(head) == headSize { // it may end within a character
		for n := 0; n < utf8.UTFMax-1 && !utf8.Valid(head); n++ {
			head = head[:len(head)-1]
		}
	}
	return utf8.Valid(head) && bytes.IndexByte(head, 0) < 0
}
