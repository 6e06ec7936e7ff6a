package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// One interrupt ends kist: it cancels the context of run. Some calls ignore the
// context, such as opening a pipe or writing to one that nobody reads: then the
// process ends without waiting for run.

const (
	// unwinding is how long run may take to return after an interrupt.
	unwinding = 800 * time.Millisecond
	// cleaning is how long the removal of unpacked files may take after that.
	cleaning = 10 * time.Second
	// lastWord is how long writing "interrupted" may take: run may be blocked on stderr.
	lastWord = 50 * time.Millisecond
)

// untilInterrupted returns a context that ends with the first interrupt: SIGINT,
// SIGTERM, or SIGHUP, unless kist was started with SIGHUP ignored, as nohup does.
// Further interrupts do nothing until stop is called; then they end the process.
func untilInterrupted(ctx context.Context) (_ context.Context, stop context.CancelFunc) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signal.NotifyContext(ctx, signals...)
}

// await returns the exit code of the process: that of run, which arrives on code. If
// run does not return soon after an interrupt, await removes the stages of run and
// returns 130.
func await(ctx context.Context, stop context.CancelFunc, env Env, code <-chan int) int {
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
	atMost(cleaning, func() { env.Stages.Remove() }) // the next change removes what is left
	atMost(lastWord, func() {
		printer := env.printer()
		printer.Color = "never" // the flags belong to run
		printer.Fail("interrupted", false, "")
	})
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
