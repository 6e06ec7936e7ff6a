package download

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

const (
	// maxConnections is the number of ranges of one artifact that are fetched at once.
	maxConnections = 4
	// maxWrong is how often one ref may send a chunk with a wrong digest.
	maxWrong = 2
)

// pieces fetches the chunks of an artifact, in any order. Each is proved by its own
// digest before code outside this file reads it.
type pieces struct {
	cache Cache
	a     manifests.Artifact
	spool *spool          // its sums are those of the whole, computed by hashWhole
	ready []chan struct{} // by chunk; closed once it is proved and in the file

	buffers sync.Pool // of *readBuffer

	encoding string // Content-Encoding of the last answer with the whole artifact
	page     bool   // that answer is a web page

	mu       sync.Mutex
	taken    []bool // by chunk: proved or being fetched
	arrived  int64  // bytes in the file, of proved chunks and of those being fetched
	reported int64
}

type readBuffer [128 << 10]byte

func newPieces(c Cache, a manifests.Artifact, s *spool) *pieces {
	p := &pieces{cache: c, a: a, spool: s, ready: make([]chan struct{}, a.Chunks.Len()), taken: make([]bool, a.Chunks.Len())}
	for i := range p.ready {
		p.ready[i] = make(chan struct{})
	}
	p.buffers.New = func() any { return new(readBuffer) }
	return p
}

// span returns the offset and size of chunk i.
func (p *pieces) span(i int) (from, n int64) {
	from = int64(i) * verify.ChunkSize
	return from, min(verify.ChunkSize, p.a.Size-from)
}

// findProved proves the chunks that an earlier attempt left in the first size bytes
// of the file.
func (p *pieces) findProved(ctx context.Context, size int64) error {
	buffer := make([]byte, verify.ChunkSize)
	for i := range p.ready {
		from, n := p.span(i)
		if from+n > size {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := p.spool.file.ReadAt(buffer[:n], from); err != nil {
			return err
		}
		if verify.DigestOf(buffer[:n]) == p.a.Chunks.Digest(i) {
			if _, err := p.spool.held.WriteAt(buffer[:n], from); err != nil {
				return err
			}
			p.taken[i] = true
			p.arrived += n
			close(p.ready[i])
		}
		p.cache.report("verify", p.a.Name, from+n, size)
	}
	return nil
}

// proved returns the number of bytes in proved chunks.
func (p *pieces) proved() (bytes int64) {
	for i, ready := range p.ready {
		select {
		case <-ready:
			_, n := p.span(i)
			bytes += n
		default:
		}
	}
	return bytes
}

// fetchMissing fetches the missing chunks from ref: as ranges over several
// connections, or, if the server does not support ranges, by reading the whole.
func (p *pieces) fetchMissing(ctx context.Context, ref string) error {
	p.encoding, p.page = "", false
	err := p.fetchRanges(ctx, ref)
	if errors.Is(err, manifests.ErrNoRange) {
		err = p.fetchWhole(ctx, ref)
	}
	if errors.Is(err, manifests.ErrNoRange) {
		err = fmt.Errorf("%w: %w", manifests.ErrUnreachable, err)
	}
	return err
}

// fetchRanges fetches the first missing chunk alone, because a reader waits for it, and
// the others over several connections.
func (p *pieces) fetchRanges(caller context.Context, ref string) error {
	ctx, cancel := context.WithCancel(caller)
	defer cancel()
	if more, err := p.fetchNext(ctx, ref); !more {
		return err
	}
	var (
		wait    sync.WaitGroup
		failed  sync.Once
		failure error
	)
	for range maxConnections {
		wait.Go(func() {
			for more := true; more; {
				var err error
				if more, err = p.fetchNext(ctx, ref); err != nil {
					failed.Do(func() { failure = err })
					cancel()
				}
			}
		})
	}
	wait.Wait()
	return failure
}

// fetchNext fetches the first missing chunk that is not being fetched. more is false if
// there is none, or if it could not be fetched.
func (p *pieces) fetchNext(ctx context.Context, ref string) (more bool, err error) {
	i, ok := p.reserve()
	if !ok {
		return false, nil
	}
	if err := p.fetchChunk(ctx, ref, i); err != nil {
		p.release(i)
		return false, err
	}
	close(p.ready[i])
	return true, nil
}

// reserve returns the first chunk that is missing and not being fetched, and marks it
// as being fetched.
func (p *pieces) reserve() (i int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, taken := range p.taken {
		if !taken {
			p.taken[i] = true
			return i, true
		}
	}
	return 0, false
}

// release undoes reserve.
func (p *pieces) release(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken[i] = false
}

// addProgress records and reports n more bytes in the file; n may be negative.
func (p *pieces) addProgress(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.arrived += n
	p.reported = max(p.reported, p.arrived)
	p.cache.report("download", p.a.Name, p.reported, p.a.Size)
}

// fetchChunk fetches chunk i from ref, and retries once if its digest is wrong.
func (p *pieces) fetchChunk(ctx context.Context, ref string, i int) error {
	_, size := p.span(i)
	for wrong := 1; ; wrong++ {
		sum := sha256.New()
		n, err := p.receive(ctx, ref, i, sum)
		if err == nil {
			if err = p.check(i, sum); err == nil {
				return nil
			}
			n = size
		}
		p.addProgress(-n)
		if !errors.Is(err, verify.ErrUntrusted) || wrong == maxWrong {
			return err
		}
	}
}

func (p *pieces) check(i int, sum hash.Hash) error {
	want, got := p.a.Chunks.Digest(i), verify.SHA256([sha256.Size]byte(sum.Sum(nil)))
	if got != want {
		return &verify.DigestError{Name: verify.ChunkName(p.a.Name, i), Want: want, Got: got}
	}
	return nil
}

// receive writes chunk i to its place in the file, from several answers if bodies
// break. It returns how many bytes it wrote.
func (p *pieces) receive(ctx context.Context, ref string, i int, sum hash.Hash) (have int64, err error) {
	from, n := p.span(i)
	for policy := (retryPolicy{}); have < n; {
		got, err := p.receiveRange(ctx, ref, from+have, n-have, sum)
		have += got
		if broken, ok := errors.AsType[*brokenError](err); ok {
			err = policy.retry(ctx, p.cache, have, broken.err)
		}
		if err != nil {
			return have, err
		}
	}
	return have, nil
}

// receiveRange requests n bytes at offset from, and writes the answer to the file.
func (p *pieces) receiveRange(ctx context.Context, ref string, from, n int64, sum hash.Hash) (int64, error) {
	leave, err := p.cache.enter(ctx)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", p.a.Name, err)
	}
	defer leave()
	body, size, err := manifests.OpenRange(ctx, p.cache.Transport, ref, from, n)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", p.a.Name, err)
	}
	defer body.Close()
	if size != p.a.Size {
		return 0, p.cache.wrongSize(p.a, size)
	}
	return p.write(ctx, ref, body, from, n, sum)
}

// write copies n bytes of body, an answer from ref, to offset from of the file.
func (p *pieces) write(ctx context.Context, ref string, body io.Reader, from, n int64, sum hash.Hash) (done int64, err error) {
	buffer := p.buffers.Get().(*readBuffer)
	defer p.buffers.Put(buffer)
	for done < n {
		got, err := body.Read(buffer[:min(int64(len(buffer)), n-done)])
		if err := p.spool.writeAt(buffer[:got], from+done); err != nil {
			return done, fmt.Errorf("%s: %w", p.a.Name, err)
		}
		sum.Write(buffer[:got])
		done += int64(got)
		p.addProgress(int64(got))
		switch {
		case ctx.Err() != nil:
			return done, fmt.Errorf("%s: %w", p.a.Name, ctx.Err())
		case err == io.EOF && done < n && (p.encoding != "" || p.page):
			return done, p.cache.wrongSize(p.a, from+done) // the answer is complete, but another file
		case err == io.EOF && done < n:
			return done, brokeOff(p.a, ref, io.ErrUnexpectedEOF)
		case err != nil && err != io.EOF:
			return done, p.brokeOff(ref, err)
		}
	}
	return done, nil
}

// fetchWhole fetches the missing chunks by reading ref from start to end. It repeats
// that if chunks are wrong or the body breaks. If chunks are wrong and the server
// claims a content encoding, the second attempt decodes it.
func (p *pieces) fetchWhole(ctx context.Context, ref string) error {
	policy := retryPolicy{best: p.proved()}
	for wrong := 0; ; {
		err := p.readWhole(ctx, ref, wrong > 0)
		if broken, ok := errors.AsType[*brokenError](err); ok {
			err = policy.retry(ctx, p.cache, p.proved(), broken.err)
		} else if err == nil {
			return nil
		} else if errors.Is(err, verify.ErrUntrusted) {
			if p.page {
				return fmt.Errorf("%s: %w", p.a.Name, &manifests.PageError{Ref: manifests.Redact(ref)})
			}
			if wrong++; wrong < maxWrong {
				continue
			}
			if p.encoding != "" {
				err = fmt.Errorf("%w (the server sent it with Content-Encoding: %s)", err, p.encoding)
			}
		}
		if err != nil {
			return err
		}
	}
}

// readWhole reads ref once from start to end, and proves the missing chunks. If some
// are wrong, it goes on and returns the error of the first.
func (p *pieces) readWhole(ctx context.Context, ref string, decode bool) (wrong error) {
	leave, err := p.cache.enter(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", p.a.Name, err)
	}
	defer leave()
	answer, err := manifests.OpenAnswer(ctx, p.cache.Transport, ref, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", p.a.Name, err)
	}
	defer func() { answer.Body.Close() }()
	p.encoding, p.page = answer.Encoding, answer.IsPage()
	var body io.Reader = answer.Body
	if decode = decode && p.encoding != ""; decode {
		body, err = manifests.NewDecoder(p.encoding, body)
	}
	if err != nil {
		return p.brokeOff(ref, err)
	}
	if !decode && answer.Size >= 0 && answer.Size != p.a.Size {
		return p.cache.wrongSize(p.a, answer.Size)
	}
	for i, ready := range p.ready {
		from, n := p.span(i)
		select {
		case <-ready:
			if got, err := io.CopyN(io.Discard, body, n); err != nil {
				if err == io.EOF && got < n {
					err = io.ErrUnexpectedEOF
				}
				return p.brokeOff(ref, err)
			}
			continue
		default:
		}
		sum := sha256.New()
		done, err := p.write(ctx, ref, body, from, n, sum)
		if err == nil {
			err = p.check(i, sum)
		}
		switch {
		case err == nil:
			p.setReady(i)
			continue
		case wrong == nil:
			wrong = err
		}
		p.addProgress(-done)
		if !errors.Is(err, verify.ErrUntrusted) {
			return err
		}
	}
	return wrong
}

// brokeOff returns the error for a body of ref that broke with err. A body that cannot
// be decoded is not retried.
func (p *pieces) brokeOff(ref string, err error) error {
	if _, undecodable := errors.AsType[*manifests.DecodeError](err); undecodable {
		return fmt.Errorf("%s: %w", p.a.Name, err)
	}
	return brokeOff(p.a, ref, err)
}

// setReady lets readers read chunk i, which is proved.
func (p *pieces) setReady(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken[i] = true
	close(p.ready[i])
}

// hashWhole hashes the chunks in order, each once it is proved.
func (p *pieces) hashWhole(ctx context.Context) error {
	buffer := make([]byte, 256<<10)
	for i, ready := range p.ready {
		select {
		case <-ready:
		case <-ctx.Done():
			return ctx.Err()
		}
		for from, n := p.span(i); n > 0; {
			got, err := p.spool.held.ReadAt(buffer[:min(n, int64(len(buffer)))], from)
			p.spool.add(buffer[:got])
			from, n = from+int64(got), n-int64(got)
			if err != nil && n > 0 {
				return err
			}
		}
	}
	return nil
}
