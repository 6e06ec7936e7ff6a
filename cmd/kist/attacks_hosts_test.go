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

// becomesLink has the directory name become a link to a copy of itself.
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

// command publishes a version of hello that has one more command, unless honest.
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

// serveAt serves m at another place, with the files of the first.
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

// overHTTP has the channel come over the real transport, from a server that may
// answer in its own way.
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
	if honest { // whatever else this machine does
		config.Window = time.Minute
	}
	b.transport = behind{transport.New(config), server.URL}
	return installNew
}

// behind reaches the channel's place by way of another.
type behind struct {
	manifests.Transport
	place string
}

func (t behind) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	return t.Transport.Open(ctx, t.place+"/"+strings.TrimPrefix(ref, acmeURL), offset)
}

// trickle answers byte by byte where path is that of file, unless honest.
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
