package upstreams

import (
	"maps"
	"slices"
)

// Origins and Named are the Source of an upstream with several origins, for its test.
type (
	Origins = origins
	Named   = namedOrigin
)

// Aliases is the table of other names, for its test.
func Aliases() map[string]string { return aliases() }

// Refused returns the tools that have a Refusal but no row, in order.
func Refused() []string { return slices.Sorted(maps.Keys(refused())) }
