package install_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/sandbox"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// honest and forged are contents of a command, of the same length.
const honest, forged = "#!/bin/sh\necho honest\n", "#!/bin/sh\necho forged\n"

// archiveWith packs one command that holds text, in a format, with much beside it so
// that reading it takes a while.
func archiveWith(t *testing.T, format, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	much := bytes.Repeat([]byte{7}, 1<<20)
	switch {
	case format == "file":
		b.WriteString(text)
	case format == "zip":
		w := zip.NewWriter(&b)
		for name, data := range map[string][]byte{"bin/tool": []byte(text), "much": much} {
			h := &zip.FileHeader{Name: name, Method: zip.Store}
			h.SetMode(0o755)
			f, err := w.CreateHeader(h)
			if err != nil {
				t.Fatal(err)
			}
			f.Write(data)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	default:
		w := tar.NewWriter(&b)
		for name, data := range map[string][]byte{"bin/tool": []byte(text), "much": much} {
			if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeReg, Size: int64(len(data))}); err != nil {
				t.Fatal(err)
			}
			w.Write(data)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if format != "tar.gz" {
		return b.Bytes()
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(b.Bytes())
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// forge swaps honest and forged in every file below the cache, in place, as a program
// that may write there could at any time.
func (w *world) forge() {
	filepath.WalkDir(w.path(".cache"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return nil
		}
		defer f.Close()
		data, err := os.ReadFile(name)
		if err != nil {
			return nil
		}
		from, to := honest, forged
		if bytes.Contains(data, []byte(forged)) {
			from, to = forged, honest
		}
		if at := bytes.Index(data, []byte(from)); at >= 0 {
			f.WriteAt([]byte(to), int64(at))
		}
		return nil
	})
}

// An attacker who can write to the cache rewrites each file after each step of kist. For
// every format and every way to an archive, only the proved bytes are installed.
func TestRewrittenCacheInstallsProvedBytes(t *testing.T) {
	for _, format := range []string{"tar", "tar.gz", "zip", "file", "chunked tar", "zip by content hash"} {
		for _, way := range []string{"fresh", "resumed", "cached"} {
			t.Run(format+", "+way, func(t *testing.T) {
				w := newWorld(t)
				r := w.release("tool", "1.0", "bin/tool")
				a := &r.Artifacts[0]
				a.Layout.Format, _, _ = strings.Cut(strings.TrimPrefix(format, "chunked "), " ")
				data := archiveWith(t, a.Layout.Format, honest)
				w.files[a.Refs[0]] = data
				a.Size, a.Integrity.Digest = int64(len(data)), verify.DigestOf(data)
				switch format {
				case "file":
					a.Layout.Into = "bin/tool"
				case "chunked tar":
					chunker := verify.NewChunker()
					chunker.Write(data)
					a.Chunks = chunker.Chunks()
				case "zip by content hash":
					h1, err := verify.HashZip(a.Name, bytes.NewReader(data), a.Size)
					if err != nil {
						t.Fatal(err)
					}
					a.Layout.Modeless, a.Layout.Exec = true, []string{"bin/*"}
					a.Integrity = manifests.Integrity{Tree: &manifests.TreeHash{H1: h1, Evidence: verify.Evidence{
						Kind: verify.ByTree, Name: "tool", Tree: &verify.Tree{Name: "sum.example.org", H1: h1}}}}
				}
				_, cache := w.cache()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if way == "resumed" {
					cache.Transport = &interrupting{w, len(data) / 2, cancel}
				}
				if way != "fresh" {
					s, err := cache.Stream(ctx, *a)
					if err == nil {
						_, err = s.Blob()
						s.Close()
					}
					if (err == nil) != (way == "cached") {
						t.Fatal(err)
					}
				}
				i := w.kist()
				i.Opened().Progress = func(install.Progress) { w.forge() }
				p, err := i.Plan(planOf(r))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := i.Apply(t.Context(), p); err != nil {
					t.Fatal(err)
				}
				if got := w.command("tool"); got != strings.TrimSpace(honest) {
					t.Errorf("installed: %q", got)
				}
			})
		}
	}
}

// An interrupting transport returns some bytes, and then the user interrupts.
type interrupting struct {
	manifests.Transport
	after  int
	cancel context.CancelFunc
}

func (c *interrupting) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	body, size, err := c.Transport.Open(ctx, ref, offset)
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(body, int64(c.after)), readFunc(func([]byte) (int, error) {
		c.cancel()
		return 0, ctx.Err()
	})), body}, size, err
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// A publisher's archive that changes after it was hashed is refused.
func TestInspectRefusesFilesChangedSinceHashing(t *testing.T) {
	for _, text := range []string{honest, forged} {
		dir, err := os.OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		data := archiveWith(t, "tar", honest)
		if err := dir.WriteFile("a.tar", bytes.Replace(data, []byte(honest), []byte(text), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := dir.Mkdir("into", 0o700); err != nil {
			t.Fatal(err)
		}
		into, err := dir.OpenRoot("into")
		if err != nil {
			t.Fatal(err)
		}
		defer into.Close()
		entries, err := install.Inspect(t.Context(), install.Child{}, into, nil, install.Packed{Name: "a.tar", Layout: manifests.Layout{Format: "tar"},
			Digest: verify.DigestOf(data), Open: func() (*os.File, error) { return dir.Open("a.tar") }})
		if got := err == nil && len(entries) == 3; got != (text == honest) {
			t.Errorf("%q: %d entries, %v", text, len(entries), err)
		}
	}
}

// cache returns the cache of w, with its origin.
func (w *world) cache() (*install.Installer, download.Cache) {
	w.t.Helper()
	i := w.kist()
	root, err := i.Roots().Create(roots.Cache)
	if err != nil {
		w.t.Fatal(err)
	}
	return i, download.Cache{Root: root, Transport: w, Progress: i.ProgressOf(nil),
		HashZip: func(ctx context.Context, name string, zip *os.File, size int64, progress func(int64)) (string, error) {
			return sandbox.HashZip(ctx, install.Child{}, name, zip, size, progress)
		}}
}
