package process_test

import (
	"context"
	"testing"

	"github.com/kist-tools/kist/cmd/kist/internal/process"
)

// TestAwait checks that the exit code is the command's, even after an interrupt, unless
// the command does not return: then its stages are removed, even if nobody reads stderr.
func TestAwait(t *testing.T) {
	for _, test := range []struct {
		name                   string
		interrupted, returns   bool
		want                   int
		wantCleaned, wantStops bool
	}{
		{"done", false, true, 5, false, false},
		{"done after an interrupt", true, true, 5, false, false},
		{"stuck after an interrupt", true, false, 130, true, true},
	} {
		ctx, interrupt := context.WithCancel(t.Context())
		code := make(chan int, 1)
		if test.interrupted {
			interrupt()
		}
		if test.returns {
			code <- 5
		}
		cleaned, stopped, never := false, false, make(chan struct{})
		got := process.Await(ctx, func() { stopped = true }, code, func() { cleaned = true }, func() { <-never })
		if got != test.want || cleaned != test.wantCleaned || stopped != test.wantStops {
			t.Errorf("%s: exit code %d, cleaned %v, stopped %v", test.name, got, cleaned, stopped)
		}
		interrupt()
		close(never)
	}
}
