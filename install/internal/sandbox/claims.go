package sandbox

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/unpack"
	"github.com/kist-tools/kist/verify"
)

// The wire form of claims is how many there are, and for each: its kind; where it
// is from, by number; its mode and size; the digest of a file, the target of a
// link; its name in the archive, and its path: one more than how many bytes of the
// name come before it, or 0 and the path itself. An origin that was not named before
// follows its number. Numbers are varints, and texts follow their length.

// maxName is the most bytes that are put together of several pieces: more than any
// name has.
const maxName = 16 << 10

// maxClaims is how many bytes the claims of a prefix take at most: their names, and
// of each a digest, its kind, and seven numbers.
func maxClaims(limits unpack.Limits) int64 {
	return limits.Names + int64(limits.Entries)*(1+32+7*binary.MaxVarintLen64) + binary.MaxVarintLen64
}

// An origin is an archive as claims know it.
type origin struct{ name, component string }

// originsOf is where claims are from, in the order in which they name it.
func originsOf(claims []unpack.Claim) (all []origin) {
	known := map[origin]bool{}
	for _, c := range claims {
		if from := (origin{c.Archive, c.Component}); !known[from] {
			known[from] = true
			all = append(all, from)
		}
	}
	return all
}

var types = []record.Type{record.File, record.Dir, record.Link}

// writeClaims writes claims, the receiver of which knows of origins.
func writeClaims(w io.Writer, claims []unpack.Claim, origins []origin) error {
	out := bufio.NewWriterSize(w, 64<<10)
	known := map[origin]int{}
	for i, o := range slices.Backward(origins) {
		known[o] = i
	}
	next := len(origins)
	b := out.AvailableBuffer()
	number := func(n uint64) { b = binary.AppendUvarint(b, n) }
	text := func(s string) { number(uint64(len(s))); b = append(b, s...) }
	number(uint64(len(claims)))
	for _, c := range claims {
		b = append(b, byte(slices.Index(types, c.Type)))
		from := origin{c.Archive, c.Component}
		at, ok := known[from]
		if !ok {
			at, known[from] = next, next
			next++
		}
		if number(uint64(at)); !ok {
			text(from.name)
			text(from.component)
		}
		number(uint64(c.Mode))
		number(uint64(c.Size))
		switch c.Type {
		case record.File:
			b = append(b, c.Digest.Octets()...)
		case record.Link:
			text(c.Target)
		}
		text(c.Raw)
		if before, ok := strings.CutSuffix(c.Raw, c.Path); ok {
			number(uint64(len(before)) + 1)
		} else {
			number(0)
			text(c.Path)
		}
		if _, err := out.Write(b); err != nil {
			return err
		}
		b = out.AvailableBuffer()
	}
	out.Write(b)
	return out.Flush()
}

var errClaims = errors.New("claims that cannot be read")

// takeClaims takes claims as they come from r, to its end, at most limit bytes.
func takeClaims(r io.Reader, limit int64) (text []string, err error) {
	const size = 256 << 10
	buffer := make([]byte, 32<<10)
	var piece strings.Builder
	for {
		if piece.Cap()-piece.Len() < len(buffer) {
			text = append(text, piece.String())
			piece.Reset()
			piece.Grow(size)
		}
		n, err := r.Read(buffer)
		piece.Write(buffer[:n])
		if limit -= int64(n); limit < 0 {
			return nil, errClaims
		}
		if err == io.EOF {
			return append(text, piece.String()), nil
		} else if err != nil {
			return nil, err
		}
	}
}

// claims are what a prefix holds: entries, and of each the claim to it.
type claims struct {
	entries []record.Entry
	all     []unpack.Claim
}

// readClaims reads from text, in pieces, what writeClaims wrote, or whatever it is,
// up to most claims. Claims may name origins that are not among those given only where
// named says so. That they are well formed is all that is judged here. Their names
// are parts of text.
func readClaims(text []string, origins []origin, named bool, most int) (*claims, error) {
	in := &claimReader{text: text, origins: origins, named: named}
	n := in.number()
	if in.err != nil || n > uint64(most) {
		return nil, errClaims
	}
	// At once: a slice that grows takes several times its memory.
	c := &claims{make([]record.Entry, n), make([]unpack.Claim, n)}
	for i := range c.all {
		if c.all[i] = in.claim(&c.entries[i]); in.err != nil {
			return nil, in.err
		}
	}
	if in.more() {
		return nil, errClaims
	}
	return c, nil
}

type claimReader struct {
	piece   string   // what is left of one
	text    []string // the pieces after it
	origins []origin
	named   bool
	err     error // the first; what is read after it is nothing
}

func (r *claimReader) fail() { r.err, r.piece, r.text = errClaims, "", nil }

// more reports whether there is anything left, and sees to it that piece has some of it.
func (r *claimReader) more() bool {
	for r.piece == "" && len(r.text) > 0 {
		r.piece, r.text = r.text[0], r.text[1:]
	}
	return r.piece != ""
}

// take takes the next n bytes.
func (r *claimReader) take(n uint64) string {
	if n <= uint64(len(r.piece)) {
		next := r.piece[:n]
		r.piece = r.piece[n:]
		return next
	}
	if n > maxName {
		r.fail()
		return ""
	}
	var next strings.Builder // of several pieces
	for left := n; left > 0; left = n - uint64(next.Len()) {
		if !r.more() {
			r.fail()
			return ""
		}
		next.WriteString(r.take(min(left, uint64(len(r.piece)))))
	}
	return next.String()
}

// ReadByte implements io.ByteReader.
func (r *claimReader) ReadByte() (byte, error) {
	if !r.more() {
		return 0, io.EOF
	}
	return r.take(1)[0], nil
}

func (r *claimReader) number() uint64 {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		r.fail()
	}
	return n
}

func (r *claimReader) name() string { return r.take(r.number()) }

func (r *claimReader) claim(e *record.Entry) unpack.Claim {
	c := unpack.Claim{Entry: e}
	kind, from := r.number(), r.number() // few kinds: one octet, as a number has it
	if from == uint64(len(r.origins)) && r.named {
		r.origins = append(r.origins, origin{r.name(), r.name()})
	}
	if kind >= uint64(len(types)) || from >= uint64(len(r.origins)) {
		r.fail()
		return c
	}
	c.Archive, c.Component, c.Type = r.origins[from].name, r.origins[from].component, types[kind]
	c.Mode, c.Size = fs.FileMode(r.number()), int64(r.number())
	switch c.Type {
	case record.File:
		if sum := r.take(32); r.err == nil {
			c.Digest = verify.SHA256([32]byte([]byte(sum)))
		}
	case record.Link:
		c.Target = r.name()
	}
	c.Raw = r.name()
	switch n := r.number(); {
	case n == 0:
		c.Path = r.name()
	case n-1 <= uint64(len(c.Raw)):
		c.Path = c.Raw[n-1:]
	default:
		r.fail()
	}
	return c
}
