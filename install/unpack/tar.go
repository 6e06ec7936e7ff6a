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

// A tar is read by the letter of POSIX.1-2024 (pax, "ustar Interchange
// Format") with GNU's long names and base-256 numbers, and of v7, which has
// neither magic nor prefix. archive/tar is made to read whatever some tar once
// wrote; where two readers could take a header for two things, this one stops.

const (
	blockSize = 512
	// maxExtended is the most bytes of one extended header.
	maxExtended = 1 << 20
	// maxPadding is the most bytes of zeros after the end: 2,048 blocks, the
	// largest record that tar programs write.
	maxPadding = 1 << 20
)

var zeroBlock [blockSize]byte

// A header is one block, field by field, with what extended headers say.
type header struct {
	name, link string
	mode       fs.FileMode
	size       int64
	flag       byte
	v7         bool
}

// readTar calls put for every entry of the tar that r holds. r's errors are
// final: an *EntryError, or a fault that is passed on.
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

type tarReader struct {
	r     io.Reader
	block [blockSize]byte
	last  header // of the entry that was read last
	body  tarBody
}

// cut turns the end of the stream into the rule it breaks.
func cut(err error, name string) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return refuse(RuleEnd, name, "the archive is cut short")
	}
	return err
}

func (t *tarReader) next() error {
	_, err := io.ReadFull(t.r, t.block[:])
	return cut(err, "")
}

// header reads a header; nil is the first zero block.
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

// end reads what must follow the first zero block: another, and then nothing
// but padding.
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

// parseHeader reads one block; extended headers may still change it.
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
	// kist uses none of these fields, but other readers stop at one that holds
	// neither a number nor blanks.
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
			return bad("header of star, which readers split into names in two ways")
		}
		if prefix := cString(b[345:500]); prefix != "" {
			h.name = prefix + "/" + name
		}
	case magic == "ustar  \x00":
		// libarchive follows these whatever the type; two types are refused for them.
		if b[156] != 'S' && b[156] != 'M' && !bytes.Equal(b[369:], zeroBlock[369:]) {
			return header{}, refuse(RuleSparse, name, "sparse file, or part of a file on several volumes (GNU header): kist does not read these")
		}
	case magic == strings.Repeat("\x00", 8):
		// Without a magic number of its own, it may have another's.
		if slices.ContainsFunc([]string{"BZh", "LZIP", "MSCF"}, func(magic string) bool { return strings.HasPrefix(name, magic) }) {
			return bad("name that begins with the magic number of another format")
		}
		h.v7 = true
	default:
		return bad("unknown magic number in its header")
	}
	return h, nil
}

// isName reports whether the field of a name holds one and nothing else. It may
// be the first thing in a file, where programs look for the magic number of a
// compressed one; of those, bzip2's alone is text.
func isName(field []byte, name string) bool {
	isBzip2 := len(name) > 9 && name[:3] == "BZh" && name[4:10] == "1AY&SY"
	return !isBzip2 && bytes.Equal(field[len(name):], zeroBlock[len(name):len(field)])
}

// isText reports whether a name is one for which there is a better, in an extended
// header, that it may be too long for: text, cut off anywhere.
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

// checksum is the sum of a header's bytes, its own field taken as spaces.
func checksum(b *[blockSize]byte) (sum int64) {
	for i, c := range b {
		if 148 <= i && i < 156 {
			c = ' '
		}
		sum += int64(c)
	}
	return sum
}

// cString is a field up to its first NUL.
func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// number reads a numeric field: octal digits after spaces, ended by NULs or
// spaces, or GNU's base 256. Negative, empty and larger than 2^62: no number.
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

// isIgnorable reports whether b is a numeric field that readers can pass over: a
// number of any size and sign, or nothing but spaces and NULs, as old archivers
// write (plexus-archiver, for one).
func isIgnorable(b []byte) bool {
	if b[0] == 0x80 || b[0] == 0xff {
		return true
	}
	_, ok := number(b)
	return ok || strings.Trim(string(b), " \x00") == ""
}

// entry judges a header's type, and what only a type may have.
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

// unsupportedType names a type that kist does not install.
func unsupportedType(flag byte) string {
	what := map[byte]string{'3': "character device", '4': "block device", '6': "named pipe"}[flag]
	if what == "" {
		what = "entry of an unknown type"
	}
	return fmt.Sprintf("%s (type %q)", what, flag)
}

// skip reads what put left of an entry, and its padding.
func (t *tarReader) skip(body *tarBody, h *header) error {
	if _, err := io.Copy(io.Discard, body); err != nil {
		return err
	}
	if rest := int(h.size % blockSize); rest > 0 {
		_, err := io.ReadFull(t.r, t.block[rest:])
		return cut(err, h.name)
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
			err = cut(io.EOF, b.name)
		}
	}
	return n, err
}
