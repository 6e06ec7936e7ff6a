package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"sync"

	"github.com/kist-tools/kist/install/internal/private"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A Stream is the content of an artifact, from its start, while it is still
// arriving: of an artifact with chunk digests each chunk as soon as it is
// proved; of any other all of it, once it is. It does not end, with io.EOF,
// before the whole is proved and in the cache. How fast it is read has no
// influence on how fast it arrives.
//
// One goroutine at a time may read it or have it write itself out; Blob may be called
// at any time by any.
type Stream struct {
	name string
	size int64
	held *private.File
	at   int64   // offset of the next Read
	come *pieces // nil: all of it is there

	stop context.CancelFunc
	done chan struct{} // closed once blob or err is there
	blob Blob
	err  error

	once sync.Once
}

// Stream begins to fetch a, or finds it in the cache. Errors, here and of the
// Stream, are those of Fetch. The caller closes the Stream; to do so before it
// has ended gives the download up, and what has arrived stays.
func (c Cache) Stream(ctx context.Context, a manifests.Artifact) (*Stream, error) {
	if a.Chunks.Len() == 0 {
		blob, err := c.Fetch(ctx, a)
		if err != nil {
			return nil, err
		}
		return streamOf(a, blob), nil
	}
	key, blob, lock, err := c.begin(ctx, a)
	if err != nil {
		return nil, err
	}
	if lock == nil {
		return streamOf(a, blob), nil
	}
	p, err := c.openPieces(ctx, a, key)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", a.Name, err), lock.Remove())
	}
	ctx, stop := context.WithCancel(ctx)
	s := &Stream{name: a.Name, size: a.Size, held: p.spool.held, come: p, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		defer lock.Remove()
		if s.blob, s.err = p.all(ctx, key); s.err != nil && !keeps(ctx, s.err) {
			s.err = errors.Join(s.err, p.spool.remove())
		}
		if err := p.spool.file.Close(); s.err == nil {
			s.err = err
		}
	}()
	return s, nil
}

// streamOf is the Stream of what is in the cache.
func streamOf(a manifests.Artifact, blob Blob) *Stream {
	s := &Stream{name: a.Name, size: blob.Size, held: blob.held, stop: func() {}, done: make(chan struct{}), blob: blob}
	close(s.done)
	return s
}

// openPieces finds what an earlier attempt left of a, and room for the rest.
func (c Cache) openPieces(ctx context.Context, a manifests.Artifact, key string) (*pieces, error) {
	s, size, err := c.openPartial(path.Join(partialDir, key), a)
	if err != nil {
		return nil, err
	}
	p := newPieces(c, a, s)
	if err = p.find(ctx, size); err == nil {
		err = c.room(a.Size - p.arrived)
	}
	if err != nil {
		if p.arrived == 0 {
			err = errors.Join(err, s.remove())
		}
		return nil, errors.Join(err, s.file.Close(), s.held.Close())
	}
	return p, nil
}

// all brings and proves the whole, and gives it its name in the cache.
func (p *pieces) all(ctx context.Context, key string) (Blob, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	summed := make(chan error, 1)
	go func() { summed <- p.sum(ctx) }()
	ref, err := p.cache.eachRef(ctx, p.a, func(ref string) error { return p.fill(ctx, ref) })
	if err != nil {
		cancel()
		<-summed
		return Blob{}, err
	}
	var evidence verify.Evidence
	if err = <-summed; err == nil {
		err = p.spool.held.Seal()
	}
	if err == nil {
		evidence, err = p.cache.prove(ctx, p.a, p.spool.held, p.spool.sums)
	}
	if err != nil {
		return Blob{}, fmt.Errorf("%s: %w", p.a.Name, err)
	}
	blob, err := p.cache.publish(p.a, key, p.spool)
	if err != nil {
		return Blob{}, fmt.Errorf("%s: %w", p.a.Name, err)
	}
	blob.Evidence, blob.Ref = evidence, manifests.Redact(ref)
	return blob, nil
}

// Read waits until there is a proved byte to read.
func (s *Stream) Read(buffer []byte) (int, error) {
	part, err := s.part()
	if err != nil {
		return 0, err
	}
	n, err := part.Read(buffer)
	s.at += int64(n)
	if n > 0 || len(buffer) == 0 {
		return n, nil
	}
	return 0, s.cut(err)
}

// WriteTo writes what is left, each part of it once it is proved: as an
// io.SectionReader of an os.File, for a writer that has io.ReaderFrom.
func (s *Stream) WriteTo(w io.Writer) (written int64, err error) {
	for {
		part, err := s.part()
		if err == io.EOF {
			return written, nil
		}
		if err != nil {
			return written, err
		}
		n, err := io.Copy(w, part)
		s.at += n
		written += n
		if err == nil && n < part.Size() {
			err = s.cut(io.EOF)
		}
		if err != nil {
			return written, err
		}
	}
}

// part waits until there is a proved byte to read, and is what is proved from
// there to the end of its chunk, or of all.
func (s *Stream) part() (*io.SectionReader, error) {
	if s.at >= s.size {
		if _, err := s.wait(); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}
	end := s.size
	if s.come != nil {
		i := int(s.at / verify.ChunkSize)
		select {
		case <-s.come.ready[i]:
		case <-s.done:
			if s.err != nil {
				return nil, s.err
			}
		}
		from, n := s.come.span(i)
		end = from + n
	}
	return io.NewSectionReader(s.held.Reader(), s.at, end-s.at), nil
}

// cut is the error of reading a part, all of which was there before.
func (s *Stream) cut(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%s: %w", s.name, err)
}

// Begin waits until there is something to read. Its error is why there will be
// nothing.
func (s *Stream) Begin() error {
	if s.come == nil {
		return s.err
	}
	select {
	case <-s.come.ready[0]:
		return nil
	case <-s.done:
		return s.err
	}
}

// Whole reports whether all has come and is in the cache.
func (s *Stream) Whole() bool {
	select {
	case <-s.done:
		return s.err == nil
	default:
		return false
	}
}

func (s *Stream) wait() (Blob, error) {
	<-s.done
	return s.blob, s.err
}

// Blob waits until the whole is proved and in the cache. The blob's File stays
// open until the Stream is closed.
func (s *Stream) Blob() (Blob, error) { return s.wait() }

// Close ends the Stream; neither Read nor a Blob's File may be used any more.
func (s *Stream) Close() error { return s.end(false) }

// end ends the Stream; its blob, if there is one, stays open if keep is set.
func (s *Stream) end(keep bool) (err error) {
	s.once.Do(func() {
		s.stop()
		if _, failed := s.wait(); failed != nil || !keep {
			err = s.held.Close()
		}
	})
	return err
}
