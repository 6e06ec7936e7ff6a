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

// links computes the command links of the defaults of g. outside are releases of other
// stores that may be among them. The name of a link that is new or changes its target must
// be free in the bin directory.
func links(s State, g record.Generation, receipts map[record.ID]record.Head, outside []Outside) ([]record.CommandLink, error) {
	owner := map[string]record.Head{}
	var ls []record.CommandLink
	for _, key := range slices.Sorted(maps.Keys(g.Defaults)) {
		id := g.Defaults[key]
		r, readable := s.Receipts[id]
		if fresh, ok := receipts[id]; ok && fresh.ID == id {
			r, readable = fresh, true
		}
		prefix := ""
		if i := slices.IndexFunc(outside, func(o Outside) bool { return o.ID == id }); i >= 0 {
			r, prefix, readable = outside[i].Head, outside[i].Prefix, true
		}
		if !readable { // a damaged receipt, or a release of another store: keep its links
			r.ID = id
			for _, l := range s.Current.Links {
				if l.ID == id {
					prefix = l.Prefix
					r.Commands = append(r.Commands, record.Command{Name: l.Name, Path: l.Target})
				}
			}
		}
		for _, c := range r.Commands {
			if has, taken := owner[c.Name]; taken {
				if slices.ContainsFunc(s.Current.Links, func(l record.CommandLink) bool { return l.Name == c.Name && l.ID == r.ID }) {
					has, r = r, has // the currently linked tool keeps the name
				}
				return nil, &ConflictError{Command: c.Name, Owner: nameOf(has), Wants: nameOf(r)}
			}
			owner[c.Name] = r
			l := record.CommandLink{Name: c.Name, ID: r.ID, Target: c.Path, Prefix: prefix}
			if err := s.checkOwner(l, r, g.Removing); err != nil {
				if _, conflict := err.(*ConflictError); !conflict {
					return nil, err
				}
				// The current owner has no such command in g; otherwise
				// the lookup in owner above reports the conflict.
			}
			ls = append(ls, l)
		}
	}
	slices.SortFunc(ls, func(a, b record.CommandLink) int { return strings.Compare(a.Name, b.Name) })
	return ls, nil
}

// nameOf returns channel/tool@version, or the ID if the receipt is damaged.
func nameOf(r record.Head) string {
	if r.Tool == "" {
		return string(r.ID)
	}
	return r.Ref()
}

// maxCommands is the most commands one release may have. Toolchains have a few
// hundred; each becomes a link on PATH.
const maxCommands = 2000

// Named returns the patterns that are literal paths. The files at these paths become
// executable, whatever mode their archive states, since the release names them.
func Named(patterns []string) (paths []string) {
	for _, pattern := range patterns {
		if p, ok := manifests.CommandPath(pattern); ok {
			paths = append(paths, p)
		}
	}
	return paths
}

// Commands returns the commands that the patterns of a release (manifests.MatchCommand)
// select from entries, which are sorted by path: executable regular files, and links
// to such files. A command's name is the base of its path; if two paths have the same
// base, the earlier pattern wins. skipped holds the paths that match a wildcard but
// whose base is not a valid command name; no command in found has such a name.
//
// Commands returns an error that matches verify.ErrUntrusted if there are patterns and
// nothing matches (the archive then contradicts its manifest), if there are more than
// maxCommands commands, or if a literal pattern has an invalid command name.
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
				return nil, nil, verify.Untrusted("%w", err)
			}
			taken[name] = true
			found = append(found, record.Command{Name: name, Path: e.Path})
		}
	}
	if len(found)+len(skipped) == 0 && len(patterns) > 0 {
		return nil, nil, verify.Untrusted("no executable file matches the commands %s%s", strings.Join(patterns, ", "), mismatch(patterns, entries))
	}
	// A later literal pattern may add a name that a wildcard skipped.
	skipped = slices.DeleteFunc(skipped, func(p string) bool { return taken[path.Base(p)] })
	return found, skipped, nil
}

// mismatch explains why the first entry that patterns match is not a command.
func mismatch(patterns []string, entries []record.Entry) string {
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

// Remaining returns the commands whose files are among entries, which are sorted by
// path.
func Remaining(commands []record.Command, entries []record.Entry) []record.Command {
	return slices.DeleteFunc(UsableCommands(commands), func(c record.Command) bool { return !executable(entries, c.Path, 40) })
}

// UsableCommands returns the commands with valid names. Receipts of earlier versions of
// kist hold others, which are used for removal only.
func UsableCommands(commands []record.Command) []record.Command {
	return slices.DeleteFunc(slices.Clone(commands), func(c record.Command) bool { return manifests.ValidCommand(c.Name) != nil })
}

// UsableLinks returns the links with valid names. Generations of earlier versions of
// kist hold others.
func UsableLinks(links []record.CommandLink) []record.CommandLink {
	return slices.DeleteFunc(slices.Clone(links), func(l record.CommandLink) bool { return manifests.ValidCommand(l.Name) != nil })
}

// findEntry returns the index of the entry at path p among entries, which are sorted by
// path.
func findEntry(entries []record.Entry, p string) (index int, ok bool) {
	return slices.BinarySearchFunc(entries, p, func(e record.Entry, p string) int { return strings.Compare(e.Path, p) })
}

// executable reports whether p is an executable regular file, or leads to one through at
// most hops links.
func executable(entries []record.Entry, p string, hops int) bool {
	i, ok := resolve(entries, p, hops)
	return ok && entries[i].Mode&fs.FileMode(0o111) != 0
}

// resolve returns the index of the regular file at p, following links among entries,
// never on disk.
func resolve(entries []record.Entry, p string, hops int) (index int, ok bool) {
	if hops == 0 {
		return 0, false
	}
	dir := path.Dir(p)
	for d := dir; d != "."; d = path.Dir(d) {
		if i, ok := findEntry(entries, d); ok && entries[i].Type == record.Link {
			return resolve(entries, path.Join(path.Dir(d), entries[i].Target, strings.TrimPrefix(p, d+"/")), hops-1)
		}
	}
	i, ok := findEntry(entries, p)
	switch {
	case !ok:
		return 0, false
	case entries[i].Type == record.Link:
		return resolve(entries, path.Join(dir, entries[i].Target), hops-1)
	}
	return i, entries[i].Type == record.File
}

// MakeExecutable returns a copy of entries, which are sorted by path, with the modes that
// an install gives them: a Named file is executable for everybody that can read it.
func MakeExecutable(patterns []string, entries []record.Entry) []record.Entry {
	entries = slices.Clone(entries)
	for _, p := range Named(patterns) {
		if i, ok := resolve(entries, p, 40); ok {
			entries[i].Mode |= entries[i].Mode & 0o444 >> 2
		}
	}
	return entries
}
