package record

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
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
			quoted, err := json.Marshal(text)
			if err != nil {
				quoted = []byte(`""`) // a string has a JSON form, whatever is in it
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

// A scanner reads JSON from text, up to the first thing that is not as it must
// be; then it has an error and finds nothing any more.
type scanner struct {
	text string
	at   int
	err  error
}

func (s *scanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("byte %d of the entries: %s", s.at, fmt.Sprintf(format, args...))
		s.at = len(s.text)
	}
}

// skip passes over white space.
func (s *scanner) skip() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
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

func (s *scanner) string() string {
	s.want('"')
	start, plain := s.at, true
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			if plain {
				return s.text[start : s.at-1]
			}
			var text string
			if err := json.Unmarshal([]byte(s.text[start-1:s.at]), &text); err != nil {
				s.fail("%v", err)
			}
			return text
		case c == '\\':
			plain = false
			s.at++
		case c < ' ':
			s.fail("control character in a string")
		}
	}
	s.fail("a string without an end")
	return ""
}

func (s *scanner) int(bits int) int64 {
	n, err := strconv.ParseInt(s.number(), 10, bits)
	if err != nil {
		s.fail("%v", err)
	}
	return n
}

func (s *scanner) uint(bits int) uint64 {
	n, err := strconv.ParseUint(s.number(), 10, bits)
	if err != nil {
		s.fail("%v", err)
	}
	return n
}

// number is a run of digits, perhaps with a minus sign before it. JSON has no
// zeros in front (RFC 8259, section 6).
func (s *scanner) number() string {
	s.skip()
	start := s.at
	for s.at < len(s.text) && (s.text[s.at]-'0' <= 9 || s.text[s.at] == '-') {
		s.at++
	}
	number := s.text[start:s.at]
	if digits := strings.TrimPrefix(number, "-"); len(digits) > 1 && digits[0] == '0' {
		s.fail("%s has a zero in front", number)
	}
	return number
}

// entries reads the list, and that the document ends with it.
func (s *scanner) entries() (es []Entry) {
	if !utf8.ValidString(s.text) {
		s.fail("no UTF-8")
	}
	s.want(':')
	s.want('[')
	const shortest = len(`{"path":"a","type":"dir","mode":493},`)
	es = make([]Entry, 0, min(strings.Count(s.text, "{"), len(s.text)/shortest))
	for more := !s.next(']'); more && s.err == nil; more = s.next(',') {
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
		key := s.string()
		s.want(':')
		var field uint
		switch key {
		case "path":
			field, e.Path = 1<<0, s.string()
		case "type":
			field, e.Type = 1<<1, Type(s.string())
		case "mode":
			field, e.Mode = 1<<2, fs.FileMode(s.uint(32))
		case "size":
			field, e.Size = 1<<3, s.int(64)
		case "digest":
			field, e.Digest = 1<<4, s.digest()
		case "target":
			field, e.Target = 1<<5, s.string()
		case "component":
			field, e.Component = 1<<6, s.string()
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
	d, err := verify.ParseDigest(s.string())
	if err != nil {
		s.fail("%v", err)
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
