package verify_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/dirhash"

	"github.com/kist-tools/kist/verify"
)

const modulePrefix = "golang.org/toolchain@v0.0.1-go1.24.4.linux-amd64/"

type zipEntry struct {
	name, content string
	mode          fs.FileMode
}

func makeZip(t *testing.T, entries ...zipEntry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		header.SetMode(e.mode)
		body, err := w.CreateHeader(header)
		if err == nil && !strings.HasSuffix(e.name, "/") {
			_, err = io.WriteString(body, e.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func hashZip(data []byte) (string, error) {
	return verify.HashZip("test.zip", bytes.NewReader(data), int64(len(data)))
}

func TestHashZipMatchesTheGoCommand(t *testing.T) {
	files := []zipEntry{
		{modulePrefix + "bin/go", strings.Repeat("\x7fELF", 5000), 0o755},
		{modulePrefix + "VERSION", "go1.24.4\ntime 2025-05-29T19:37:36Z\n", 0o644},
		{modulePrefix + "src/_go.mod", "module std\n", 0o644},
		{modulePrefix + "empty", "", 0},
	}
	data := makeZip(t, files...)
	path := filepath.Join(t.TempDir(), "test.zip")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	want, err := dirhash.HashZip(path, dirhash.Hash1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := hashZip(data)
	if err != nil || got != want {
		t.Fatalf("HashZip = %q, %v; want %q", got, err, want)
	}
	// Order and modes do not change the hash.
	files[0], files[1] = files[1], files[0]
	files[0].mode = 0o600
	if again, err := hashZip(makeZip(t, files...)); err != nil || again != want {
		t.Errorf("in another order: %q, %v", again, err)
	}
	// A changed byte of content does.
	files[0].content += "x"
	if changed, err := hashZip(makeZip(t, files...)); err != nil || changed == want {
		t.Errorf("changed content: %q, %v", changed, err)
	}
}

func TestHashZipRefusesUnsafeZips(t *testing.T) {
	good := makeZip(t, zipEntry{modulePrefix + "VERSION", "go1.24.4\n", 0o644})
	if _, err := hashZip(good); err != nil {
		t.Fatalf("the honest twin: %v", err)
	}
	file := func(name string) zipEntry { return zipEntry{modulePrefix + name, "x", 0o644} }
	for _, test := range []struct {
		name string
		zip  []byte
		rule string
	}{
		{"no bytes", nil, "not a valid zip"},
		{"no files", makeZip(t), "0 files"},
		{"cut", good[:len(good)-30], "not a valid zip"},
		{"not a zip", []byte("<html>Welcome to the hotel</html>"), "not a valid zip"},
		{"two of one name", makeZip(t, file("a"), file("a")), "occurs twice"},
		{"two that differ in case", makeZip(t, file("a"), file("A")), "occurs twice"},
		{"symlink", makeZip(t, zipEntry{modulePrefix + "a", "/etc/passwd", fs.ModeSymlink | 0o777}), "not a regular file"},
		{"device", makeZip(t, zipEntry{modulePrefix + "a", "", fs.ModeDevice | 0o600}), "not a regular file"},
		{"directory", makeZip(t, zipEntry{modulePrefix + "a/", "", fs.ModeDir | 0o755}), "not a regular file"},
		{"climbs out", makeZip(t, file("../../a")), "invalid path element"},
		{"absolute", makeZip(t, zipEntry{"/etc/passwd", "x", 0o644}), "malformed file path"},
		{"backslash", makeZip(t, file(`a\b`)), "malformed file path"},
		{"newline", makeZip(t, file("a\nb")), "malformed file path"},
		{"device name of Windows", makeZip(t, file("AUX")), "malformed file path"},
		{"comment", append(bytes.Clone(good[:len(good)-2]), 2, 0, 'h', 'i'), "a comment"},
		{"points before itself", pointBefore(good), "outside of itself"},
		{"changed content", flip(good, bytes.Index(good, []byte("VERSION"))+len("VERSION")+2), ""},
		{"claims to be huge", claim(good, 600<<20), "unpacks to more than the limit"},
		{"longer than it claims", claim(good, 3), ""},
		{"shorter than it claims", claim(good, 300), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			h1, err := hashZip(test.zip)
			if !errors.Is(err, verify.ErrUntrusted) || !strings.Contains(err.Error(), test.rule) {
				t.Fatalf("got %q, %v; want %q", h1, err, test.rule)
			}
		})
	}
}

// flip changes one byte.
func flip(data []byte, at int) []byte {
	data = bytes.Clone(data)
	data[at] ^= 0xff
	return data
}

// pointBefore changes a zip of one file so that its directory places the file before
// the start of the zip.
func pointBefore(data []byte) []byte {
	data = bytes.Clone(data)
	end := bytes.Index(data, []byte("PK\x05\x06"))
	binary.LittleEndian.PutUint32(data[end+16:], binary.LittleEndian.Uint32(data[end+16:])+8)
	return data
}

// claim changes the unpacked size in the directory of a zip of one file.
func claim(data []byte, size uint32) []byte {
	data = bytes.Clone(data)
	entry := bytes.Index(data, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(data[entry+24:], size)
	return data
}

func TestHashZipCeilings(t *testing.T) {
	var entries []zipEntry
	for i := range verify.MaxTreeFiles + 1 {
		entries = append(entries, zipEntry{fmt.Sprintf("%s%d", modulePrefix, i), "", 0})
	}
	if _, err := hashZip(makeZip(t, entries...)); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("one file too many: %v", err)
	}
	if _, err := hashZip(makeZip(t, entries[:1000]...)); err != nil {
		t.Errorf("the honest twin: %v", err)
	}

	var out bytes.Buffer // a directory of 20 MiB, in comments
	w := zip.NewWriter(&out)
	for i := range 400 {
		if _, err := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("%s%d", modulePrefix, i), Comment: strings.Repeat("c", 50_000)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := hashZip(out.Bytes()); !errors.Is(err, verify.ErrUntrusted) || !strings.Contains(err.Error(), "directory is larger") {
		t.Errorf("a directory without end: %v", err)
	}

	if _, err := verify.HashZip("big.zip", bytes.NewReader(nil), verify.MaxTreeZip+1); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a zip over the limit: %v", err)
	}
}

// brokenDisk fails for reads beyond an offset.
type brokenDisk struct {
	io.ReaderAt
	from int64
}

func (b brokenDisk) ReadAt(p []byte, offset int64) (int, error) {
	if offset < b.from {
		return 0, fs.ErrPermission
	}
	return b.ReaderAt.ReadAt(p, offset)
}

func TestHashZipReturnsReadErrors(t *testing.T) {
	data := makeZip(t, zipEntry{modulePrefix + "VERSION", "go1.24.4\n", 0o644})
	_, err := verify.HashZip("test.zip", brokenDisk{bytes.NewReader(data), 10}, int64(len(data)))
	if !errors.Is(err, fs.ErrPermission) || errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("got %v", err)
	}
}

func FuzzHashZip(f *testing.F) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range []string{"VERSION", "bin/go"} {
		body, _ := w.Create(modulePrefix + name)
		io.WriteString(body, "go1.24.4\n")
	}
	w.Close()
	f.Add(out.Bytes())
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h1, err := hashZip(data)
		if (err == nil) != (len(h1) == 47) || err != nil && !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%q, %v", h1, err)
		}
	})
}
