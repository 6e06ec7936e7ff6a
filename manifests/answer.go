package manifests

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// An Answer is what a server sent for a ref. Nothing of it is proved.
type Answer struct {
	Body io.ReadCloser
	Size int64 // of the whole in bytes, as it is sent; -1 if not known
	// Encoding is the Content-Encoding that the server says the bytes have, in
	// lower case; "" for none. RFC 9110, section 8.4.
	Encoding string
	Type     string // the Content-Type; "" if it is not said
	// Again waits until ref may be asked for once more, after its body broke off
	// with err: for the first time if try is 0. It returns err where another
	// request is not worth making. It may be nil: then none is.
	Again func(ctx context.Context, try int, err error) error
}

// An Answerer is a Transport that also brings answers with a content encoding,
// which Open refuses. OpenAnswer is for a caller that proves the bytes: the
// encoding is only what the server claims, and often wrong for archives.
type Answerer interface {
	Transport
	OpenAnswer(ctx context.Context, ref string, offset int64) (Answer, error)
}

// OpenAnswer is t's own, or else what t opens at offset.
func OpenAnswer(ctx context.Context, t Transport, ref string, offset int64) (Answer, error) {
	if a, ok := t.(Answerer); ok {
		return a.OpenAnswer(ctx, ref, offset)
	}
	body, size, err := t.Open(ctx, ref, offset)
	return Answer{Body: body, Size: size}, err
}

// CheckExists reports whether there is something at ref, of which it reads only
// the beginning: nil, or the error that says why not. A web page is a *PageError.
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

// A PageError says that a server answered with a web page in place of a file: a
// captive portal, a login page, or a host that answers so for whatever it does
// not have. It matches ErrUnreachable.
type PageError struct{ Ref string } // redacted

func (e *PageError) Error() string { return e.Ref + ": the server answered with a web page" }

// Is reports that the server gave no usable answer.
func (e *PageError) Is(target error) bool { return target == ErrUnreachable }

// An EncodedError says that a server compressed a document, which kist asks not
// to do: nothing is decoded before it is proved. It matches ErrUnreachable.
type EncodedError struct{ Ref, Encoding string }

func (e *EncodedError) Error() string {
	return fmt.Sprintf("%s: the server sent it compressed (Content-Encoding: %.40s), though it was asked not to", e.Ref, e.Encoding)
}

// Is reports that the server gave no usable answer.
func (e *EncodedError) Is(target error) bool { return target == ErrUnreachable }

// headSize is how many bytes of a body tell what it is.
const headSize = 512

// peek returns the first bytes of the body, up to headSize, and leaves them in it.
func (a *Answer) peek() []byte {
	if p, ok := a.Body.(*peeked); ok {
		return p.head
	}
	head := make([]byte, headSize)
	n, err := 0, error(nil)
	for idle := 0; n < len(head) && err == nil; idle++ {
		var got int
		if got, err = a.Body.Read(head[n:]); got > 0 {
			n, idle = n+got, 0
		} else if err == nil && idle == 100 {
			err = io.ErrNoProgress
		}
	}
	a.Body = &peeked{ReadCloser: a.Body, head: head[:n], err: err}
	return head[:n]
}

// peeked is a body whose beginning was read already.
type peeked struct {
	io.ReadCloser
	head []byte
	read int   // bytes of head
	err  error // that came after head
}

func (p *peeked) Read(b []byte) (int, error) {
	switch {
	case p.read < len(p.head):
		n := copy(b, p.head[p.read:])
		p.read += n
		return n, nil
	case p.err != nil:
		return 0, p.err
	}
	return p.ReadCloser.Read(b)
}

// IsPage reports whether the answer is a web page, by its type and by how it
// begins. It must be called before the body is read.
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
	n, _ := io.ReadFull(plain, begin) // the rest of what was compressed is missing
	return isPage(a.Type, begin[:n])
}

// checkPlain returns why the answer is not a document as it was stored: it is a
// web page, or compressed. A document that is plain text in spite of the
// encoding that the server claims passes.
func (a *Answer) checkPlain(ref string) error {
	switch {
	case a.IsPage():
		return &PageError{Redact(ref)}
	case a.Encoding != "" && !isText(a.peek()):
		return &EncodedError{Redact(ref), a.Encoding}
	}
	return nil
}

// isPage reports whether what is sent as contentType and begins with head is a
// web page.
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

// isText reports whether head is the beginning of a text in UTF-8.
func isText(head []byte) bool {
	if len(head) == headSize { // it may end within a character
		for n := 0; n < utf8.UTFMax-1 && !utf8.Valid(head); n++ {
			head = head[:len(head)-1]
		}
	}
	return utf8.Valid(head) && bytes.IndexByte(head, 0) < 0
}
