package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/kist-tools/kist/install/internal/private"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A Stream reads the content of an artifact, from its start, while it is being
// fetched. If the artifact has chunk digests, each chunk can be read as soon as it is
// proved; otherwise everything can be read once the whole is proved. Read returns
// io.EOF only after the whole is proved and in the cache. A slow reader does not slow
// the download down.
//
// Only one goroutine at a time may call Read. Any may call Blob at any time.
type Stream struct {
	name   string
	size   int64
	held   *private.File
	at     int64   // offset of the next Read
	pieces *pieces // nil: the whole is in held

	stop context.CancelFunc
	done chan struct{} // closed once blob or err is set
	blob Blob
	err  error
}

// Stream starts to fetch a, or finds it in the cache. The caller closes the Stream.
// Closing it before its end stops the download and keeps the partial file.
//
// Errors of Stream and of the Stream that match verify.ErrUntrusted: *verify.SizeError,
// *verify.DigestError, *verify.SignatureError, *verify.TreeError and, without a known
// size, *manifests.TooLargeError. If no ref gave an answer, the error matches
// manifests.ErrUnreachable, or manifests.ErrNotFound if all refs are not found.
// *rootfs.BusyError means that another process is still fetching a after LockWait.
// *SpaceError is returned before anything is written. If the network fails or ctx
// ends, the partial download stays for the next attempt; after any other error
// nothing stays.
func (c Cache) Stream(ctx context.Context, a manifests.Artifact) (*Stream, error) {
	if a.Chunks.Len() == 0 {
		blob, err := c.fetch(ctx, a)
		if err != nil {
			return nil, err
		}
		return streamOf(a, blob), nil
	}
	key, blob, held, err := c.findOrClaim(ctx, a)
	if err != nil {
		return nil, err
	}
	if held == nil {
		return streamOf(a, blob), nil
	}
	p, err := c.openPieces(ctx, a, key)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", a.Name, err), held.release())
	}
	ctx, stop := context.WithCancel(ctx)
	s := &Stream{name: a.Name, size: a.Size, held: p.spool.held, pieces: p, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		defer held.release()
		if s.blob, s.err = p.fetchAll(ctx, key); s.err != nil && !canResume(ctx, s.err) {
			s.err = errors.Join(s.err, p.spool.remove())
		}
		if err := p.spool.file.Close(); s.err == nil {
			s.err = err
		}
	}()
	return s, nil
}

// streamOf returns the Stream of a blob.
func streamOf(a manifests.Artifact, blob Blob) *Stream {
	s := &Stream{name: a.Name, size: blob.Size, held: blob.held, stop: func() {}, done: make(chan struct{}), blob: blob}
	close(s.done)
	return s
}

// openPieces finds the chunks that an earlier attempt left of a, and checks that there
// is space for the others.
func (c Cache) openPieces(ctx context.Context, a manifests.Artifact, key string) (*pieces, error) {
	s, size, err := c.openPartial(path.Join(partialDir, key), a)
	if err != nil {
		return nil, err
	}
	p := newPieces(c, a, s)
	if err = p.findProved(ctx, size); err == nil {
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

// fetchAll fetches and proves the whole, and publishes it in the cache.
func (p *pieces) fetchAll(ctx context.Context, key string) (Blob, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	summed := make(chan error, 1)
	go func() { summed <- p.hashWhole(ctx) }()
	err := p.cache.tryRefs(ctx, p.a, func(ref string) error { return p.fetchMissing(ctx, ref) })
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
	blob.Evidence = evidence
	return blob, nil
}

// Read blocks until there is a proved byte to read.
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
	if err == io.EOF { // the part ended early although it was complete before
		err = io.ErrUnexpectedEOF
	}
	return 0, fmt.Errorf("%s: %w", s.name, err)
}

// part blocks until the next byte is proved, and returns what can be read from there:
// up to the end of its chunk, or of the whole.
func (s *Stream) part() (*io.SectionReader, error) {
	if s.at >= s.size {
		if _, err := s.Blob(); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}
	end := s.size
	if s.pieces != nil {
		i := int(s.at / verify.ChunkSize)
		select {
		case <-s.pieces.ready[i]:
		case <-s.done:
			if s.err != nil {
				return nil, s.err
			}
		}
		from, n := s.pieces.span(i)
		end = from + n
	}
	return io.NewSectionReader(s.held, s.at, end-s.at), nil
}

// Begin blocks until there is something to read. It returns an error if the Stream
// fails before that.
func (s *Stream) Begin() error {
	if s.pieces == nil {
		return s.err
	}
	select {
	case <-s.pieces.ready[0]:
		return nil
	case <-s.done:
		return s.err
	}
}

// Whole reports whether the whole is proved and in the cache.
func (s *Stream) Whole() bool {
	select {
	case <-s.done:
		return s.err == nil
	default:
		return false
	}
}

// Blob blocks until the whole is proved and in the cache. The Blob's File stays open
// until the Stream is closed.
func (s *Stream) Blob() (Blob, error) {
	<-s.done
	return s.blob, s.err
}

// Close ends the Stream. Read and the Blob's File must not be used afterwards.
func (s *Stream) Close() error {
	s.stop()
	<-s.done
	return s.held.Close()
}
