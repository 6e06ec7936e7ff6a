package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"

	"github.com/kist-tools/kist/manifests"
)

// WriteTo writes r as JSON: the head indented, then one line for each entry.
func (r Receipt) WriteTo(w io.Writer) (int64, error) {
	r.Format = Format
	head, err := json.MarshalIndent(r.Head, "", "\t")
	if err != nil {
		return 0, err
	}
	out := &counter{w: w}
	b := bufio.NewWriterSize(out, 64<<10)
	b.Write(bytes.TrimSuffix(head, []byte("\n}")))
	b.WriteString(",\n\t\"entries\": ")
	writeEntries(b, r.Entries)
	b.WriteString("\n}\n")
	err = b.Flush() // returns the first error of all writes
	return out.n, err
}

// A counter counts the bytes written to w.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Encode returns g as indented JSON.
func (g Generation) Encode() ([]byte, error) {
	g.Format = Format
	data, err := json.MarshalIndent(g, "", "\t")
	return append(data, '\n'), err
}

// ParseReceipt reads a receipt to the end of in. size is its approximate size in bytes.
// A path that is not local, or an unknown type, field or format, is an error, so that
// no file is removed because of it.
func ParseReceipt(in io.Reader, size int64) (Receipt, error) {
	h, rest, err := parseHead(in)
	if err != nil {
		return Receipt{}, err
	}
	s := newScanner(rest)
	r := Receipt{h, s.entries(size)}
	if s.err != nil {
		return Receipt{}, fmt.Errorf("receipt %s: %w", r.ID, s.err)
	}
	for _, e := range r.Entries {
		if err := e.validate(); err != nil {
			return Receipt{}, fmt.Errorf("receipt %s: %w", r.ID, err)
		}
	}
	if p, ok := r.duplicatePath(); ok {
		return Receipt{}, fmt.Errorf("receipt %s: %q is listed twice", r.ID, p)
	}
	return r, nil
}

// duplicatePath returns a path that two entries share, if any. Receipts are normally
// sorted by path, which rules duplicates out without a map.
func (r Receipt) duplicatePath() (path string, ok bool) {
	if isSorted(r.Entries) {
		return "", false
	}
	seen := make(map[string]bool, len(r.Entries))
	for _, e := range r.Entries {
		if seen[e.Path] {
			return e.Path, true
		}
		seen[e.Path] = true
	}
	return "", false
}

// isSorted reports whether the paths of es are strictly increasing.
func isSorted(es []Entry) bool {
	for i := 1; i < len(es); i++ {
		if es[i-1].Path >= es[i].Path {
			return false
		}
	}
	return true
}

// ParseHead reads the head of a receipt, without parsing its entries.
func ParseHead(r io.Reader) (Head, error) {
	h, _, err := parseHead(r)
	return h, err
}

// parseHead also returns the rest of the receipt, which begins after the key "entries".
func parseHead(r io.Reader) (h Head, rest io.Reader, err error) {
	text, rest, err := splitHead(r)
	if err == nil {
		err = decode(text, &h)
	}
	if err != nil {
		return Head{}, nil, fmt.Errorf("receipt: %w", err)
	}
	return h, rest, h.validate()
}

// splitHead reads a JSON object up to its key "entries". It returns the fields before
// that key as an object, and the input after it. The only check it makes is that no
// field appears twice.
func splitHead(in io.Reader) (head []byte, rest io.Reader, err error) {
	text := make([]byte, 0, usualHead)
	var (
		end, quote int  // the end of the previous field, and the start of the last string
		depth      int  // of nesting in objects and lists
		name       bool // the next string is a key
		quoted     bool // within a string
		seen       = map[string]bool{}
	)
	for at := 0; ; at++ {
		if at >= len(text) {
			text = slices.Grow(text, at+1-len(text))
			n, err := io.ReadAtLeast(in, text[len(text):cap(text)], at+1-len(text))
			if text = text[:len(text)+n]; err == io.EOF || err == io.ErrUnexpectedEOF {
				return nil, nil, errors.New("it has no list of entries")
			} else if err != nil {
				return nil, nil, err
			}
		}
		switch c := text[at]; {
		case quoted && c == '\\':
			at++ // the escaped character does not end the string
		case quoted && c == '"':
			quoted = false
			if depth != 1 || !name {
				continue
			}
			field := string(text[quote+1 : at])
			if field == "entries" {
				return append(text[:end:end], '}'), io.MultiReader(bytes.NewReader(text[at+1:]), in), nil
			}
			if seen[field] {
				return nil, nil, fmt.Errorf("field %q twice", field)
			}
			seen[field], name = true, false
		case quoted:
		case c == '"':
			quoted, quote = true, at
		case c == '{', c == '[':
			if depth++; depth == 1 {
				name, end = true, at+1
			}
		case c == '}', c == ']':
			depth--
		case c == ',' && depth == 1:
			name, end = true, at
		}
	}
}

// usualHead is the initial buffer size for a head, in bytes; most heads fit.
const usualHead = 8 << 10

func (h Head) validate() error {
	if h.Format != Format {
		return fmt.Errorf("receipt: format %d is not known to this kist", h.Format)
	}
	for _, check := range []error{manifests.ValidName(h.Channel), manifests.ValidName(h.Tool), manifests.ValidVersion(h.Version)} {
		if check != nil {
			return fmt.Errorf("receipt: %w", check)
		}
	}
	if !h.ID.Valid() {
		return fmt.Errorf("receipt: malformed id %q", h.ID)
	}
	for _, c := range h.Commands {
		if !isElement(c.Name) || !manifests.Local(c.Path) {
			return fmt.Errorf("receipt %s: command %q at %q leaves its directory", h.ID, c.Name, c.Path)
		}
	}
	return nil
}

// isElement reports whether name is one path element.
func isElement(name string) bool {
	return name != "" && name != "." && name != ".." && path.Base(name) == name
}

// ParseGeneration parses a generation. An unknown field or format, a malformed ID and a
// link or launcher that leaves its directory are errors.
func ParseGeneration(data []byte) (Generation, error) {
	var g Generation
	if err := decode(data, &g); err != nil {
		return Generation{}, fmt.Errorf("generation: %w", err)
	}
	if g.Format != Format {
		return Generation{}, fmt.Errorf("generation: format %d is not known to this kist", g.Format)
	}
	for _, id := range slices.Concat(g.Receipts, g.Removing, g.Freeing) {
		if !id.Valid() {
			return Generation{}, fmt.Errorf("generation %d: malformed id %q", g.Number, id)
		}
	}
	for _, name := range g.Shims {
		if !isElement(name) {
			return Generation{}, fmt.Errorf("generation %d: launcher %q leaves its directory", g.Number, name)
		}
	}
	for _, l := range g.Links {
		outside := l.Prefix != "" && !(filepath.IsAbs(l.Prefix) && filepath.Clean(l.Prefix) == l.Prefix && filepath.Base(l.Prefix) == string(l.ID))
		if !isElement(l.Name) || !l.ID.Valid() || !manifests.Local(l.Target) || outside {
			return Generation{}, fmt.Errorf("generation %d: link %q leaves its directory", g.Number, l.Name)
		}
	}
	return g, nil
}

func decode(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("text after the document")
	}
	return nil
}

func (e Entry) validate() error {
	if !manifests.Local(e.Path) {
		return fmt.Errorf("%q is not a path below the prefix", e.Path)
	}
	if e.Mode&^fs.ModePerm != 0 {
		return fmt.Errorf("%q has mode %v", e.Path, e.Mode)
	}
	if e.Type != File && !e.Stamp.IsZero() {
		return fmt.Errorf("%q of type %q has a stamp", e.Path, e.Type)
	}
	switch {
	case e.Type == File && !e.Digest.IsZero() && e.Size >= 0 && e.Target == "",
		e.Type == Dir && e.Digest.IsZero() && e.Target == "",
		e.Type == Link && e.Digest.IsZero() && e.Target != "":
		return nil
	}
	return fmt.Errorf("%q of type %q lacks a field of that type, or has one of another type", e.Path, e.Type)
}
