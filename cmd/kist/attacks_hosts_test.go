package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/verify/verifytest"
)

// becomesLink moves the directory name away and puts a link to it in its place.
func (b *battle) becomesLink(name string) {
	b.Helper()
	elsewhere := filepath.Join(b.TempDir(), "elsewhere")
	if err := os.Rename(b.file(name), elsewhere); err != nil {
		b.Fatal(err)
	}
	if err := os.Symlink(elsewhere, b.file(name)); err != nil {
		b.Fatal(err)
	}
}

// command publishes hello 1.1, with one more command unless honest.
func (b *battle) command(honest bool, pattern string) []string {
	b.publish("1.1")
	text := bytes.Replace(b.manifest, []byte(`["bin/hello"]`), []byte(`["bin/hello", "`+pattern+`"]`), 1)
	if bytes.Equal(text, b.manifest) {
		b.Fatal("the manifest names its command in another way")
	}
	if !honest {
		b.serveText(text, b.first)
	}
	return installNew
}

// serveAt publishes m at another URL, with the files of the channel acme.
func (b *battle) serveAt(url string, m *native.Manifest, keys ...*verifytest.Key) {
	data, err := m.Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.Files[url+channelFile], b.Files[url+channelFile+".asc"] = data, verifytest.Cosign(b, data, b.now, keys...)
	for ref, content := range b.Files {
		if name, ok := strings.CutPrefix(ref, acmeURL+"blobs/"); ok {
			b.Files[url+"blobs/"+name] = content
		}
	}
}

// overHTTP serves the channel over the real transport. The server first calls answer,
// which reports whether it has answered the request.
func (b *battle) overHTTP(honest bool, answer func(w http.ResponseWriter, path string) bool) []string {
	b.publish("1.1")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer(w, r.URL.Path) {
			return
		}
		data, ok := b.Files[acmeURL+strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Write(data)
	}))
	b.Cleanup(server.Close)
	config := transport.Config{Version: "test", MinRate: 1 << 20, Window: 100 * time.Millisecond, Retries: 1}
	if honest { // even on a busy machine
		config.Window = time.Minute
	}
	b.transport = behind{transport.New(config), server.URL}
	return installNew
}

// behind is a transport that fetches the files of acmeURL from another URL.
type behind struct {
	manifests.Transport
	place string
}

func (t behind) at(ref string) string { return t.place + "/" + strings.TrimPrefix(ref, acmeURL) }

func (t behind) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	return t.Transport.Open(ctx, t.at(ref), offset)
}

func (t behind) OpenAnswer(ctx context.Context, ref string, offset int64) (manifests.Answer, error) {
	return manifests.OpenAnswer(ctx, t.Transport, t.at(ref), offset)
}

func (t behind) OpenChanged(ctx context.Context, ref string, have manifests.Validators) (manifests.Answer, error) {
	return manifests.OpenChanged(ctx, t.Transport, t.at(ref), have)
}

// trickle answers a request for file byte by byte, unless honest.
func (b *battle) trickle(w http.ResponseWriter, path string, honest bool, file string) bool {
	if honest || path != "/"+file {
		return false
	}
	size := len(b.Files[acmeURL+file])
	w.Header().Set("Content-Length", strconv.Itoa(size))
	io.CopyBuffer(flushed{w}, &slow{left: size - 1}, make([]byte, 1))
	return true
}

type flushed struct{ http.ResponseWriter }

func (f flushed) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	f.ResponseWriter.(http.Flusher).Flush()
	return n, err
}
