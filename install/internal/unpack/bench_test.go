package unpack_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/manifests"
)

// benchTree returns a tar of 2,000 files of 8 kB, 50 to a directory, that compress
// about as well as a toolchain does.
func benchTree(b *testing.B) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	random := rand.New(rand.NewPCG(1, 2))
	content := make([]byte, 8<<10)
	for i := range 2000 {
		for j := range content {
			content[j] = "etaoin shrdlu{}()\n\t"[random.IntN(19)]
		}
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("top/d%d/s%d/f%d", i/200, i/50, i), Mode: 0o644, Size: int64(len(content))}); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return buf.Bytes()
}

func BenchmarkUnpack(b *testing.B) {
	tree := benchTree(b)
	for format, data := range map[string][]byte{"tar": tree, "tar.gz": gz(tree), "tar.zst": zst(tree)} {
		b.Run(format, func(b *testing.B) {
			src := source(b, data)
			base := b.TempDir()
			b.SetBytes(int64(len(tree)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				dir := filepath.Join(base, fmt.Sprint(i))
				if err := os.Mkdir(dir, 0o700); err != nil {
					b.Fatal(err)
				}
				root, err := os.OpenRoot(dir)
				if err != nil {
					b.Fatal(err)
				}
				p := unpack.New(root, unpack.DefaultLimits())
				if err := p.Add(context.Background(), src, unpack.Archive{Name: format, Layout: manifests.Layout{Format: format, Strip: 1}}); err != nil {
					b.Fatal(err)
				}
				if _, err := p.Finish(context.Background()); err != nil {
					b.Fatal(err)
				}
				root.Close()
			}
		})
	}
}
