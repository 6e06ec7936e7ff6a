package fetch

import "github.com/kist-tools/kist/manifests"

// Chosen returns the archives to fetch, in the order of the artifacts, and the order in
// which they are fetched.
func (b *Batch) Chosen() (archives []manifests.Artifact, order []int) {
	for _, p := range b.parts {
		archives = append(archives, p.archives[0].Artifact)
	}
	return archives, b.order()
}

// LeastBytes returns what the first part takes at least in the cache and unpacked.
func (b *Batch) LeastBytes() (fetched, unpacked int64) {
	fetched, unpacked, _ = b.parts[0].leastBytes()
	return fetched, unpacked
}

// Check exports check.
func (n *Need) Check(free, inodes int64) error { return n.check(free, inodes) }

const MaxSizeRequests = maxSizeRequests

// Location exports location.
func Location(a manifests.Artifact) string { return location(a) }
