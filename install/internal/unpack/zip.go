package unpack

import (
	"bufio"
	"hash/crc32"
	"io"
	"strings"

	"github.com/kist-tools/kist/verify/inflate"
)

const (
	stored   = 0
	deflated = 8
)

// readZip calls put for every entry of a zip. Before that, it validates the whole
// structure: every local header must agree with the central directory, and together
// they must fill the file. If attributes is false, they are not authenticated and are
// ignored: names that end in a slash are directories, and all others are files.
func readZip(src *source, limits Limits, attributes bool, put func(entry) error) error {
	entries, x, err := zipDirectory(src, limits)
	if err != nil {
		return err
	}
	if err := refuseOtherFormats(src); err != nil {
		return err
	}
	var total int64
	dirs := 0
	pos := int64(0) // the end of the previous entry
	for i := range entries {
		end := x.off
		if i+1 < len(entries) {
			end = entries[i+1].offset
		}
		e := &entries[i]
		if e.offset != pos {
			return refuse(RuleZip, e.name, "entry at byte %d, but the one before it ends at %d", e.offset, pos)
		}
		if pos, err = e.readLocal(src, end); err != nil {
			return err
		}
		if strings.HasSuffix(e.name, "/") {
			dirs++
		}
		if dirs > limits.Dirs {
			return refuse(RuleCeiling, e.name, "the archive has more than %d directories", limits.Dirs)
		}
		if total += e.size; e.size > limits.Bytes || total > min(limits.Bytes, limits.maxUnpacked(src.size)) {
			return refuse(RuleCeiling, e.name, "the archive unpacks to far more than its own size")
		}
	}
	if pos != x.off {
		return refuse(RuleZip, "", "%d bytes before the directory that belong to no entry", x.off-pos)
	}
	z := &zipReader{src: src, limits: limits, put: put, in: bufio.NewReaderSize(nil, 64<<10)}
	for i := range entries {
		if !attributes {
			entries[i].external = 0
		}
		if err := z.place(&entries[i]); err != nil {
			return err
		}
	}
	return nil
}

// refuseOtherFormats refuses a zip that libarchive would read as a tar, or as a disc image
// (ECMA-119, section 8).
func refuseOtherFormats(src *source) error {
	var b [blockSize]byte
	if src.size >= blockSize {
		if err := readAt(src, b[:], 0); err != nil {
			return err
		}
		if sum, ok := number(b[148:156]); ok && sum == checksum(&b) {
			return refuse(RuleFormat, "", "the zip begins like a tar")
		}
	}
	const descriptor = 16 * 2048
	if id := b[:5]; src.size >= descriptor+blockSize {
		if err := readAt(src, id, descriptor+1); err != nil {
			return err
		}
		if string(id) == "CD001" {
			return refuse(RuleFormat, "", "the zip holds the descriptor of a disc image")
		}
	}
	return nil
}

// readLocal reads the entry's local header and data descriptor, compares them with the
// central directory, and returns the offset at which the entry ends. end is the offset
// of the next entry or of the directory.
func (e *zipEntry) readLocal(src *source, end int64) (int64, error) {
	bad := func(what string) (int64, error) { return 0, refuse(RuleZip, e.name, "bad local header: %s", what) }
	var b [lenLocal]byte
	if e.offset > end-lenLocal {
		return bad("it overlaps what follows")
	}
	if err := readAt(src, b[:], e.offset); err != nil {
		return 0, err
	}
	f := fields(b[:])
	if f.u32() != sigLocal {
		return bad("it has another signature")
	}
	f.u16() // version needed
	flags, method := f.u16(), f.u16()
	f.u32() // time
	crc, packed32, size32 := f.u32(), f.u32(), f.u32()
	nameLen, extraLen := f.u16(), f.u16()
	rest := make([]byte, int(nameLen)+int(extraLen))
	e.data = e.offset + lenLocal + int64(len(rest))
	if e.data > end || e.packed > end-e.data {
		return bad("its content overlaps what follows")
	}
	if err := readAt(src, rest, e.offset+lenLocal); err != nil {
		return 0, err
	}
	if string(rest[:nameLen]) != e.name {
		return bad("its name differs from the directory's")
	}
	if flags != e.flags || method != e.method {
		return bad("its flags or method differ from the directory's")
	}
	w, err := readExtra(e.name, rest[nameLen:])
	if err != nil {
		return 0, err
	}
	size, err := w.value(size32, nil)
	packed, err := w.value(packed32, err)
	// With a data descriptor, these may be zero here.
	zeroAllowed := flags&flagDescriptor != 0
	agrees := func(local, central int64) bool { return local == central || zeroAllowed && local == 0 }
	if err != nil || !agrees(int64(crc), int64(e.crc)) || !agrees(size, e.size) || !agrees(packed, e.packed) {
		return bad("its size or checksum differs from the directory's")
	}
	if flags&flagDescriptor == 0 {
		return e.data + e.packed, nil
	}
	return e.readDescriptor(src, end, w.present)
}

// readDescriptor reads the data descriptor between the content and end, with or without a
// signature. Its sizes have 8 bytes in a zip64 entry.
func (e *zipEntry) readDescriptor(src *source, end int64, zip64 bool) (int64, error) {
	bad := refuse(RuleZip, e.name, "data descriptor that is malformed or differs from the directory")
	start := e.data + e.packed
	n := end - start
	isWide := zip64 || e.packed >= max32 || e.size >= max32
	if n != 12 && n != 16 && n != 20 && n != 24 || isWide != (n >= 20) {
		return 0, bad
	}
	b := make([]byte, n)
	if err := readAt(src, b, start); err != nil {
		return 0, err
	}
	f := fields(b)
	if n%8 == 0 && f.u32() != sigDescriptor {
		return 0, bad
	}
	crc := f.u32()
	var packed, size uint64
	if isWide {
		packed, size = f.u64(), f.u64()
	} else {
		packed, size = uint64(f.u32()), uint64(f.u32())
	}
	if crc != e.crc || packed != uint64(e.packed) || size != uint64(e.size) {
		return 0, bad
	}
	return end, nil
}

// A zipReader reads the contents of entries.
type zipReader struct {
	src     *source
	limits  Limits
	put     func(entry) error
	in      *bufio.Reader
	inflate *inflate.Reader
}

// place calls put for an entry, and then checks the size and checksum of its content.
func (z *zipReader) place(e *zipEntry) error {
	kind, mode, err := e.kind()
	if err != nil {
		return err
	}
	body := z.open(e)
	out := entry{name: e.name, kind: kind, mode: mode, size: e.size, body: body}
	switch {
	case kind == dir && e.size != 0:
		return refuse(RuleNoData, e.name, "directory with %d bytes of data", e.size)
	case kind == link:
		if e.size > int64(z.limits.Path) {
			return refuse(RuleCeiling, e.name, "link target of %d bytes; the limit is %d", e.size, z.limits.Path)
		}
		target := make([]byte, e.size)
		if _, err := io.ReadFull(body, target); err != nil {
			return err
		}
		if err := body.finish(); err != nil {
			return err
		}
		out.target, out.size = string(target), 0
		return z.put(out)
	}
	if err := z.put(out); err != nil {
		return err
	}
	return body.finish()
}

// open returns a reader of the content of e.
func (z *zipReader) open(e *zipEntry) *zipBody {
	z.in.Reset(z.src.section(e.data, e.packed))
	b := &zipBody{src: z.src, e: e, in: z.in, dec: z.in, left: e.size}
	if e.method == stored {
		return b
	}
	if z.inflate == nil {
		z.inflate = inflate.NewReader(z.in)
	} else {
		z.inflate.Reset(z.in)
	}
	b.dec = z.inflate
	return b
}

// zipBody reads the content of one entry: the stated number of bytes, or an error.
type zipBody struct {
	src  *source
	e    *zipEntry
	in   *bufio.Reader // the packed content
	dec  io.Reader
	left int64
	crc  uint32
}

func (b *zipBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.dec.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	b.crc = crc32.Update(b.crc, crc32.IEEETable, p[:n])
	switch {
	case err == nil, err == io.EOF && b.left == 0:
		return n, nil
	case b.src.err != nil:
		return n, b.src.err
	case err == io.EOF:
		return n, refuse(RuleContent, b.e.name, "content that is %d bytes too short", b.left)
	}
	return n, refuse(RuleStream, b.e.name, "content that cannot be unpacked: %v", err)
}

// finish reads the rest of the content that put did not read, and checks that the content
// is complete, has the right checksum, and is all that was packed.
func (b *zipBody) finish() error {
	if _, err := io.Copy(io.Discard, b); err != nil {
		return err
	}
	if b.crc != b.e.crc {
		return refuse(RuleContent, b.e.name, "content with the wrong checksum")
	}
	var more [1]byte
	n, err := fill(b.dec, more[:])
	switch {
	case n > 0:
		return refuse(RuleContent, b.e.name, "content of more than %d bytes", b.e.size)
	case b.src.err != nil:
		return b.src.err
	case err != io.EOF:
		return refuse(RuleStream, b.e.name, "content that cannot be unpacked: %v", err)
	}
	if _, err := b.in.ReadByte(); err != io.EOF {
		return refuse(RuleContent, b.e.name, "compressed data after the end of the content")
	}
	return nil
}
