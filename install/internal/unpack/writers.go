package unpack

import (
	"crypto/sha256"
	"path"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/kist-tools/kist/manifests/rootfs"
)

// writers is a pool of goroutines that write the small files of an archive while its
// reader continues. Formats whose decoder has its own goroutine do not need it.
//
// Only the reader enqueues files. It calls wait before it opens or removes a file that
// it has enqueued.
type writers struct {
	jobs    chan job
	free    chan []byte
	running sync.WaitGroup // the goroutines
	pending sync.WaitGroup // enqueued files that are not written yet

	failed   atomic.Bool // err is set
	mu       sync.Mutex
	err      error // of the first file that failed, in the archive's order
	errIndex int   // of that file
	enqueued int   // number of files so far
}

// A job is a file to write: its claimed node, and its content in a buffer of the free
// list.
type job struct {
	n     *node
	dir   rootfs.Dir
	data  []byte
	index int // in the archive's order
}

const (
	maxWriters = 4
	// maxSmall is the size of the largest file that the pool writes. For larger files,
	// reading in parallel gains little.
	maxSmall = 64 << 10
	// filesAhead is how many files may wait for a writer.
	filesAhead = 16
)

func newWriters() *writers {
	w := &writers{jobs: make(chan job, filesAhead), free: make(chan []byte, filesAhead)}
	for range filesAhead {
		w.free <- make([]byte, 0, maxSmall)
	}
	for range min(maxWriters, runtime.GOMAXPROCS(0)) {
		w.running.Go(func() {
			for j := range w.jobs {
				if err := j.write(); err != nil {
					w.fail(j.index, err)
				}
				w.free <- j.data[:0]
				w.pending.Done()
			}
		})
	}
	return w
}

// enqueue has the file n written in dir. data is a buffer of the free list.
func (w *writers) enqueue(n *node, dir rootfs.Dir, data []byte) {
	w.pending.Add(1)
	w.enqueued++
	w.jobs <- job{n, dir, data, w.enqueued}
}

func (j *job) write() error {
	out, err := j.dir.Create(path.Base(j.n.Path), j.n.Mode)
	if err != nil {
		return foldingError(err, j.n.raw)
	}
	_, err = out.Write(j.data)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	sum := sha256.Sum256(j.data)
	j.n.Digest = digest(sum[:])
	return err
}

// fail records err of the file index, unless an earlier file has failed.
func (w *writers) fail(index int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil || index < w.errIndex {
		w.err, w.errIndex = err, index
	}
	w.failed.Store(true)
}

// wait waits until all enqueued files are written, and returns the first error.
func (w *writers) wait() error {
	w.pending.Wait()
	return w.err
}

// stop ends the goroutines once all files are written, and returns the first error.
func (w *writers) stop() error {
	close(w.jobs)
	w.running.Wait()
	return w.err
}
