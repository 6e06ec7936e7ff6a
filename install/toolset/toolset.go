// Package toolset relates what a user names to the toolchains of this machine and to
// the channels that they come from: which installed releases a reference means, which
// tool satisfies a demand, what an installation or an update needs, and in which
// environment a toolchain runs.
//
// It asks channels through a [trust.Desk], and so gets nothing but proved releases. It
// changes nothing by itself: it returns a [plan.Change], or calls [Search.Install].
package toolset

import (
	"slices"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/trust"
)

// A Set is the toolchains of this machine and the channels that they come from.
type Set struct {
	*install.Installer
	Desk  *trust.Desk
	State plan.State // as it was last read

	// Warn reports what the user must know, Detail what only a curious one asks for.
	Warn, Detail func(format string, args ...any)
}

// IsDefault reports whether the commands of r's tool lead to r.
func (s *Set) IsDefault(r record.Head) bool {
	return s.State.Current.Defaults[r.Key()] == r.ID
}

// defaultsFirst moves the defaults in list before the other releases.
func (s *Set) defaultsFirst(list []record.Head) {
	rank := func(r record.Head) int {
		if s.IsDefault(r) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b record.Head) int { return rank(a) - rank(b) })
}
