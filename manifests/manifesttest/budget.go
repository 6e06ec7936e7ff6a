package manifesttest

import (
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// The budget of one document at its ceiling, whoever made it.
const (
	BudgetTime   = 3 * time.Second // of processor time
	BudgetMemory = 300 << 20       // bytes
)

// Budget fails t if judge takes more of the processor or of memory than one
// document may. Tests that use it do not run in parallel with others: what is
// measured is the whole process.
func Budget(t testing.TB, judge func()) {
	t.Helper()
	Within(t, BudgetTime, BudgetMemory, judge)
}

// Within is Budget with limits of the test's own.
func Within(t testing.TB, limit time.Duration, memory uint64, judge func()) {
	t.Helper()
	debug.FreeOSMemory()
	done, peak := make(chan struct{}), make(chan uint64)
	go func() {
		most := held()
		for {
			select {
			case <-done:
				peak <- max(most, held())
				return
			case <-time.After(2 * time.Millisecond):
				most = max(most, held())
			}
		}
	}()
	before := processorTime()
	judge()
	used := processorTime() - before
	close(done)
	most := <-peak
	if used > limit || most > memory {
		t.Errorf("%v of the processor and %d MiB, over the budget of %v and %d MiB", used, most>>20, limit, memory>>20)
	}
	t.Logf("%v, %d MiB", used.Round(time.Millisecond), most>>20)
}

// held is how many bytes of memory the process has from the system.
func held() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64() - sample[1].Value.Uint64()
}
