package download

import (
	"context"
	"os"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// hashZip stands for the sandbox.
func hashZip(ctx context.Context, name string, zip *os.File, size int64, progress func(int64)) (string, error) {
	return verify.HashZip(name, &zipReader{zip, ctx, progress, 0}, size)
}

type zipReader struct {
	*os.File
	ctx      context.Context
	progress func(int64)
	done     int64
}

func (z *zipReader) ReadAt(p []byte, off int64) (int, error) {
	if err := z.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := z.File.ReadAt(p, off)
	z.done += int64(n)
	z.progress(z.done)
	return n, err
}

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
