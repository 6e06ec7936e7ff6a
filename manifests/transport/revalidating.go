package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/kist-tools/kist/manifests"
)

// A Revalidating transport asks From only for what has changed since the set in Stored
// was recorded. A document that the server calls unchanged comes from the set, and so
// does a detached signature of it, without a request. If the server publishes documents
// together (manifests.Validators.Snapshot) and calls them unchanged, a document that was
// recorded as absent is absent. Nothing else of the set is used.
//
// A document comes from the set only if it still has the digest that was recorded with
// its validators; otherwise it is fetched. Each ref comes from the set at most once: a
// caller that asks again could not use what it got, and gets what the server sends.
//
// The set and the servers are untrusted: callers prove every document, and check whether
// it has expired. An answer that claims no change to a request without validators is an
// error.
type Revalidating struct {
	From   manifests.Transport
	Stored Replay // its Root may be nil: nothing is stored

	mu        sync.Mutex
	loaded    bool
	set       storedSet
	asked     map[string]bool // by ref
	unchanged map[string]bool // by ref
	reused    bool
}

// Reused reports whether any document came from the set.
func (r *Revalidating) Reused() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reused
}

// Open implements manifests.Transport.
func (r *Revalidating) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	return r.From.Open(ctx, ref, offset)
}

// OpenAnswer implements manifests.Answerer.
func (r *Revalidating) OpenAnswer(ctx context.Context, ref string, offset int64) (manifests.Answer, error) {
	data, have, isSignature := r.stored(ref, offset)
	if isSignature {
		return r.reuse(ref, data, have), nil
	}
	if data == nil && !have.Snapshot {
		return manifests.OpenAnswer(ctx, r.From, ref, offset)
	}
	a, err := manifests.OpenChanged(ctx, r.From, ref, have)
	if !errors.Is(err, manifests.ErrUnchanged) {
		return a, err
	}
	a = r.reuse(ref, data, have)
	if data == nil {
		return manifests.Answer{}, fmt.Errorf("%s: %w", manifests.Redact(ref), manifests.ErrNotFound)
	}
	return a, nil
}

// stored returns the stored document of ref and its validators, if ref is asked for the
// first time and the document can be used. isSignature reports that it is the signature
// of an unchanged document. Without data, the validators are those of a snapshot in which
// ref was absent.
func (r *Revalidating) stored(ref string, offset int64) (data []byte, have manifests.Validators, isSignature bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Stored.Root == nil || offset != 0 || r.asked[ref] {
		return nil, have, false
	}
	if r.asked == nil {
		r.asked, r.unchanged = map[string]bool{}, map[string]bool{}
	}
	r.asked[ref] = true
	if !r.loaded {
		r.set, r.loaded = r.Stored.readSet(), true
	}
	if _, missing := r.set.files[recordName(ref)+absent]; missing {
		return nil, r.set.snapshot(), false
	}
	have, isSignature = r.set.validators[recordName(ref)], r.signsUnchanged(ref)
	if have.IsZero() && !isSignature {
		return nil, have, false
	}
	if data = r.Stored.read(ref, r.set); data == nil {
		return nil, manifests.Validators{}, false
	}
	return data, have, isSignature
}

// signsUnchanged reports whether ref is the name of an unchanged document and a suffix,
// such as ".asc".
func (r *Revalidating) signsUnchanged(ref string) bool {
	i := strings.LastIndexByte(ref, '.')
	return i >= 0 && r.unchanged[ref[:i]]
}

// reuse returns data, the stored document of ref, as an answer.
func (r *Revalidating) reuse(ref string, data []byte, have manifests.Validators) manifests.Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unchanged[ref], r.reused = true, true
	return manifests.Answer{Body: io.NopCloser(bytes.NewReader(data)), Size: int64(len(data)), Validators: have}
}
