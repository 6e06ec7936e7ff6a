package publish

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// Here is the base URL of a directory that is verified: the locations in a Report's
// Catalog begin with it.
const Here = "file:///"

// served is a transport that serves a directory at Here, except signatures/: the files
// beside the documents must prove them by themselves.
type served struct{ Dir }

// Open implements manifests.Transport.
func (s served) Open(_ context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	name := strings.TrimPrefix(ref, Here)
	if path.Dir(name) == path.Dir(native.SignaturesOf(verify.Digest{})) {
		return nil, 0, fmt.Errorf("%s: %w", name, manifests.ErrNotFound)
	}
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

// trusted returns the channel with the keys that a user trusts who has ring and threshold
// and follows the keys documents of the directory. If ring is nil, the user has the keys
// of the newest keys document.
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
