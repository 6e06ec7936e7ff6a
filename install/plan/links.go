package plan

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

// links computes the commands of the defaults of g. Names that lead somewhere new
// must be free in the bin directory.
func links(s State, g record.Generation, receipts map[record.ID]record.Head) ([]record.CommandLink, error) {
	owner := map[string]record.Head{}
	var ls []record.CommandLink
	for _, key := range slices.Sorted(maps.Keys(g.Defaults)) {
		id := g.Defaults[key]
		r, readable := s.Receipts[id]
		if fresh, ok := receipts[id]; ok && fresh.ID == id {
			r, readable = fresh, true
		}
		if !readable { // a damaged receipt: its links stay as they are
			r.ID = id
			for _, l := range s.Current.Links {
				if l.ID == id {
					r.Commands = append(r.Commands, record.Command{Name: l.Name, Path: l.Target})
				}
			}
		}
		for _, c := range r.Commands {
			if has, taken := owner[c.Name]; taken {
				if slices.ContainsFunc(s.Current.Links, func(l record.CommandLink) bool { return l.Name == c.Name && l.ID == r.ID }) {
					has, r = r, has // the one that is linked now keeps the name
				}
				return nil, &ConflictError{Command: c.Name, Owner: nameOf(has), Wants: nameOf(r)}
			}
			owner[c.Name] = r
			l := record.CommandLink{Name: c.Name, ID: r.ID, Target: c.Path}
			if err := s.free(l, r, g.Removing); err != nil {
				if _, conflict := err.(*ConflictError); !conflict {
					return nil, err
				}
				// The name's owner in the current generation gives it up
				// in this one: a conflict only if both keep it, seen above.
			}
			ls = append(ls, l)
		}
	}
	slices.SortFunc(ls, func(a, b record.CommandLink) int { return strings.Compare(a.Name, b.Name) })
	return ls, nil
}

// nameOf is how people name a release, or its ID where its receipt is damaged.
func nameOf(r record.Head) string {
	if r.Tool == "" {
		return string(r.ID)
	}
	return r.Ref()
}

// maxCommands is how many commands one release may have. Toolchains have some
// hundred; every one of them is a link on PATH.
const maxCommands = 2000

// Commands finds what patterns (path.Match, below the prefix) make commands
// among entries, which are in the order of their paths: executable regular
// files, and links that lead to one. The name is the path's base; of two paths
// with one name, the first pattern's counts. It is an error, matching
// verify.ErrUntrusted, if there are patterns and nothing matches, for then the
// archive is not what its manifest says, and if there are more than maxCommands.
func Commands(patterns []string, entries []record.Entry) ([]record.Command, error) {
	var found []record.Command
	taken := map[string]bool{}
	for _, pattern := range patterns {
		for _, e := range entries {
			if ok, _ := path.Match(pattern, e.Path); !ok || !executable(entries, e.Path, 40) {
				continue
			}
			if name := path.Base(e.Path); !taken[name] {
				if len(found) == maxCommands {
					return nil, fmt.Errorf("more than %d commands: %w", maxCommands, verify.ErrUntrusted)
				}
				taken[name] = true
				found = append(found, record.Command{Name: name, Path: e.Path})
			}
		}
	}
	if len(found) == 0 && len(patterns) > 0 {
		return nil, fmt.Errorf("no executable file matches the commands %s: %w",
			strings.Join(patterns, ", "), verify.ErrUntrusted)
	}
	return found, nil
}

// Remaining are those of commands that are still there among entries, which are in
// the order of their paths.
func Remaining(commands []record.Command, entries []record.Entry) []record.Command {
	return slices.DeleteFunc(slices.Clone(commands), func(c record.Command) bool { return !executable(entries, c.Path, 40) })
}

func find(entries []record.Entry, p string) (record.Entry, bool) {
	i, ok := slices.BinarySearchFunc(entries, p, func(e record.Entry, p string) int { return strings.Compare(e.Path, p) })
	if !ok {
		return record.Entry{}, false
	}
	return entries[i], true
}

// executable resolves p among the entries alone.
func executable(entries []record.Entry, p string, hops int) bool {
	if hops == 0 {
		return false
	}
	dir := path.Dir(p)
	for d := dir; d != "."; d = path.Dir(d) {
		if parent, _ := find(entries, d); parent.Type == record.Link {
			return executable(entries, path.Join(path.Dir(d), parent.Target, strings.TrimPrefix(p, d+"/")), hops-1)
		}
	}
	e, ok := find(entries, p)
	switch {
	case !ok:
		return false
	case e.Type == record.Link:
		return executable(entries, path.Join(dir, e.Target), hops-1)
	}
	return e.Type == record.File && e.Mode&fs.FileMode(0o111) != 0
}
