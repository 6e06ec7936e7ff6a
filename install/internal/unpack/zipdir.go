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

// The records of a zip (APPNOTE.TXT 6.3.10, section 4.3): their signatures, and the
// lengths of their fixed parts.
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

// Flags of an entry. Bits 1 and 2 state the effort of compression. All other flags are
// refused.
const (
	flagDescriptor = 1 << 3
	flagUTF8       = 1 << 11
	flagsKnown     = 1<<1 | 1<<2 | flagDescriptor | flagUTF8
)

// A zipEntry is one entry of the central directory.
type zipEntry struct {
	name         string
	system       uint16 // that made it
	flags        uint16
	method       uint16
	crc          uint32
	packed, size int64
	external     uint32
	offset       int64 // of the local header
	data         int64 // of the content
}

// An extent is the place of the central directory, and its number of entries.
type extent struct{ off, size, count int64 }

var le = binary.LittleEndian

// fields is a record from whose front numbers are read.
type fields []byte

func (f *fields) u16() uint16 { v := le.Uint16(*f); *f = (*f)[2:]; return v }
func (f *fields) u32() uint32 { v := le.Uint32(*f); *f = (*f)[4:]; return v }
func (f *fields) u64() uint64 { v := le.Uint64(*f); *f = (*f)[8:]; return v }

// zipDirectory reads the central directory and sorts its entries by offset.
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

// maxDirectory is the largest size of a central directory, in bytes.
const maxDirectory = 128 << 20

// findDirectory reads the end record, and the zip64 records before it, if any. The end
// record and its comment must reach to the end of the file, which only the last of
// several end records can. The directory must end where the records begin, so that
// nothing is hidden between them.
func findDirectory(src *source) (x extent, err error) {
	tail := make([]byte, min(src.size, lenEnd+max16))
	start := src.size - int64(len(tail))
	if err := readAt(src, tail, start); err != nil {
		return x, err
	}
	i := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if i < 0 || len(tail)-i < lenEnd {
		return x, refuse(RuleEnd, "", "the zip has no end record: it is cut short, or something follows it")
	}
	f := fields(tail[i+4:])
	disk, first, here, all := f.u16(), f.u16(), f.u16(), f.u16()
	size, off, comment := f.u32(), f.u32(), f.u16()
	if len(f) != int(comment) {
		return x, refuse(RuleEnd, "", "a comment of %d bytes where the end record states %d", len(f), comment)
	}
	x = extent{int64(off), int64(size), int64(all)}
	end := start + int64(i)
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
		return x, refuse(RuleZip, "", "part of a zip that is split into several files")
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
		return x, false, refuse(RuleZip, "", "part of a zip that is split into several files")
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
		return e, 0, truncated(err, "")
	}
	f := fields(b[:])
	if f.u32() != sigCentral {
		return e, 0, refuse(RuleZip, "", "the directory has fewer entries than the end record states")
	}
	e.system = f.u16() >> 8
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
		return e, 0, truncated(err, "")
	}
	e.name = string(rest[:nameLen])
	wide, err := readExtra(e.name, rest[nameLen:int(nameLen)+int(extraLen)])
	if err != nil {
		return e, 0, err
	}
	e.size, err = wide.value(size, err)
	e.packed, err = wide.value(packed, err)
	e.offset, err = wide.value(offset, err)
	if err != nil || disk != 0 {
		return e, 0, refuse(RuleZip, e.name, "malformed zip64 field or disk number")
	}
	return e, int64(lenCentral + len(rest)), e.validate()
}

// validate checks what can be checked without the local header.
func (e *zipEntry) validate() error {
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
	case !slices.Contains(systems, e.system):
		return refuse(RuleSystem, e.name, "made by system number %d", e.system)
	case e.system != madeByUnix && e.flags&flagUTF8 == 0 && !isASCII:
		return refuse(RuleText, e.name, "name in a code page of MS-DOS")
	case strings.HasSuffix(strings.TrimRight(e.name, "0123456789"), ";"):
		return refuse(RuleVersion, e.name, "name that ends in a version number")
	}
	return nil
}

// madeByUnix is the system number of Unix, whose attributes are modes.
const madeByUnix = 3

// systems are the systems whose entries all programs read alike: MS-DOS, Unix, and Windows
// by three numbers. Programs disagree whether the attributes of others are modes.
var systems = []uint16{0, madeByUnix, 10, 11, 14}

// zip64Field holds the numbers of a zip64 extra field that were not read yet.
type zip64Field struct {
	present bool
	left    fields
}

// value returns v or, if v is the maximum, the next number of the field. It returns an
// err that is not nil unchanged.
func (w *zip64Field) value(v uint32, err error) (int64, error) {
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

// The extra fields that are checked; others hold times, owners and the like.
const (
	extraZip64       = 0x0001
	extraUnicodePath = 0x7075
	extraASi         = 0x756e // a mode, which unzip uses
	extraLibarchive  = 0x6c78 // attributes, which libarchive uses
)

// readExtra reads the extra fields of name.
func readExtra(name string, extra []byte) (w *zip64Field, err error) {
	w = new(zip64Field)
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

// kind returns the entry's kind and mode by its name and attributes, which must agree.
func (e *zipEntry) kind() (kind, fs.FileMode, error) {
	slash := strings.HasSuffix(e.name, "/")
	mode := e.external >> 16
	if e.system != madeByUnix {
		mode = 0
	}
	const volume = 0x08 // the MS-DOS attribute of a volume label, which Info-ZIP skips
	if e.system != madeByUnix && e.external&volume != 0 {
		return file, 0, refuse(RuleType, e.name, "volume label (attributes %#08x)", e.external)
	}
	const ifmt, ifreg, ifdir, iflnk = 0o170000, 0o100000, 0o040000, 0o120000
	perm := fs.FileMode(mode) & fs.ModePerm
	switch t := mode & ifmt; {
	case slash && (t == ifdir || t == 0):
		if mode == 0 {
			perm = defaultMode(dir)
		}
		return dir, perm, nil
	case t == iflnk && !slash:
		return link, 0, nil
	case t == ifreg && !slash, t == 0 && !slash && e.external&0x10 == 0:
		if mode == 0 {
			perm = defaultMode(file)
		}
		return file, perm, nil
	}
	return file, 0, refuse(RuleType, e.name, "attributes %#08x, which do not fit its name or are of another type", e.external)
}
