package plan

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
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

// Named are the paths of those patterns that match one path only: the file there becomes
// executable, whatever its archive says, since the release names it.
func Named(patterns []string) (paths []string) {
	for _, pattern := range patterns {
		if p, ok := manifests.CommandPath(pattern); ok {
			paths = append(paths, p)
		}
	}
	return paths
}

// Commands finds what the patterns of a release (manifests.MatchCommand) make
// commands among entries, which are in the order of their paths: executable
// regular files, and links that lead to one. The name is the path's base; of two
// paths with one name, the first pattern's counts. skipped are the paths that
// match a pattern and whose names no command may have; they are none in found.
//
// It is an error, matching verify.ErrUntrusted, if there are patterns and nothing
// matches, for then the archive is not what its manifest says, if there are more
// than maxCommands, and if a pattern names a command as none may be called.
func Commands(patterns []string, entries []record.Entry) (found []record.Command, skipped []string, err error) {
	taken := map[string]bool{}
	for _, pattern := range patterns {
		_, named := manifests.CommandName(pattern)
		for _, e := range entries {
			if ok, _ := manifests.MatchCommand(pattern, e.Path); !ok || !executable(entries, e.Path, 40) {
				continue
			}
			name := path.Base(e.Path)
			if taken[name] {
				continue
			}
			if named {
				err = manifests.ValidCommand(name)
			} else if manifests.MatchedCommand(name) != nil {
				if !slices.Contains(skipped, e.Path) {
					skipped = append(skipped, e.Path)
				}
				continue
			}
			if err == nil && len(found) == maxCommands {
				err = fmt.Errorf("more than %d commands", maxCommands)
			}
			if err != nil {
				return nil, nil, fmt.Errorf("%w: %w", err, verify.ErrUntrusted)
			}
			taken[name] = true
			found = append(found, record.Command{Name: name, Path: e.Path})
		}
	}
	if len(found)+len(skipped) == 0 && len(patterns) > 0 {
		return nil, nil, fmt.Errorf("no executable file matches the commands %s%s: %w",
			strings.Join(patterns, ", "), unfit(patterns, entries), verify.ErrUntrusted)
	}
	// A later pattern may name what an earlier one passed over.
	skipped = slices.DeleteFunc(skipped, func(p string) bool { return taken[path.Base(p)] })
	return found, skipped, nil
}

// unfit says of the first entry that patterns match why it is not a command.
func unfit(patterns []string, entries []record.Entry) string {
	for _, pattern := range patterns {
		for _, e := range entries {
			if ok, _ := manifests.MatchCommand(pattern, e.Path); !ok {
				continue
			}
			if e.Type == record.File {
				return fmt.Sprintf("; %s has the mode %04o", e.Path, e.Mode.Perm())
			}
			return fmt.Sprintf("; %s is a %s", e.Path, e.Type)
		}
	}
	return ""
}

// Remaining are those of commands that are still there among entries, which are in
// the order of their paths.
func Remaining(commands []record.Command, entries []record.Entry) []record.Command {
	return slices.DeleteFunc(UsableCommands(commands), func(c record.Command) bool { return !executable(entries, c.Path, 40) })
}

// UsableCommands are those of commands that have a name that commands may have.
// Receipts of earlier kists hold others, which count for nothing but removal.
func UsableCommands(commands []record.Command) []record.Command {
	return slices.DeleteFunc(slices.Clone(commands), func(c record.Command) bool { return manifests.ValidCommand(c.Name) != nil })
}

// UsableLinks are those of links that have a name that commands may have.
// Generations of earlier kists hold others.
func UsableLinks(links []record.CommandLink) []record.CommandLink {
	return slices.DeleteFunc(slices.Clone(links), func(l record.CommandLink) bool { return manifests.ValidCommand(l.Name) != nil })
}

func find(entries []record.Entry, p string) (record.Entry, bool) {
	i, ok := slices.BinarySearchFunc(entries, p, func(e record.Entry, p string) int { return strings.Compare(e.Path, p) })
	if !ok {
		return record.Entry{}, false
	}
	return entries[i], true
}

// executable reports whether p is, or leads to, an executable regular file.
func executable(entries []record.Entry, p string, hops int) bool {
	i, ok := resolve(entries, p, hops)
	return ok && entries[i].Mode&fs.FileMode(0o111) != 0
}

// resolve finds the regular file that p is, or leads to, among the entries alone.
func resolve(entries []record.Entry, p string, hops int) (index int, ok bool) {
	if hops == 0 {
		return 0, false
	}
	dir := path.Dir(p)
	for d := dir; d != "."; d = path.Dir(d) {
		if parent, _ := find(entries, d); parent.Type == record.Link {
			return resolve(entries, path.Join(path.Dir(d), parent.Target, strings.TrimPrefix(p, d+"/")), hops-1)
		}
	}
	i, ok := slices.BinarySearchFunc(entries, p, func(e record.Entry, p string) int { return strings.Compare(e.Path, p) })
	switch {
	case !ok:
		return 0, false
	case entries[i].Type == record.Link:
		return resolve(entries, path.Join(dir, entries[i].Target), hops-1)
	}
	return i, entries[i].Type == record.File
}

// MakeExecutable returns entries, in the order of their paths, as an install leaves them:
// the files that are Named may be executed by those who may read them.
func MakeExecutable(patterns []string, entries []record.Entry) []record.Entry {
	entries = slices.Clone(entries)
	for _, p := range Named(patterns) {
		if i, ok := resolve(entries, p, 40); ok {
			entries[i].Mode |= entries[i].Mode & 0o444 >> 2
		}
	}
	return entries
}
