package verify

import (
	"errors"
	"io"
	"time"
)

// Use says what a signature is for, and so which time rule judges its key.
type Use int

const (
	// Manifest: signed anew all the time. The key must be valid both when the
	// signature was made and now.
	Manifest Use = iota
	// Release: the artifacts and lists of one immutable release, signed once.
	// The key must have been valid when the signature was made, and the
	// signature must not be older than a day before Policy.Released. A key
	// that has expired since is recorded in the evidence.
	Release
)

// A Policy decides whether data is signed by those who may sign it.
type Policy struct {
	Keys      *Keyring
	Threshold int       // distinct primary keys that must have signed; at least 1
	Now       time.Time // required: the operation's one clock reading
	Use       Use
	Released  time.Time // with Use Release: when the release was made, zero if upstream does not say
}

// Detached proves data by sig, one block of detached signatures, armored or binary.
func (p Policy) Detached(name string, data, sig []byte) (Document, error) {
	return Document{}, errors.New("verify: under construction")
}

// Clearsigned proves the text of msg, which must be exactly one clear-signed message.
func (p Policy) Clearsigned(name string, msg []byte) (Document, error) {
	return Document{}, errors.New("verify: under construction")
}

// File is Detached for content too large for memory. It reads r from the start, perhaps several times.
func (p Policy) File(name string, r io.ReadSeeker, sig []byte) (Evidence, error) {
	return Evidence{}, errors.New("verify: under construction")
}
