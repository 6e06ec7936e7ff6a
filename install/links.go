package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/record"
)

// command is where kist's link of a command leads, and by which, to the letter,
// a link in the shared bin directory is known to be kist's.
func (i *Installer) command(name string) string {
	return filepath.Join(i.o.Dirs.Data, "kist", store.Current, "bin", name)
}

// foreign lists what is in the bin directory and not kist's.
func (i *Installer) foreign() (map[string]string, error) {
	names := map[string]string{}
	bin := i.roots.open(binDir)
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
			if err != nil {
				return nil, err
			}
			if target != i.command(e.Name()) {
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

// alignBin makes the bin directory hold exactly the links of g, and returns the
// names it made. Only kist's own links are touched; what has taken the place of
// one since is left alone, with a warning.
func (i *Installer) alignBin(g record.Generation) ([]string, error) {
	var made []string
	wanted := map[string]bool{}
	for _, l := range g.Links {
		wanted[l.Name] = true
	}
	if bin := i.roots.open(binDir); bin != nil {
		entries, err := fs.ReadDir(bin.FS(), ".")
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if wanted[e.Name()] || e.Type() != fs.ModeSymlink {
				continue
			}
			if target, err := bin.Readlink(e.Name()); err != nil || target != i.command(e.Name()) {
				continue
			}
			if err := bin.Remove(e.Name()); err != nil {
				return nil, err
			}
		}
	}
	if len(g.Links) == 0 {
		return nil, nil
	}
	bin, err := i.create(binDir)
	if err != nil {
		return nil, err
	}
	for _, l := range g.Links {
		err := bin.Symlink(i.command(l.Name), l.Name)
		switch {
		case err == nil:
			made = append(made, l.Name)
		case !errors.Is(err, fs.ErrExist):
			return nil, err
		default:
			if target, _ := bin.Readlink(l.Name); target != i.command(l.Name) {
				i.o.Warn(fmt.Sprintf("%s is not kist's any more; left alone", filepath.Join(i.o.Dirs.Bin, l.Name)))
			}
		}
	}
	return made, rootfs.SyncDir(bin, ".")
}

// alignAliases makes toolchains/<channel>/<tool>/<version> lead to exactly the
// prefixes in force.
func (i *Installer) alignAliases(g record.Generation, receipts map[record.ID]record.Head) error {
	data := i.roots.open(dataDir)
	wanted := map[string]string{}
	for _, id := range g.Receipts {
		if r, ok := receipts[id]; ok {
			alias := path.Join(store.Toolchains, r.Alias())
			wanted[alias] = path.Join("../../..", store.Prefixes, string(id))
		}
	}
	if err := i.dropAliases(data, wanted); err != nil {
		return err
	}
	for alias, target := range wanted {
		if have, err := data.Readlink(alias); err == nil && have == target {
			continue
		}
		if _, err := rootfs.MkdirAll(data, path.Dir(alias), private); err != nil {
			return err
		}
		if err := rootfs.SwapLink(data, target, alias); err != nil {
			return err
		}
	}
	return nil
}

// dropAliases removes the aliases that are not wanted, and the directories left empty.
func (i *Installer) dropAliases(data *os.Root, wanted map[string]string) error {
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
		return data.Remove(p)
	})
	for n := len(dirs) - 1; n >= 0; n-- {
		if err := data.Remove(dirs[n]); err != nil && !notEmpty(err) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return err
}
