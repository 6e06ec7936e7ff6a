package sandbox

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

// On the wire, claims are their number and for each claim: its kind; the number of its
// archive; its mode and size; the digest of a file or the target of a link; its name in
// the archive; and its path. If the path is a suffix of the name, it is sent as one more
// than its offset in the name, else as 0 and the path itself. The first use of an
// archive's number is followed by its name and component. Numbers are varints; each
// text follows its length.

// maxName is the largest text, in bytes, that may span several pieces. No name is
// longer.
const maxName = 16 << 10

// maxClaims returns the largest size in bytes of the claims of a prefix: all names, and
// for each claim a digest, its kind, and seven numbers.
func maxClaims(limits unpack.Limits) int64 {
	return limits.Names + int64(limits.Entries)*(1+32+7*binary.MaxVarintLen64) + binary.MaxVarintLen64
}

// An archiveID identifies the archive that a claim is from.
type archiveID struct{ name, component string }

// archivesOf returns the archives of claims, in the order of their first claims.
func archivesOf(claims []unpack.Claim) (all []archiveID) {
	known := map[archiveID]bool{}
	for _, c := range claims {
		if id := (archiveID{c.Archive, c.Component}); !known[id] {
			known[id] = true
			all = append(all, id)
		}
	}
	return all
}

var types = []record.Type{record.File, record.Dir, record.Link}

// writeClaims writes claims to a receiver that already knows the numbers of archives.
func writeClaims(w io.Writer, claims []unpack.Claim, archives []archiveID) error {
	out := bufio.NewWriterSize(w, 64<<10)
	known := map[archiveID]int{}
	for i, id := range slices.Backward(archives) {
		known[id] = i
	}
	next := len(archives)
	b := out.AvailableBuffer()
	number := func(n uint64) { b = binary.AppendUvarint(b, n) }
	text := func(s string) { number(uint64(len(s))); b = append(b, s...) }
	number(uint64(len(claims)))
	for _, c := range claims {
		b = append(b, byte(slices.Index(types, c.Type)))
		id := archiveID{c.Archive, c.Component}
		index, ok := known[id]
		if !ok {
			index, known[id] = next, next
			next++
		}
		if number(uint64(index)); !ok {
			text(id.name)
			text(id.component)
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

// receiveClaims reads r to its end, at most limit bytes, without parsing them. It
// returns them in pieces, which avoids copying a growing buffer.
func receiveClaims(r io.Reader, limit int64) (text []string, err error) {
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
			// A copy, because the receipt keeps it, and most releases are small.
			return append(text, strings.Clone(piece.String())), nil
		} else if err != nil {
			return nil, err
		}
	}
}

// claims are the entries of a prefix, and the claim of each.
type claims struct {
	entries []record.Entry
	all     []unpack.Claim
}

// parseClaims parses text, the pieces of the output of writeClaims, which may be hostile.
// It accepts at most limit claims, and archives that are not among the given ones only
// if newArchives is set. It checks only that the claims are well formed. Their strings
// share the memory of text.
func parseClaims(text []string, archives []archiveID, newArchives bool, limit int) (*claims, error) {
	in := &claimParser{text: text, archives: archives, newArchives: newArchives}
	n := in.number()
	if in.err != nil || n > uint64(limit) {
		return nil, errClaims
	}
	// Allocated at once: a slice that grows takes several times its memory.
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

type claimParser struct {
	piece       string   // the rest of the current piece
	text        []string // the pieces after it
	archives    []archiveID
	newArchives bool
	err         error // sticky: after an error nothing is left to read
}

func (r *claimParser) fail() { r.err, r.piece, r.text = errClaims, "", nil }

// more reports whether any text is left, and if so makes piece not empty.
func (r *claimParser) more() bool {
	for r.piece == "" && len(r.text) > 0 {
		r.piece, r.text = r.text[0], r.text[1:]
	}
	return r.piece != ""
}

// next returns the next n bytes.
func (r *claimParser) next(n uint64) string {
	if n <= uint64(len(r.piece)) {
		next := r.piece[:n]
		r.piece = r.piece[n:]
		return next
	}
	if n > maxName {
		r.fail()
		return ""
	}
	var joined strings.Builder // of several pieces
	for left := n; left > 0; left = n - uint64(joined.Len()) {
		if !r.more() {
			r.fail()
			return ""
		}
		joined.WriteString(r.next(min(left, uint64(len(r.piece)))))
	}
	return joined.String()
}

// ReadByte implements io.ByteReader.
func (r *claimParser) ReadByte() (byte, error) {
	if !r.more() {
		return 0, io.EOF
	}
	return r.next(1)[0], nil
}

func (r *claimParser) number() uint64 {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		r.fail()
	}
	return n
}

func (r *claimParser) string() string { return r.next(r.number()) }

func (r *claimParser) claim(e *record.Entry) unpack.Claim {
	c := unpack.Claim{Entry: e}
	kind, index := r.number(), r.number() // there are few kinds, so that a varint is one byte
	if index == uint64(len(r.archives)) && r.newArchives {
		r.archives = append(r.archives, archiveID{r.string(), r.string()})
	}
	if kind >= uint64(len(types)) || index >= uint64(len(r.archives)) {
		r.fail()
		return c
	}
	c.Archive, c.Component, c.Type = r.archives[index].name, r.archives[index].component, types[kind]
	c.Mode, c.Size = fs.FileMode(r.number()), int64(r.number())
	switch c.Type {
	case record.File:
		if sum := r.next(32); r.err == nil {
			c.Digest = verify.SHA256([32]byte([]byte(sum)))
		}
	case record.Link:
		c.Target = r.string()
	}
	c.Raw = r.string()
	switch n := r.number(); {
	case n == 0:
		c.Path = r.string()
	case n-1 <= uint64(len(c.Raw)):
		c.Path = c.Raw[n-1:]
	default:
		r.fail()
	}
	return c
}
