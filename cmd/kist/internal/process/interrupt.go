// Package process ends this process: at an interrupt, or by giving its place to another
// program.
package process

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// One interrupt ends kist: it cancels the context of the command. Some calls ignore the
// context, such as opening a pipe or writing to one that nobody reads: then the
// process ends without waiting for the command.

const (
	// unwinding is how long the command may take to return after an interrupt.
	unwinding = 800 * time.Millisecond
	// cleaning is how long the removal of unpacked files may take after that.
	cleaning = 10 * time.Second
	// lastWord is how long writing "interrupted" may take: the command may be blocked on stderr.
	lastWord = 50 * time.Millisecond
)

// UntilInterrupted returns a context that ends with the first interrupt: SIGINT,
// SIGTERM, or SIGHUP, unless kist was started with SIGHUP ignored, as nohup does.
// Further interrupts do nothing until stop is called; then they end the process.
func UntilInterrupted(ctx context.Context) (_ context.Context, stop context.CancelFunc) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signal.NotifyContext(ctx, signals...)
}

// Await returns the exit code of the process: that of the command, which arrives on code.
// If it does not arrive soon after ctx was interrupted, Await calls clean, which removes
// what the command was unpacking, then say, which says so, and returns 130.
func Await(ctx context.Context, stop context.CancelFunc, code <-chan int, clean, say func()) int {
	select {
	case c := <-code:
		return c
	case <-ctx.Done():
	}
	select {
	case c := <-code:
		return c
	case <-time.After(unwinding):
	}
	stop()
	atMost(cleaning, clean) // the next change removes what is left
	atMost(lastWord, say)
	return 130
}

// atMost calls do, and waits for it no longer than limit.
func atMost(limit time.Duration, do func()) {
	done := make(chan struct{})
	go func() {
		do()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(limit):
	}
}
