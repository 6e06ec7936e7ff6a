package short_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/kist-tools/kist/verify/verifytest/short"
)

func TestRowsYieldsFirstAndEveryNth(t *testing.T) {
	table := map[string]int{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
	got, want := maps.Collect(short.Rows(t, table, 3)), table
	if testing.Short() {
		want = map[string]int{"a": 1, "d": 4}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	var order []string
	for name := range short.Rows(t, table, 1) {
		order = append(order, name)
	}
	if !slices.Equal(order, []string{"a", "b", "c", "d", "e"}) {
		t.Errorf("in the order %q", order)
	}
}
