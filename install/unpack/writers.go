package unpack

import (
	"crypto/sha256"
	"path"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/kist-tools/kist/install/internal/rootfs"
)

// Writers make the small files of an archive while its reader goes on to the
// next ones. Formats whose decoder has a goroutine of its own need none.
//
// One goroutine hands out the files. What it must not overtake waits for all of
// them: the opening of a file that was handed out, and its removal.
type writers struct {
	jobs  chan job
	free  chan []byte
	ended sync.WaitGroup // of the writers
	atOut sync.WaitGroup // files that were handed out

	broken atomic.Bool // err is set
	mu     sync.Mutex
	err    error // of the first file that failed, in the archive's order
	which  int
	handed int
}

// A job is one file: a claimed node, and its content, that of the free list.
type job struct {
	n     *node
	dir   rootfs.Dir
	data  []byte
	which int
}

const (
	maxWriters = 4
	// maxSmall is the size of what is written on the side: with more, reading and
	// writing take turns that are long enough.
	maxSmall = 64 << 10
	// filesAhead is how many files wait for a writer at most.
	filesAhead = 16
)

func newWriters() *writers {
	w := &writers{jobs: make(chan job, filesAhead), free: make(chan []byte, filesAhead)}
	for range filesAhead {
		w.free <- make([]byte, 0, maxSmall)
	}
	for range min(maxWriters, runtime.GOMAXPROCS(0)) {
		w.ended.Go(func() {
			for j := range w.jobs {
				if err := j.write(); err != nil {
					w.fail(j.which, err)
				}
				w.free <- j.data[:0]
				w.atOut.Done()
			}
		})
	}
	return w
}

// hand has n made in dir, of data, a buffer of the free list.
func (w *writers) hand(n *node, dir rootfs.Dir, data []byte) {
	w.atOut.Add(1)
	w.handed++
	w.jobs <- job{n, dir, data, w.handed}
}

func (j *job) write() error {
	out, err := j.dir.Create(path.Base(j.n.Path), j.n.Mode)
	if err != nil {
		return folded(err, j.n.raw)
	}
	_, err = out.Write(j.data)
	if closing := out.Close(); err == nil {
		err = closing
	}
	sum := sha256.Sum256(j.data)
	j.n.Digest = digest(sum[:])
	return err
}

func (w *writers) fail(which int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil || which < w.which {
		w.err, w.which = err, which
	}
	w.broken.Store(true)
}

// wait waits until all that was handed out is written, and returns what failed.
func (w *writers) wait() error {
	w.atOut.Wait()
	return w.err
}

// stop waits, and ends the writers.
func (w *writers) stop() error {
	close(w.jobs)
	w.ended.Wait()
	return w.err
}
