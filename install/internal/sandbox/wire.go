package sandbox

import (
	"encoding/json"
	"errors"
	"syscall"

	"github.com/kist-tools/kist/install/unpack"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// The parent asks in JSON, one request a packet, with one descriptor beside it,
// and the child answers in JSON. Claims, of which there are many, go through a
// pipe, either way.

// maxPacket is the most bytes of one packet.
const maxPacket = 64 << 10

// What a request asks for.
const (
	askHash   = "hash"   // the first one, with a zip: its h1 hash
	askFill   = "fill"   // the first one, with a directory: begin a prefix there
	askResume = "resume" // the second one, with the reading end of a pipe: claims to go on from
	askAdd    = "add"    // with an archive
	askStream = "stream" // with the reading end of a pipe
	askWrite  = "write"  // with the reading end of a pipe: a file's content
	askClaims = "claims" // with the writing end of a pipe: what was claimed
)

type request struct {
	Ask    string         `json:"ask"`
	ID     int            `json:"id"` // counted from 0
	Name   string         `json:"name,omitempty"`
	Size   int64          `json:"size,omitempty"`
	Limits *unpack.Limits `json:"limits,omitempty"`
	// Of an archive, which claims name by the number From:
	From      int               `json:"from,omitempty"`
	Component string            `json:"component,omitempty"`
	Order     int               `json:"order,omitempty"`
	Layout    *manifests.Layout `json:"layout,omitempty"`
	// Of a file that is written, Name what it is from:
	Path string `json:"path,omitempty"`
	Link string `json:"link,omitempty"`
	Exec bool   `json:"exec,omitempty"`
}

func (q request) archive() unpack.Archive {
	a := unpack.Archive{Name: q.Name, Component: q.Component, Order: q.Order}
	if q.Layout != nil {
		a.Layout = *q.Layout
	}
	return a
}

// What an answer says.
const (
	sayLevel    = "level"    // the wall is up
	sayProgress = "progress" // Done bytes of what ID asked for were read
	sayDone     = "done"     // with what ID asked for
)

type answer struct {
	Say   string  `json:"say"`
	ID    int     `json:"id"`
	Done  int64   `json:"done,omitempty"`
	Level *Level  `json:"level,omitempty"`
	Hash  string  `json:"hash,omitempty"`
	Err   *failed `json:"err,omitempty"`
}

// failed is an error on its way to the parent.
type failed struct {
	Text        string `json:"text"`
	Errno       int    `json:"errno,omitempty"`
	Untrusted   bool   `json:"untrusted,omitempty"`
	Unsupported bool   `json:"unsupported,omitempty"`
	Ended       bool   `json:"ended,omitempty"`
	// Of an *unpack.EntryError:
	Rule    unpack.Rule `json:"rule,omitempty"`
	Archive string      `json:"archive,omitempty"`
	Path    []byte      `json:"path,omitempty"` // not always text
	Detail  string      `json:"detail,omitempty"`
}

// maxText is how many bytes of an error's text are sent, and believed.
const maxText = 8 << 10

func failure(err error) *failed {
	if err == nil {
		return nil
	}
	f := &failed{Text: clip(err.Error()), Untrusted: errors.Is(err, verify.ErrUntrusted),
		Unsupported: errors.Is(err, errors.ErrUnsupported), Ended: errors.Is(err, unpack.ErrEnded)}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		f.Errno = int(errno)
	}
	if e, ok := err.(*unpack.EntryError); ok { // not one that only explains another error
		f.Rule, f.Archive, f.Path, f.Detail = e.Rule, clip(e.Archive), []byte(clip(e.Path)), clip(e.Detail)
	}
	return f
}

// error is what the parent makes of a failure: an error with the same text, that
// matches what the child's did.
func (f *failed) error() error {
	switch {
	case f == nil:
		return nil
	case f.Rule != "":
		return &unpack.EntryError{Archive: f.Archive, Path: string(f.Path), Rule: f.Rule, Detail: f.Detail}
	}
	e := &remoteError{text: clip(f.Text)}
	for _, is := range []struct {
		so  bool
		err error
	}{{f.Errno > 0, syscall.Errno(f.Errno)}, {f.Untrusted, verify.ErrUntrusted}, {f.Unsupported, errors.ErrUnsupported}, {f.Ended, unpack.ErrEnded}} {
		if is.so {
			e.is = append(e.is, is.err)
		}
	}
	return e
}

// A remoteError is an error of the child.
type remoteError struct {
	text string
	is   []error
}

func (e *remoteError) Error() string { return e.text }

func (e *remoteError) Unwrap() []error { return e.is }

func clip(s string) string { return s[:min(len(s), maxText)] }

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // nothing in a message fails to encode
	}
	return data
}
