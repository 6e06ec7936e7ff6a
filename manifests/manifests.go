// Package manifests is the vocabulary in which every upstream speaks to kist,
// whatever format it publishes in.
//
// A [Source] is the adapter for one publishing format, bound to one channel's
// location and keys. It fetches what a [Request] needs through a [Transport],
// has it proved by package verify, and returns a [Catalog]: a value without
// effects that names the [Release] asked for. A Release is a list of
// [Artifact]s, and each of those states exactly one [Integrity] that its bytes
// must prove before anything decodes them.
//
// Parsers take a verify.Document, never bytes. The one exception is a [Hint],
// an unsigned index of names and versions: it may suggest what to ask for, and
// nothing that counts (digest, size, location) ever comes from it.
package manifests

import (
	"context"
	"time"

	"github.com/kist-tools/kist/verify"
)

// A Query is one question to a Source.
type Query struct {
	Request
	// Now is the operation's one clock reading.
	Now time.Time
	// Last is the mark of the channel, zero on first use. A source whose
	// freshness needs a proof of descent (a checksum database) proves its
	// answer against it; others leave the comparison to the caller.
	Last verify.Mark
	// Judge, where it is not nil, is how the caller judges the mark of the answer. A
	// source that fetches more once it knows its mark asks first, so that nothing
	// is fetched for what is out of date.
	Judge func(verify.Mark) error
	// Besides are components that the catalog may be asked for as well: those of
	// installed releases of the tool.
	Besides []string
}

// A Source reads one publishing format. Fetch does all of a source's network
// use and returns only what was proved; it fails with an error that matches
// verify.ErrUntrusted when a proof fails, ErrUnreachable or ErrNotFound when
// there is nothing to prove.
type Source interface {
	Fetch(ctx context.Context, t Transport, q Query) (Catalog, error)
}

// A Named source proves the release of one name at a time, and no list of them
// all: Names are those that it can be asked for in turn to show what there is.
type Named interface {
	Source
	Names() []string
}

// A Catalog is what a Source learned. It has no effects.
type Catalog interface {
	// Mark is the freshness of what was proved, zero where upstream states none.
	Mark() verify.Mark
	// Resolve names the release that answers r, the request it was fetched
	// for or (where the whole channel was proved) any other. Errors are
	// *UnknownToolError, *UnknownVersionError, *UnknownComponentError and
	// *UnsupportedPlatformError, and verify.ErrUntrusted for a manifest that
	// breaks its format.
	Resolve(r Request) (Release, error)
	// Versions lists what the channel offers of tool, newest first; of every
	// tool it may offer if tool is empty.
	Versions(tool string) []Version
}

// A Version is one line of an answer to "what is there".
type Version struct {
	Tool    string    `json:"tool"`
	Version string    `json:"version"`
	Labels  []string  `json:"labels,omitempty"`
	Date    time.Time `json:"date,omitzero"`
	// Unsigned: the line comes from a Hint, so it may be missing or made up,
	// though nothing forged could be installed from it.
	Unsigned bool `json:"unsigned,omitempty"`
}
