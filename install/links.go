package install

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// command returns the target of kist's link of a command. A link in the shared bin
// directory is kist's if and only if it has exactly this target.
func (i *Installer) command(name string) string {
	return commandBelow(filepath.Join(i.o.Dirs.Data, "kist"), name)
}

// commandBelow is command for a data directory at another path.
func commandBelow(data, name string) string { return filepath.Join(data, store.Current, "bin", name) }

// isCommand reports whether a link called name that leads to target is kist's: it leads
// where kist would lead it, or where it did before the data directory was moved from there.
func (i *Installer) isCommand(name, target string) bool {
	return target == i.command(name) || slices.ContainsFunc(i.roots.Former(), func(f roots.Former) bool {
		return f.Gone && target == commandBelow(f.Path, name)
	})
}

// foreignInBin lists the entries of the bin directory that are not kist's, and
// describes each.
func (i *Installer) foreignInBin() (map[string]string, error) {
	names := map[string]string{}
	bin := i.roots.Dir(roots.Bin)
	if bin == nil {
		return names, nil
	}
	entries, err := fs.ReadDir(bin.FS(), ".")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		switch {
		case e.Type() == fs.ModeSymlink:
			target, err := bin.Readlink(e.Name())
			if errors.Is(err, fs.ErrNotExist) {
				continue // it has just been removed
			}
			if err != nil {
				return nil, err
			}
			if !i.isCommand(e.Name(), target) {
				names[e.Name()] = "a link to " + target
			}
		case e.IsDir():
			names[e.Name()] = "a directory"
		default:
			names[e.Name()] = "a file"
		}
	}
	return names, nil
}

// A linkDir is a directory in which kist keeps links of its own.
type linkDir struct {
	root   *os.Root // nil: the directory does not exist
	path   string   // of root, for display
	top    string   // below root; "." if the directories in it are not kist's
	wanted map[string]string
	owns   func(name, target string) bool // reports whether a link is kist's
}

// commandLinks returns the bin directory with the links of g, also those that lead to its
// launcher.
func (i *Installer) commandLinks(g record.Generation) (d linkDir, err error) {
	if d = i.existingCommandLinks(g); len(d.wanted) > 0 {
		d.root, err = i.roots.Create(roots.Bin)
	}
	return d, err
}

// existingCommandLinks is commandLinks, but does not create the directory.
func (i *Installer) existingCommandLinks(g record.Generation) linkDir {
	d := linkDir{root: i.roots.Dir(roots.Bin), path: i.roots.Path(roots.Bin), top: ".", wanted: map[string]string{}, owns: i.isCommand}
	for _, name := range g.Names() {
		d.wanted[name] = i.command(name)
	}
	return d
}

// aliases returns the directory of the stable paths of releases, with those in g.
func (i *Installer) aliases(g record.Generation, receipts map[record.ID]record.Head) linkDir {
	d := linkDir{root: i.roots.Dir(roots.Data), path: i.roots.Path(roots.Data), top: store.Toolchains, wanted: map[string]string{},
		owns: func(_, target string) bool { return store.IsAlias(target) }}
	for _, id := range g.Receipts {
		if r, ok := receipts[id]; ok {
			d.wanted[path.Join(store.Toolchains, r.Alias())] = path.Join("../../..", store.Prefixes, string(id))
		}
	}
	return d
}

// alignLinks makes the bin directory hold exactly the links of the current
// generation, and toolchains/ exactly the aliases of the releases in force. It also removes
// kist's links from the directories that were the bin directory under another setting of
// the environment.
func (i *Installer) alignLinks(s plan.State) error {
	bin, err := i.commandLinks(s.Current)
	if err != nil {
		return err
	}
	earlier, err := i.roots.Elsewhere(roots.Bin)
	if err != nil {
		return err
	}
	for _, path := range earlier {
		root, err := i.roots.OpenAt(path)
		if err != nil { // it is gone, or out of reach: nothing is done there
			continue
		}
		old := bin
		old.root = root
		if err := errors.Join(i.dropLinks(old), root.Close()); err != nil {
			return err
		}
	}
	for _, d := range []linkDir{bin, i.aliases(s.Current, s.Receipts)} {
		if err := i.dropLinks(d); err != nil {
			return err
		}
		if err := i.addLinks(d); err != nil {
			return err
		}
	}
	return nil
}

// addNextLinks makes the links of the generation next, and keeps those of the current one.
func (i *Installer) addNextLinks(next record.Generation, receipts map[record.ID]record.Head) error {
	bin, err := i.commandLinks(next)
	if err == nil {
		err = i.addLinks(bin)
	}
	if err == nil {
		err = i.addLinks(i.aliases(next, receipts))
	}
	return err
}

// addLinks makes the links of d that are missing or have another target. If something else
// has the name of a link, addLinks warns and keeps it.
func (i *Installer) addLinks(d linkDir) error {
	made := map[string]bool{} // the directories of new links
	for _, name := range slices.Sorted(maps.Keys(d.wanted)) {
		target := d.wanted[name]
		have, err := linkTarget(d.root, name)
		if err != nil {
			return err
		}
		if have == target {
			continue
		}
		if d.top != "." {
			_, err = rootfs.MkdirAll(d.root, path.Dir(name), 0o755)
		}
		switch {
		case err != nil:
		case d.owns(name, have):
			err = rootfs.ReplaceLink(d.root, target, name)
		default:
			err = d.root.Symlink(target, name)
		}
		switch {
		case err == nil:
			made[path.Dir(name)] = true
			i.reached("link made")
		case rootfs.CannotLink(err):
			i.warnOfNoLinks()
			return nil
		case errors.Is(err, fs.ErrExist) && i.isCopied(name, have):
			// Relocated reports it, for all commands at once.
		case errors.Is(err, fs.ErrExist):
			at := filepath.Join(d.path, filepath.FromSlash(name))
			if obstacle, ok := errors.AsType[*rootfs.ObstacleError](err); ok {
				at = obstacle.Path
			}
			i.o.Warn(at + " was changed by something else; kept")
		default:
			return err
		}
	}
	for dir := range made {
		if err := rootfs.SyncDir(d.root, dir); err != nil {
			return err
		}
	}
	return nil
}

// warnOfNoLinks warns, once, that commands are not linked.
func (i *Installer) warnOfNoLinks() {
	i.noLinks.Do(func() {
		i.o.Warn("commands cannot be linked: Windows lets only administrators make links, unless its developer mode is on; kist run and kist env work without")
	})
}

// isCopied reports whether the link of a command called name leads to the store that the
// data directory was copied from.
func (i *Installer) isCopied(name, target string) bool {
	return slices.ContainsFunc(i.roots.Former(), func(f roots.Former) bool { return target == commandBelow(f.Path, name) })
}

// dropLinks removes kist's own links from d, except those of wanted names, and the
// directories of kist's that are then empty.
func (i *Installer) dropLinks(d linkDir) error {
	names, dirs, err := d.surplus()
	for _, name := range names {
		switch removed := d.root.Remove(name); {
		case removed == nil:
			i.reached("link dropped")
		case rootfs.IgnoreMissing(removed) != nil:
			return errors.Join(err, removed)
		}
	}
	if d.root == nil {
		return err
	}
	return errors.Join(err, rootfs.RemoveEmptyDirs(d.root, dirs...))
}

// surplus returns kist's own links in d, except those of wanted names, and the directories
// of kist's in d, the innermost first.
func (d linkDir) surplus() (names, dirs []string, err error) {
	if d.root == nil {
		return nil, nil, nil
	}
	err = fs.WalkDir(d.root.FS(), d.top, func(p string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return rootfs.IgnoreMissing(err)
		case e.IsDir() && d.top == ".":
			if p == "." {
				return nil
			}
			return fs.SkipDir
		case e.IsDir():
			dirs = append(dirs, p)
			return nil
		case e.Type() != fs.ModeSymlink || d.wanted[p] != "":
			return nil
		}
		target, err := linkTarget(d.root, p)
		if err == nil && d.owns(p, target) {
			names = append(names, p)
		}
		return err
	})
	slices.Reverse(dirs)
	return names, dirs, err
}

// lacking returns the wanted links that are missing or have another target, and those of
// them whose names something else has.
func (d linkDir) lacking() (missing, obstructed []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(d.wanted)) {
		if d.root == nil {
			missing = append(missing, name)
			continue
		}
		target, err := linkTarget(d.root, name)
		if err != nil {
			return nil, nil, err
		}
		_, absent := d.root.Lstat(name)
		switch {
		case target == d.wanted[name]:
		case d.owns(name, target) || errors.Is(absent, fs.ErrNotExist):
			missing = append(missing, name)
		case absent != nil:
			return nil, nil, absent
		default:
			obstructed = append(obstructed, name)
		}
	}
	return missing, obstructed, nil
}

// linkTarget returns the target of a link, or "" if there is no link of that name.
func linkTarget(root *os.Root, name string) (string, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return "", rootfs.IgnoreMissing(err)
	}
	if info.Mode().Type() != fs.ModeSymlink {
		return "", nil
	}
	return root.Readlink(name)
}
