package download

import (
	"context"
	"sync"
)

// Turns lets only one goroutine of the process at a time fetch an artifact, so that
// the process never waits for a lock that it holds itself. The zero Turns is ready for
// use.
type Turns struct {
	mu    sync.Mutex
	taken map[string]chan struct{} // by key; closed when the holder leaves
}

// acquire blocks until no other goroutine has the turn for key. leave releases it.
func (t *Turns) acquire(ctx context.Context, key string) (leave func(), err error) {
	if t == nil {
		return func() {}, ctx.Err()
	}
	for {
		t.mu.Lock()
		before, busy := t.taken[key]
		if !busy {
			mine := make(chan struct{})
			if t.taken == nil {
				t.taken = map[string]chan struct{}{}
			}
			t.taken[key] = mine
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				defer t.mu.Unlock()
				delete(t.taken, key)
				close(mine)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-before:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
