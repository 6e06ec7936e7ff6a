package plan

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// State is what is installed, the only input of a plan apart from its Change.
type State struct {
	Current     record.Generation            // Number 0: nothing yet
	Generations map[uint64]record.Generation // all that exist, including Current
	Receipts    map[record.ID]record.Head    // all that are readable, including Removed ones
	// Damaged holds the receipts that cannot be read, or that belong to another data
	// directory, with the reason. They never cause a removal, and nothing counts as
	// unused because they are missing.
	Damaged map[record.ID]error
	// Gone holds the receipts whose prefix, or a command in it, is missing on disk.
	Gone    map[record.ID]bool
	Bin     string            // the bin directory, for messages
	Foreign map[string]string // names in Bin that are not kist's links, with a description of each
}

// Installed returns the receipts of the current generation, sorted by tool and then by
// version, newest first.
func (s State) Installed() []record.Head {
	var rs []record.Head
	for _, id := range s.Current.Receipts {
		if r, ok := s.Receipts[id]; ok {
			rs = append(rs, r)
		}
	}
	slices.SortFunc(rs, func(a, b record.Head) int {
		return cmp.Or(strings.Compare(a.Key(), b.Key()), manifests.CompareVersions(b.Version, a.Version), strings.Compare(b.Version, a.Version))
	})
	return rs
}

// Truncated returns the releases whose removal was interrupted.
func (s State) Truncated() (rs []record.Head) {
	for _, id := range s.Current.Removing {
		if r, ok := s.Receipts[id]; ok && !r.Removed {
			rs = append(rs, r)
		}
	}
	return rs
}

// After returns the state after p. Releases that p installs have no receipts in it yet.
func (s State) After(p Plan) State {
	after, _ := s.after(p)
	return after
}

// Pruned returns, in order, the generations that p deletes.
func (s State) Pruned(p Plan) []uint64 {
	_, dropped := s.after(p)
	return dropped
}

// switchedTo returns s with g as its current generation.
func (s State) switchedTo(g record.Generation) State {
	s.Generations, s.Current = maps.Clone(s.Generations), g
	s.Generations[g.Number] = g
	return s
}

// Stale returns, in order, the generations to delete because they name a release that
// the current generation removes.
func (s State) Stale() (numbers []uint64) {
	for _, n := range slices.Sorted(maps.Keys(s.Generations)) {
		if n != s.Current.Number && slices.ContainsFunc(s.Current.Removing, s.Generations[n].Has) {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// Unreferenced returns the installed releases that no generation names; their files are to
// be removed.
func (s State) Unreferenced() (ids []record.ID) {
	named := map[record.ID]bool{}
	for _, g := range s.Generations {
		for _, id := range g.Receipts {
			named[id] = true
		}
	}
	for id, r := range s.Receipts {
		if !r.Removed && !named[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// nearestRemaining returns the number of the first generation, from the current one
// back, that names no release that p removes or remakes; zero if there is none.
func (s State) nearestRemaining(p Plan) uint64 {
	n := s.Current.Number
	for n != 0 && slices.ContainsFunc(slices.Concat(p.Remove, p.Change.Remake), s.Generations[n].Has) {
		n = s.Generations[n].Parent
	}
	if _, ok := s.Generations[n]; !ok {
		return 0
	}
	return n
}
