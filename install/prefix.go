package install

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// maxAtOnce is how many goroutines work on one prefix: more would only wait for each
// other in the file system, and hold directories open.
const maxAtOnce = 4

// A tree is one published prefix, reached only through real directories: it never
// follows a link on the way.
type tree struct {
	*rootfs.Dirs
	root rootfs.Dir
	buf  []byte // for reading files
}

func newTree(root rootfs.Dir) *tree { return &tree{Dirs: rootfs.NewDirs(root), root: root} }

// pathIn returns the absolute path of an entry of the release id.
func (i *Installer) pathIn(id record.ID, p string) string {
	return filepath.Join(i.Prefix(id), filepath.FromSlash(p))
}

// A CrossedLinkError is returned for a prefix that is, or is reached through, a
// symbolic link that was added after it was installed.
type CrossedLinkError struct {
	ID   record.ID
	Path string
}

func (e *CrossedLinkError) Error() string {
	return fmt.Sprintf("%s: %s is a link or lies behind one that was added after it was installed", e.ID, e.Path)
}
func (*CrossedLinkError) Kind() string { return "refused" }

// openTree opens the prefix of r. It returns a *CrossedLinkError if the prefix, or a
// directory above it, became a link since the install: the path of the data directory
// then leads to another place than the one the receipt was written for. A data directory
// that was moved or copied from that place as a whole is allowed.
func (i *Installer) openTree(r record.Receipt) (*tree, error) {
	data := i.roots.Dir(roots.Data)
	if data == nil {
		return nil, fs.ErrNotExist
	}
	given, real := i.Prefix(r.ID), i.realPrefix(r.ID)
	if real != given && real != r.Prefix && !i.roots.WasAt(filepath.Dir(filepath.Dir(r.Prefix))) {
		return nil, &CrossedLinkError{r.ID, given}
	}
	prefixes, err := openPrefixes(data)
	if err == nil {
		defer prefixes.Close()
		var root rootfs.Dir
		if root, err = prefixes.Sub(string(r.ID)); err == nil {
			return newTree(root), nil
		}
	}
	if errors.Is(err, rootfs.ErrNotDir) {
		err = &CrossedLinkError{r.ID, given}
	}
	return nil, err
}

// openPrefixes opens the directory of all prefixes. The error matches
// rootfs.ErrNotDir if it is a link.
func openPrefixes(data *os.Root) (rootfs.Dir, error) {
	d, err := rootfs.OpenDir(data)
	if err != nil {
		return rootfs.Dir{}, err
	}
	defer d.Close()
	return d.Sub(store.Prefixes)
}

// lstat is Lstat for a path whose parents are real directories.
func (t *tree) lstat(p string) (rootfs.Info, error) {
	parent, err := t.Get(path.Dir(p))
	if err != nil {
		return rootfs.Info{}, err
	}
	return parent.Lstat(path.Base(p))
}

// unrecorded returns the paths in a directory that the receipt does not record, sorted. If
// the directory is missing, or no longer a directory, there are none.
func (t *tree) unrecorded(dir string, recorded func() map[string]bool) (foreign []string, err error) {
	d, err := t.Get(dir)
	if errors.Is(err, rootfs.ErrNotDir) {
		return nil, nil
	}
	if err != nil {
		return nil, rootfs.IgnoreMissing(err)
	}
	names, err := d.AllNames()
	slices.Sort(names)
	for _, name := range names {
		if p := path.Join(dir, name); !recorded()[p] {
			foreign = append(foreign, p)
		}
	}
	return foreign, err
}

// missing is the difference reported for an absent path.
const missing = "missing"

// difference returns how the path on disk differs from e, "" if it does not. If mode
// is true, it also compares a file's executable bits.
func (t *tree) difference(e record.Entry, mode bool) (string, error) {
	parent, err := t.Get(path.Dir(e.Path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return missing, nil
	case errors.Is(err, rootfs.ErrNotDir):
		return "a directory above it is no longer a directory", nil
	case err != nil:
		return "", err
	}
	name := path.Base(e.Path)
	info, err := parent.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return missing, nil
	}
	if err != nil {
		return "", err
	}
	switch e.Type {
	case record.Dir:
		if !info.Mode.IsDir() {
			return "no longer a directory", nil
		}
	case record.Link:
		if info.Mode.Type() != fs.ModeSymlink {
			return "no longer a link", nil
		}
		target, err := parent.Readlink(name)
		if err != nil || target != e.Target {
			return "link target changed", err
		}
	case record.File:
		switch {
		case !info.Mode.IsRegular():
			return "no longer a regular file", nil
		case info.Size != e.Size:
			return "changed", nil
		case mode && permissionsMatter && info.Mode.Perm()&0o111 != e.Mode&0o111:
			return "executable bits changed", nil
		}
		same, err := t.hasDigest(parent, name, e)
		if err != nil || !same {
			return "changed", err
		}
	}
	return "", nil
}

// hasDigest reports whether a regular file has the digest of e. The caller has checked
// that it has the size of e.
func (t *tree) hasDigest(dir rootfs.Dir, name string, e record.Entry) (bool, error) {
	f, err := dir.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if t.buf == nil {
		t.buf = make([]byte, 128<<10)
	}
	h := sha256.New()
	for left := e.Size; ; {
		n, err := f.Read(t.buf)
		h.Write(t.buf[:n])
		left -= int64(n)
		if err != nil && err != io.EOF {
			return false, err
		}
		if err == io.EOF || left == 0 && n < len(t.buf) { // end of the file
			return verify.SHA256([sha256.Size]byte(h.Sum(nil))) == e.Digest, nil
		}
	}
}

// permissionsMatter: Windows has no executable bit.
const permissionsMatter = runtime.GOOS != "windows"
