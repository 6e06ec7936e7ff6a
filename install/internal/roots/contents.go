package roots

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/kist-tools/kist/install/internal/store"
)

// checkContents checks, for directories from which this user only reads, the directories
// in them that say what is installed and hold it: each must be a directory with the owner
// of the one that it is in, and nobody else may be able to write to it.
func (r *Roots) checkContents(places map[Role]place) error {
	if r.readOnly == nil {
		return nil
	}
	for which, names := range map[Role][]string{Data: {store.Prefixes, store.Generations}, State: {store.Receipts}} {
		dir := r.dirs[which]
		if dir == nil {
			continue
		}
		for _, name := range names {
			info, err := dir.Lstat(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			path := filepath.Join(r.Path(which), name)
			if err != nil {
				return fmt.Errorf("%s directory %s: %w", which, path, err)
			}
			if why := r.unsafeContent(info, places[which].node); why != "" {
				return &UnsafeDirError{string(which), path, why}
			}
		}
	}
	return nil
}

// unsafeContent returns why a directory in the directory of root's, or of the user's, that
// was checked as in cannot be trusted, or "".
func (r *Roots) unsafeContent(info fs.FileInfo, in node) string {
	n, known := nodeOf(info)
	switch {
	case !info.IsDir():
		return "it is not a directory"
	case !known:
		return ""
	case n.uid != in.uid:
		return "it belongs to " + r.o.Host.describe(n.uid)
	case n.openToAll(), n.openToGroup() && (n.uid != r.o.Host.EUID || n.gid != r.o.Host.PrivateGroup):
		return fmt.Sprintf("it can be written by others than its owner (mode %04o)", n.mode.Perm())
	}
	return ""
}
