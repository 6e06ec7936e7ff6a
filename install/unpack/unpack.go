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
// Files are created anew (O_EXCL) and hashed as they are written. Filling a
// prefix has two halves. Archives are added, several at a time if the caller
// likes, and files and directories are made; of each entry a [Claim] remains.
// Then [Complete] judges all claims anew, makes the links, gives everything its
// mode, and walks the whole prefix: what is on disk is what was claimed, and
// nothing else. The halves need not run in one process: what decodes an archive
// needs no right to make a link or to change a mode, and is not believed.
//
// No link exists before every file of every archive is written, so that no
// byte is ever written through one. Each is judged three times: its text, when
// its entry is read; where it leads through other links, when all are known;
// and on disk, in the last walk. Nothing is run. Nothing that Add refuses is of
// use: the caller sweeps the directory.
//
// What comes of several archives does not depend on which of them is quicker:
// of two that claim one name the later in order is refused, and a directory is
// recorded as of the first that needs it, with the mode that the last states.
//
// Modes are an archive's permission bits, without those that let group or
// others write, and with those its owner needs: to read and write, and to
// enter a directory. The process's umask plays no part, as long as it leaves
// these. setuid, setgid and
// sticky bits, owners, times and extended attributes are not taken. A zip
// entry without a Unix mode is 0644, a directory 0755, as are directories that
// are implied; a single file and what Layout.Exec names are 0755. Where the
// layout is Modeless, nothing proves an archive's modes: every other file is
// 0644, every directory 0755, and a zip holds no links. A hard link becomes a
// copy of the earlier file, or of the earlier symbolic link. What Finish is told to
// make executable is. Of an archive of rust-installer only those files are
// installed that its own list names, and directories as they need them.
//
// # Rules
//
// An archive that breaks one is refused as a whole by an [EntryError].
//
// Names:
//
//   - a name is valid UTF-8 in its composed form (NFC), without control characters
//   - a name is relative: it starts with neither a slash nor a drive letter
//   - a name has no empty, "." or ".." element, except one "./" at its start
//   - a name has no backslash, except in a .deb
//   - a name in a zip does not end in a VMS version number, such as ;1
//   - a name is listed once in all archives of a prefix, except for directories, equal entries of one archive, and equal files of packages that share a merged /usr
//   - only a directory has entries below it
//   - the file system can tell all names apart
//   - stripping the leading directories drops neither a file nor a link
//
// Links and types:
//
//   - the target of a link is relative and stays inside the prefix; in a .deb it may be absolute
//   - a link resolves inside the prefix through at most 40 links, or dangles there
//   - a hard link names an earlier file or symbolic link of its archive
//   - an entry is a file, a directory, a symbolic link or a hard link
//   - a directory or a link holds no data
//   - a file is stored whole, neither sparse nor spread over several volumes
//
// Structure:
//
//   - an archive cannot be mistaken for one of another format
//   - every header is well formed and has the right checksum
//   - an extended header is well formed, appears once for an entry, and agrees with the entry's own header
//   - an archive ends as its format requires, and nothing follows its end
//   - a compressed archive is one or more whole and undamaged streams, perhaps with zeros at its end, and in a .deb exactly one stream
//   - the directory of a zip and its local headers agree, and cover the file without a gap or an overlap
//   - a zip entry is stored or deflated, and is not encrypted
//   - a zip entry was made on Unix, MS-DOS or Windows, and only its attributes state its type and mode
//   - a zip entry has the size and the checksum that its headers state
//   - a .deb holds debian-binary 2.0, one control.tar and one data.tar, in this order
//   - an archive of rust-installer states version 3, and holds its component and every file that it lists
//   - an archive holds something to install
//   - nothing is over its limit
//
// A directory may be listed twice, and its last mode counts. A file or a link may be
// listed twice if nothing of it differs. Names may differ in case alone where the file
// system tells them apart. PAX's and GNU's long names are read. PAX keywords that
// change neither the name, the size nor the content of a file are ignored, known or
// not, and so are owners, times and device numbers, which may be blank.
//
// The streams of a compressed archive are read as one (gzip members, zstd frames, xz
// and bzip2 streams), and all limits hold for them together. Skippable zstd frames hold
// nothing.
//
// Where the layout has a merged /usr, a package's bin, sbin, lib, lib32, lib64 and
// libx32 are those below usr.
//
// # Limits
//
// [DefaultLimits] holds the ceilings on what is unpacked; at a ceiling is
// fine, one past it is refused before it is written. Memory stays small
// whatever an archive says: 128 MiB for the window of xz or zstd, one at a time, 64 MiB for
// names, 1 MiB for an extended header, and a few hundred bytes an entry.
// Archives that are added at the same time share Limits.Memory for their
// windows: one that finds too little left waits until another is done.
//
// Written after POSIX.1-2024 (pax), APPNOTE.TXT 6.3.10 (zip), RFC 1952 (gzip),
// RFC 8878 (zstd), the .xz File Format 1.2.0 and deb(5).
package unpack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// An Archive says how one proved artifact becomes files of the prefix.
type Archive struct {
	Name      string // for errors: the artifact's name
	Component string // recorded with every entry
	Layout    manifests.Layout
	// Order is the archive's place among those of the prefix, whichever is
	// added first. Of equals, the one that is added first comes first.
	Order int
	// Progress is told how many bytes of the artifact were read so far. Calls
	// for one archive never overlap, and none comes after Add has returned. May
	// be nil.
	Progress func(done int64)
}

// A Prefix is one prefix being filled, the only way anything gets into it.
// Archives may be added at the same time; Claims and Finish end it.
type Prefix struct {
	root   *os.Root
	limits Limits
	memory *semaphore.Weighted // of windows and dictionaries, by bytes
	sealed time.Time           // set by Finish

	mu       sync.Mutex // guards what follows, and the making and removing of names
	tree     map[string]*node
	adds     int   // archives begun
	entries  int   // counted against limits.Entries
	dirCount int   // counted against limits.Dirs
	bytes    int64 // counted against limits.Bytes
	names    int64 // counted against limits.Names
	broken   error // why nothing more can be done with it
}

// An origin is one archive, as the entries it brought know it.
type origin struct {
	name, component string
	order, id       int
	merged          bool // a package of a system with a merged /usr
}

// before reports whether o comes before p in the order of the archives.
func (o *origin) before(p *origin) bool {
	return o.order < p.order || o.order == p.order && o.id < p.id
}

// A node is one path that was claimed.
type node struct {
	record.Entry
	from *origin // the archive that claimed it; a directory may serve others
	raw  string  // its name in that archive
	gone bool    // taken back; the name stays taken
	kept bool    // of a directory: it is recorded already as from's
	// Of a link: its target as the archive states it, if Target is another.
	stated string
	// Of a file or a link: others that are to be the same.
	twins []*twin
	// Of a directory: the first archive that lists it, and the last that states
	// a mode for it.
	first, last *origin
}

// ErrEnded says that nothing more can be added to a prefix: it is finished, or
// something else that was added to it failed.
var ErrEnded = errors.New("nothing more can be added to the prefix")

var errFinished = errors.New("it is finished")

// New begins a prefix in root, an empty directory that nothing else writes to.
// root stays the caller's to close, after Finish.
func New(root *os.Root, limits Limits) *Prefix {
	return &Prefix{
		root:   root,
		limits: limits,
		memory: semaphore.NewWeighted(limits.Memory),
		tree:   make(map[string]*node),
	}
}

// Add unpacks src, a regular file that was proved and that nobody writes to;
// its offset does not matter. Links appear on disk only with Finish. An
// archive that breaks a rule is refused with an *EntryError; any other error
// is a fault of the disk, or ctx's. After an error nothing more can be done
// with the prefix.
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

// AddStream is Add for a tar that arrives from r while it is unpacked: size
// bytes, each of them proved before r gives it out. r is read to its io.EOF; an
// error of r is returned as it is.
func (p *Prefix) AddStream(ctx context.Context, r io.Reader, size int64, a Archive) error {
	return p.fill(ctx, a, func(f *filler) error {
		if !strings.HasPrefix(a.Layout.Format, "tar") {
			return fmt.Errorf("format %s from a stream: %w", a.Layout.Format, errors.ErrUnsupported)
		}
		src := &source{ctx: ctx, stream: r, size: size, progress: a.Progress}
		if err := f.unpack(src); err != nil {
			return err
		}
		return src.ended()
	})
}

// Write makes a file or a link that is in no archive; from is what errors call
// its origin, which comes after all archives. The rules for an archive's entries
// hold.
func (p *Prefix) Write(ctx context.Context, from string, w manifests.File) error {
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

// fill has one archive placed, and completes its error, after which nothing
// more can be done.
func (p *Prefix) fill(ctx context.Context, a Archive, place func(*filler) error) error {
	f, err := p.begin(ctx, a)
	if err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	defer f.dirs.close()
	if err = place(f); err == nil {
		return nil
	}
	if e, ok := errors.AsType[*EntryError](err); ok && e.Archive == "" {
		e.Archive = a.Name
	} else if !ok {
		err = fmt.Errorf("%s: %w", a.Name, err)
	}
	p.end(err)
	return err
}

// begin counts one more archive.
func (p *Prefix) begin(ctx context.Context, a Archive) (*filler, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return nil, fmt.Errorf("%w: %w", ErrEnded, p.broken)
	}
	p.adds++
	return &filler{Prefix: p, ctx: ctx, archive: a,
		origin: &origin{name: a.Name, component: a.Component, order: a.Order, id: p.adds, merged: a.Layout.MergedUsr},
		dirs:   handles{root: p.root, open: map[string]rootfs.Dir{}},
		deb:    a.Layout.Format == "deb"}, nil
}

// end makes err what later calls return.
func (p *Prefix) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken == nil {
		p.broken = err
	}
}

// unpack reads the archive in by its format, and places what it holds.
func (f *filler) unpack(in *source) (err error) {
	layout := f.archive.Layout
	if err := f.checkLayout(); err != nil {
		return err
	}
	f.left = f.limits.maxUnpacked(in.size)
	if i := layout.Installer; i != nil {
		f.installer = &installer{Installer: *i, says: map[string][]byte{}, empty: map[string]bool{}}
	}
	if layout.Format == "tar" || layout.Format == "zip" {
		f.writers = newWriters()
		f.dirs.idle = f.writers.wait
		defer func() {
			if broken := f.writers.stop(); broken != nil {
				err = broken // of a file before whatever else failed
			}
		}()
	}
	switch layout.Format {
	case "file":
		err = f.single(in)
	case "zip":
		err = readZip(in, f.limits, !layout.Modeless, f.put)
	case "deb":
		err = readDeb(in, f.memory, f.limits, f.put)
	default:
		codec := strings.TrimPrefix(strings.TrimPrefix(layout.Format, "tar"), ".")
		err = readTarIn(codec, false, in, in.all(), in.size, f.memory, f.limits, f.put)
	}
	if err == nil && f.installer != nil {
		err = f.settle()
	}
	if err == nil && f.placed == 0 {
		err = refuse(RuleEmpty, "", "nothing is left to install")
	}
	return err
}

// Finish ends the prefix and completes it: Claims and Complete in one.
func (p *Prefix) Finish(ctx context.Context, executable ...string) ([]record.Entry, error) {
	claims, err := p.Claims()
	if err != nil {
		return nil, err
	}
	if p.sealed, err = Complete(ctx, p.root, p.limits, claims, executable...); err != nil {
		return nil, err
	}
	entries := make([]record.Entry, len(claims))
	for i, c := range claims {
		entries[i] = *c.Entry
	}
	return entries, nil
}

// Sealed is what a receipt says of the stamps of the entries that Finish returned, as
// Complete has it.
func (p *Prefix) Sealed() time.Time { return p.sealed }
