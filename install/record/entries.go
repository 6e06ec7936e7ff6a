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

// The list of entries is JSON like the rest of a receipt, one entry a line. A
// toolchain has a hundred thousand of them, and reading them must not take
// longer than removing the files: so they are read and written here, by what a
// receipt can hold and nothing more, some ten times as fast as by reflection.

// writeEntries writes es. An error stays with out.
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

// quoted is text as JSON has it, in not many more octets than its own: "<" is one.
func quoted(text string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(text) // a string has a JSON form, whatever is in it
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// A scanner reads JSON from in, through a window, up to the first thing that is not
// as it must be; then it has an error and finds nothing any more.
type scanner struct {
	in   io.Reader
	text []byte // the window
	at   int    // the next octet of it
	gone int64  // octets before the window
	all  bool   // nothing follows it
	err  error

	component string // of the entry before
}

const (
	// maxEntry is how many octets of one entry are sure to be in the window: more
	// than any takes, however its names are spelled.
	maxEntry = 128 << 10
	window   = 2 * maxEntry
)

func newScanner(in io.Reader) *scanner { return &scanner{in: in, text: make([]byte, 0, window)} }

func (s *scanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("byte %d of the entries: %w", s.gone+int64(s.at), fmt.Errorf(format, args...))
	}
	s.text, s.at, s.all = nil, 0, true
}

// more sees to it that the window holds all of the next entry.
func (s *scanner) more() {
	if s.all || len(s.text)-s.at >= maxEntry {
		return
	}
	s.gone += int64(s.at)
	s.text, s.at = s.text[:copy(s.text, s.text[s.at:])], 0
	n, err := io.ReadFull(s.in, s.text[len(s.text):cap(s.text)])
	s.text = s.text[:len(s.text)+n]
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		s.all = true
	} else if err != nil {
		s.fail("%w", err)
	}
}

// skip passes over white space.
func (s *scanner) skip() {
	for {
		for ; s.at < len(s.text); s.at++ {
			switch s.text[s.at] {
			case ' ', '\t', '\n', '\r':
			default:
				return
			}
		}
		if s.all {
			return
		}
		s.more()
	}
}

// next skips white space and, if it comes next, c.
func (s *scanner) next(c byte) bool {
	s.skip()
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) want(c byte) {
	if !s.next(c) {
		s.fail("no %q", c)
	}
}

// octets are those of a string, good until anything else is read.
func (s *scanner) octets() []byte {
	s.want('"')
	start, plain, ascii := s.at, true, true
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			text := s.text[start : s.at-1]
			if !ascii && !utf8.Valid(text) {
				s.fail("no UTF-8")
				return nil
			}
			if plain {
				return text
			}
			var unquoted string
			if err := json.Unmarshal(s.text[start-1:s.at], &unquoted); err != nil {
				s.fail("%w", err)
			}
			return []byte(unquoted)
		case c == '\\':
			plain = false
			s.at++
		case c < ' ':
			s.fail("control character in a string")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	s.fail("a string without an end, or too long")
	return nil
}

func (s *scanner) string() string { return string(s.octets()) }

// oneOf is a string, one of those given if it is one.
func (s *scanner) oneOf(known ...string) string {
	text := s.octets()
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

// number is a run of digits, perhaps with a minus sign before it. JSON has no
// zeros in front (RFC 8259, section 6).
func (s *scanner) number() []byte {
	s.skip()
	start := s.at
	for s.at < len(s.text) && (s.text[s.at]-'0' <= 9 || s.text[s.at] == '-') {
		s.at++
	}
	number := s.text[start:s.at]
	if digits := bytes.TrimPrefix(number, []byte("-")); len(digits) > 1 && digits[0] == '0' {
		s.fail("a zero in front of a number")
	}
	if s.at == len(s.text) && !s.all {
		s.fail("an entry that is too long")
	}
	return number
}

// entries reads the list, of about so many octets, and that the document ends with
// it.
func (s *scanner) entries(size int64) (es []Entry) {
	s.want(':')
	s.want('[')
	const usual = 200 // octets of one; most have more
	es = make([]Entry, 0, size/usual)
	for more := !s.next(']'); more && s.err == nil; more = s.next(',') {
		s.more()
		es = append(es, s.entry())
	}
	if len(es) > 0 {
		s.want(']')
	}
	s.want('}')
	if s.skip(); s.at < len(s.text) {
		s.fail("text after the document")
	}
	return es
}

func (s *scanner) entry() (e Entry) {
	s.want('{')
	var have uint // the keys there were: each once
	for more := true; more && s.err == nil; more = s.next(',') {
		key := s.oneOf("path", "type", "mode", "size", "digest", "component", "stamp", "target")
		s.want(':')
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
		if have&field != 0 {
			s.fail("%q stands there twice", key)
		}
		have |= field
	}
	s.want('}')
	return e
}

func (s *scanner) digest() verify.Digest {
	text := s.octets()
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
	s.want('[')
	st.Inode = s.uint(64)
	s.want(',')
	st.Modified = s.int(64)
	s.want(',')
	st.Changed = s.int(64)
	s.want(']')
	return st
}
