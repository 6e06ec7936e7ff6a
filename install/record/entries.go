package record

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"unicode/utf8"

	"github.com/kist-tools/kist/verify"
)

// The list of entries is JSON like the rest of a receipt, one entry per line. A
// toolchain has a hundred thousand entries, and reading them must not take longer
// than removing the files. So this file has its own reader and writer, which know the
// fields of an entry and nothing else, and are ten times as fast as encoding/json.

// writeEntries writes es to out, whose Flush returns the first error.
func writeEntries(out *bufio.Writer, es []Entry) {
	out.WriteByte('[')
	for i, e := range es {
		if i > 0 {
			out.WriteByte(',')
		}
		b := append(out.AvailableBuffer(), "\n\t\t{"...)
		b = appendText(b, `"path":`, e.Path)
		b = appendText(b, `,"type":`, string(e.Type))
		if e.Mode != 0 {
			b = strconv.AppendUint(append(b, `,"mode":`...), uint64(e.Mode), 10)
		}
		if e.Size != 0 {
			b = strconv.AppendInt(append(b, `,"size":`...), e.Size, 10)
		}
		if !e.Digest.IsZero() {
			b = append(append(append(b, `,"digest":"`...), e.Digest.Algorithm()...), ':')
			b = append(hex.AppendEncode(b, e.Digest.Octets()), '"')
		}
		if e.Target != "" {
			b = appendText(b, `,"target":`, e.Target)
		}
		if e.Component != "" {
			b = appendText(b, `,"component":`, e.Component)
		}
		if !e.Stamp.IsZero() {
			b = strconv.AppendUint(append(b, `,"stamp":[`...), e.Stamp.Inode, 10)
			b = strconv.AppendInt(append(b, ','), e.Stamp.Modified, 10)
			b = strconv.AppendInt(append(b, ','), e.Stamp.Changed, 10)
			b = append(b, ']')
		}
		out.Write(append(b, '}'))
	}
	out.WriteString("\n\t]")
}

// appendText appends key and the JSON string of text to b.
func appendText(b []byte, key, text string) []byte {
	b = append(b, key...)
	for _, c := range []byte(text) {
		if c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return append(b, quoted(text)...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

// quoted returns text as a JSON string. It does not escape HTML, so that "<" stays one
// byte.
func quoted(text string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(text) // encoding a string never fails
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// A scanner reads JSON from in through a buffer. After the first error, which it keeps in
// err, its input is empty.
type scanner struct {
	in   io.Reader
	buf  []byte
	pos  int   // index in buf of the next byte
	base int64 // offset of buf in the entries
	eof  bool  // in has ended: nothing follows buf
	err  error

	component string // of the previous entry, to share its memory
}

const (
	// maxEntry is how many bytes of an entry are sure to be in the buffer: more than
	// any valid entry has, even if its names are written with escapes.
	maxEntry   = 128 << 10
	bufferSize = 2 * maxEntry
)

func newScanner(in io.Reader) *scanner { return &scanner{in: in, buf: make([]byte, 0, bufferSize)} }

// fail records the first error and ends the input.
func (s *scanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("byte %d of the entries: %w", s.base+int64(s.pos), fmt.Errorf(format, args...))
	}
	s.buf, s.pos, s.eof = nil, 0, true
}

// refill reads until buf holds maxEntry bytes, or all that there are.
func (s *scanner) refill() {
	if s.eof || len(s.buf)-s.pos >= maxEntry {
		return
	}
	s.base += int64(s.pos)
	s.buf, s.pos = s.buf[:copy(s.buf, s.buf[s.pos:])], 0
	n, err := io.ReadFull(s.in, s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+n]
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		s.eof = true
	} else if err != nil {
		s.fail("%w", err)
	}
}

// skipSpace skips white space.
func (s *scanner) skipSpace() {
	for {
		for ; s.pos < len(s.buf); s.pos++ {
			switch s.buf[s.pos] {
			case ' ', '\t', '\n', '\r':
			default:
				return
			}
		}
		if s.eof {
			return
		}
		s.refill()
	}
}

// accept skips white space and, if c follows, c. It reports whether c followed.
func (s *scanner) accept(c byte) bool {
	s.skipSpace()
	if s.pos < len(s.buf) && s.buf[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// expect skips white space and c, which must follow.
func (s *scanner) expect(c byte) {
	if !s.accept(c) {
		s.fail("missing %q", c)
	}
}

// stringBytes reads a string. The result is valid until the next read.
func (s *scanner) stringBytes() []byte {
	s.expect('"')
	start, plain, ascii := s.pos, true, true
	for ; s.pos < len(s.buf); s.pos++ {
		switch c := s.buf[s.pos]; {
		case c == '"':
			s.pos++
			text := s.buf[start : s.pos-1]
			if !ascii && !utf8.Valid(text) {
				s.fail("string that is not valid UTF-8")
				return nil
			}
			if plain {
				return text
			}
			var unquoted string
			if err := json.Unmarshal(s.buf[start-1:s.pos], &unquoted); err != nil {
				s.fail("%w", err)
			}
			return []byte(unquoted)
		case c == '\\':
			plain = false
			s.pos++
		case c < ' ':
			s.fail("control character in a string")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	s.fail("string that is not terminated or too long")
	return nil
}

func (s *scanner) string() string { return string(s.stringBytes()) }

// oneOf reads a string. If it equals one of known, that one is returned, which saves an
// allocation.
func (s *scanner) oneOf(known ...string) string {
	text := s.stringBytes()
	for _, k := range known {
		if string(text) == k {
			return k
		}
	}
	return string(text)
}

func (s *scanner) int(bits int) int64 {
	n, err := strconv.ParseInt(string(s.number()), 10, bits)
	if err != nil {
		s.fail("%w", err)
	}
	return n
}

func (s *scanner) uint(bits int) uint64 {
	n, err := strconv.ParseUint(string(s.number()), 10, bits)
	if err != nil {
		s.fail("%w", err)
	}
	return n
}

// number reads digits and minus signs; its callers parse them. It refuses leading zeros,
// which JSON does not have (RFC 8259, section 6).
func (s *scanner) number() []byte {
	s.skipSpace()
	start := s.pos
	for s.pos < len(s.buf) && (s.buf[s.pos]-'0' <= 9 || s.buf[s.pos] == '-') {
		s.pos++
	}
	number := s.buf[start:s.pos]
	if digits := bytes.TrimPrefix(number, []byte("-")); len(digits) > 1 && digits[0] == '0' {
		s.fail("number with a leading zero")
	}
	if s.pos == len(s.buf) && !s.eof {
		s.fail("entry that is too long")
	}
	return number
}

// entries reads the list of entries and the end of the document. size is the size of the
// document in bytes, from which it estimates the number of entries.
func (s *scanner) entries(size int64) (es []Entry) {
	s.expect(':')
	s.expect('[')
	const usualEntry = 200 // bytes; most entries have more
	es = make([]Entry, 0, size/usualEntry)
	for more := !s.accept(']'); more && s.err == nil; more = s.accept(',') {
		s.refill()
		es = append(es, s.entry())
	}
	if len(es) > 0 {
		s.expect(']')
	}
	s.expect('}')
	if s.skipSpace(); s.pos < len(s.buf) {
		s.fail("text after the document")
	}
	return es
}

func (s *scanner) entry() (e Entry) {
	s.expect('{')
	var seen uint // bit set of the fields read; each may appear once
	for more := true; more && s.err == nil; more = s.accept(',') {
		key := s.oneOf("path", "type", "mode", "size", "digest", "component", "stamp", "target")
		s.expect(':')
		var field uint
		switch key {
		case "path":
			field, e.Path = 1<<0, s.string()
		case "type":
			field, e.Type = 1<<1, Type(s.oneOf(string(File), string(Dir), string(Link)))
		case "mode":
			field, e.Mode = 1<<2, fs.FileMode(s.uint(32))
		case "size":
			field, e.Size = 1<<3, s.int(64)
		case "digest":
			field, e.Digest = 1<<4, s.digest()
		case "target":
			field, e.Target = 1<<5, s.string()
		case "component":
			s.component = s.oneOf(s.component)
			field, e.Component = 1<<6, s.component
		case "stamp":
			field, e.Stamp = 1<<7, s.stamp()
		default:
			s.fail("unknown field %q", key)
		}
		if seen&field != 0 {
			s.fail("field %q twice", key)
		}
		seen |= field
	}
	s.expect('}')
	return e
}

func (s *scanner) digest() verify.Digest {
	text := s.stringBytes()
	if digits, ok := bytes.CutPrefix(text, []byte("sha256:")); ok && len(digits) == 64 {
		var sum [32]byte
		if _, err := hex.Decode(sum[:], digits); err == nil {
			return verify.SHA256(sum)
		}
	}
	d, err := verify.ParseDigest(string(text))
	if err != nil {
		s.fail("%w", err)
	}
	return d
}

func (s *scanner) stamp() (st Stamp) {
	s.expect('[')
	st.Inode = s.uint(64)
	s.expect(',')
	st.Modified = s.int(64)
	s.expect(',')
	st.Changed = s.int(64)
	s.expect(']')
	return st
}
