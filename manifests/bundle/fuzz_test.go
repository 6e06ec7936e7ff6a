package bundle

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/kist-tools/kist/verify"
)

// FuzzRead reads anything as a tar file: what is accepted is whole, whatever it says.
func FuzzRead(f *testing.F) {
	for _, texts := range [][]string{nil, {"one", "two", strings.Repeat("x", 1000)}} {
		d := Draft{Contents: []byte("{}")}
		content := map[verify.Digest]string{}
		for _, text := range texts {
			digest := verify.DigestOf([]byte(text))
			content[digest] = text
			d.Files = append(d.Files, File{URLs: []string{"https://h.example/" + text[:1]}, Digest: digest, Size: int64(len(text))})
		}
		d.Open = func(f File) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content[f.Digest])), nil }
		var w bytes.Buffer
		if len(texts) > 1 {
			d.Files[1].URLs = append(d.Files[1].URLs, "https://h.example/T")
		}
		if _, err := d.WriteTo(&w); err != nil {
			f.Fatal(err)
		}
		f.Add(w.Bytes())
	}
	f.Add([]byte(layoutFile))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := readTar(t.Context(), bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, verify.ErrUntrusted) && !errors.Is(err, ErrNotBundle) {
				t.Fatal(err)
			}
			return
		}
		for _, file := range b.Files {
			for _, u := range file.URLs {
				body, size, err := b.Open(t.Context(), u, 0)
				if err != nil {
					t.Fatal(err)
				}
				if err := verify.Check(u, body, size, file.Digest); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// TestEachOctetCounts flips each octet of a bundle, and cuts it everywhere: neither goes
// unnoticed.
func TestEachOctetCounts(t *testing.T) {
	text := "some text"
	d := Draft{Contents: []byte("{}"), Files: []File{{URLs: []string{"https://h.example/a"}, Digest: verify.DigestOf([]byte(text)), Size: int64(len(text))}},
		Open: func(File) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
	var w bytes.Buffer
	if _, err := d.WriteTo(&w); err != nil {
		t.Fatal(err)
	}
	data := w.Bytes()
	refused := func(data []byte) bool {
		_, err := readTar(t.Context(), bytes.NewReader(data))
		return errors.Is(err, verify.ErrUntrusted) || errors.Is(err, ErrNotBundle)
	}
	for at := range data {
		if at%512 == 155 && data[at] == ' ' {
			continue // the space after the checksum of a header, which says nothing
		}
		if data[at] ^= 1; !refused(data) {
			t.Fatalf("octet %d of %d", at, len(data))
		}
		data[at] ^= 1
	}
	for size := range len(data) - 512 { // one block of zeros at the end is enough to know it
		if !refused(data[:size]) {
			t.Fatalf("the first %d octets of %d", size, len(data))
		}
	}
	if refused(data) {
		t.Fatal("the honest twin is refused")
	}
}

// FuzzManifest parses anything as a manifest and as an index.
func FuzzManifest(f *testing.F) {
	files := []File{{URLs: []string{"https://h.example/a", "https://h.example/b"}, Digest: verify.DigestOf(nil), Artifact: true}}
	m, i := encodeManifest([]byte("{}"), files)
	f.Add(m)
	f.Add(i)
	f.Fuzz(func(t *testing.T, data []byte) {
		if d, err := parseIndex(data); err == nil && (d.Size < 0 || d.Size > maxManifest || d.Digest.Algorithm() != "sha256") {
			t.Fatalf("%+v", d)
		}
		_, files, err := parseManifest(data)
		if err != nil {
			return
		}
		for _, f := range files {
			for _, u := range f.URLs {
				if key, err := Key(u); err != nil || key != u {
					t.Fatalf("%q", u)
				}
			}
		}
	})
}
