package debian

import (
	"bytes"
	"fmt"
	"strings"
)

// Ceilings on control files.
const (
	maxStanza = 1 << 20 // bytes; the largest in Debian has some 50,000
	maxField  = 512 << 10
)

// This file reads the syntax of deb822(5): stanzas of fields, separated by empty lines.
// A field is "Name: value"; its continuation lines begin with white space. Published
// archive files have no comments.

// stanza returns the first stanza of data and the rest.
func stanza(data []byte) (s, rest []byte) {
	data = bytes.TrimLeft(data, "\n")
	if i := bytes.Index(data, []byte("\n\n")); i >= 0 {
		return data[:i+1], data[i+2:]
	}
	return data, nil
}

// field returns the first field of a stanza, with white space trimmed from its value,
// and the rest.
func field(s []byte) (name, value, rest []byte, err error) {
	end := bytes.IndexByte(s, '\n')
	if end < 0 {
		end = len(s)
	}
	colon := bytes.IndexByte(s[:end], ':')
	if colon <= 0 || !isFieldName(s[:colon]) {
		return nil, nil, nil, fmt.Errorf("%.60q is not a field", s[:end])
	}
	for end+1 < len(s) && (s[end+1] == ' ' || s[end+1] == '\t') {
		next := bytes.IndexByte(s[end+1:], '\n')
		if next < 0 {
			end = len(s)
			break
		}
		end += 1 + next
	}
	if end-colon > maxField {
		return nil, nil, nil, fmt.Errorf("field %s is longer than %d bytes", s[:colon], maxField)
	}
	return s[:colon], bytes.TrimSpace(s[colon+1 : end]), s[min(end+1, len(s)):], nil
}

func isFieldName(name []byte) bool {
	if name[0] == '#' || name[0] == '-' || len(name) > 64 {
		return false
	}
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// wanted is a field to read; names are case-insensitive.
type wanted struct {
	name string
	into *[]byte // stays nil if the field is missing
}

// fields reads the wanted fields of a stanza. A repeated one is an error.
func fields(s []byte, all ...wanted) error {
	for len(s) > 0 {
		name, value, rest, err := field(s)
		if err != nil {
			return err
		}
		s = rest
		for _, w := range all {
			if len(w.name) != len(name) || !strings.EqualFold(w.name, string(name)) {
				continue
			}
			if *w.into != nil {
				return fmt.Errorf("field %s occurs twice", w.name)
			}
			if *w.into = value; value == nil {
				*w.into = []byte{}
			}
		}
	}
	return nil
}

// checkBytes refuses bytes that control files cannot hold.
func checkBytes(data []byte) error {
	for _, c := range []byte{0, '\r'} {
		if i := bytes.IndexByte(data, c); i >= 0 {
			return fmt.Errorf("byte %#02x at %d", c, i)
		}
	}
	return nil
}
