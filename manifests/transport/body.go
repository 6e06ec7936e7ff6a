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

// A body is the bytes of one answer. It ends where the answer said it would, or
// fails.
type body struct {
	ctx  context.Context // of the caller
	ref  string
	from io.ReadCloser
	left int64  // announced bytes still to come; negative: not announced
	dog  *watch // nil for local files
}

func (b *body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := b.ctx.Err(); err != nil {
		return 0, unreachable(b.ctx, b.ref, err)
	}
	n, err := b.dog.read(b.from, p)
	if b.left >= 0 {
		b.left -= int64(n)
		switch {
		case b.left < 0:
			b.left = 0
			return 0, unreachable(b.ctx, b.ref, errTooLong)
		case err == io.EOF && b.left > 0:
			err = io.ErrUnexpectedEOF
		}
	}
	if err == nil || err == io.EOF {
		return n, err
	}
	if slow := b.dog.verdict(); slow != nil {
		err = slow
	}
	return n, unreachable(b.ctx, b.ref, err)
}

func (b *body) Close() error {
	b.dog.stop()
	return b.from.Close()
}

// A watch gives an answer up when it comes slower than rate over a window. It
// samples: only ticks that find the reader waiting count, so that a reader that
// takes its time is not held against the sender.
type watch struct {
	rate   int64 // bytes a second
	window time.Duration
	giveUp context.CancelCauseFunc

	waiting  atomic.Bool
	received atomic.Int64 // in this window
	slow     atomic.Bool
	once     sync.Once
	done     chan struct{}
}

const ticksPerWindow = 8

func newWatch(rate int64, window time.Duration, giveUp context.CancelCauseFunc) *watch {
	w := &watch{rate: rate, window: window, giveUp: giveUp, done: make(chan struct{})}
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
			w.giveUp(errTooSlow)
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

// verdict is the error that w ended the answer with, if it did.
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
		w.giveUp(nil)
	})
}
