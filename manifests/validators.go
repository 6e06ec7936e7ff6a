package manifests

import (
	"context"
	"errors"
)

// Validators identify one version of a document, as the server that sent it states them.
// They only serve to ask that server again, and prove nothing. RFC 9110, section 8.8.
type Validators struct {
	Location     string `json:"location"`               // SHA-256 of the URL that answered, in hex
	ETag         string `json:"etag,omitempty"`         // with its quotes, and W/ if it is weak
	LastModified string `json:"lastModified,omitempty"` // an HTTP date
	// Snapshot says that they identify not one document but everything that the channel
	// publishes together, also which documents do not exist.
	Snapshot bool `json:"snapshot,omitempty"`
}

// IsZero reports whether v identifies nothing.
func (v Validators) IsZero() bool { return v.ETag == "" && v.LastModified == "" }

// ErrUnchanged means that a document is still the one that the validators of the request
// identify.
var ErrUnchanged = errors.New("unchanged")

// A Revalidator is a Transport that can fetch a document only if it has changed.
type Revalidator interface {
	Transport
	// OpenChanged is OpenAnswer from offset 0, but returns ErrUnchanged if the server
	// answers that the document is the one that have identifies.
	OpenChanged(ctx context.Context, ref string, have Validators) (Answer, error)
}

// OpenChanged calls t.OpenChanged if t is a Revalidator and have identifies anything, and
// OpenAnswer otherwise.
func OpenChanged(ctx context.Context, t Transport, ref string, have Validators) (Answer, error) {
	if r, ok := t.(Revalidator); ok && !have.IsZero() {
		return r.OpenChanged(ctx, ref, have)
	}
	return OpenAnswer(ctx, t, ref, 0)
}
