package publish

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// Here is where a directory stands when it is read as its users read it: the
// locations of a Report's Catalog begin with it.
const Here = "file:///"

// served is the transport of a directory, which lies at Here.
type served struct{ Dir }

// Open implements manifests.Transport.
func (s served) Open(_ context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	name := strings.TrimPrefix(ref, Here)
	data, err := s.read(name, manifests.MaxManifest)
	switch {
	case err != nil:
		return nil, 0, err
	case data == nil:
		return nil, 0, fmt.Errorf("%s: %w", name, manifests.ErrNotFound)
	case offset < 0 || offset > int64(len(data)):
		return nil, 0, fmt.Errorf("%s: %w", name, manifests.ErrNoRange)
	}
	return io.NopCloser(bytes.NewReader(data[offset:])), int64(len(data)), nil
}

// trusted is who signs for the channel in the eyes of a user who was given keys
// (nil: those that the newest keys document names) and wants threshold of them:
// where there are keys documents, those decide.
func (d Dir) trusted(channel string, now time.Time, threshold int, ring *verify.Keyring) (native.Source, error) {
	s := native.Source{Channel: channel, URL: Here + ManifestFile, Policy: verify.Policy{Keys: ring, Threshold: threshold}}
	if ring == nil {
		k, err := d.keysInForce()
		if err != nil {
			return s, err
		}
		if s.Policy.Keys, err = k.Keyring(); err != nil {
			return s, err
		}
		s.Policy.Threshold = k.Threshold
	}
	s, _, err := s.Rotate(context.Background(), served{d}, now)
	return s, err
}
