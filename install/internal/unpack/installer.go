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

// The metadata files of a rust-installer archive.
const (
	installerVersion = "rust-installer-version" // must be 3
	componentList    = "components"             // the component directories of the archive, one per line
	fileList         = "manifest.in"            // in a component directory: its installed files
)

// maxFileList is the largest size of a metadata file, in bytes.
const maxFileList = 8 << 20

// An installer is the state of reading one rust-installer archive. The list of installed
// files may come after the files, so every file is placed at first, and
// finishInstaller removes those that are not listed.
type installer struct {
	manifests.Installer
	dir      string            // the member of Dirs that the archive has
	metadata map[string][]byte // contents, by the names above
	dirs     map[string]bool   // directories below dir that the archive has entries for
}

// place returns the path below the prefix of the entry name (after Strip), or "" if
// it is not a file of the component.
func (i *installer) place(e entry, name string) (string, error) {
	if name == installerVersion || name == componentList {
		return "", i.readMetadata(name, e)
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
		return "", i.readMetadata(fileList, e)
	case e.kind == dir:
		i.dirs[rest] = true
		return "", nil
	case !below:
		return "", refuse(RuleInstaller, e.name, "component that is not a directory")
	}
	return rest, nil
}

// readMetadata reads the metadata file name.
func (i *installer) readMetadata(name string, e entry) error {
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
	if before, twice := i.metadata[name]; twice && !bytes.Equal(before, data) {
		return refuse(RuleOnce, e.name, "listed twice, with different contents")
	}
	i.metadata[name] = data
	return nil
}

// finishInstaller is called at the end of the archive: it checks the archive against its
// metadata, removes the files that are not listed, and installs the list.
func (f *filler) finishInstaller() error {
	i := f.installer
	if v := strings.TrimSpace(string(i.metadata[installerVersion])); v != "3" {
		return refuse(RuleInstaller, installerVersion, "version %.20q instead of 3", v)
	}
	if i.dir == "" || !slices.Contains(lines(i.metadata[componentList]), i.dir) {
		return refuse(RuleInstaller, componentList, "the list of components does not name %s", strings.Join(i.Dirs, " or "))
	}
	files, trees, err := f.parseFileList(i.metadata[fileList])
	if err != nil {
		return err
	}
	used, err := f.removeUnlisted(files, trees)
	if err != nil {
		return err
	}
	for _, tree := range slices.Sorted(maps.Keys(trees)) {
		if !i.dirs[tree] && !used[tree] {
			return refuse(RuleInstaller, tree, "directory that is listed but missing")
		}
		if err := f.makeListedDir(tree); err != nil {
			return err
		}
	}
	if f.placed == 0 {
		return nil
	}
	list := entry{name: fileList, size: int64(len(i.metadata[fileList])), body: strings.NewReader(string(i.metadata[fileList]))}
	if err := f.parents(i.Manifest, path.Dir(i.Manifest)); err != nil {
		return err
	}
	return f.write(i.Manifest, 0o644, list)
}

// removeUnlisted removes the files that the archive has placed but does not list, and
// returns the directories that contain the others.
func (f *filler) removeUnlisted(files, trees map[string]bool) (used map[string]bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	used = map[string]bool{}
	f.placed = 0
	for to, n := range f.tree {
		if n.from != f.owner || n.Type == record.Dir {
			continue
		}
		if !files[to] && !within(trees, to) {
			if err := f.removePlaced(n); err != nil {
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

// makeListedDir makes the directory tree, which the archive lists as a whole.
func (f *filler) makeListedDir(tree string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.listDir(tree, tree)
	return err
}

// parseFileList parses manifest.in: the files, and the directories that are installed
// with all their contents.
func (f *filler) parseFileList(list []byte) (files, trees map[string]bool, err error) {
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
			return nil, nil, refuse(RuleInstaller, fileList, "line %.80q, whose name is not in its simplest form or is listed twice", line)
		}
		into[name] = true
	}
	return files, trees, nil
}

// lines splits text into lines, without their line endings.
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
