package manifests_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func compress(t testing.TB, w io.WriteCloser, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestNewDecoder(t *testing.T) {
	const text = "what was encoded"
	var gz, zl, raw bytes.Buffer
	compress(t, gzip.NewWriter(&gz), text)
	compress(t, zlib.NewWriter(&zl), text)
	w, err := flate.NewWriter(&raw, 1)
	if err != nil {
		t.Fatal(err)
	}
	compress(t, w, text)
	for _, c := range []struct {
		encoding, data string
		ok             bool
	}{
		{"gzip", gz.String(), true},
		{"x-gzip", gz.String(), true},
		{"deflate", zl.String(), true},
		{"deflate", raw.String(), true},
		{"gzip", gz.String()[:20], false},
		{"gzip", gz.String() + "x", false},
		{"gzip", zl.String(), false},
		{"gzip", "", false},
		{"deflate", "", false},
		{"deflate", zl.String()[:8], false},
		{"deflate", "\xff\xff\xff", false},
		{"br", text, false},
		{"zstd", text, false},
		{"gzip, gzip", gz.String(), false},
		{"", text, false},
	} {
		r, err := manifests.NewDecoder(c.encoding, strings.NewReader(c.data))
		var got []byte
		if err == nil {
			got, err = io.ReadAll(r)
		}
		if c.ok && (err != nil || string(got) != text) {
			t.Errorf("%s of %q: %q, %v", c.encoding, c.data, got, err)
		}
		if wrong, typed := errors.AsType[*manifests.DecodeError](err); !c.ok && (!typed || wrong.Encoding != c.encoding || !errors.Is(err, verify.ErrUntrusted)) {
			t.Errorf("%s of %q: %q, %v", c.encoding, c.data, got, err)
		}
	}
	// A transport error is not a *DecodeError.
	r, err := manifests.NewDecoder("gzip", io.MultiReader(bytes.NewReader(gz.Bytes()[:12]), errReader{manifests.ErrUnreachable}))
	if err == nil {
		_, err = io.ReadAll(r)
	}
	if !errors.Is(err, manifests.ErrUnreachable) || errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("with a transport error: %v", err)
	}
}

// An errReader fails every read with its error.
type errReader struct{ error }

func (e errReader) Read([]byte) (int, error) { return 0, e.error }

func FuzzNewDecoder(f *testing.F) {
	var b bytes.Buffer
	compress(f, gzip.NewWriter(&b), "text")
	f.Add("gzip", b.Bytes())
	f.Add("deflate", []byte{0x78, 0x9c})
	f.Fuzz(func(t *testing.T, encoding string, data []byte) {
		r, err := manifests.NewDecoder(encoding, bytes.NewReader(data))
		if err == nil {
			_, err = io.Copy(io.Discard, io.LimitReader(r, 1<<20))
		}
		if err != nil && !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%q: %v", encoding, err)
		}
	})
}

// FuzzPeek checks that peeking consumes neither the body nor its error.
func FuzzPeek(f *testing.F) {
	f.Add("text/html", "", []byte("<!-- <html> --> <p>"))
	f.Add("", "gzip", []byte("\x1f\x8b\x08"))
	f.Add("", "br", bytes.Repeat([]byte("ä"), manifests.HeadSize))
	f.Fuzz(func(t *testing.T, contentType, encoding string, data []byte) {
		for _, end := range []error{io.EOF, manifests.ErrUnreachable} {
			a := manifests.Answer{Body: io.NopCloser(io.MultiReader(bytes.NewReader(data), errReader{end})), Type: contentType, Encoding: encoding}
			page := a.IsPage()
			plain := a.CheckPlain("x")
			got, err := io.ReadAll(a.Body)
			if !bytes.Equal(got, data) || end == io.EOF && err != nil || end != io.EOF && err != end {
				t.Errorf("read %q, %v", got, err)
			}
			if _, named := errors.AsType[*manifests.PageError](plain); named != page || page && encoding == "" && !bytes.Contains(data, []byte("<")) {
				t.Errorf("a page: %v, %v", page, plain)
			}
		}
	})
}

func TestIsText(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                      true,
		"format = 1\n":                          true,
		"\x00":                                  false,
		"\x1f\x8b\x08":                          false,
		strings.Repeat("ä", 256):                true,
		strings.Repeat("ä", 200):                true,
		strings.Repeat("\xc3", 10):              false,
		"x" + strings.Repeat("ä", 255) + "\xc3": true,  // cut within a character
		"x\xc3":                                 false, // not cut
	} {
		if got := manifests.IsText([]byte(text)); got != want {
			t.Errorf("%.20q: %v", text, got)
		}
	}
}
