package unpack

import (
	"bytes"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// What an archive of rust-installer says of itself.
const (
	installerVersion = "rust-installer-version" // which must be 3
	componentList    = "components"             // the directories of the archive that are components, one a line
	fileList         = "manifest.in"            // in such a directory: what of it is installed
)

// maxFileList is the ceiling on each of these, in bytes.
const maxFileList = 8 << 20

// An installer follows one archive of rust-installer. The list of what is
// installed may come after the files, so each file goes to its place when it
// comes, and settle takes back those that turn out not to be listed.
type installer struct {
	manifests.Installer
	dir   string            // the one of Dirs that the archive has
	says  map[string][]byte // by the names above
	empty map[string]bool   // directories that the archive lists below dir, empty or not
}

// place returns where below the prefix the entry name (after Strip) belongs, or
// "" if it is not one of the component's files.
func (i *installer) place(e entry, name string) (string, error) {
	if name == installerVersion || name == componentList {
		return "", i.keep(name, e)
	}
	top, rest, below := strings.Cut(name, "/")
	if !slices.Contains(i.Dirs, top) {
		return "", nil
	}
	if i.dir == "" {
		i.dir = top
	}
	switch {
	case top != i.dir:
		return "", refuse(RuleInstaller, e.name, "a second component, beside %q", i.dir)
	case rest == fileList:
		return "", i.keep(fileList, e)
	case e.kind == dir:
		i.empty[rest] = true
		return "", nil
	case !below:
		return "", refuse(RuleInstaller, e.name, "component that is not a directory")
	}
	return rest, nil
}

// keep reads what the archive says of itself.
func (i *installer) keep(name string, e entry) error {
	if e.kind != file {
		return refuse(RuleInstaller, e.name, "not a file")
	}
	if e.size > maxFileList {
		return refuse(RuleCeiling, e.name, "file of %d bytes; the limit is %d", e.size, maxFileList)
	}
	data, err := io.ReadAll(e.body)
	if err != nil {
		return err
	}
	if before, twice := i.says[name]; twice && !bytes.Equal(before, data) {
		return refuse(RuleOnce, e.name, "listed twice, with different contents")
	}
	i.says[name] = data
	return nil
}

// settle is called when the archive is read: it holds the archive to what it
// says of itself, takes back what is not listed, and keeps the list.
func (f *filler) settle() error {
	i := f.installer
	if v := strings.TrimSpace(string(i.says[installerVersion])); v != "3" {
		return refuse(RuleInstaller, installerVersion, "version %.20q instead of 3", v)
	}
	if i.dir == "" || !slices.Contains(lines(i.says[componentList]), i.dir) {
		return refuse(RuleInstaller, componentList, "the list of components does not name %s", strings.Join(i.Dirs, " or "))
	}
	files, trees, err := f.list(i.says[fileList])
	if err != nil {
		return err
	}
	used, err := f.keepListed(files, trees)
	if err != nil {
		return err
	}
	for _, tree := range slices.Sorted(maps.Keys(trees)) {
		if !i.empty[tree] && !used[tree] {
			return refuse(RuleInstaller, tree, "directory that is listed but missing")
		}
		if err := f.bulk(tree); err != nil {
			return err
		}
	}
	if f.placed == 0 {
		return nil
	}
	list := entry{name: fileList, size: int64(len(i.says[fileList])), body: strings.NewReader(string(i.says[fileList]))}
	if err := f.parents(i.Manifest, path.Dir(i.Manifest)); err != nil {
		return err
	}
	return f.write(i.Manifest, 0o644, list)
}

// keepListed takes back what the archive has placed and does not list, and
// returns the directories that something of the rest lies in.
func (f *filler) keepListed(files, trees map[string]bool) (used map[string]bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	used = map[string]bool{}
	f.placed = 0
	for to, n := range f.tree {
		if n.from != f.origin || n.Type == record.Dir {
			continue
		}
		if !files[to] && !within(trees, to) {
			if err := f.takeBack(n); err != nil {
				return nil, err
			}
			continue
		}
		delete(files, to)
		f.placed++
		for d := path.Dir(to); d != "." && !used[d]; d = path.Dir(d) {
			used[d] = true
		}
	}
	for _, missing := range slices.Sorted(maps.Keys(files)) {
		return nil, refuse(RuleInstaller, missing, "file that is listed but missing")
	}
	return used, nil
}

// bulk makes a directory that the archive lists as a whole.
func (f *filler) bulk(tree string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.listed(tree, tree)
	return err
}

// list reads manifest.in: the single files and the whole directories that are
// installed.
func (f *filler) list(list []byte) (files, trees map[string]bool, err error) {
	files, trees = map[string]bool{}, map[string]bool{}
	for _, line := range lines(list) {
		kind, name, _ := strings.Cut(line, ":")
		into := files
		switch kind {
		case "dir":
			into = trees
		case "file":
		default:
			return nil, nil, refuse(RuleInstaller, fileList, "malformed line %.80q", line)
		}
		clean, err := f.limits.name(name, false, false)
		if err != nil {
			return nil, nil, err
		}
		if clean != name || files[name] || trees[name] {
			return nil, nil, refuse(RuleInstaller, fileList, "line %.80q, which is unclean or listed twice", line)
		}
		into[name] = true
	}
	return files, trees, nil
}

func lines(text []byte) []string {
	trimmed := strings.TrimSuffix(string(text), "\n")
	if trimmed == "" {
		return nil
	}
	all := strings.Split(trimmed, "\n")
	for i := range all {
		all[i] = strings.TrimSuffix(all[i], "\r")
	}
	return all
}

// within reports whether p lies below one of trees.
func within(trees map[string]bool, p string) bool {
	for d := path.Dir(p); d != "."; d = path.Dir(d) {
		if trees[d] {
			return true
		}
	}
	return false
}
