package bill

import (
	"cmp"
	"slices"
	"strings"
)

// A Change is one difference between two bills.
type Change struct {
	Change    string `json:"change"`         // "added", "removed" or "changed"
	Toolchain string `json:"toolchain"`      // channel/tool
	Part      string `json:"part,omitempty"` // the part that differs; empty: the toolchain itself
	From      string `json:"from,omitempty"` // the version before
	To        string `json:"to,omitempty"`
	// What differs, of a changed one: "version", "signers", "archive" and "files". The
	// last two are stated only if the version is the same: then they should be, too.
	What []string `json:"what,omitempty"`
}

// Diff returns what differs between two bills, sorted by name. A toolchain or part of
// which each bill has one version that the other lacks has changed. A part of a toolchain
// that was added or removed is not listed.
func Diff(before, after []Item) []Change {
	changes := []Change{}
	old, now := group(before), group(after)
	for key, was := range old {
		is, both := now[key]
		if !both && key.part != "" && !has(now, key) {
			continue
		}
		changes = append(changes, compare(key, was, is)...)
	}
	for key, is := range now {
		if _, both := old[key]; !both && (key.part == "" || has(old, key)) {
			changes = append(changes, compare(key, nil, is)...)
		}
	}
	slices.SortFunc(changes, func(a, b Change) int {
		return cmp.Or(strings.Compare(a.Toolchain, b.Toolchain), strings.Compare(a.Part, b.Part), strings.Compare(a.Change, b.Change),
			strings.Compare(a.From, b.From), strings.Compare(a.To, b.To), slices.Compare(a.What, b.What))
	})
	return slices.CompactFunc(changes, func(a, b Change) bool {
		return a.Change == b.Change && a.Toolchain == b.Toolchain && a.Part == b.Part && a.From == b.From && a.To == b.To && slices.Equal(a.What, b.What)
	})
}

// A key is what stays the same when a toolchain or part is replaced by a newer one.
type key struct{ name, part, platform string }

func group(items []Item) map[key][]Item {
	groups := map[key][]Item{}
	for _, i := range items {
		k := key{i.Name, i.Part, i.Platform}
		groups[k] = append(groups[k], i)
	}
	return groups
}

// has reports whether groups have the toolchain of the part k.
func has(groups map[key][]Item, k key) bool {
	return len(groups[key{k.name, "", k.platform}]) > 0
}

// compare compares what two bills have of one toolchain or part. Equal items are matched
// first, then those of one version. What is left over was added and removed or, if it is
// one of each, changed.
func compare(k key, before, after []Item) (changes []Change) {
	_, before, after = match(before, after, func(a, b Item) bool { return len(differences(a, b)) == 0 })
	pairs, before, after := match(before, after, func(a, b Item) bool { return a.Version == b.Version })
	if len(before) == 1 && len(after) == 1 {
		pairs = append(pairs, [2]Item{before[0], after[0]})
		before, after = nil, nil
	}
	for _, p := range pairs {
		changes = append(changes, Change{"changed", k.name, k.part, p[0].Version, p[1].Version, differences(p[0], p[1])})
	}
	for _, a := range before {
		changes = append(changes, Change{Change: "removed", Toolchain: k.name, Part: k.part, From: a.Version})
	}
	for _, b := range after {
		changes = append(changes, Change{Change: "added", Toolchain: k.name, Part: k.part, To: b.Version})
	}
	return changes
}

// match pairs each item of before with one of after that is the same, and returns what is
// left of both.
func match(before, after []Item, same func(a, b Item) bool) (pairs [][2]Item, left, right []Item) {
	right = slices.Clone(after)
	for _, a := range before {
		if n := slices.IndexFunc(right, func(b Item) bool { return same(a, b) }); n >= 0 {
			pairs = append(pairs, [2]Item{a, right[n]})
			right = slices.Delete(right, n, n+1)
		} else {
			left = append(left, a)
		}
	}
	return pairs, left, right
}

// differences lists what differs between two versions.
func differences(a, b Item) (what []string) {
	if a.Version != b.Version {
		what = append(what, "version")
	}
	if !slices.Equal(a.Signers, b.Signers) {
		what = append(what, "signers")
	}
	if a.Version == b.Version && !slices.Equal(a.Digests, b.Digests) {
		what = append(what, "archive")
	}
	if a.Version == b.Version && a.Tree != b.Tree {
		what = append(what, "files")
	}
	return what
}
