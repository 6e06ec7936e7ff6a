// Package unpack turns proved artifacts into the files of one prefix: tar
// (plain, gzip, xz, zstd, bzip2), zip, Debian packages, and single files.
//
// The signature of the publisher on an artifact is verified before it comes here,
// but a signed file can still be harmful: a publisher can be careless, or the key
// stolen. So an archive can write to its prefix and nowhere else, and it must be
// unambiguous: an archive that two programs could read differently is refused as a
// whole.
//
//	prefix := unpack.New(root, limits)
//	for … {
//		err := prefix.Add(ctx, file, unpack.Archive{Name: …, Component: …, Layout: …})
//	}
//	claims, err := prefix.Claims()
//	sealed, err := unpack.Complete(ctx, root, limits, claims)
//
// # Guarantees
//
// Everything is written below one [os.Root], opened at an empty directory.
// Files are created with O_EXCL and hashed as they are written. Filling a prefix
// has two halves. In the first, archives are added, concurrently if the caller
// wants, which makes files and directories and leaves a [Claim] for each entry. In
// the second, [Complete] validates all claims again, makes the links, sets all
// modes, and walks the whole prefix: it must hold exactly what was claimed. The
// halves can run in two processes: the one that decodes archives needs no right to
// make links or change modes, and is not trusted.
//
// No link exists before every file of every archive is written, so that no
// byte is ever written through one. Each link is checked three times: its target,
// when its entry is read; its path through other links, when all are known; and
// on disk, in the final walk. Nothing is executed. After Add refuses an archive, the
// caller deletes the directory.
//
// The result of adding archives concurrently does not depend on their speed: if
// two claim one name, the later in order is refused, and a directory is recorded
// for the first archive that needs it, with the mode that the last one states.
//
// Modes are an archive's permission bits, without write permission for group and
// others, and with those that the owner needs to read and write, and to enter a
// directory. The process's umask has no effect unless it removes these. setuid, setgid and
// sticky bits, owners, times and extended attributes are ignored. A zip
// entry without a Unix mode is 0644, a directory 0755, as are
// implied directories; a single file and what Layout.Exec names are 0755. Where the
// layout is Modeless, an archive's modes are not authenticated: every other file is
// 0644, every directory 0755, and a zip holds no links. A hard link becomes a copy
// of the earlier file or symbolic link. Complete makes the files that its caller names
// executable. Of a rust-installer archive, only the files that its own list names are
// installed, with the directories that they need.
//
// # Rules
//
// An archive that breaks a [Rule] is refused as a whole with an [EntryError].
//
// A directory may be listed twice; its last mode counts. A file or a link may be
// listed twice if both entries are equal. Names may differ in case only, if the file
// system distinguishes them. PAX's and GNU's long names are read. PAX keywords that
// do not change the name, size or content of a file are ignored, even unknown ones, and
// so are owners, times and device numbers, which may be blank.
//
// The streams of a compressed archive are read as one (gzip members, zstd frames, xz
// and bzip2 streams), and all limits apply to their total. Skippable zstd frames are
// ignored.
//
// If the layout has a merged /usr, a package's bin, sbin, lib, lib32, lib64 and
// libx32 are placed below usr.
//
// # Limits
//
// [DefaultLimits] holds the limits on what is unpacked, which are inclusive; an
// entry that exceeds one is refused before it is written. Memory is bounded too:
// 128 MiB for the window of xz or zstd, one at a time, 64 MiB for names, 1 MiB for
// an extended header, and a few hundred bytes per entry. Archives that are added
// concurrently share Limits.Memory for their windows: an archive waits until enough
// of it is free.
//
// Sources: POSIX.1-2024 (pax), APPNOTE.TXT 6.3.10 (zip), RFC 1952 (gzip),
// RFC 8878 (zstd), the .xz File Format 1.2.0 and deb(5).
package unpack

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// An Archive describes a verified artifact and how it is unpacked.
type Archive struct {
	Name      string // the artifact's name, for errors
	Component string // recorded with every entry
	Layout    manifests.Layout
	// Order is the archive's place among those of the prefix, whatever the order
	// in which they are added. Archives of equal Order are ordered as added.
	Order int
	// Progress, unless nil, is called with the number of bytes of the artifact
	// read so far. Calls for one archive never overlap, and none is made after
	// Add has returned.
	Progress func(done int64)
}

// A Prefix is a prefix that is being filled. Archives may be added concurrently; Claims
// ends the filling.
type Prefix struct {
	root   *os.Root
	limits Limits
	memory *semaphore.Weighted // for windows and dictionaries, in bytes

	mu       sync.Mutex // guards the fields below, and the making and removing of names
	tree     map[string]*node
	adds     int   // archives begun
	entries  int   // counted against limits.Entries
	dirCount int   // counted against limits.Dirs
	bytes    int64 // counted against limits.Bytes
	names    int64 // counted against limits.Names
	broken   error // why nothing more can be added
}

// An owner is an archive, as its entries refer to it.
type owner struct {
	name, component string
	order, id       int
	mergedUsr       bool // a package for a system with a merged /usr
}

// before reports whether o comes before p in the order of the archives.
func (o *owner) before(p *owner) bool {
	return o.order < p.order || o.order == p.order && o.id < p.id
}

// A node is one claimed path.
type node struct {
	record.Entry
	from    *owner // the archive that claimed it; others may use a directory, too
	raw     string // its name in that archive
	removed bool   // deleted again (removePlaced); the name stays claimed
	resumed bool   // a directory of a resumed prefix, which stays owned by from
	// Of a link: the target that the archive states, if Target differs.
	stated string
	// Of a file or a link: equal entries of other archives.
	duplicates []*duplicate
	// Of a directory: the first archive that lists it, and the last that states
	// a mode for it.
	first, last *owner
}

// ErrEnded is returned when nothing more can be added to a prefix, because it is
// finished or an earlier Add failed.
var ErrEnded = errors.New("nothing more can be added to the prefix")

var errFinished = errors.New("it is finished")

// New begins a prefix in root, an empty directory that nothing else writes to.
// The caller closes root.
func New(root *os.Root, limits Limits) *Prefix {
	return &Prefix{
		root:   root,
		limits: limits,
		memory: semaphore.NewWeighted(limits.Memory),
		tree:   make(map[string]*node),
	}
}

// Add unpacks src, a verified regular file that nothing writes to; its offset is not
// used. Links are made by Complete. Add returns an *EntryError if the archive breaks a
// rule; other errors come from the disk or ctx. After an error, nothing more can be
// added to the prefix.
func (p *Prefix) Add(ctx context.Context, src *os.File, a Archive) error {
	return p.fill(ctx, a, func(f *filler) error {
		info, err := src.Stat()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("not a regular file")
		}
		return f.unpack(&source{ctx: ctx, file: src, size: info.Size(), progress: a.Progress})
	})
}

// AddStream is Add for a tar that is read from r: size bytes, which r has verified
// before it returns them. r is read up to io.EOF; other errors of r are returned
// unchanged.
func (p *Prefix) AddStream(ctx context.Context, r io.Reader, size int64, a Archive) error {
	return p.fill(ctx, a, func(f *filler) error {
		if !strings.HasPrefix(a.Layout.Format, "tar") {
			return fmt.Errorf("format %s from a stream: %w", a.Layout.Format, errors.ErrUnsupported)
		}
		src := &source{ctx: ctx, stream: r, size: size, progress: a.Progress}
		if err := f.unpack(src); err != nil {
			return err
		}
		return src.checkEnd()
	})
}

// AddFile adds a file or a link that is in no archive, under the same rules. It is
// ordered after all archives; from names its source in errors.
func (p *Prefix) AddFile(ctx context.Context, from string, w manifests.File) error {
	return p.fill(ctx, Archive{Name: from, Order: math.MaxInt}, func(f *filler) error {
		if w.Link != "" {
			return f.put(entry{name: w.Path, kind: link, target: w.Link})
		}
		f.left = int64(len(w.Data))
		e := entry{name: w.Path, kind: file, mode: 0o644, size: f.left, body: bytes.NewReader(w.Data)}
		if w.Exec {
			e.mode = 0o755
		}
		return f.put(e)
	})
}

// fill calls place to add one archive. If place fails, fill adds the archive's name to
// the error and ends the prefix.
func (p *Prefix) fill(ctx context.Context, a Archive, place func(*filler) error) error {
	f, err := p.begin(ctx, a)
	if err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	defer f.dirs.Close()
	if err = place(f); err == nil {
		return nil
	}
	if e, ok := errors.AsType[*EntryError](err); ok && e.Archive == "" {
		e.Archive = a.Name
	} else if !ok {
		err = fmt.Errorf("%s: %w", a.Name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = cmp.Or(p.broken, err)
	return err
}

// begin starts an archive, or fails if the prefix has ended.
func (p *Prefix) begin(ctx context.Context, a Archive) (*filler, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return nil, fmt.Errorf("%w: %w", ErrEnded, p.broken)
	}
	top, err := rootfs.OpenDir(p.root)
	if err != nil {
		p.broken = err
		return nil, err
	}
	p.adds++
	return &filler{Prefix: p, ctx: ctx, archive: a,
		owner: &owner{name: a.Name, component: a.Component, order: a.Order, id: p.adds, mergedUsr: a.Layout.MergedUsr},
		dirs:  rootfs.NewDirs(top),
		deb:   a.Layout.Format == "deb"}, nil
}

// unpack reads the archive in, by its format, and places its entries.
func (f *filler) unpack(in *source) (err error) {
	layout := f.archive.Layout
	if err := f.checkLayout(); err != nil {
		return err
	}
	f.left = f.limits.maxUnpacked(in.size)
	if i := layout.Installer; i != nil {
		f.installer = &installer{Installer: *i, metadata: map[string][]byte{}, dirs: map[string]bool{}}
	}
	if layout.Format == "tar" || layout.Format == "zip" {
		f.writers = newWriters()
		f.dirs.WaitIdle = f.writers.wait
		defer func() {
			if failed := f.writers.stop(); failed != nil {
				err = failed // it concerns an earlier file than err
			}
		}()
	}
	switch layout.Format {
	case "file":
		err = f.placeSingle(in)
	case "zip":
		err = readZip(in, f.limits, !layout.Modeless, f.put)
	case "deb":
		err = readDeb(in, f.memory, f.limits, f.put)
	default:
		codec := strings.TrimPrefix(strings.TrimPrefix(layout.Format, "tar"), ".")
		err = readTarIn(codec, false, in, in.all(), in.size, f.memory, f.limits, f.put)
	}
	if err == nil && f.installer != nil {
		err = f.finishInstaller()
	}
	if err == nil && f.placed == 0 {
		err = refuse(RuleEmpty, "", "nothing is left to install")
	}
	return err
}
