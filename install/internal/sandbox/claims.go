package sandbox

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"net"
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

// maxName is the most bytes of one text: more than any name may have.
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
func takeClaims(r io.Reader, limit int64) (text net.Buffers, err error) {
	for {
		block := make([]byte, 256<<10)
		n, err := io.ReadFull(r, block)
		text = append(text, block[:n])
		if limit -= int64(n); limit < 0 {
			return nil, errClaims
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return text, nil
		default:
			return nil, err
		}
	}
}

// claims are what a prefix holds: entries, and of each the claim to it.
type claims struct {
	entries []record.Entry
	all     []unpack.Claim
}

// readClaims reads what writeClaims wrote, or whatever r gives, up to most claims
// and to its end. Claims may name origins that are not among those given only where
// named says so. That they are well formed is all that is judged here.
func readClaims(r io.Reader, origins []origin, named bool, most int) (*claims, error) {
	in := &claimReader{in: bufio.NewReaderSize(r, 64<<10), origins: origins, named: named}
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
	if _, err := in.in.ReadByte(); err != io.EOF {
		return nil, errClaims
	}
	return c, nil
}

type claimReader struct {
	in      *bufio.Reader
	origins []origin
	named   bool
	buf     [maxName]byte // what is read next
	err     error         // the first; what is read after it is nothing
}

func (r *claimReader) fail(err error) {
	if r.err == nil && err != nil {
		r.err = errClaims
	}
}

func (r *claimReader) number() uint64 {
	n, err := binary.ReadUvarint(r.in)
	r.fail(err)
	return n
}

func (r *claimReader) bytes(n uint64) []byte {
	b := r.buf[:min(n, maxName)]
	if n > maxName {
		r.fail(errClaims)
	}
	_, err := io.ReadFull(r.in, b)
	r.fail(err)
	return b
}

func (r *claimReader) text() string { return string(r.bytes(r.number())) }

func (r *claimReader) claim(e *record.Entry) unpack.Claim {
	c := unpack.Claim{Entry: e}
	kind, from := int(r.bytes(1)[0]), r.number()
	if from == uint64(len(r.origins)) && r.named {
		r.origins = append(r.origins, origin{r.text(), r.text()})
	}
	if kind >= len(types) || from >= uint64(len(r.origins)) {
		r.fail(errClaims)
		return c
	}
	c.Archive, c.Component, c.Type = r.origins[from].name, r.origins[from].component, types[kind]
	c.Mode, c.Size = fs.FileMode(r.number()), int64(r.number())
	switch c.Type {
	case record.File:
		c.Digest = verify.SHA256([32]byte(r.bytes(32)))
	case record.Link:
		c.Target = r.text()
	}
	c.Raw = r.text()
	switch n := r.number(); {
	case n == 0:
		c.Path = r.text()
	case n-1 <= uint64(len(c.Raw)):
		c.Path = c.Raw[n-1:] // one text in memory for both
	default:
		r.fail(errClaims)
	}
	return c
}
