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
	// maxConnections is how many ranges of one artifact are fetched at once.
	maxConnections = 4
	// maxWrong is how often one ref may send a chunk that is not what it must be.
	maxWrong = 2
)

// pieces are the chunks of an artifact that is arriving, in any order, each
// proved by its own digest before anything but this file looks at it.
type pieces struct {
	cache Cache
	a     manifests.Artifact
	spool *spool          // its sums are those of the whole, made by sum
	ready []chan struct{} // by chunk: closed once it is proved and in the file

	buffers sync.Pool // of *answered

	encoding string // Content-Encoding of the last answer with the whole of a ref
	page     bool   // that answer is a web page

	mu       sync.Mutex
	taken    []bool // by chunk: proved, or somebody is at it
	arrived  int64  // bytes in the file, of proved chunks and of those that are coming
	reported int64
}

// answered is room for a part of an answer.
type answered [128 << 10]byte

func newPieces(c Cache, a manifests.Artifact, s *spool) *pieces {
	p := &pieces{cache: c, a: a, spool: s, ready: make([]chan struct{}, a.Chunks.Len()), taken: make([]bool, a.Chunks.Len())}
	for i := range p.ready {
		p.ready[i] = make(chan struct{})
	}
	p.buffers.New = func() any { return new(answered) }
	return p
}

// span is where chunk i lies.
func (p *pieces) span(i int) (from, n int64) {
	from = int64(i) * verify.ChunkSize
	return from, min(verify.ChunkSize, p.a.Size-from)
}

// find proves the chunks that an earlier attempt left in the first size bytes
// of the file.
func (p *pieces) find(ctx context.Context, size int64) error {
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

// proved is how many bytes the proved chunks have.
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

// fill brings the chunks that are missing from ref: by ranges over several
// connections, or, where the far side has none, with the whole.
func (p *pieces) fill(ctx context.Context, ref string) error {
	p.encoding, p.page = "", false
	err := p.byRanges(ctx, ref)
	if errors.Is(err, manifests.ErrNoRange) {
		err = p.inOneGo(ctx, ref)
	}
	if errors.Is(err, manifests.ErrNoRange) {
		err = fmt.Errorf("%w: %w", manifests.ErrUnreachable, err)
	}
	return err
}

// byRanges has one connection bring the first chunk, which is what a reader
// waits for, and then several share the others.
func (p *pieces) byRanges(caller context.Context, ref string) error {
	ctx, cancel := context.WithCancel(caller)
	defer cancel()
	if more, err := p.next(ctx, ref); !more {
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
				if more, err = p.next(ctx, ref); err != nil {
					failed.Do(func() { failure = err })
					cancel()
				}
			}
		})
	}
	wait.Wait()
	return failure
}

// next brings the first missing chunk that nobody is at. more is false if there
// is none, or if it cannot be had.
func (p *pieces) next(ctx context.Context, ref string) (more bool, err error) {
	i, ok := p.take()
	if !ok {
		return false, nil
	}
	if err := p.chunk(ctx, ref, i); err != nil {
		p.giveBack(i)
		return false, err
	}
	close(p.ready[i])
	return true, nil
}

// take returns the first chunk that is missing and that nobody is at.
func (p *pieces) take() (i int, ok bool) {
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

func (p *pieces) giveBack(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken[i] = false
}

// count tells of n bytes more in the file, or fewer.
func (p *pieces) count(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.arrived += n
	p.reported = max(p.reported, p.arrived)
	p.cache.report("download", p.a.Name, p.reported, p.a.Size)
}

// chunk brings chunk i from ref: twice, if it is wrong at first.
func (p *pieces) chunk(ctx context.Context, ref string, i int) error {
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
		p.count(-n)
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

// receive writes chunk i to its place, with the help of as many answers as it
// takes. It returns how many bytes it wrote.
func (p *pieces) receive(ctx context.Context, ref string, i int, sum hash.Hash) (have int64, err error) {
	from, n := p.span(i)
	for patience := (patience{}); have < n; {
		got, err := p.answer(ctx, ref, from+have, n-have, sum)
		have += got
		if broken, ok := errors.AsType[*brokenError](err); ok {
			err = patience.again(ctx, p.cache, have, broken.err)
		}
		if err != nil {
			return have, err
		}
	}
	return have, nil
}

// answer writes what one request for a range brings.
func (p *pieces) answer(ctx context.Context, ref string, from, n int64, sum hash.Hash) (int64, error) {
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

// write takes n bytes of body, which is of ref, to their place in the file.
func (p *pieces) write(ctx context.Context, ref string, body io.Reader, from, n int64, sum hash.Hash) (done int64, err error) {
	buffer := p.buffers.Get().(*answered)
	defer p.buffers.Put(buffer)
	for done < n {
		got, err := body.Read(buffer[:min(int64(len(buffer)), n-done)])
		if err := p.spool.writeAt(buffer[:got], from+done); err != nil {
			return done, fmt.Errorf("%s: %w", p.a.Name, err)
		}
		sum.Write(buffer[:got])
		done += int64(got)
		p.count(int64(got))
		switch {
		case ctx.Err() != nil:
			return done, fmt.Errorf("%s: %w", p.a.Name, ctx.Err())
		case err == io.EOF && done < n && (p.encoding != "" || p.page):
			return done, p.cache.wrongSize(p.a, from+done) // it is all of something else
		case err == io.EOF && done < n:
			return done, brokeOff(p.a, ref, io.ErrUnexpectedEOF)
		case err != nil && err != io.EOF:
			return done, p.brokeOff(ref, err)
		}
	}
	return done, nil
}

// inOneGo brings the missing chunks with the whole of ref: more than once, where
// some are wrong or the body breaks. Where some are wrong and the server claims a
// content encoding, the second time is with that decoded.
func (p *pieces) inOneGo(ctx context.Context, ref string) error {
	patience := patience{best: p.proved()}
	for wrong := 0; ; {
		err := p.pass(ctx, ref, wrong > 0)
		if broken, ok := errors.AsType[*brokenError](err); ok {
			err = patience.again(ctx, p.cache, p.proved(), broken.err)
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
				err = fmt.Errorf("%w (the server says that it has Content-Encoding: %s)", err, p.encoding)
			}
		}
		if err != nil {
			return err
		}
	}
}

// pass reads ref once from start to end, and proves of the missing chunks what
// it can. The first one that is wrong is its error.
func (p *pieces) pass(ctx context.Context, ref string, decode bool) (wrong error) {
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
			p.mark(i)
			continue
		case wrong == nil:
			wrong = err
		}
		p.count(-done)
		if !errors.Is(err, verify.ErrUntrusted) {
			return err
		}
	}
	return wrong
}

// brokeOff is the failure of a body of ref: one that cannot be decoded is wrong.
func (p *pieces) brokeOff(ref string, err error) error {
	if _, undecodable := errors.AsType[*manifests.DecodeError](err); undecodable {
		return fmt.Errorf("%s: %w", p.a.Name, err)
	}
	return brokeOff(p.a, ref, err)
}

func (p *pieces) mark(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken[i] = true
	close(p.ready[i])
}

// sum hashes the whole, as far as it is proved, until all of it is.
func (p *pieces) sum(ctx context.Context) error {
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
