package unpack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// This reader follows POSIX.1-2024 (pax, "ustar Interchange Format") strictly, with GNU's
// long names and base-256 numbers, and v7, which has neither magic nor prefix. archive/tar
// is lenient, to read what any tar program wrote; this reader refuses headers that
// other readers could interpret differently.

const (
	blockSize = 512
	// maxExtended is the largest size of an extended header, in bytes.
	maxExtended = 1 << 20
	// maxPadding is the most zero bytes after the end: 2,048 blocks, the largest
	// record that tar programs write.
	maxPadding = 1 << 20
)

var zeroBlock [blockSize]byte

// A header holds the fields of a header block, as changed by extended headers.
type header struct {
	name, link string
	mode       fs.FileMode
	size       int64
	flag       byte
	v7         bool
}

// readTar calls put for every entry of the tar in r. It returns errors of r unchanged.
func readTar(r io.Reader, limits Limits, put func(entry) error) error {
	t := &tarReader{r: r}
	var ext extended
	for n := 0; ; n++ {
		if n > 2*limits.Entries+2 {
			return refuse(RuleCeiling, "", "more headers than %d entries need", limits.Entries)
		}
		h, err := t.header()
		if err != nil {
			return err
		}
		if h == nil {
			if !ext.isZero() {
				return refuse(RuleExtended, "", "extended header without an entry after it")
			}
			return t.end()
		}
		switch h.flag {
		case 'x', 'g', 'L', 'K':
			if err := ext.read(t, h); err != nil {
				return err
			}
			continue
		}
		if err := ext.apply(h); err != nil {
			return err
		}
		ext = extended{}
		e, err := h.entry()
		if err != nil {
			return err
		}
		t.body = tarBody{t, h.name, e.size}
		e.body = &t.body
		if err := put(e); err != nil {
			return err
		}
		if err := t.skip(&t.body, h); err != nil {
			return err
		}
	}
}

// A tarReader reads the blocks of a tar.
type tarReader struct {
	r     io.Reader
	block [blockSize]byte
	last  header // the last one read
	body  tarBody
}

// truncated turns io.EOF and io.ErrUnexpectedEOF into the EntryError of an archive that is
// cut short.
func truncated(err error, name string) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return refuse(RuleEnd, name, "the archive is cut short")
	}
	return err
}

// next reads the next block.
func (t *tarReader) next() error {
	_, err := io.ReadFull(t.r, t.block[:])
	return truncated(err, "")
}

// header reads a header. It returns nil for a zero block.
func (t *tarReader) header() (*header, error) {
	if err := t.next(); err != nil {
		return nil, err
	}
	if t.block == zeroBlock {
		return nil, nil
	}
	var err error
	t.last, err = parseHeader(&t.block)
	return &t.last, err
}

// end reads the second zero block, and the padding after it, up to the end.
func (t *tarReader) end() error {
	if err := t.next(); err != nil {
		return err
	}
	if t.block != zeroBlock {
		return refuse(RuleEnd, "", "one zero block where there must be two")
	}
	for n := 0; ; n += blockSize {
		k, err := io.ReadFull(t.r, t.block[:])
		switch {
		case err == io.EOF:
			return nil
		case err == io.ErrUnexpectedEOF:
			return refuse(RuleEnd, "", "%d bytes after the last block", k)
		case err != nil:
			return err
		case t.block != zeroBlock:
			return refuse(RuleEnd, "", "data after the end of the archive")
		case n >= maxPadding:
			return refuse(RuleCeiling, "", "padding of more than %d bytes", maxPadding)
		}
	}
}

// parseHeader parses a header block, without the changes of extended headers.
func parseHeader(b *[blockSize]byte) (header, error) {
	name := cString(b[0:100])
	bad := func(what string) (header, error) { return header{}, refuse(RuleHeader, name, "%s", what) }
	sum, ok := number(b[148:156])
	if !ok || sum != checksum(b) {
		return bad("wrong checksum in its header")
	}
	mode, ok := number(b[100:108])
	if !ok {
		return bad("malformed mode in its header")
	}
	size, ok := number(b[124:136])
	if !ok {
		return bad("malformed size in its header")
	}
	// kist ignores these fields, but other readers fail if one holds neither a number
	// nor blanks.
	for _, f := range []struct {
		what  string
		field []byte
	}{{"owner", b[108:116]}, {"group", b[116:124]}, {"time", b[136:148]}} {
		if !isIgnorable(f.field) {
			return bad("malformed " + f.what + " in its header")
		}
	}
	if !isName(b[0:100], name) {
		return header{}, refuse(RuleFormat, name, "name field that holds more than a name, or begins like a bzip2 file")
	}
	h := header{name: name, link: cString(b[157:257]), mode: fs.FileMode(mode) & fs.ModePerm, size: size, flag: b[156]}
	switch magic := string(b[257:265]); {
	case magic[:5] == "ustar" && (!isIgnorable(b[329:337]) || !isIgnorable(b[337:345])):
		return bad("malformed device number in its header")
	case magic[:6] == "ustar\x00":
		if string(b[508:512]) == "tar\x00" {
			return bad("star header, whose name readers split in two ways")
		}
		if prefix := cString(b[345:500]); prefix != "" {
			h.name = prefix + "/" + name
		}
	case magic == "ustar  \x00":
		// libarchive uses these fields for all types; types S and M are refused later.
		if b[156] != 'S' && b[156] != 'M' && !bytes.Equal(b[369:], zeroBlock[369:]) {
			return header{}, refuse(RuleSparse, name, "sparse file, or part of a file on several volumes (GNU header): kist does not read these")
		}
	case magic == strings.Repeat("\x00", 8):
		// v7 has no magic number, so the name could be that of another format.
		if slices.ContainsFunc([]string{"BZh", "LZIP", "MSCF"}, func(magic string) bool { return strings.HasPrefix(name, magic) }) {
			return bad("name that begins with the magic number of another format")
		}
		h.v7 = true
	default:
		return bad("unknown magic number in its header")
	}
	return h, nil
}

// isName reports whether field holds name and nothing else, and cannot be taken for the
// beginning of a compressed file: a name can be the first bytes of a file, where programs
// look for magic numbers. Only bzip2's is text.
func isName(field []byte, name string) bool {
	isBzip2 := len(name) > 9 && name[:3] == "BZh" && name[4:10] == "1AY&SY"
	return !isBzip2 && bytes.Equal(field[len(name):], zeroBlock[len(name):len(field)])
}

// isText reports whether a name that an extended header replaces is text. As a long name
// may be cut off anywhere, it may end within a character.
func isText(name string) bool {
	for len(name) > 0 {
		r, n := utf8.DecodeRuneInString(name)
		switch {
		case r == utf8.RuneError && n == 1:
			return !utf8.FullRuneInString(name)
		case unicode.IsControl(r):
			return false
		}
		name = name[n:]
	}
	return true
}

// checksum returns the sum of a header's bytes, with its checksum field as spaces.
func checksum(b *[blockSize]byte) (sum int64) {
	for i, c := range b {
		if 148 <= i && i < 156 {
			c = ' '
		}
		sum += int64(c)
	}
	return sum
}

// cString returns a field up to its first NUL.
func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// number reads a numeric field: octal digits after spaces, ended by NULs or
// spaces, or GNU's base 256. It refuses negative numbers, empty fields and numbers above 2^62.
func number(b []byte) (n int64, ok bool) {
	if b[0]&0x80 != 0 {
		if b[0] != 0x80 {
			return 0, false
		}
		for _, c := range b[1:] {
			if n > 1<<54 {
				return 0, false
			}
			n = n<<8 | int64(c)
		}
		return n, true
	}
	digits := strings.TrimLeft(string(b), " ")
	digits = strings.TrimRight(digits, " \x00")
	for _, c := range []byte(digits) {
		if c < '0' || c > '7' {
			return 0, false
		}
		n = n<<3 | int64(c-'0')
	}
	return n, digits != ""
}

// isIgnorable reports whether b is a numeric field that all readers can ignore: a number
// of any size and sign, or only spaces and NULs, as old archivers write (such as
// plexus-archiver).
func isIgnorable(b []byte) bool {
	if b[0] == 0x80 || b[0] == 0xff {
		return true
	}
	_, ok := number(b)
	return ok || strings.Trim(string(b), " \x00") == ""
}

// entry returns the entry of h. It checks the type, and the fields that depend on it.
func (h *header) entry() (entry, error) {
	e := entry{name: h.name, mode: h.mode, size: h.size}
	switch h.flag {
	case '0', 0:
		if h.v7 && strings.HasSuffix(h.name, "/") {
			e.kind = dir
		}
	case '1':
		e.kind, e.target = hardLink, h.link
	case '2':
		e.kind, e.target = link, h.link
	case '5':
		e.kind = dir
	case 'S':
		return e, refuse(RuleSparse, h.name, "sparse file (type 'S'): kist does not read these")
	case 'M':
		return e, refuse(RuleSparse, h.name, "rest of a file on several volumes (type 'M'): kist does not read these")
	default:
		return e, refuse(RuleType, h.name, "%s", unsupportedType(h.flag))
	}
	if e.kind != file && h.size != 0 {
		return e, refuse(RuleNoData, h.name, "%d bytes of data in an entry that is not a file", h.size)
	}
	if e.target == "" && h.link != "" {
		return e, refuse(RuleHeader, h.name, "link target in an entry that is not a link")
	}
	return e, nil
}

// unsupportedType describes a type that kist does not install.
func unsupportedType(flag byte) string {
	what := map[byte]string{'3': "character device", '4': "block device", '6': "named pipe"}[flag]
	if what == "" {
		what = "entry of an unknown type"
	}
	return fmt.Sprintf("%s (type %q)", what, flag)
}

// skip reads the rest of an entry that put did not read, and its padding.
func (t *tarReader) skip(body *tarBody, h *header) error {
	if _, err := io.Copy(io.Discard, body); err != nil {
		return err
	}
	if rest := int(h.size % blockSize); rest > 0 {
		_, err := io.ReadFull(t.r, t.block[rest:])
		return truncated(err, h.name)
	}
	return nil
}

// tarBody is the content of one entry.
type tarBody struct {
	t    *tarReader
	name string
	left int64
}

func (b *tarBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.t.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = nil
		if n == 0 {
			err = truncated(io.EOF, b.name)
		}
	}
	return n, err
}
