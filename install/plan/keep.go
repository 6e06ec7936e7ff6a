package plan

import (
	"maps"
	"slices"

	"github.com/kist-tools/kist/install/record"
)

// This file decides how long the files of releases stay that only older generations name.

// Earlier returns the releases that older generations name and the current one does not,
// each with its rank: 1 for those that the tool had before its present ones, 2 for those
// before them, and so on. The order is that of rollback: first the generations that it
// leads to, then those that a rollback left, the newest first.
func (s State) Earlier() map[record.ID]int {
	ranks, highest := map[record.ID]int{}, map[string]int{}
	for _, g := range s.history() {
		reached := map[string]bool{} // the tools whose rank g has raised
		for _, id := range g.Receipts {
			r, ok := s.Receipts[id]
			if _, ranked := ranks[id]; !ok || ranked || r.Removed || s.Current.Has(id) {
				continue
			}
			if !reached[r.Key()] {
				reached[r.Key()] = true
				highest[r.Key()]++
			}
			ranks[id] = highest[r.Key()]
		}
	}
	return ranks
}

// history returns all generations but the current one: its ancestors, the nearest first,
// then the others, the newest first.
func (s State) history() (list []record.Generation) {
	listed := map[uint64]bool{s.Current.Number: true}
	for n := s.Current.Parent; !listed[n]; n = s.Generations[n].Parent {
		g, ok := s.Generations[n]
		if !ok {
			break
		}
		listed[n] = true
		list = append(list, g)
	}
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(s.Generations))) {
		if !listed[n] {
			list = append(list, s.Generations[n])
		}
	}
	return list
}

// Superseded returns, in order, the releases of older generations that are not among the
// keep earlier ones of their tools. Releases whose files are gone from the disk are left
// out: perhaps their file system is just not mounted.
func (s State) Superseded(keep int) (ids []record.ID) {
	for id, rank := range s.Earlier() {
		if rank > keep && !s.Gone[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// free plans which releases of older generations are freed: those that the change names
// or remakes, and, unless it remakes some, if a release leaves the generation, those that it does not keep.
func (p *Plan) free(s State) {
	leaves := len(p.Leave) > 0 || p.Goto != 0
	if remakes := len(p.Change.Remake) > 0; leaves && !remakes && p.Change.Keep != nil {
		p.Free = s.switchedTo(p.Predicted).Superseded(*p.Change.Keep)
	}
	for _, id := range slices.Concat(p.Change.Free, p.Change.Remake) {
		r, ok := s.Receipts[id]
		if ok && !r.Removed && !p.Predicted.Has(id) && !slices.Contains(p.Free, id) {
			p.Free = append(p.Free, id)
		}
	}
	slices.Sort(p.Free)
}

// WithoutFreed returns what becomes of the older generations once the releases ids are
// freed: those to drop, by number, and those that stay without them, because they hold a
// release that no other generation names.
func (s State) WithoutFreed(ids []record.ID) (dropped []uint64, reduced []record.Generation) {
	isFreed := func(id record.ID) bool { return slices.Contains(ids, id) }
	left := maps.Clone(s.Generations)
	left[s.Current.Number] = s.Current
	for _, n := range slices.Sorted(maps.Keys(s.Generations)) {
		g := s.Generations[n]
		if n == s.Current.Number || !slices.ContainsFunc(g.Receipts, isFreed) {
			continue
		}
		delete(left, n)
		if g = s.without(g, isFreed); slices.ContainsFunc(g.Receipts, func(id record.ID) bool { return s.exists(id) && !isNamed(left, id) }) {
			left[n] = g
			reduced = append(reduced, g)
			continue
		}
		dropped = append(dropped, n)
	}
	return dropped, reduced
}

// without returns g without the releases that isFreed selects.
func (s State) without(g record.Generation, isFreed func(record.ID) bool) record.Generation {
	g.Freed = slices.Clone(g.Freed)
	for _, id := range g.Receipts {
		if isFreed(id) {
			r := s.Receipts[id]
			r.ID = id
			g.Freed = append(g.Freed, nameOf(r))
		}
	}
	g.Receipts = slices.DeleteFunc(slices.Clone(g.Receipts), isFreed)
	g.Links = slices.DeleteFunc(slices.Clone(g.Links), func(l record.CommandLink) bool { return isFreed(l.ID) })
	g.Defaults = maps.Clone(g.Defaults)
	maps.DeleteFunc(g.Defaults, func(_ string, id record.ID) bool { return isFreed(id) })
	return g
}

// exists reports whether files of the release id may be installed.
func (s State) exists(id record.ID) bool {
	r, ok := s.Receipts[id]
	return ok && !r.Removed || s.Damaged[id] != nil
}

// isNamed reports whether one of the generations names id.
func isNamed(generations map[uint64]record.Generation, id record.ID) bool {
	for _, g := range generations {
		if g.Has(id) {
			return true
		}
	}
	return false
}
