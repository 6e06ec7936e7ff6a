package tomldoc

import (
	"bytes"
	"fmt"
	"iter"
)

// Limits bound what one document may make its decoder do.
type Limits struct {
	Tables int // parts of headers ([a.b] has two), and dots in keys
	Keys   int // lines of the form key = value
	Values int // commas, opening brackets and braces, and equals signs within values
}

// Limits that are the same for every document.
const (
	MaxDepth = 16 // brackets and braces within each other
	MaxParts = 8  // parts of a key
)

// Small are the limits of a file that a person writes by hand.
func Small() Limits { return Limits{Tables: 256, Keys: 1024, Values: 4096} }

// A LimitError says that a document is over one of its limits.
type LimitError struct {
	Line  int // counted from 1
	What  string
	Limit int
}

func (e *LimitError) Error() string { return fmt.Sprintf("over the limit of %d %s", e.Limit, e.What) }

// Check counts data in one pass, without decoding it. It knows no more of TOML
// than comments, strings and brackets, and where data is not TOML it may count
// too much, but never less than a decoder meets before it stops. The error is a
// *LimitError.
func (l Limits) Check(data []byte) error {
	var tables, keys, values int
	s := scanner{data: data, nextLine: 1}
	for s.next() {
		switch s.kind {
		case pair:
			keys++
			tables += s.dots
			values += max(0, s.values-1) // without the sign after its key
		default:
			tables += s.dots + 1
		}
		switch {
		case s.depth > MaxDepth:
			return &LimitError{s.line, "levels of nesting", MaxDepth}
		case s.parts > MaxParts:
			return &LimitError{s.line, "parts in one key", MaxParts}
		case tables > l.Tables:
			return &LimitError{s.line, "tables", l.Tables}
		case keys > l.Keys:
			return &LimitError{s.line, "keys", l.Keys}
		case values > l.Values:
			return &LimitError{s.line, "values in arrays and inline tables", l.Values}
		}
	}
	return nil
}

// A Part is a piece of a document that can be decoded by itself.
type Part struct {
	Text []byte
	Line int // of the document, on which Text begins, counted from 1
}

// Split cuts data at each [[header]] whose key has one part, so that a document
// that is mostly a list of tables can be decoded table by table. The first Part
// is what comes before all of them, perhaps nothing. Together the parts are data.
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

// A scanner finds the expressions of a document: its headers and its pairs, each
// of which ends with the first line end that no bracket encloses.
// Source: TOML 1.0 and 1.1, toml.abnf.
type scanner struct {
	data     []byte
	at       int // of the next byte
	nextLine int // that it is on

	// The expression that next found.
	kind   kind
	start  int // of its first byte
	line   int // that it begins on
	parts  int // of the longest key in it
	dots   int // outside of strings
	depth  int // of brackets and braces
	values int // commas, opening brackets and braces, and equals signs
}

// next finds the next expression.
func (s *scanner) next() bool {
	if !s.skipBlank() {
		return false
	}
	s.start, s.line = s.at, s.nextLine
	s.kind, s.parts, s.dots, s.depth, s.values = pair, 1, 0, 0, 0
	if s.data[s.at] == '[' {
		s.kind = header
		if bytes.HasPrefix(s.data[s.at:], []byte("[[")) {
			s.kind = arrayHeader
		}
	}
	open, parts := 0, 1
	for s.at < len(s.data) {
		c := s.data[s.at]
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
				s.at++
				return true
			}
		}
		switch c {
		case '[', '{', ',', '=':
			s.values++
			parts = 1
		}
		s.at++
	}
	return true
}

// skipBlank skips what may stand between expressions, and reports whether one
// follows.
func (s *scanner) skipBlank() bool {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case '\n':
			s.nextLine++
		case ' ', '\t', '\r':
		case '#':
			s.skipComment()
			continue
		default:
			return true
		}
		s.at++
	}
	return false
}

// skipComment skips up to the end of the line.
func (s *scanner) skipComment() {
	if i := bytes.IndexByte(s.data[s.at:], '\n'); i >= 0 {
		s.at += i
	} else {
		s.at = len(s.data)
	}
}

// skipString skips a string, which begins with the quote at s.at. One that is
// not closed ends with its line, or if it may have several with the document.
func (s *scanner) skipString(quote byte) {
	if s.quotes(quote) >= 3 {
		s.at += 3
		s.skipLines(quote)
		return
	}
	for s.at++; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; {
		case c == '\n':
			return
		case c == '\\' && quote == '"' && s.at+1 < len(s.data) && s.data[s.at+1] != '\n':
			s.at++
		case c == quote:
			s.at++
			return
		}
	}
}

// skipLines skips the rest of a string of several lines. As many as five quotes
// may close it, two of which are then its own.
func (s *scanner) skipLines(quote byte) {
	for s.at < len(s.data) {
		switch c := s.data[s.at]; {
		case c == '\n':
			s.nextLine++
		case c == '\\' && quote == '"' && s.at+1 < len(s.data) && s.data[s.at+1] != '\n':
			s.at++
		case c == quote:
			n := s.quotes(quote)
			s.at += n
			if n >= 3 {
				return
			}
			continue
		}
		s.at++
	}
}

// quotes counts the quotes at s.at.
func (s *scanner) quotes(quote byte) (n int) {
	for s.at+n < len(s.data) && s.data[s.at+n] == quote {
		n++
	}
	return n
}
