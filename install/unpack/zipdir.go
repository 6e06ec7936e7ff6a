package unpack

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"
)

// The parts of a zip (APPNOTE.TXT 6.3.10, section 4.3): signatures and the
// lengths of what is fixed.
const (
	sigLocal      = 0x04034b50
	sigDescriptor = 0x08074b50
	sigCentral    = 0x02014b50
	sigEnd64      = 0x06064b50
	sigLocator    = 0x07064b50

	lenLocal   = 30
	lenCentral = 46
	lenEnd     = 22
	lenEnd64   = 56
	lenLocator = 20

	max16 = 1<<16 - 1
	max32 = 1<<32 - 1
)

// Flags of an entry. Bits 1 and 2 tell how hard it was to deflate; any that is
// not named is refused.
const (
	flagDescriptor = 1 << 3
	flagUTF8       = 1 << 11
	flagsKnown     = 1<<1 | 1<<2 | flagDescriptor | flagUTF8
)

// A zipEntry is one entry of the central directory.
type zipEntry struct {
	name         string
	made         uint16 // by which system
	flags        uint16
	method       uint16
	crc          uint32
	packed, size int64
	external     uint32
	offset       int64 // of the local header
	data         int64 // of the content
}

// extent is where the central directory lies.
type extent struct{ off, size, count int64 }

var le = binary.LittleEndian

// fields reads fixed numbers off the front of a record.
type fields []byte

func (f *fields) u16() uint16 { v := le.Uint16(*f); *f = (*f)[2:]; return v }
func (f *fields) u32() uint32 { v := le.Uint32(*f); *f = (*f)[4:]; return v }
func (f *fields) u64() uint64 { v := le.Uint64(*f); *f = (*f)[8:]; return v }

// zipDirectory reads the central directory: its entries in the order of the file.
func zipDirectory(src *source, limits Limits) ([]zipEntry, extent, error) {
	x, err := findDirectory(src)
	if err != nil {
		return nil, x, err
	}
	if x.count > int64(limits.Entries) {
		return nil, x, refuse(RuleCeiling, "", "%d entries; the limit is %d", x.count, limits.Entries)
	}
	if x.size > maxDirectory {
		return nil, x, refuse(RuleCeiling, "", "a directory of %d bytes; the limit is %d", x.size, maxDirectory)
	}
	in := bufio.NewReaderSize(src.section(x.off, x.size), 64<<10)
	var entries []zipEntry
	left := x.size
	for range x.count {
		e, n, err := readCentral(in)
		if err != nil {
			return nil, x, err
		}
		left -= n
		entries = append(entries, e)
	}
	if left != 0 {
		return nil, x, refuse(RuleZip, "", "%d bytes after the last entry of the directory", left)
	}
	slices.SortStableFunc(entries, func(a, b zipEntry) int { return cmp.Compare(a.offset, b.offset) })
	return entries, x, nil
}

// maxDirectory is the most bytes of a central directory.
const maxDirectory = 128 << 20

// findDirectory reads the end record, which with its comment must fill the end
// of the file, and the records of zip64 before it, where there are any. Of
// several end records only the last can do so; the directory must then end
// where the records begin, so that nothing hides between.
func findDirectory(src *source) (x extent, err error) {
	tail := make([]byte, min(src.size, lenEnd+max16))
	start := src.size - int64(len(tail))
	if err := readAt(src, tail, start); err != nil {
		return x, err
	}
	at := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if at < 0 || len(tail)-at < lenEnd {
		return x, refuse(RuleEnd, "", "the zip has no end record: it is cut short, or something follows it")
	}
	f := fields(tail[at+4:])
	disk, first, here, all := f.u16(), f.u16(), f.u16(), f.u16()
	size, off, comment := f.u32(), f.u32(), f.u16()
	if len(f) != int(comment) {
		return x, refuse(RuleEnd, "", "a comment of %d bytes where the end record states %d", len(f), comment)
	}
	x = extent{int64(off), int64(size), int64(all)}
	end := start + int64(at)
	x64, ok, err := findDirectory64(src, end)
	if err != nil {
		return x, err
	}
	if ok {
		if all != max16 && x.count != x64.count || size != max32 && x.size != x64.size || off != max32 && x.off != x64.off {
			return x, refuse(RuleZip, "", "the end record and its zip64 form disagree")
		}
		x, end, here = x64, end-lenLocator-lenEnd64, all
	}
	if disk != 0 || first != 0 || here != all {
		return x, refuse(RuleZip, "", "one part of a zip that is split over several")
	}
	if x.off < 0 || x.size < 0 || x.off > end || x.size != end-x.off || x.count > x.size/lenCentral {
		return x, refuse(RuleZip, "", "the directory does not end where the end record begins")
	}
	return x, nil
}

// findDirectory64 reads the zip64 end record that a locator before end points to.
func findDirectory64(src *source, end int64) (x extent, ok bool, err error) {
	if end < lenLocator+lenEnd64 {
		return x, false, nil
	}
	var b [lenEnd64 + lenLocator]byte
	start := end - int64(len(b))
	if err := readAt(src, b[:], start); err != nil {
		return x, false, err
	}
	locator := fields(b[lenEnd64:])
	if locator.u32() != sigLocator {
		return x, false, nil
	}
	disk, at, disks := locator.u32(), locator.u64(), locator.u32()
	f := fields(b[:])
	if f.u32() != sigEnd64 || disk != 0 || at != uint64(start) || disks != 1 || f.u64() != lenEnd64-12 {
		return x, false, refuse(RuleZip, "", "the zip64 end record is malformed or misplaced")
	}
	f = f[4:] // versions
	disk, first, here, all := f.u32(), f.u32(), f.u64(), f.u64()
	if disk != 0 || first != 0 || here != all {
		return x, false, refuse(RuleZip, "", "one part of a zip that is split over several")
	}
	x.count = int64(all)
	x.size, x.off = int64(f.u64()), int64(f.u64())
	if x.count < 0 {
		return x, false, refuse(RuleZip, "", "more entries than a file can hold")
	}
	return x, true, nil
}

// readCentral reads one entry of the central directory, of n bytes.
func readCentral(in io.Reader) (e zipEntry, n int64, err error) {
	var b [lenCentral]byte
	if _, err := io.ReadFull(in, b[:]); err != nil {
		return e, 0, cut(err, "")
	}
	f := fields(b[:])
	if f.u32() != sigCentral {
		return e, 0, refuse(RuleZip, "", "the directory has fewer entries than the end record states")
	}
	e.made = f.u16() >> 8
	f.u16() // version needed
	e.flags, e.method = f.u16(), f.u16()
	f.u32() // time
	e.crc = f.u32()
	packed, size := f.u32(), f.u32()
	nameLen, extraLen, commentLen, disk := f.u16(), f.u16(), f.u16(), f.u16()
	f.u16() // internal attributes
	e.external = f.u32()
	offset := f.u32()
	rest := make([]byte, int(nameLen)+int(extraLen)+int(commentLen))
	if _, err := io.ReadFull(in, rest); err != nil {
		return e, 0, cut(err, "")
	}
	e.name = string(rest[:nameLen])
	wide, err := readExtra(e.name, rest[nameLen:int(nameLen)+int(extraLen)])
	if err != nil {
		return e, 0, err
	}
	e.size, err = wide.take(size, err)
	e.packed, err = wide.take(packed, err)
	e.offset, err = wide.take(offset, err)
	if err != nil || disk != 0 {
		return e, 0, refuse(RuleZip, e.name, "malformed zip64 field or disk number")
	}
	return e, int64(lenCentral + len(rest)), e.allowed()
}

// allowed judges what does not need the local header.
func (e *zipEntry) allowed() error {
	isASCII := strings.IndexFunc(e.name, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
	switch {
	case e.flags&^flagsKnown != 0:
		return refuse(RuleMethod, e.name, "encrypted, or with other unknown flags (%#04x)", e.flags)
	case e.method != stored && e.method != deflated:
		return refuse(RuleMethod, e.name, "compressed by method %d, which kist does not read", e.method)
	case e.method == stored && e.packed != e.size:
		return refuse(RuleZip, e.name, "stored, but as %d bytes for a content of %d", e.packed, e.size)
	case strings.Contains(e.name, "\x00"):
		return refuse(RuleText, e.name, "name with the control character U+0000")
	case !slices.Contains(systems, e.made):
		return refuse(RuleSystem, e.name, "made by system number %d", e.made)
	case e.made != madeByUnix && e.flags&flagUTF8 == 0 && !isASCII:
		return refuse(RuleText, e.name, "name in a code page of MS-DOS")
	case strings.HasSuffix(strings.TrimRight(e.name, "0123456789"), ";"):
		return refuse(RuleVersion, e.name, "name that ends in a version number")
	}
	return nil
}

// madeByUnix is the system whose attributes are modes.
const madeByUnix = 3

// systems are those whose entries every program takes alike: MS-DOS, Unix, and
// Windows by three numbers. Attributes of others are modes to some, and to others not.
var systems = []uint16{0, madeByUnix, 10, 11, 14}

// wide holds the numbers of a zip64 extra field that were not yet taken.
type wide struct {
	present bool
	left    fields
}

// take returns v or, where v says so, the next number of the field.
func (w *wide) take(v uint32, err error) (int64, error) {
	if err != nil || v != max32 || !w.present {
		return int64(v), err
	}
	if len(w.left) < 8 {
		return 0, io.ErrUnexpectedEOF
	}
	n := int64(w.left.u64())
	if n < 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return n, nil
}

// The extra fields that matter; the others hold times, owners and the like.
const (
	extraZip64       = 0x0001
	extraUnicodePath = 0x7075
	extraASi         = 0x756e // a mode, that unzip follows
	extraLibarchive  = 0x6c78 // attributes once more, that libarchive follows
)

// readExtra reads the extra fields of name.
func readExtra(name string, extra []byte) (w *wide, err error) {
	w = new(wide)
	for len(extra) > 0 {
		if len(extra) < 4 || len(extra) < 4+int(le.Uint16(extra[2:])) {
			return w, refuse(RuleZip, name, "extra field that is cut short")
		}
		id, data := le.Uint16(extra), extra[4:4+int(le.Uint16(extra[2:]))]
		extra = extra[4+len(data):]
		switch {
		case id == extraZip64 && w.present:
			return w, refuse(RuleZip, name, "two zip64 fields")
		case id == extraZip64:
			w.present, w.left = true, data
		case id == extraUnicodePath && (len(data) < 5 || string(data[5:]) != name):
			return w, refuse(RuleZip, name, "different name in its Unicode extra field")
		case id == extraASi || id == extraLibarchive:
			return w, refuse(RuleSystem, name, "type and mode stated again, in the extra field %#04x", id)
		}
	}
	return w, nil
}

// kind is what the entry is by its name and attributes, which must agree.
func (e *zipEntry) kind() (kind, fs.FileMode, error) {
	slash := strings.HasSuffix(e.name, "/")
	mode := e.external >> 16
	if e.made != madeByUnix {
		mode = 0
	}
	const volume = 0x08 // the label of a disk, which Info-ZIP passes over; of DOS's attributes
	if e.made != madeByUnix && e.external&volume != 0 {
		return file, 0, refuse(RuleType, e.name, "label of a disk (attributes %#08x)", e.external)
	}
	const ifmt, ifreg, ifdir, iflnk = 0o170000, 0o100000, 0o040000, 0o120000
	perm := fs.FileMode(mode) & fs.ModePerm
	switch t := mode & ifmt; {
	case slash && (t == ifdir || t == 0):
		if mode == 0 {
			perm = unproved(dir)
		}
		return dir, perm, nil
	case t == iflnk && !slash:
		return link, 0, nil
	case t == ifreg && !slash, t == 0 && !slash && e.external&0x10 == 0:
		if mode == 0 {
			perm = unproved(file)
		}
		return file, perm, nil
	}
	return file, 0, refuse(RuleType, e.name, "attributes %#08x, which do not fit its name or are of another type", e.external)
}
