package verify

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// ChunkSize is the size of a chunk in bytes; the last chunk of a file may be
// shorter.
const ChunkSize = 4 << 20

// Chunks holds the SHA-256 digest of each chunk of a file, so that the beginning
// of the file can be proved before the end has arrived. The digest of the whole
// file must match as well. The text form is the base64 of the concatenated
// digests, without line ends (RFC 4648, section 4). Chunks are comparable; the zero
// value means that no chunk digests are stated.
type Chunks struct{ sums string } // sha256.Size bytes each

// ParseChunks reads the chunks of a file of size bytes. A file of a single chunk
// must not state chunks, because its digest is enough.
func ParseChunks(text string, size int64) (Chunks, error) {
	if size <= ChunkSize {
		return Chunks{}, fmt.Errorf("a file of %d bytes has no chunks of %d", size, ChunkSize)
	}
	sums, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // the decoder skips line ends
		return Chunks{}, errors.New("not digests in base64")
	}
	if want := (size + ChunkSize - 1) / ChunkSize * sha256.Size; int64(len(sums)) != want {
		return Chunks{}, fmt.Errorf("%d bytes of digests, but a file of %d bytes needs %d", len(sums), size, want)
	}
	return Chunks{string(sums)}, nil
}

func (c Chunks) String() string { return base64.StdEncoding.EncodeToString([]byte(c.sums)) }

// Len returns the number of chunks, 0 if none are stated.
func (c Chunks) Len() int { return len(c.sums) / sha256.Size }

// Digest returns the digest of chunk i, counted from 0.
func (c Chunks) Digest(i int) Digest {
	return SHA256([sha256.Size]byte([]byte(c.sums[i*sha256.Size:])))
}

// Check returns an error that matches ErrUntrusted unless other equals c: a
// *DigestError for the first chunk that differs, if one does. name identifies the
// file in errors.
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

// ChunkName returns the name of chunk i, counted from 0, of a file for errors.
func ChunkName(name string, i int) string { return fmt.Sprintf("%s, chunk %d", name, i+1) }

// Chunker computes the Chunks of the data written to it.
type Chunker struct {
	hash      hash.Hash // of the current chunk
	remaining int       // bytes that the current chunk has room for
	sums      []byte    // digests of the chunks before it
}

// NewChunker returns a Chunker for a new file.
func NewChunker() *Chunker { return &Chunker{hash: sha256.New(), remaining: ChunkSize} }

// Write adds the next bytes of the file. It never fails.
func (c *Chunker) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if c.remaining == 0 {
			c.sums = c.hash.Sum(c.sums)
			c.hash.Reset()
			c.remaining = ChunkSize
		}
		n := min(len(rest), c.remaining)
		c.hash.Write(rest[:n])
		c.remaining -= n
		rest = rest[n:]
	}
	return len(p), nil
}

// Chunks returns the chunks of the data written, or zero Chunks if that is at most
// one chunk.
func (c *Chunker) Chunks() Chunks {
	if len(c.sums) == 0 {
		return Chunks{}
	}
	return Chunks{string(c.hash.Sum(c.sums))}
}
