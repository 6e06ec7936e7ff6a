// Package manifests defines the types that describe an upstream's releases to kist,
// independent of the format that the upstream publishes in.
//
// A [Source] is the adapter for one publishing format, bound to one channel's
// location and keys. It fetches the documents that a [Request] needs through a
// [Transport], verifies them with package verify, and returns a [Catalog]: a value
// without effects that resolves the request to a [Release]. A Release is a list of
// [Artifact]s. Each states exactly one [Integrity] that its bytes must pass before
// anything decodes them.
//
// Parsers accept a verify.Document, never bytes. The one exception is a [VersionIndex], an
// unsigned index of names and versions: it only suggests which release to fetch, and
// never supplies a digest, size or location.
package manifests

import (
	"context"
	"time"

	"github.com/kist-tools/kist/verify"
)

// DocumentsDir is where kist keeps the documents that it proved, below its cache directory.
const DocumentsDir = "documents"

// A Query is the argument of Source.Fetch.
type Query struct {
	Request
	// Now is the time of the operation. The clock is read once per operation.
	Now time.Time
	// Last is the newest mark seen on the channel, zero on first use. A checksum
	// database proves that its answer extends Last; every other source leaves the
	// comparison to the caller.
	Last verify.Mark
	// CheckMark checks the mark of the answer for the caller; it may be nil. A source
	// that fetches further documents after its mark is known calls CheckMark first, so
	// that it fetches nothing for an answer that is out of date.
	CheckMark func(verify.Mark) error
	// AlsoComponents are further components that the catalog must be able to resolve:
	// those of the releases of the channel that are installed.
	AlsoComponents []string
}

// A Source reads one publishing format. Fetch does all network access of the source
// and returns only verified data. Its errors match verify.ErrUntrusted if a
// verification fails, and ErrUnreachable or ErrNotFound if a document could not be
// fetched.
type Source interface {
	Fetch(ctx context.Context, t Transport, q Query) (Catalog, error)
}

// A Channel is a Source with the name that its marks and receipts have.
type Channel struct {
	Name   string
	Source Source
	// Added reports that the user added the channel. That stored its first mark,
	// so a missing mark is a lost one, not first use. For a built-in channel,
	// the receipts show whether it was used before.
	Added bool
}

// A Named source verifies the release of one name at a time and has no list of all
// releases. Names returns the names to fetch, one after the other, in order to list
// its releases.
type Named interface {
	Source
	Names() []string
}

// A Catalog is the verified result of Source.Fetch. Its methods have no effects.
type Catalog interface {
	// Mark returns the serial and dates of the verified document, zero if the
	// upstream states none.
	Mark() verify.Mark
	// Resolve returns the release that r requests. r is the request that was
	// fetched, or any request if the whole channel was verified. Errors are
	// *UnknownToolError, *UnknownVersionError, *UnknownPartError and
	// *UnsupportedPlatformError, or match verify.ErrUntrusted if the manifest
	// breaks its format.
	Resolve(r Request) (Release, error)
	// Versions lists the versions of tool that the channel offers, newest first;
	// those of every tool that it offers if tool is empty.
	Versions(tool string) []Version
}

// Withdrawing is a Catalog whose publisher can withdraw releases.
type Withdrawing interface {
	Catalog
	// Withdrawals returns what the verified document withdraws.
	Withdrawals() []verify.Withdrawal
}

// WithdrawalsOf returns what c withdraws: nothing if it is not Withdrawing.
func WithdrawalsOf(c Catalog) []verify.Withdrawal {
	if w, ok := c.(Withdrawing); ok {
		return w.Withdrawals()
	}
	return nil
}

// A Version is one entry of a list of versions.
type Version struct {
	Tool    string    `json:"tool"`
	Version string    `json:"version"`
	Labels  []string  `json:"labels,omitempty"`
	Date    time.Time `json:"date,omitzero"`
	// Unsigned is true if the entry comes from a VersionIndex. The list may then omit
	// versions or invent them, but no forged release can be installed from it.
	Unsigned bool `json:"unsigned,omitempty"`
}
