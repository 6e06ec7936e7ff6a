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
	Desk   *trust.Desk
	State  plan.State // of the user's own store, as it was last read
	Layers []Layer    // the stores below it, the upper ones first

	// Warn reports what the user must know, Tell what is worth knowing, Detail what only a
	// curious one asks for.
	Warn, Tell, Detail func(format string, args ...any)
}

// IsDefault reports whether the commands of r's tool lead to r: in the user's own bin
// directory or, if the tool has no default there, in that of the uppermost layer that has
// one.
func (s *Set) IsDefault(r record.Head) bool {
	if id, ok := s.State.Current.Defaults[r.Key()]; ok {
		return id == r.ID
	}
	for _, l := range s.Layers {
		if id, ok := l.State.Current.Defaults[r.Key()]; ok {
			return id == r.ID
		}
	}
	return false
}

// IsOwnDefault reports whether the commands in the user's own bin directory lead to r.
func (s *Set) IsOwnDefault(r record.Head) bool {
	return s.State.Current.Defaults[r.Key()] == r.ID
}

// defaultsFirst moves the user's own default in list before the other releases, and the
// default of each layer before the others of that layer.
func (s *Set) defaultsFirst(list []record.Head) {
	rank := func(r record.Head) int {
		n := s.index(r.ID)
		switch {
		case s.IsOwnDefault(r):
			return -1
		case n != ownStore && s.Layers[n].State.Current.Defaults[r.Key()] == r.ID:
			return 2 * (n + 1)
		}
		return 2*(n+1) + 1
	}
	slices.SortStableFunc(list, func(a, b record.Head) int { return rank(a) - rank(b) })
}
