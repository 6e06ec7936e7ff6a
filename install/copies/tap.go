package copies

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// Ceilings on the documents that belong to one answer.
const (
	maxAnswerBytes = 512 << 20
	maxAnswerRefs  = 4096
	maxExisting    = 64 << 10 // bytes of a document that sources only look for
)

// A tap is a transport that keeps the documents that a source reads, until it is known
// whether they were proved. A document that was proved earlier in the same run is
// answered from the mirror, so that one run sees one state of each origin.
type tap struct {
	from   manifests.Transport
	proved func(ref string) (data []byte, ok bool, err error) // an error: ref does not exist, as a proved answer showed
	// held returns the document ref of the current snapshot, and the validators that its
	// server stated; nil if there are none.
	held func(ref string) ([]byte, manifests.Validators)

	mu      sync.Mutex
	read    map[string][]byte // by ref: read to the end since the last clear
	opened  map[string]bool   // by ref: opened since the last clear
	missing map[string]error  // by ref: not found since the last clear
	encoded map[string]string // by ref: the content encoding of its answer
	bytes   int64
	asked   map[string]bool                 // by ref: asked in this run
	states  map[string]manifests.Validators // by ref: of the last answer
	origins map[string]bool                 // every origin that was asked
}

// errTooMuch is returned when one answer reads more documents than a tap keeps.
var errTooMuch = verify.Errorf(ErrName, "one answer reads more than %d documents or %d bytes", maxAnswerRefs, maxAnswerBytes)

// clear forgets what was read.
func (t *tap) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.read, t.opened, t.missing = map[string][]byte{}, map[string]bool{}, map[string]error{}
	t.encoded, t.bytes = map[string]string{}, 0
}

// Open implements manifests.Transport.
func (t *tap) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	a, err := t.OpenAnswer(ctx, ref, offset)
	if err == nil && a.Encoding != "" {
		a.Body.Close()
		return nil, 0, &manifests.EncodedError{Ref: manifests.Redact(ref), Encoding: a.Encoding}
	}
	return a.Body, a.Size, err
}

// OpenAnswer implements manifests.Answerer.
func (t *tap) OpenAnswer(ctx context.Context, ref string, offset int64) (manifests.Answer, error) {
	data, ok, err := t.proved(ref)
	if err != nil {
		return manifests.Answer{}, err
	}
	if ok {
		if offset > int64(len(data)) {
			return manifests.Answer{}, fmt.Errorf("%s: %w", manifests.Redact(ref), manifests.ErrNoRange)
		}
		return manifests.Answer{Body: io.NopCloser(bytes.NewReader(data[offset:])), Size: int64(len(data))}, nil
	}
	a, err := t.openChanged(ctx, ref, offset)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(ref)
	if o := Origin(ref); o != "" {
		t.origins[o] = true // even if it did not answer: clients then need not try it either
	}
	if errors.Is(err, manifests.ErrNotFound) && len(t.missing) < maxAnswerRefs {
		t.missing[ref] = err
	}
	if err != nil {
		return a, err
	}
	if t.opened[ref] = true; len(t.opened) > maxAnswerRefs {
		a.Body.Close()
		return a, errTooMuch
	}
	if a.Encoding != "" {
		t.encoded[ref] = a.Encoding
	}
	t.states[ref] = a.Validators
	if offset == 0 {
		a.Body = &tappedBody{ReadCloser: a.Body, tap: t, ref: ref}
	}
	return a, nil
}

// openChanged asks for ref only if it differs from what the current snapshot holds. A
// source that asks again could not use that, and gets what the server sends.
func (t *tap) openChanged(ctx context.Context, ref string, offset int64) (manifests.Answer, error) {
	t.mu.Lock()
	again := t.asked[ref]
	t.asked[ref] = true
	t.mu.Unlock()
	if offset != 0 || again {
		return manifests.OpenAnswer(ctx, t.from, ref, offset)
	}
	data, have := t.held(ref)
	if have.IsZero() {
		return manifests.OpenAnswer(ctx, t.from, ref, 0)
	}
	a, err := manifests.OpenChanged(ctx, t.from, ref, have)
	if errors.Is(err, manifests.ErrUnchanged) {
		return manifests.Answer{Body: io.NopCloser(bytes.NewReader(data)), Size: int64(len(data)), Validators: have}, nil
	}
	return a, err
}

// state returns the validators of the last answer for ref.
func (t *tap) state(ref string) manifests.Validators {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.states[ref]
}

func (t *tap) forget(ref string) {
	t.bytes -= int64(len(t.read[ref]))
	delete(t.read, ref)
	delete(t.opened, ref)
	delete(t.encoded, ref)
	delete(t.missing, ref)
}

// keep keeps data as the whole content of ref.
func (t *tap) keep(ref string, data []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bytes += int64(len(data)); t.bytes > maxAnswerBytes {
		return errTooMuch
	}
	t.read[ref] = data
	return nil
}

// documents returns what was read to the end since the last clear, and the refs that were
// only opened. A document that came with a content encoding is an error: a mirror would
// serve it without.
func (t *tap) documents() (read map[string][]byte, opened []string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for ref, encoding := range t.encoded {
		if _, whole := t.read[ref]; whole {
			return nil, nil, &manifests.EncodedError{Ref: manifests.Redact(ref), Encoding: encoding}
		}
	}
	for _, ref := range slices.Sorted(maps.Keys(t.opened)) {
		if _, whole := t.read[ref]; !whole {
			opened = append(opened, ref)
		}
	}
	return maps.Clone(t.read), opened, nil
}

// A tappedBody keeps what is read from a body.
type tappedBody struct {
	io.ReadCloser
	tap  *tap
	ref  string
	data bytes.Buffer
	done bool
}

func (b *tappedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.done {
		return n, err
	}
	if int64(b.data.Len()+n) > maxAnswerBytes {
		return 0, errTooMuch
	}
	b.data.Write(p[:n])
	if err == io.EOF {
		b.done = true
		if failed := b.tap.keep(b.ref, b.data.Bytes()); failed != nil {
			return 0, failed
		}
	}
	return n, err
}
