package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/verify"
)

// withETags serves the channel over the real transport, with entity tags, and fills the
// user's cache from there. While always is true, the answer for every file is 304.
func (b *battle) withETags(always func() bool) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, ok := b.Files[acmeURL+strings.TrimPrefix(r.URL.Path, "/")]
		tag := fmt.Sprintf("%q", verify.DigestOf(data).Hex())
		switch {
		case ok && (always() || r.Header.Get("If-None-Match") == tag):
			w.WriteHeader(http.StatusNotModified)
		case !ok:
			http.NotFound(w, r)
		default:
			w.Header().Set("ETag", tag)
			w.Write(data)
		}
	}))
	b.Cleanup(server.Close)
	b.transport = behind{transport.New(transport.Config{Version: "test", Retries: 1}), server.URL}
	b.must("list", "--available", "hello")
}

// unchangedForEver publishes hello 1.1 after the manifest of hello 1.0 has expired. Unless
// honest, the server goes on saying that nothing has changed.
func (b *battle) unchangedForEver(honest bool) []string {
	frozen := false
	b.withETags(func() bool { return frozen })
	b.now = b.now.AddDate(0, 0, 31)
	b.publish("1.0", "1.1")
	frozen = !honest
	return installNew
}

// forgedCache puts a manifest of the thief, with hello 1.1, into the user's cache, and
// has the server call it unchanged; an honest server sends the publisher's when it is
// asked for the whole manifest.
func (b *battle) forgedCache(honest bool) []string {
	b.withETags(func() bool { return false })
	real, realSig := b.manifest, b.manSig
	b.publish("1.1")
	published, publishedSig := b.manifest, b.manSig
	b.serve(b.next("1.1"), b.thief)
	b.inCache(func(data []byte) []byte {
		switch {
		case bytes.Equal(data, real):
			return b.manifest
		case bytes.Equal(data, realSig):
			return b.manSig
		}
		tag := func(m []byte) []byte { return []byte(verify.DigestOf(m).Hex()) }
		return bytes.ReplaceAll(data, tag(real), tag(b.manifest))
	})
	if honest {
		b.Files[acmeURL+channelFile], b.Files[acmeURL+channelFile+".asc"] = published, publishedSig
	}
	return installNew
}

// inCache changes the files of the set of documents of acme in the user's cache, and
// their digests in its index.
func (b *battle) inCache(change func(data []byte) []byte) {
	dir := filepath.Join(b.home, ".cache/kist/documents/acme")
	index := map[string]string{}
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err == nil {
		err = json.Unmarshal(data, &index)
	}
	changes := 0
	for name := range index {
		file := filepath.Join(dir, name)
		old, failed := os.ReadFile(file)
		if failed != nil {
			b.Fatal(failed)
		}
		data := change(old)
		if !bytes.Equal(old, data) {
			changes++
		}
		index[name] = verify.DigestOf(data).Hex()
		if err == nil {
			err = os.WriteFile(file, data, 0o600)
		}
	}
	if data, err = json.Marshal(index); err == nil {
		err = os.WriteFile(filepath.Join(dir, "index.json"), data, 0o600)
	}
	if err != nil || changes < 3 { // manifest, signature and validators
		b.Fatalf("%d files changed: %v", changes, err)
	}
}
