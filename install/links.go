package install

import (
	"errors"
	"fmt"
	"io/fs"
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
	return filepath.Join(i.o.Dirs.Data, "kist", store.Current, "bin", name)
}

// isCommand reports whether a link called name that leads to target is kist's: it leads
// where kist would lead it, or would have before its data directory was moved.
func (i *Installer) isCommand(target, name string) bool {
	return target == i.command(name) || i.roots.MovedFrom() != "" && target == filepath.Join(i.roots.MovedFrom(), store.Current, "bin", name)
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
			if !i.isCommand(target, e.Name()) {
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

// alignLinks makes the bin directory hold exactly the links of the current
// generation, and toolchains/ exactly the aliases of the releases in force.
func (i *Installer) alignLinks(s plan.State) error {
	if err := i.dropLinks(s.Current); err != nil {
		return err
	}
	if err := i.addLinks(s.Current); err != nil {
		return err
	}
	if err := i.dropAliases(aliases(s.Current, s.Receipts)); err != nil {
		return err
	}
	return i.addAliases(s.Current, s.Receipts)
}

// addLinks makes the missing links of g. If something else has the name of a link,
// addLinks warns and keeps it.
func (i *Installer) addLinks(g record.Generation) error {
	if len(g.Links) == 0 {
		return nil
	}
	bin, err := i.roots.Create(roots.Bin)
	if err != nil {
		return err
	}
	made := false
	for _, l := range g.Links {
		target, err := linkTarget(bin, l.Name)
		if err != nil {
			return err
		}
		if target == i.command(l.Name) {
			continue
		}
		if i.isCommand(target, l.Name) {
			err = rootfs.ReplaceLink(bin, i.command(l.Name), l.Name)
		} else {
			err = bin.Symlink(i.command(l.Name), l.Name)
		}
		switch {
		case err == nil:
			made = true
			i.reached("link made")
		case errors.Is(err, fs.ErrExist):
			i.o.Warn(fmt.Sprintf("%s was changed by something else; kept", filepath.Join(i.o.Dirs.Bin, l.Name)))
		default:
			return err
		}
	}
	if !made {
		return nil
	}
	return rootfs.SyncDir(bin, ".")
}

// dropLinks removes kist's own links that g does not have, and only those: from the bin
// directory, and from those that were the bin directory under another setting of the
// environment.
func (i *Installer) dropLinks(g record.Generation) error {
	wanted := map[string]bool{}
	for _, l := range g.Links {
		wanted[l.Name] = true
	}
	if bin := i.roots.Dir(roots.Bin); bin != nil {
		if err := i.dropLinksIn(bin, wanted); err != nil {
			return err
		}
	}
	earlier, err := i.roots.Elsewhere(roots.Bin)
	if err != nil {
		return err
	}
	for _, path := range earlier {
		bin, err := i.roots.OpenAt(path)
		if err != nil { // it is gone, or out of reach: nothing is done there
			continue
		}
		if err := errors.Join(i.dropLinksIn(bin, wanted), bin.Close()); err != nil {
			return err
		}
	}
	return nil
}

// dropLinksIn removes kist's own links from one directory, except those of wanted names.
func (i *Installer) dropLinksIn(bin *os.Root, wanted map[string]bool) error {
	entries, err := fs.ReadDir(bin.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if wanted[e.Name()] || e.Type() != fs.ModeSymlink {
			continue
		}
		target, err := linkTarget(bin, e.Name())
		if err != nil {
			return err
		}
		if !i.isCommand(target, e.Name()) {
			continue
		}
		if err := bin.Remove(e.Name()); err != nil {
			return err
		}
		i.reached("link dropped")
	}
	return nil
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

// aliases returns the stable paths of the releases in g, relative to the data root,
// with the target of each.
func aliases(g record.Generation, receipts map[record.ID]record.Head) map[string]string {
	wanted := map[string]string{}
	for _, id := range g.Receipts {
		if r, ok := receipts[id]; ok {
			wanted[path.Join(store.Toolchains, r.Alias())] = path.Join("../../..", store.Prefixes, string(id))
		}
	}
	return wanted
}

// addAliases makes the aliases of g that are missing or have another target. If
// something else has the name of an alias, addAliases warns and keeps it.
func (i *Installer) addAliases(g record.Generation, receipts map[record.ID]record.Head) error {
	data := i.roots.Dir(roots.Data)
	for alias, target := range aliases(g, receipts) {
		have, err := linkTarget(data, alias)
		if err != nil {
			return err
		}
		if have == target {
			continue
		}
		if _, err := data.Lstat(alias); err == nil && !store.IsAlias(have) {
			i.o.Warn(fmt.Sprintf("%s was changed by something else; kept", filepath.Join(data.Name(), alias)))
			continue
		}
		_, err = rootfs.MkdirAll(data, path.Dir(alias), 0o755)
		if obstacle, ok := errors.AsType[*rootfs.ObstacleError](err); ok {
			i.o.Warn(fmt.Sprintf("%s was changed by something else; kept", obstacle.Path))
			continue
		}
		if err != nil {
			return err
		}
		if err := rootfs.ReplaceLink(data, target, alias); err != nil {
			return err
		}
		i.reached("alias made")
	}
	return nil
}

// dropAliases removes the aliases that are not in wanted, and directories left empty.
func (i *Installer) dropAliases(wanted map[string]string) error {
	data := i.roots.Dir(roots.Data)
	if data == nil {
		return nil
	}
	filled := map[string]bool{}
	for alias := range wanted {
		for dir := path.Dir(alias); dir != "."; dir = path.Dir(dir) {
			filled[dir] = true
		}
	}
	var dirs []string
	err := fs.WalkDir(data.FS(), store.Toolchains, func(p string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir():
			dirs = append(dirs, p)
			return nil
		}
		if _, ok := wanted[p]; ok || d.Type() != fs.ModeSymlink {
			return nil
		}
		if target, err := data.Readlink(p); err != nil || !store.IsAlias(target) {
			return rootfs.IgnoreMissing(err)
		}
		if err := data.Remove(p); err != nil {
			return err
		}
		i.reached("alias dropped")
		return nil
	})
	for _, dir := range slices.Backward(dirs) {
		if filled[dir] {
			continue
		}
		if err := data.Remove(dir); err != nil && !rootfs.IsNotEmpty(err) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return err
}
