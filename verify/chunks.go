package verify

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// ChunkSize is how long each chunk of a file is, in bytes; the last one may be
// shorter.
const ChunkSize = 4 << 20

// Chunks are the SHA-256 digests of the chunks of one file, so that its
// beginning can be proved before its end has come. They stand beside the digest
// of the whole, which must hold all the same. The text form is the base64 of the
// digests, one after another, without line ends (RFC 4648, section 4). Chunks
// are comparable; the zero Chunks are those of a file for which none are stated.
type Chunks struct{ sums string } // sha256.Size bytes each

// ParseChunks reads the chunks of a file of size bytes. A file of one chunk has
// its digest, and needs no others: there Chunks are an error.
func ParseChunks(text string, size int64) (Chunks, error) {
	if size <= ChunkSize {
		return Chunks{}, fmt.Errorf("a file of %d bytes has no chunks of %d", size, ChunkSize)
	}
	sums, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // which the decoder passes over
		return Chunks{}, errors.New("not digests in base64")
	}
	if want := (size + ChunkSize - 1) / ChunkSize * sha256.Size; int64(len(sums)) != want {
		return Chunks{}, fmt.Errorf("%d bytes of digests, where %d bytes of file have %d", len(sums), size, want)
	}
	return Chunks{string(sums)}, nil
}

func (c Chunks) String() string { return base64.StdEncoding.EncodeToString([]byte(c.sums)) }

// Len is how many chunks there are, 0 where none are stated.
func (c Chunks) Len() int { return len(c.sums) / sha256.Size }

// Digest is that of chunk i, counted from 0.
func (c Chunks) Digest(i int) Digest {
	return SHA256([sha256.Size]byte([]byte(c.sums[i*sha256.Size:])))
}

// Check reports whether other are the same chunks. name is what errors call the
// file; they are *DigestError for the first chunk that differs.
func (c Chunks) Check(name string, other Chunks) error {
	if c == other {
		return nil
	}
	for i := range min(c.Len(), other.Len()) {
		if want, got := c.Digest(i), other.Digest(i); want != got {
			return &DigestError{Name: ChunkName(name, i), Want: want, Got: got}
		}
	}
	return fmt.Errorf("%s: %w: it has %d chunks, not %d", name, ErrUntrusted, other.Len(), c.Len())
}

// ChunkName is what errors call chunk i of a file.
func ChunkName(name string, i int) string { return fmt.Sprintf("%s, chunk %d", name, i+1) }

// A Chunker computes the Chunks of what is written to it.
type Chunker struct {
	hash hash.Hash
	left int // of the chunk at hand
	sums []byte
}

// NewChunker begins a file.
func NewChunker() *Chunker { return &Chunker{hash: sha256.New(), left: ChunkSize} }

// Write takes the next bytes of the file. It never fails.
func (c *Chunker) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if c.left == 0 {
			c.sums = c.hash.Sum(c.sums)
			c.hash.Reset()
			c.left = ChunkSize
		}
		n := min(len(rest), c.left)
		c.hash.Write(rest[:n])
		c.left -= n
		rest = rest[n:]
	}
	return len(p), nil
}

// Chunks are those of what was written, and the zero Chunks of a file of one
// chunk or none.
func (c *Chunker) Chunks() Chunks {
	if len(c.sums) == 0 {
		return Chunks{}
	}
	return Chunks{string(c.hash.Sum(c.sums))}
}
