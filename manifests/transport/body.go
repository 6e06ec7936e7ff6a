package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

var (
	errTooSlow = errors.New("too slow")
	errTooLong = errors.New("more bytes than announced")
)

// A body reads the bytes of one answer. It ends after the announced number of bytes, or
// fails.
type body struct {
	ctx       context.Context // the caller's
	ref       string
	from      io.ReadCloser
	remaining int64  // announced bytes still to come; negative: not announced
	watch     *watch // nil for local files
}

func (b *body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := b.ctx.Err(); err != nil {
		return 0, unreachable(b.ctx, b.ref, err)
	}
	n, err := b.watch.read(b.from, p)
	if b.remaining >= 0 {
		b.remaining -= int64(n)
		switch {
		case b.remaining < 0:
			b.remaining = 0
			return 0, unreachable(b.ctx, b.ref, errTooLong)
		case err == io.EOF && b.remaining > 0:
			err = io.ErrUnexpectedEOF
		}
	}
	if err == nil || err == io.EOF {
		return n, err
	}
	if slow := b.watch.verdict(); slow != nil {
		err = slow
	}
	return n, unreachable(b.ctx, b.ref, err)
}

func (b *body) Close() error {
	b.watch.stop()
	return b.from.Close()
}

// A watch aborts an answer that arrives slower than rate over a window. It samples:
// only ticks at which the reader is waiting count, so a slow reader is not blamed on
// the sender.
type watch struct {
	rate   int64 // bytes a second
	window time.Duration
	abort  context.CancelCauseFunc

	waiting  atomic.Bool
	received atomic.Int64 // in this window
	slow     atomic.Bool
	once     sync.Once
	done     chan struct{}
}

const ticksPerWindow = 8

func newWatch(rate int64, window time.Duration, abort context.CancelCauseFunc) *watch {
	w := &watch{rate: rate, window: window, abort: abort, done: make(chan struct{})}
	go w.run()
	return w
}

func (w *watch) run() {
	ticker := time.NewTicker(w.window / ticksPerWindow)
	defer ticker.Stop()
	for waited := 0; ; {
		select {
		case <-w.done:
			return
		case <-ticker.C:
		}
		if !w.waiting.Load() {
			continue
		}
		if waited++; waited < ticksPerWindow {
			continue
		}
		waited = 0
		if float64(w.received.Swap(0)) < float64(w.rate)*w.window.Seconds() {
			w.slow.Store(true)
			w.abort(errTooSlow)
			return
		}
	}
}

func (w *watch) read(from io.Reader, p []byte) (int, error) {
	if w == nil {
		return from.Read(p)
	}
	w.waiting.Store(true)
	n, err := from.Read(p)
	w.waiting.Store(false)
	w.received.Add(int64(n))
	return n, err
}

// verdict returns the error if w aborted the answer.
func (w *watch) verdict() error {
	if w == nil || !w.slow.Load() {
		return nil
	}
	return fmt.Errorf("%w: under %d bytes a second for %v", errTooSlow, w.rate, w.window)
}

func (w *watch) stop() {
	if w == nil {
		return
	}
	w.once.Do(func() {
		close(w.done)
		w.abort(nil)
	})
}
