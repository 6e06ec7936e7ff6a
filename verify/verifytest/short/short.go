// Package short takes samples of the large matrices of kist's tests, for runs with
// -short. A sample is the same in each run, and is logged.
package short

import (
	"cmp"
	"hash/fnv"
	"iter"
	"maps"
	"slices"
	"testing"
)

// Step returns 1, or n with -short: the step of a loop over rows or bytes.
func Step(tb testing.TB, n int) int {
	tb.Helper()
	if !testing.Short() {
		return 1
	}
	tb.Logf("-short: one in %d", n)
	return n
}

// Rows yields the rows of a table, sorted by name. With -short it yields the first and
// every n-th after it.
func Rows[Name cmp.Ordered, Row any](tb testing.TB, table map[Name]Row, n int) iter.Seq2[Name, Row] {
	tb.Helper()
	names, step := slices.Sorted(maps.Keys(table)), Step(tb, n)
	return func(yield func(Name, Row) bool) {
		for i := 0; i < len(names); i += step {
			if !yield(names[i], table[names[i]]) {
				return
			}
		}
	}
}

// Leaves reports whether -short leaves out an expensive part of the running test: it
// keeps that of about one test in n, by the test's name.
func Leaves(tb testing.TB, n uint32) bool {
	tb.Helper()
	hash := fnv.New32a()
	hash.Write([]byte(tb.Name()))
	leave := testing.Short() && hash.Sum32()%n != 0
	if leave {
		tb.Log("-short: only the first part")
	}
	return leave
}
