package unpack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

type kind int

const (
	file kind = iota
	dir
	link
	hardLink
)

// An entry is one entry as the reader of a format returns it. Only its format has been
// checked.
type entry struct {
	name   string
	kind   kind
	mode   fs.FileMode // permission bits, and perhaps others, which are ignored
	size   int64       // of a file
	target string      // of a link; of a hard link, the name of the earlier entry
	body   io.Reader   // of a file: yields size bytes, or an error
	// Instead of body, for a file that is copied from another prefix:
	copyOf *os.File
	digest verify.Digest // that the copy must have
}

// A filler places the entries of one archive.
type filler struct {
	*Prefix
	*owner
	ctx     context.Context
	archive Archive
	dirs    *rootfs.Dirs
	buf     []byte
	deb     bool
	placed  int   // entries that Strip did not drop
	left    int64 // bytes that the archive may still unpack to, by its size

	installer *installer // for a rust-installer archive; else nil
	writers   *writers   // nil if the reader itself writes the files
}

// checkLayout refuses a layout that cannot be followed exactly.
func (f *filler) checkLayout() error {
	l := f.archive.Layout
	for _, pattern := range l.Exec {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("layout pattern %q: %w", pattern, err)
		}
	}
	if l.Into != "" && !manifests.Local(l.Into) {
		return fmt.Errorf("layout directory %q leaves the prefix", l.Into)
	}
	if l.Installer != nil && (l.Into != "" || len(l.Copies) > 0 || !manifests.Local(l.Installer.Manifest)) {
		return fmt.Errorf("rust-installer layout that renames files, or keeps their list outside the prefix")
	}
	for from, to := range l.Copies {
		if to == "" || to == "." || to == ".." || strings.ContainsAny(to, `/\`) {
			return fmt.Errorf("layout copies %q to %q, which is not a base name", from, to)
		}
	}
	return nil
}

// put checks e and places it. Every entry of every format passes through here.
func (f *filler) put(e entry) error {
	if err := f.ctx.Err(); err != nil {
		return err
	}
	if f.writers != nil && f.writers.failed.Load() {
		return f.flush()
	}
	if err := f.count(e.name); err != nil {
		return err
	}
	name, err := f.limits.name(e.name, e.kind == dir, f.deb)
	if err != nil || name == "" {
		return err
	}
	stripped := f.strip(name)
	if stripped == "" {
		if e.kind == dir {
			return nil
		}
		return refuse(RuleStrip, e.name, "strip = %d leaves nothing of its name", f.archive.Layout.Strip)
	}
	if f.installer != nil {
		if stripped, err = f.installer.place(e, stripped); err != nil || stripped == "" {
			return err
		}
	}
	if f.leadsToUsr(e, stripped) {
		f.placed++
		return nil
	}
	to := f.mergedPath(stripped) // mostly a substring of e.name, which saves memory
	if into := f.archive.Layout.Into; into != "" {
		to = path.Join(into, to)
	}
	if hasDrive(to) {
		return refuse(RuleRelative, e.name, "name that stripping turns into a drive letter")
	}
	if err := f.limits.checkSize(e.name, to); err != nil {
		return err
	}
	f.placed++
	if f.archive.Layout.Modeless {
		e.mode = defaultMode(e.kind)
	}
	if e.kind == dir {
		return f.directory(e.name, to, e.mode)
	}
	if err := f.parents(e.name, path.Dir(to)); err != nil {
		return err
	}
	switch e.kind {
	case link:
		return f.link(e, to)
	case hardLink:
		return f.hardLink(e, to)
	default:
		return f.file(e, to)
	}
}

// defaultMode is the mode of an entry whose archive states none, or none to rely on.
func defaultMode(k kind) fs.FileMode {
	if k == dir {
		return 0o755
	}
	return 0o644
}

// placeSingle places an artifact that is itself the file.
func (f *filler) placeSingle(in *source) error {
	to := f.archive.Layout.Into
	if to == "" {
		return fmt.Errorf("layout states no path for the file")
	}
	if in.size == 0 {
		return nil
	}
	if err := f.limits.checkSize(to, to); err != nil {
		return err
	}
	if err := f.count(to); err != nil {
		return err
	}
	if err := f.parents(to, path.Dir(to)); err != nil {
		return err
	}
	f.placed++
	body := in.section(0, in.size)
	return f.write(to, 0o755, entry{name: to, size: in.size, body: body})
}

// strip drops the leading elements of name as the layout states, and returns "" if none
// is left.
func (f *filler) strip(name string) string {
	for range f.archive.Layout.Strip {
		_, name, _ = strings.Cut(name, "/")
	}
	return name
}

// link claims a symbolic link; Complete makes it.
func (f *filler) link(e entry, to string) error {
	target, err := f.limits.target(e.name, to, e.target, f.deb, func(abs string) string {
		return path.Join(f.archive.Layout.Into, f.mergedPath(f.strip(strings.TrimPrefix(abs, "/"))))
	})
	if err != nil {
		return err
	}
	claimed := record.Entry{Path: to, Type: record.Link, Target: target}
	if l := f.listedBefore(e.name, to); l != nil {
		return l.compare(e.name, claimed)
	}
	if f.claimDuplicate(e.name, claimed) != nil {
		return nil
	}
	n, err := f.claim(e.name, claimed)
	if err == nil && target != e.target {
		n.stated = path.Clean(e.target) // its length is bounded by the limits on name and target
	}
	return err
}

// hardLink places a copy of an earlier file of the same archive, with its mode, or of an
// earlier symbolic link, whose target is then relative to the new path.
func (f *filler) hardLink(e entry, to string) error {
	name, err := f.limits.name(e.target, false, f.deb)
	if err != nil {
		if bad, ok := errors.AsType[*EntryError](err); ok {
			bad.Path, bad.Detail = e.name, fmt.Sprintf("hard link to %q: %s", clip(e.target), bad.Detail)
		}
		return err
	}
	first := f.ownNode(f.placeOf(name))
	switch {
	case first == nil:
		return refuse(RuleHardLink, e.name, "hard link to %q, which is not an earlier entry of the archive", e.target)
	case first.Type == record.Dir:
		return refuse(RuleHardLink, e.name, "hard link to the directory %q", e.target)
	case first.Type == record.Link:
		return f.link(entry{name: e.name, kind: link, target: cmp.Or(first.stated, first.Target)}, to)
	}
	if err := f.flush(); err != nil {
		return err
	}
	if l := f.listedBefore(e.name, to); l != nil {
		return l.compare(e.name, record.Entry{Type: record.File, Mode: f.mode(to, first.Mode), Size: first.Size, Digest: first.Digest})
	}
	parent, err := f.dirs.Get(path.Dir(first.Path))
	if err != nil {
		return err
	}
	earlier, err := parent.Open(path.Base(first.Path))
	if err != nil {
		return err
	}
	defer earlier.Close()
	e.size, e.body, e.mode = first.Size, earlier, first.Mode
	return f.file(e, to)
}

// placeOf returns the path at which the archive's entry name was placed.
func (f *filler) placeOf(name string) string {
	stripped := f.strip(name)
	if f.installer != nil {
		_, stripped, _ = strings.Cut(stripped, "/")
	}
	return path.Join(f.archive.Layout.Into, f.mergedPath(stripped))
}

// file places a regular file and its copy, if the layout has one.
func (f *filler) file(e entry, to string) error {
	if e.copyOf != nil {
		return f.copyFile(to, e)
	}
	if l := f.listedBefore(e.name, to); l != nil {
		return f.compareFile(l, to, e)
	}
	if second, ok := f.archive.Layout.Copies[path.Base(to)]; ok {
		return f.write(to, f.mode(to, e.mode), e, path.Join(path.Dir(to), second))
	}
	if f.writers != nil && e.size <= maxSmall {
		return f.writeAsync(to, f.mode(to, e.mode), e)
	}
	return f.write(to, f.mode(to, e.mode), e)
}

// flush waits until the writers have written all files, and returns their first error.
func (f *filler) flush() error {
	if f.writers == nil {
		return nil
	}
	return f.writers.wait()
}

// mode returns the mode of the file to, for which the archive states mode.
func (f *filler) mode(to string, mode fs.FileMode) fs.FileMode {
	for _, pattern := range f.archive.Layout.Exec {
		if matchPath(pattern, to) {
			return 0o755
		}
	}
	return mode.Perm()&^0o022 | 0o600
}

// matchPath reports whether a path matches a pattern of path.Match, whose last element
// may be "**" to match everything below.
func matchPath(pattern, name string) bool {
	if above, ok := strings.CutSuffix(pattern, "**"); ok && (above == "" || strings.HasSuffix(above, "/")) {
		n := strings.Count(above, "/")
		elements := strings.SplitAfterN(name, "/", n+1)
		if len(elements) <= n {
			return false
		}
		pattern, name = above, strings.Join(elements[:n], "")
	}
	ok, _ := path.Match(pattern, name)
	return ok
}

// digest returns a SHA-256 as a verify.Digest.
func digest(sum []byte) verify.Digest { return verify.SHA256([32]byte(sum)) }
