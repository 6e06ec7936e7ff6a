package download

import (
	"context"

	"github.com/kist-tools/kist/manifests"
)

// Fetch returns the blob of a, which the caller closes.
func (c Cache) Fetch(ctx context.Context, a manifests.Artifact) (Blob, error) {
	s, err := c.Stream(ctx, a)
	if err != nil {
		return Blob{}, err
	}
	blob, err := s.Blob()
	s.stop()
	if err != nil {
		s.held.Close()
	}
	return blob, err
}
