package manifesttest

import (
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// The budget for one document at its ceiling, valid or hostile.
const (
	BudgetTime   = 3 * time.Second // of processor time
	BudgetMemory = 300 << 20       // bytes
)

// Budget fails t if f takes more than BudgetTime or BudgetMemory. It measures the whole
// process, so tests that use it must not run in parallel with others.
func Budget(t testing.TB, f func()) {
	t.Helper()
	Within(t, BudgetTime, BudgetMemory, f)
}

// Within is Budget with other limits.
func Within(t testing.TB, limit time.Duration, memory uint64, f func()) {
	t.Helper()
	debug.FreeOSMemory()
	done, peak := make(chan struct{}), make(chan uint64)
	go func() {
		most := usedMemory()
		for {
			select {
			case <-done:
				peak <- max(most, usedMemory())
				return
			case <-time.After(2 * time.Millisecond):
				most = max(most, usedMemory())
			}
		}
	}()
	before := processorTime()
	f()
	used := processorTime() - before
	close(done)
	most := <-peak
	if used > limit || most > memory {
		t.Errorf("%v of processor time and %d MiB of memory, over the budget of %v and %d MiB", used, most>>20, limit, memory>>20)
	}
	t.Logf("%v, %d MiB", used.Round(time.Millisecond), most>>20)
}

// usedMemory returns how many bytes of memory the process has from the system.
func usedMemory() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64() - sample[1].Value.Uint64()
}
