// Package unpack turns proved artifacts into the files of one prefix: tar
// (plain, gzip, xz, zstd, bzip2), zip, Debian packages, and single files.
//
// The parties are a publisher, whose signature on the artifact was proved
// before it comes here, and the user whose directory is filled. That a file is
// signed does not make it harmless: a publisher can be careless, or no longer
// alone with the key. So an archive may fill its prefix and nothing else, and
// it must mean one thing only: what two programs could read differently is
// refused, whole, rather than guessed at.
//
//	prefix := unpack.New(root, unpack.DefaultLimits())
//	for … {
//		err := prefix.Add(ctx, file, unpack.Archive{Name: …, Component: …, Layout: …})
//	}
//	entries, err := prefix.Finish(ctx)
//
// # Guarantees
//
// Everything is written below one [os.Root], opened at an empty directory.
// Files are created anew (O_EXCL), one at a time, hashed as they are written.
// Links are made only by Finish, after every file of every archive, so that no
// byte is ever written through one. Each is judged three times: its text, when
// its entry is read; where it leads through other links, when all are known;
// and on disk, in the last walk, which compares the whole prefix with what was
// recorded. Nothing is run. Nothing that Add refuses is of use: the caller
// sweeps the directory.
//
// Modes are an archive's permission bits, without those that let group or
// others write, and with those its owner needs: to read and write, and to
// enter a directory. The process's umask plays no part. setuid, setgid and
// sticky bits, owners, times and extended attributes are not taken. A zip
// entry without a Unix mode is 0644, a directory 0755, as are directories that
// are implied; a single file and what Layout.Exec names are 0755. Where the
// layout is Modeless, nothing proves an archive's modes: every other file is
// 0644, every directory 0755, and a zip holds no links. A hard link becomes a
// copy of the earlier file. Of an archive of rust-installer only those files are
// installed that its own list names, and directories as they need them.
//
// # Rules
//
// An archive that breaks one is refused as a whole by an [EntryError].
//
// Names:
//
//   - a name is UTF-8 without control characters
//   - a name is relative: it starts with neither a slash nor a drive letter
//   - a name has no empty, "." or ".." element, save one "./" at its start
//   - a name has no backslash, save in a .deb
//   - a name is listed once in all archives of a prefix, save a directory
//   - only directories have entries below them
//   - names differ, as the file system compares them
//   - a file or link is not dropped by stripping its leading directories
//
// Links and types:
//
//   - a link leads to a relative path inside the prefix, absolute only in a .deb
//   - a link resolves inside the prefix within 40 hops, or dangles there
//   - a hard link names an earlier file of its archive
//   - an entry is a file, a directory, a link or a hard link, and nothing else
//   - a directory or a link holds no data
//
// Structure:
//
//   - every header is well formed, and its checksum right
//   - an extended header is well formed, known, given once, and agrees with the header it extends
//   - an archive ends as its format says, and nothing follows
//   - a compressed archive is one stream, undamaged and whole, and nothing follows
//   - the directory of a zip and its local headers agree, and cover the file without gap or overlap
//   - a zip entry is stored or deflated, and not encrypted
//   - a zip entry has the size and the checksum that are stated for it
//   - a .deb is debian-binary 2.0, one control.tar and one data.tar, in this order
//   - an archive of rust-installer states version 3, and holds its component and every file that it lists
//   - an archive holds something to install
//   - nothing is over its ceiling
//
// Twice the same directory is fine, its last mode counts. So are names that
// differ in case where the file system tells them apart, and PAX's and GNU's
// long names.
//
// # Limits
//
// [DefaultLimits] holds the ceilings on what is unpacked; at a ceiling is
// fine, one past it is refused before it is written. Memory stays small
// whatever an archive says: 128 MiB for the window of xz or zstd, 64 MiB for
// names, 1 MiB for an extended header, and a few hundred bytes an entry.
//
// Written after POSIX.1-2024 (pax), APPNOTE.TXT 6.3.10 (zip), RFC 1952 (gzip),
// RFC 8878 (zstd), the .xz File Format 1.2.0 and deb(5).
package unpack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// An Archive says how one proved artifact becomes files of the prefix.
type Archive struct {
	Name      string // for errors: the artifact's name
	Component string // recorded with every entry
	Layout    manifests.Layout
	// Progress is told how many bytes of the artifact were read so far. Calls
	// never overlap, and none comes after Add has returned. May be nil.
	Progress func(done int64)
}

// A Prefix is one prefix being filled, the only way anything gets into it. It
// is not safe for concurrent use.
type Prefix struct {
	root    *os.Root
	limits  Limits
	tree    map[string]*node // by path below the prefix
	dirs    handles
	adds    int         // archives begun
	entries int         // counted against limits.Entries
	bytes   int64       // counted against limits.Bytes
	names   int64       // counted against limits.Names
	kept    os.FileMode // permission bits that are known to survive creation: no umask takes them
	buf     []byte
	broken  error // why nothing more can be done with it
}

// A node is one path that was claimed. Links are only claimed while archives
// are added; Finish makes them.
type node struct {
	record.Entry
	archive int    // number of the archive that brought it
	raw     string // its name in that archive
	from    string // the name of that archive
}

var errFinished = errors.New("the prefix is finished")

// New begins a prefix in root, an empty directory that nothing else writes to.
// root stays the caller's to close, after Finish.
func New(root *os.Root, limits Limits) *Prefix {
	return &Prefix{
		root:   root,
		limits: limits,
		tree:   make(map[string]*node),
		dirs:   handles{root: root, open: make(map[string]*os.Root)},
	}
}

// Add unpacks src, a regular file that was proved and that nobody writes to;
// its offset does not matter. Links appear on disk only with Finish. An
// archive that breaks a rule is refused with an *EntryError; any other error
// is a fault of the disk, or ctx's. After an error nothing more can be done
// with the prefix.
func (p *Prefix) Add(ctx context.Context, src *os.File, a Archive) error {
	if p.broken != nil {
		return fmt.Errorf("%s: %w", a.Name, p.broken)
	}
	return p.failed(a.Name, p.add(ctx, src, a))
}

// failed completes an error of the archive called name, after which nothing
// more can be done.
func (p *Prefix) failed(name string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*EntryError](err); ok && e.Archive == "" {
		e.Archive = name
	} else {
		err = fmt.Errorf("%s: %w", name, err)
	}
	p.end(err)
	return err
}

func (p *Prefix) add(ctx context.Context, src *os.File, a Archive) error {
	info, err := src.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("not a regular file")
	}
	p.adds++
	in := &source{ctx: ctx, file: src, size: info.Size(), progress: a.Progress}
	f := &filler{Prefix: p, ctx: ctx, archive: a, deb: a.Layout.Format == "deb", left: p.limits.maxUnpacked(info.Size())}
	if err := f.checkLayout(); err != nil {
		return err
	}
	if i := a.Layout.Installer; i != nil {
		f.installer = &installer{Installer: *i, says: map[string][]byte{}, empty: map[string]bool{}}
	}
	switch a.Layout.Format {
	case "file":
		err = f.single(in)
	case "zip":
		err = readZip(in, p.limits, !a.Layout.Modeless, f.put)
	case "deb":
		err = readDeb(in, p.limits, f.put)
	default:
		codec := strings.TrimPrefix(strings.TrimPrefix(a.Layout.Format, "tar"), ".")
		err = readTarIn(codec, in, 0, in.size, p.limits, f.put)
	}
	if err == nil && f.installer != nil {
		err = f.settle()
	}
	if err == nil && f.placed == 0 {
		err = refuse(RuleEmpty, "", "")
	}
	return err
}

// Write makes the file name, which is in no archive; from is what errors call
// its origin. The rules for an archive's entries hold.
func (p *Prefix) Write(ctx context.Context, from, name string, data []byte) error {
	if p.broken != nil {
		return fmt.Errorf("%s: %w", from, p.broken)
	}
	p.adds++
	f := &filler{Prefix: p, ctx: ctx, archive: Archive{Name: from}, left: int64(len(data))}
	err := f.put(entry{name: name, kind: file, mode: 0o644, size: int64(len(data)), body: bytes.NewReader(data)})
	return p.failed(from, err)
}

// Finish makes the links, then walks the prefix: what is on disk is exactly
// what was recorded, and every link resolves or dangles inside. It returns the
// entries by path, so parents before children. A link that breaks a rule is an
// *EntryError; a *ChangedError says that something else wrote to the prefix.
func (p *Prefix) Finish(ctx context.Context) ([]record.Entry, error) {
	if p.broken != nil {
		return nil, p.broken
	}
	entries := make([]record.Entry, 0, len(p.tree))
	for _, n := range p.tree {
		entries = append(entries, n.Entry)
	}
	slices.SortFunc(entries, func(a, b record.Entry) int { return strings.Compare(a.Path, b.Path) })
	if err := p.finish(ctx, entries); err != nil {
		p.end(err)
		return nil, err
	}
	p.end(errFinished)
	return entries, nil
}

func (p *Prefix) finish(ctx context.Context, entries []record.Entry) error {
	for _, e := range entries {
		if e.Type != record.Link {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.resolve(p.tree[e.Path]); err != nil {
			return err
		}
	}
	for _, e := range entries {
		if e.Type != record.Link {
			continue
		}
		dir, err := p.dirs.at(path.Dir(e.Path))
		if err != nil {
			return err
		}
		if err := dir.Symlink(e.Target, path.Base(e.Path)); err != nil {
			return p.tree[e.Path].blame(folded(err, ""))
		}
	}
	return p.walk(ctx)
}

// blame completes an EntryError about n, which is found when its archive is
// long read.
func (n *node) blame(err error) error {
	if e, ok := errors.AsType[*EntryError](err); ok {
		e.Archive, e.Path = n.from, n.raw
	}
	return err
}

// end releases what the prefix holds open; err is what later calls return.
func (p *Prefix) end(err error) {
	p.broken = err
	p.dirs.close()
}
