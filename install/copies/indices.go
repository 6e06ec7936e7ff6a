package copies

import (
	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// storedIndices is the debian.Cache of a collector: the package indices that were copied
// earlier. The caller of Load proves them again.
type storedIndices struct{ c *collector }

// Load implements debian.Cache.
func (s storedIndices) Load(d verify.Digest, limit int64) (data []byte) {
	for _, e := range s.c.old {
		if e.Digest != d || e.Key != "" || e.Size > limit {
			continue
		}
		if data == nil {
			read, err := rootfs.ReadFile(s.c.store.Documents, download.BlobFile(d), limit)
			if err != nil || verify.DigestOf(read) != d {
				return nil
			}
			data = read
		}
		s.c.reuse = append(s.c.reuse, e)
	}
	return data
}

// Has implements debian.Cache. It makes a source read whole indices, not excerpts of
// them, which clients without a cache need.
func (storedIndices) Has(verify.Digest, int64) bool { return false }

// Store implements debian.Cache. The tap has what is fetched.
func (storedIndices) Store(verify.Digest, []byte) {}
