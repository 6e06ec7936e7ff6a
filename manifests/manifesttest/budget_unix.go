//go:build unix

package manifesttest

import (
	"syscall"
	"time"
)

// processorTime is what the process has used of the processor so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
