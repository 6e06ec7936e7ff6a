package install

import (
	"testing"

	"pgregory.net/rapid"
)

// TestEqualRuns checks that the runs hold equal blocks, that none overlaps another, and
// that every block that the source has too is in one.
func TestEqualRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sums := rapid.SliceOfN(rapid.Uint64Range(0, 6), 0, 20)
		source, target := sums.Draw(t, "source"), sums.Draw(t, "target")
		next := int64(0)
		covered := map[int64]bool{}
		for _, r := range equalRuns(source, target) {
			if r.count < 1 || r.to < next || r.to+r.count > int64(len(target)) || r.from+r.count > int64(len(source)) {
				t.Fatalf("run %+v after %d", r, next)
			}
			for n := range r.count {
				if source[r.from+n] != target[r.to+n] {
					t.Fatalf("run %+v: block %d differs", r, n)
				}
				covered[r.to+n] = true
			}
			next = r.to + r.count
		}
		for n, sum := range target {
			found := false
			for _, other := range source {
				found = found || other == sum
			}
			if found != covered[int64(n)] {
				t.Fatalf("block %d is in the source: %v, in a run: %v", n, found, covered[int64(n)])
			}
		}
	})
}
