package sandbox

import (
	"encoding/json"
	"errors"
	"syscall"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// The parent sends requests in JSON, one in a packet, each with one descriptor, and the
// child answers in JSON. Claims are large and go through a pipe, in both directions.

// maxPacket is the largest size of a packet in bytes.
const maxPacket = 64 << 10

// The kinds of requests, and the descriptor of each.
const (
	askHash   = "hash"   // a zip to hash (h1); only as the first request
	askFill   = "fill"   // a directory to begin a prefix in; only as the first request
	askResume = "resume" // a pipe to read the claims from with which to continue; only as the second request
	askAdd    = "add"    // an archive to add
	askStream = "stream" // a pipe to read an archive from
	askWrite  = "write"  // a pipe to read a file's content from
	askClaims = "claims" // a pipe to write the claims to
)

type request struct {
	Ask    string         `json:"ask"`
	ID     int            `json:"id"` // consecutive, from 0
	Name   string         `json:"name,omitempty"`
	Size   int64          `json:"size,omitempty"`
	Limits *unpack.Limits `json:"limits,omitempty"`
	// About an archive, which has the number From in claims:
	From      int               `json:"from,omitempty"`
	Component string            `json:"component,omitempty"`
	Order     int               `json:"order,omitempty"`
	Layout    *manifests.Layout `json:"layout,omitempty"`
	// About a file to write, where Name is its source:
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

// The kinds of answers.
const (
	sayLevel    = "level"    // the child is confined, as Level tells
	sayProgress = "progress" // the child has read Done bytes for the request ID
	sayDone     = "done"     // the request ID is done
)

type answer struct {
	Say   string     `json:"say"`
	ID    int        `json:"id"`
	Done  int64      `json:"done,omitempty"`
	Level *Level     `json:"level,omitempty"`
	Hash  string     `json:"hash,omitempty"`
	Err   *wireError `json:"err,omitempty"`
}

// A wireError is the wire form of an error.
type wireError struct {
	Text        string `json:"text"`
	Errno       int    `json:"errno,omitempty"`
	Untrusted   bool   `json:"untrusted,omitempty"`
	Unsupported bool   `json:"unsupported,omitempty"`
	Ended       bool   `json:"ended,omitempty"`
	// The fields of an *unpack.EntryError:
	Rule    unpack.Rule `json:"rule,omitempty"`
	Archive string      `json:"archive,omitempty"`
	Path    []byte      `json:"path,omitempty"` // not always UTF-8
	Detail  string      `json:"detail,omitempty"`
}

// maxText is the largest size of an error's text in bytes, for the sender and the receiver.
const maxText = 8 << 10

func toWire(err error) *wireError {
	if err == nil {
		return nil
	}
	f := &wireError{Text: clip(err.Error()), Untrusted: errors.Is(err, verify.ErrUntrusted),
		Unsupported: errors.Is(err, errors.ErrUnsupported), Ended: errors.Is(err, unpack.ErrEnded)}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		f.Errno = int(errno)
	}
	if e, ok := err.(*unpack.EntryError); ok { // not one that is wrapped by another error
		f.Rule, f.Archive, f.Path, f.Detail = e.Rule, clip(e.Archive), []byte(clip(e.Path)), clip(e.Detail)
	}
	return f
}

// error returns an error with the same text as the child's, which matches the same
// sentinel errors.
func (f *wireError) error() error {
	switch {
	case f == nil:
		return nil
	case f.Rule != "":
		return &unpack.EntryError{Archive: f.Archive, Path: string(f.Path), Rule: f.Rule, Detail: f.Detail}
	}
	e := &remoteError{text: clip(f.Text)}
	for _, s := range []struct {
		set bool
		err error
	}{{f.Errno > 0, syscall.Errno(f.Errno)}, {f.Untrusted, verify.ErrUntrusted}, {f.Unsupported, errors.ErrUnsupported}, {f.Ended, unpack.ErrEnded}} {
		if s.set {
			e.causes = append(e.causes, s.err)
		}
	}
	return e
}

// A remoteError is an error of the child.
type remoteError struct {
	text   string
	causes []error
}

func (e *remoteError) Error() string { return e.text }

func (e *remoteError) Unwrap() []error { return e.causes }

func clip(s string) string { return s[:min(len(s), maxText)] }

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // all fields of messages can be encoded
	}
	return data
}
