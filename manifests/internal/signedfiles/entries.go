package signedfiles

import (
	"fmt"
	"time"

	"github.com/kist-tools/kist/manifests"
)

// entries makes an index of what a parser decoded, or err where that failed. It skips
// items that entry refuses, and repeated versions. An index without any version is an
// error. what names the index.
func entries[T any](what string, err error, items []T, entry func(T) (e manifests.IndexEntry, ok bool)) (manifests.VersionIndex, error) {
	if err != nil {
		return nil, fmt.Errorf("not %s: %w", what, err)
	}
	var index manifests.VersionIndex
	seen := map[string]bool{}
	for _, item := range items {
		if e, ok := entry(item); ok && !seen[e.Version] {
			seen[e.Version] = true
			index = append(index, e)
		}
	}
	if len(index) == 0 {
		return nil, fmt.Errorf("not %s: it names no version", what)
	}
	return index, nil
}

// everywhere is the platform of what an index lists without one.
func everywhere() []manifests.Platform { return []manifests.Platform{{}} }

// parseDate parses a date of an index; an invalid one is zero.
func parseDate(layout, s string) time.Time {
	t, err := time.Parse(layout, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
