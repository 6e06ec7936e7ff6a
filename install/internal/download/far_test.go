package download

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// A handler answers the requests for one ref.
type handler func(offset int64) (io.ReadCloser, int64, error)

// A fakeServer is a server in memory, with handlers by ref. It records every request as
// "ref@offset".
type fakeServer struct {
	mu    sync.Mutex
	at    map[string]handler
	asked []string
}

func (f *fakeServer) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	f.mu.Lock()
	f.asked = append(f.asked, fmt.Sprintf("%s@%d", ref, offset))
	h, ok := f.at[ref]
	f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if !ok {
		return nil, 0, fmt.Errorf("%s: %w", ref, manifests.ErrNotFound)
	}
	return h(offset)
}

// honest serves data, from any offset.
func honest(data []byte) handler {
	return func(offset int64) (io.ReadCloser, int64, error) {
		if offset > int64(len(data)) {
			return nil, 0, manifests.ErrNoRange
		}
		return io.NopCloser(bytes.NewReader(data[offset:])), int64(len(data)), nil
	}
}

// unsized is h without announced sizes.
func unsized(h handler) handler {
	return func(offset int64) (io.ReadCloser, int64, error) {
		body, _, err := h(offset)
		return body, -1, err
	}
}

// rangeless is h without support for ranges.
func rangeless(h handler) handler {
	return func(offset int64) (io.ReadCloser, int64, error) {
		if offset > 0 {
			return nil, 0, manifests.ErrNoRange
		}
		return h(0)
	}
}

// breaking is h with a connection that breaks after n bytes of each answer.
func breaking(h handler, n int64) handler {
	return func(offset int64) (io.ReadCloser, int64, error) {
		body, size, err := h(offset)
		if err != nil {
			return nil, 0, err
		}
		return io.NopCloser(io.MultiReader(io.LimitReader(body, n), broken{})), size, nil
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) {
	return 0, fmt.Errorf("%w: %w", manifests.ErrUnreachable, io.ErrUnexpectedEOF)
}

// once answers the first request by first, and all others by then.
func once(first, then handler) handler {
	var asked atomic.Bool
	return func(offset int64) (io.ReadCloser, int64, error) {
		if asked.Swap(true) {
			return then(offset)
		}
		return first(offset)
	}
}

func endless(announced int64) handler {
	return func(int64) (io.ReadCloser, int64, error) { return io.NopCloser(zeros{}), announced, nil }
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func failing(err error) handler {
	return func(int64) (io.ReadCloser, int64, error) { return nil, 0, err }
}

// spaceOf returns a space function that reports *free bytes.
func spaceOf(free *int64) func(*os.Root) (int64, error) {
	return func(*os.Root) (int64, error) { return *free, nil }
}

func noise(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i*i>>7 ^ i>>3)
	}
	return data
}

func flipped(data []byte) []byte {
	data = bytes.Clone(data)
	data[len(data)/2] ^= 1
	return data
}

const main = "https://example.org/tool.zip"

// setup returns a cache in a new directory, and a server where h serves main.
func setup(t testing.TB, h handler) (Cache, *fakeServer) {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	f := &fakeServer{at: map[string]handler{}}
	if h != nil {
		f.at[main] = h
	}
	return Cache{Root: root, Transport: f, HashZip: hashZip, wait: func(context.Context, time.Duration) error { return nil }}, f
}

func artifact(in manifests.Integrity, size int) manifests.Artifact {
	return manifests.Artifact{Name: "tool.zip", Refs: []string{main}, Size: int64(size), Integrity: in}
}

func bySHA256(data []byte) manifests.Integrity {
	return manifests.Integrity{Digest: verify.DigestOf(data)}
}

func bySHA512(t testing.TB, data []byte) manifests.Integrity {
	sum := sha512.Sum512(data)
	d, err := verify.ParseDigest("sha512:" + hex.EncodeToString(sum[:]))
	if err != nil {
		t.Fatal(err)
	}
	return manifests.Integrity{Digest: d}
}

func bySignature(t testing.TB, data []byte) manifests.Integrity {
	made := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	key := verifytest.NewKey(t, "tool", made)
	return manifests.Integrity{Signature: &manifests.Signature{
		Data: key.Sign(t, data, made.AddDate(0, 1, 0)),
		Policy: verify.Policy{Keys: verifytest.Keyring(t, key), Threshold: 1,
			Now: made.AddDate(0, 2, 0), Use: verify.Release}}}
}

func byTree(t testing.TB, data []byte) manifests.Integrity {
	h1, err := verify.HashZip("tool.zip", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return manifests.Integrity{Tree: &manifests.TreeHash{H1: h1, Evidence: verify.Evidence{
		Kind: verify.ByTree, Name: "tool", Tree: &verify.Tree{Name: "sum.example.org", H1: h1}}}}
}

// archive returns a zip with one uncompressed file of n bytes.
func archive(t testing.TB, n int) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.CreateHeader(&zip.FileHeader{Name: "tool@v1/file", Method: zip.Store})
	if err == nil {
		_, err = f.Write(noise(n))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// integrities returns an integrity of data of every kind.
func integrities(t testing.TB, data []byte) map[string]manifests.Integrity {
	return map[string]manifests.Integrity{
		"sha256": bySHA256(data), "sha512": bySHA512(t, data),
		"signature": bySignature(t, data), "tree": byTree(t, data),
	}
}

// fetch fetches a, whose content must be data.
func fetch(t testing.TB, c Cache, a manifests.Artifact, data []byte) Blob {
	t.Helper()
	blob, err := c.Fetch(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	got, err := io.ReadAll(blob.File)
	if err != nil || !bytes.Equal(got, data) || blob.Size != int64(len(data)) || blob.Digest != verify.DigestOf(data) {
		t.Fatalf("got %d bytes, size %d, digest %s, %v", len(got), blob.Size, blob.Digest, err)
	}
	return blob
}

// refuse fetches a, which must fail with an error that matches want.
func refuse(t testing.TB, c Cache, a manifests.Artifact, want error) error {
	t.Helper()
	blob, err := c.Fetch(t.Context(), a)
	if !errors.Is(err, want) || blob.File != nil {
		t.Fatalf("got %v, want an error that is %v", err, want)
	}
	return err
}

// files lists the regular files of the cache, and checks that every blob has the digest
// in its name.
func files(t testing.TB, c Cache) string {
	t.Helper()
	var names []string
	err := fs.WalkDir(c.Root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if filepath.ToSlash(filepath.Dir(name)) == blobDir {
			data, err := c.Root.ReadFile(name)
			if err != nil || verify.DigestOf(data).Hex() != d.Name() {
				t.Errorf("%s does not have the digest in its name: %v", name, err)
			}
			name = "blob"
		}
		if own, err := Owns(t.Context(), c.Root, filepath.ToSlash(name)); err != nil || !own && name != "blob" {
			t.Errorf("Owns does not know %s: %v", name, err)
		}
		if stem, record := strings.CutSuffix(name, recordSuffix); record {
			if _, err := c.Root.Lstat(stem); err == nil {
				return nil // a partial file and its record count once
			}
		}
		names = append(names, strings.SplitN(name, "/", 2)[0])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}
