package tomldoc

import (
	"bytes"
	"fmt"
	"iter"
)

// Limits bounds the work of decoding one document.
type Limits struct {
	Tables int // parts of headers ([a.b] has two), and dots in keys
	Keys   int // lines of the form key = value
	Values int // commas, opening brackets and braces, and equals signs within values
}

// Limits that are the same for every document.
const (
	MaxDepth = 16 // nested brackets and braces
	MaxParts = 8  // parts of a key
)

// Small returns the limits for a file that a person writes by hand.
func Small() Limits { return Limits{Tables: 256, Keys: 1024, Values: 4096} }

// Check counts the parts of data in one pass, without decoding it. It recognizes only
// comments, strings and brackets. If data is not TOML, it may count too much, but never
// less than a decoder reads before it stops. The error is an *Error.
func (l Limits) Check(data []byte) error {
	var tables, keys, values int
	s := scanner{data: data, nextLine: 1}
	for s.next() {
		switch s.kind {
		case pair:
			keys++
			tables += s.dots
			values += max(0, s.values-1) // without the equals sign after its key
		default:
			tables += s.dots + 1
		}
		switch {
		case s.depth > MaxDepth:
			return overLimit(s.line, "levels of nesting", MaxDepth)
		case s.parts > MaxParts:
			return overLimit(s.line, "parts in one key", MaxParts)
		case tables > l.Tables:
			return overLimit(s.line, "tables", l.Tables)
		case keys > l.Keys:
			return overLimit(s.line, "keys", l.Keys)
		case values > l.Values:
			return overLimit(s.line, "values in arrays and inline tables", l.Values)
		}
	}
	return nil
}

// overLimit returns the error for a document with more than limit of what.
func overLimit(line int, what string, limit int) error {
	return &Error{line, fmt.Sprintf("over the limit of %d %s", limit, what), true}
}

// A Part is a piece of a document that can be decoded by itself.
type Part struct {
	Text []byte
	Line int // the line of the document on which Text begins, counted from 1
}

// Split splits data before each [[header]] whose key has one part, so that a document
// that is mostly a list of tables can be decoded table by table. The first Part is the
// text before the first such header, and may be empty. The parts joined are data.
func Split(data []byte) iter.Seq[Part] {
	return func(yield func(Part) bool) {
		start, line := 0, 1
		s := scanner{data: data, nextLine: 1}
		for s.next() {
			if s.kind != arrayHeader || s.parts > 1 {
				continue
			}
			if !yield(Part{data[start:s.start:s.start], line}) {
				return
			}
			start, line = s.start, s.line
		}
		yield(Part{data[start:len(data):len(data)], line})
	}
}

type kind int

const (
	pair        kind = iota // key = value
	header                  // [key]
	arrayHeader             // [[key]]
)

// A scanner finds the expressions of a document: its headers and its pairs. Each ends
// with the first line end outside of brackets.
// Source: TOML 1.0 and 1.1, toml.abnf.
type scanner struct {
	data     []byte
	pos      int // of the next byte
	nextLine int // line of the next byte

	// The expression that next found.
	kind   kind
	start  int // position of its first byte
	line   int // line of its first byte
	parts  int // parts of its longest key
	dots   int // dots outside of strings
	depth  int // greatest nesting of brackets and braces
	values int // commas, opening brackets and braces, and equals signs
}

// next finds the next expression. It returns false at the end of the document.
func (s *scanner) next() bool {
	if !s.skipBlank() {
		return false
	}
	s.start, s.line = s.pos, s.nextLine
	s.kind, s.parts, s.dots, s.depth, s.values = pair, 1, 0, 0, 0
	if s.data[s.pos] == '[' {
		s.kind = header
		if bytes.HasPrefix(s.data[s.pos:], []byte("[[")) {
			s.kind = arrayHeader
		}
	}
	open, parts := 0, 1
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		switch c {
		case '"', '\'':
			s.skipString(c)
			continue
		case '#':
			s.skipComment()
			continue
		case '[', '{':
			open++
			s.depth = max(s.depth, open)
		case ']', '}':
			open = max(0, open-1)
		case '.':
			s.dots++
			parts++
			s.parts = max(s.parts, parts)
		case '\n':
			s.nextLine++
			if open == 0 {
				s.pos++
				return true
			}
		}
		switch c {
		case '[', '{', ',', '=':
			s.values++
			parts = 1
		}
		s.pos++
	}
	return true
}

// skipBlank skips space, line ends and comments, and reports whether an expression
// follows.
func (s *scanner) skipBlank() bool {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case '\n':
			s.nextLine++
		case ' ', '\t', '\r':
		case '#':
			s.skipComment()
			continue
		default:
			return true
		}
		s.pos++
	}
	return false
}

// skipComment skips to the end of the line.
func (s *scanner) skipComment() {
	if i := bytes.IndexByte(s.data[s.pos:], '\n'); i >= 0 {
		s.pos += i
	} else {
		s.pos = len(s.data)
	}
}

// skipString skips a string, which begins with the quote at s.pos. A string that is not
// closed ends with its line, and a multi-line string with the document.
func (s *scanner) skipString(quote byte) {
	if s.quotes(quote) >= 3 {
		s.pos += 3
		s.skipLines(quote)
		return
	}
	for s.pos++; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; {
		case c == '\n':
			return
		case c == '\\' && quote == '"' && s.pos+1 < len(s.data) && s.data[s.pos+1] != '\n':
			s.pos++
		case c == quote:
			s.pos++
			return
		}
	}
}

// skipLines skips the rest of a multi-line string. It may end with up to five quotes:
// the first two of five belong to its content.
func (s *scanner) skipLines(quote byte) {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '\n':
			s.nextLine++
		case c == '\\' && quote == '"' && s.pos+1 < len(s.data) && s.data[s.pos+1] != '\n':
			s.pos++
		case c == quote:
			n := s.quotes(quote)
			s.pos += n
			if n >= 3 {
				return
			}
			continue
		}
		s.pos++
	}
}

// quotes counts the quotes at s.pos.
func (s *scanner) quotes(quote byte) (n int) {
	for s.pos+n < len(s.data) && s.data[s.pos+n] == quote {
		n++
	}
	return n
}
