package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// One interrupt ends kist: the context of run ends, and whatever run waits for
// with it. Some waits hear of no context, such as the opening of a pipe or a write
// to one that nobody reads: then the process ends without run.

const (
	// unwinding is how long run may take to return after an interrupt.
	unwinding = 800 * time.Millisecond
	// cleaning is how long the removal of what was unpacked may take after that.
	cleaning = 10 * time.Second
	// lastWord is how long may be spent on writing that kist was interrupted: stderr may
	// be what run waits for.
	lastWord = 50 * time.Millisecond
)

// untilInterrupted returns a context that ends with the first interrupt: SIGINT,
// SIGTERM, or SIGHUP, unless kist was started with that one ignored, as nohup does.
// Further ones do nothing until stop is called; then they end the process.
func untilInterrupted(ctx context.Context) (_ context.Context, stop context.CancelFunc) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signal.NotifyContext(ctx, signals...)
}

// await returns the exit code of the process: that of run, which it sends to code.
// If run does not return soon after an interrupt, it removes what run was unpacking,
// and returns 130.
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
	atMost(cleaning, func() { env.Stages.Remove() }) // what cannot be removed, the next change removes
	atMost(lastWord, (&app{Env: env}).interrupted)
	return 130
}

// atMost does something, and waits for its end no longer than limit.
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
