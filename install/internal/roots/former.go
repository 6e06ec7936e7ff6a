package roots

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/kist-tools/kist/manifests/rootfs"
)

// This file knows the data directories from which the one in use was moved or copied, and
// checks whether the one in use may take their place.

// A Former is a path at which the data directory was before.
type Former struct {
	Path string
	// Gone reports that no store is there any more. Otherwise the directory in use is a
	// copy of it, or another store was made there since. A store that this user may not
	// read is not gone.
	Gone bool
	// ClaimsBin reports that the store there keeps its commands in the bin directory in
	// use. It is false for a store that this user may not read.
	ClaimsBin bool
}

// Former returns what is at the recorded former paths of the data directory. There are none
// if nothing may be changed (MayChange).
func (r *Roots) Former() []Former { return r.former }

// IsData reports whether path is the data directory in use, under any name.
func (r *Roots) IsData(path string) bool { return r.isAt(Data, path) }

// WasAt reports whether path is a recorded former path of the data directory.
func (r *Roots) WasAt(path string) bool {
	return slices.ContainsFunc(r.former, func(f Former) bool { return samePath(f.Path, path) })
}

// FormerAt returns what is at the recorded former paths of the data directory, and at those
// of paths that are not in use.
func (r *Roots) FormerAt(paths []string) []Former {
	return append(slices.Clone(r.former), r.lookAt(slices.DeleteFunc(paths, func(path string) bool {
		return r.IsData(path) || r.WasAt(path)
	}))...)
}

func (r *Roots) lookAt(paths []string) (list []Former) {
	for _, path := range paths {
		n, found := storeAt(path)
		f := Former{Path: path, Gone: !found}
		if n != nil {
			bin := n.place(Bin)
			f.ClaimsBin = bin.Real != "" && r.isAt(Bin, bin.Real)
		}
		list = append(list, f)
	}
	return list
}

// formerIn returns the former paths of the data directory by the notes n: each as the
// environment named it, and with links resolved.
func (r *Roots) formerIn(n notes) (paths []string) {
	for _, known := range n.existing() {
		for _, was := range known.placesOf(Data) {
			if r.isAt(Data, was.Real) {
				continue
			}
			for _, path := range []string{was.Given, was.Real} {
				if !slices.Contains(paths, path) && !r.isAt(Data, path) {
					paths = append(paths, path)
				}
			}
		}
	}
	return paths
}

// ForgetFormer removes the former data directories from the notes. The caller holds the
// locks of Lock.
func (r *Roots) ForgetFormer() error {
	n, err := r.readNotes()
	if err != nil || n.state == nil || len(r.formerIn(n)) == 0 {
		return err
	}
	next := *n.state
	next.Places = slices.DeleteFunc(slices.Clone(next.Places), func(p knownPlace) bool {
		return p.Role == Data && !r.isAt(Data, p.Real)
	})
	return noSpace(r.writeNotes(next))
}

// CheckTree checks every file of the data and the state directory, which exist: each must
// belong to this user or to root, and nobody else may be able to write to it. Its error is
// an *UnsafeDirError. Where the system has no owners, there is nothing to check.
func (r *Roots) CheckTree() error {
	m, err := thisMachine()
	if err != nil || !m.hasOwners() {
		return err
	}
	for _, which := range []Role{Data, State} {
		root := r.dirs[which]
		if root == nil || which == State && r.Same(Data, State) {
			continue
		}
		err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
			path := filepath.Join(r.Path(which), filepath.FromSlash(name))
			var info fs.FileInfo
			if err == nil {
				info, err = d.Info()
			}
			if rootfs.IgnoreMissing(err) != nil {
				return fmt.Errorf("%s directory: %s: %w", which, path, err)
			} else if err != nil {
				return nil // removed meanwhile
			}
			n, known := nodeOf(info)
			if !known { // Windows: what others can change is not read there
				return nil
			}
			if why := r.o.Host.foreign(n); why != "" {
				return &UnsafeDirError{string(which), path, why}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// foreign returns how a user other than h and root could change a file, or "".
func (h Host) foreign(n node) string {
	link := n.mode.Type() == fs.ModeSymlink // has no mode of its own
	switch {
	case n.uid != 0 && n.uid != h.EUID:
		return fmt.Sprintf("it belongs to user %d, and kist runs as user %d", n.uid, h.EUID)
	case link:
		return ""
	case n.openToAll():
		return fmt.Sprintf("it can be written by everyone (mode %04o)", n.mode.Perm())
	case n.openToGroup() && n.gid != h.PrivateGroup:
		return fmt.Sprintf("it can be written by its group (id %d)", n.gid)
	}
	return ""
}
