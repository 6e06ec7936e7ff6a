package transport

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
)

func zipped(t *testing.T, plain string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestDocuments checks that a document is accepted only as stored, whatever its headers
// claim, and that any other answer is reported by its kind after one request.
func TestDocuments(t *testing.T) {
	const page = "<!doctype html>\n<title>Sign in</title>"
	for name, c := range map[string]struct {
		kind, encoding, body string
		want                 error // an error of the expected type; nil: none
	}{
		"plain":                             {"", "", text, nil},
		"called a page":                     {"text/html", "", text, nil},
		"called compressed":                 {"", "gzip", text, nil},
		"called utf-8":                      {"", "utf-8", text, nil},
		"a document of XML, called a page":  {"text/html", "", "<?xml version='1.0'?><feed/>", nil},
		"a document of XML":                 {"application/xml", "", "<feed/>", nil},
		"empty":                             {"text/html", "", "", nil},
		"compressed":                        {"", "gzip", zipped(t, text), &manifests.EncodedError{}},
		"compressed, in capitals":           {"", "GZIP", zipped(t, text), &manifests.EncodedError{}},
		"compressed by an unknown encoding": {"", "br", "\x8b\x02\x80", &manifests.EncodedError{}},
		"a page":                            {"text/html; charset=utf-8", "", page, &manifests.PageError{}},
		"a page of no type":                 {"application/octet-stream", "", page, &manifests.PageError{}},
		"a page in capitals":                {"", "", " \r\n<!DOCTYPE HTML PUBLIC \"x\">", &manifests.PageError{}},
		"a page with a byte order mark":     {"", "", "\ufeff<html lang=en>", &manifests.PageError{}},
		"a page after comments":             {"", "", "<!-- a --> <?xml version='1.0'?><!-- b --><html>", &manifests.PageError{}},
		"a page without a head":             {"Text/HTML", "", "<script>location='/login'</script>", &manifests.PageError{}},
		"a large page":                      {"", "", page + strings.Repeat(" ", 1<<20), &manifests.PageError{}},
		"a compressed page":                 {"text/html", "gzip", zipped(t, page), &manifests.PageError{}},
		"a large compressed page":           {"", "gzip", zipped(t, page+strings.Repeat("<p>words, words", 1<<16)), &manifests.PageError{}},
		"another tag":                       {"", "", "<htmlx>", nil},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				asked++
				w.Header().Set("Content-Type", c.kind)
				if c.encoding != "" {
					w.Header().Set("Content-Encoding", c.encoding)
				}
				io.WriteString(w, c.body)
			})
			h, _ := web(Config{})
			recorder := &Recorder{From: Mux(map[string]manifests.Transport{"http": h})}
			data, err := manifests.ReadAll(t.Context(), recorder, url+"/x", 1<<16)
			if asked != 1 {
				t.Errorf("%d requests", asked)
			}
			var page *manifests.PageError
			var encoded *manifests.EncodedError
			isPage, isEncoded := errors.As(err, &page), errors.As(err, &encoded)
			switch want := c.want.(type) {
			case nil:
				if err != nil || string(data) != c.body {
					t.Errorf("got %.40q, %v", data, err)
				}
			case *manifests.PageError:
				if !isPage || !errors.Is(err, manifests.ErrUnreachable) || page.Ref != url+"/x" || !strings.HasSuffix(err.Error(), "the server answered with a web page") {
					t.Errorf("got %v, want %T", err, want)
				}
			case *manifests.EncodedError:
				if !isEncoded || !errors.Is(err, manifests.ErrUnreachable) || encoded.Encoding != strings.ToLower(c.encoding) || strings.Contains(err.Error(), "unreachable") {
					t.Errorf("got %v, want %T", err, want)
				}
			}
			// A replay reports what was a page as not found.
			if err := manifests.CheckExists(t.Context(), h, url+"/x"); isPage != errors.As(err, &page) || !isPage && err != nil {
				t.Errorf("exists: %v", err)
			}
		})
	}
}

// TestPagesAreNotRecorded checks that a web page of any size is recorded as absent.
func TestPagesAreNotRecorded(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/page" {
			io.WriteString(w, "<html>"+strings.Repeat("<p>", 1<<10))
			return
		}
		io.WriteString(w, text)
	})
	h, _ := web(Config{})
	recorder := &Recorder{From: h}
	for _, name := range []string{"/page", "/document"} {
		_, err := manifests.ReadAll(t.Context(), recorder, url+name, 1<<16)
		if page := errors.As(err, new(*manifests.PageError)); page != (name == "/page") {
			t.Errorf("%s: %v", name, err)
		}
	}
	root := openRoot(t)
	if err := recorder.Save(root, "set"); err != nil {
		t.Fatal(err)
	}
	replay := Replay{Root: root, Dir: "set"}
	if _, err := manifests.ReadAll(t.Context(), replay, url+"/page", 1<<16); !errors.Is(err, manifests.ErrNotFound) {
		t.Errorf("the page: %v", err)
	}
	if data, err := manifests.ReadAll(t.Context(), replay, url+"/document", 1<<16); err != nil || string(data) != text {
		t.Errorf("the document: %q, %v", data, err)
	}
}

// TestReadMatching checks that a document with a known digest is accepted as sent or
// after decoding.
func TestReadMatching(t *testing.T) {
	packed := zipped(t, text)
	for name, c := range map[string]struct {
		encoding, body string
		stored         string // the matching content
		want           string
	}{
		"as it is":                     {"", packed, packed, packed},
		"an archive, called encoded":   {"gzip", packed, packed, packed},
		"an archive, called x-gzip":    {"x-gzip", packed, packed, packed},
		"an archive, called br":        {"br", packed, packed, packed},
		"encoded in transit":           {"gzip", zipped(t, packed), packed, packed},
		"encoded, wrong content":       {"gzip", zipped(t, packed+"x"), packed, zipped(t, packed+"x")},
		"wrong content":                {"gzip", packed, text + "x", packed},
		"encoded without a header":     {"", zipped(t, packed), packed, ""},
		"encoded, without end":         {"gzip", zipped(t, strings.Repeat("x", 1<<20)), text, ""},
		"encoded twice":                {"gzip, gzip", zipped(t, zipped(t, text)), text, zipped(t, zipped(t, text))},
		"encoded, and cut in the data": {"gzip", zipped(t, packed)[:20], packed, zipped(t, packed)[:20]},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if c.encoding != "" {
					w.Header().Set("Content-Encoding", c.encoding)
				}
				io.WriteString(w, c.body)
			})
			h, _ := web(Config{})
			data, err := manifests.ReadMatching(t.Context(), h, url, int64(len(c.stored)), func(data []byte) bool { return string(data) == c.stored })
			if c.want != "" && (err != nil || string(data) != c.want) {
				t.Errorf("got %d bytes, %v", len(data), err)
			}
			if err == nil && len(data) > int(manifests.EncodedLimit(int64(len(c.stored)+1))) || c.want == "" && string(data) == c.stored {
				t.Errorf("got %d bytes", len(data))
			}
		})
	}
}

// TestNoPartOfAnEncodedAnswer checks that ranges of encoded answers are refused: they
// may be the rest of different bytes.
func TestNoPartOfAnEncodedAnswer(t *testing.T) {
	encoding := ""
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if encoding != "" {
			w.Header().Set("Content-Encoding", encoding)
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	})
	h, _ := web(Config{})
	for _, encoding = range []string{"", "identity", "gzip"} {
		_, err := manifests.OpenAnswer(t.Context(), h, url, 10)
		_, _, ranged := h.OpenRange(t.Context(), url, 10, 4)
		if refused := encoding == "gzip"; errors.Is(err, manifests.ErrNoRange) != refused || errors.Is(ranged, manifests.ErrNoRange) != refused || !refused && (err != nil || ranged != nil) {
			t.Errorf("%q: %v, %v", encoding, err, ranged)
		}
	}
	sized := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Header().Set("Content-Encoding", strings.TrimPrefix(r.URL.Path, "/"))
	})
	for encoding, want := range map[string]int64{"": 1000, "identity": 1000, "gzip": -1} {
		if size, err := h.Size(t.Context(), sized+"/"+encoding); size != want || err != nil {
			t.Errorf("%q: size %d, %v", encoding, size, err)
		}
	}
}
