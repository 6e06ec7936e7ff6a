//go:build unix

package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kist-tools/kist/manifests/transport/oci"
	"github.com/kist-tools/kist/manifests/transport/oci/ocitest"
)

// scriptRegistries is the key of a script's registries, by variable.
const scriptRegistries = "registries"

// scriptServeRegistry serves a registry. Each request becomes a line of VAR.requests, which
// ends with the range that it asks for, and what it showed a line of VAR.shown.
func scriptServeRegistry(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 1, 2, "registry VAR [tls|basic|token]")
	g := ocitest.New()
	requests, shown := ts.MkAbs(args[0]+".requests"), ts.MkAbs(args[0]+".shown")
	var mu sync.Mutex
	note := func(file, line string) {
		mu.Lock()
		defer mu.Unlock()
		if f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644); err == nil {
			io.WriteString(f, line+"\n")
			f.Close()
		}
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := r.Header.Get("Authorization"); a != "" {
			note(shown, a)
		}
		note(requests, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.Header.Get("Range")))
		if r.URL.Path == "/token" {
			note(requests, "scope "+r.URL.Query().Get("scope"))
			g.ServeToken(w, r)
			return
		}
		g.ServeHTTP(w, r)
	})
	how := append(args, "")[1]
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if how == "tls" {
		s.StartTLS()
		scriptWrite(ts, "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	} else {
		s.Start()
	}
	switch how {
	case "", "tls":
	case "basic":
		g.User, g.Password = "joe", "s3cr3t"
	case "token":
		g.User, g.Password, g.Realm = "joe", "s3cr3t", s.URL+"/token"
	default:
		ts.Fatalf("no registry %s", how)
	}
	ts.Setenv(args[0], s.Listener.Addr().String())
	ts.Value(scriptRegistries).(map[string]*ocitest.Registry)[args[0]] = g
	ts.Value(scriptServers).(map[string]*httptest.Server)[args[0]] = s
	ts.Defer(s.Close)
}

// scriptChangeRegistry changes what a registry holds, or how it answers.
func scriptChangeRegistry(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 2, 5, "change VAR HOW [ARGUMENT…]")
	g := ts.Value(scriptRegistries).(map[string]*ocitest.Registry)[args[0]]
	if g == nil {
		ts.Fatalf("no registry is served under %s", args[0])
	}
	argument := append(args[2:], "", "", "")
	switch how := args[1]; how {
	case "honest": // all lies end
		g.Answer, g.Storage, g.NoConditions = nil, "", false
	case "collect": // remove what no tag leads to
		g.Collect()
	case "tag": // REPOSITORY TAG FROM: TAG leads where FROM does
		g.SetTag(argument[0], argument[1], g.Tag(argument[0], argument[2]))
	case "index": // REPOSITORY FILE: head leads to an index with this text
		g.Put(argument[0], "head", oci.IndexType, []byte(ts.ReadFile(argument[1])))
	case "image": // REPOSITORY TAG LAYOUT: TAG leads to the index of an image layout
		dir := ts.MkAbs(argument[2])
		names, err := os.ReadDir(filepath.Join(dir, "blobs/sha256"))
		ts.Check(err)
		for _, n := range names {
			data, err := os.ReadFile(filepath.Join(dir, "blobs/sha256", n.Name()))
			ts.Check(err)
			g.Change(argument[0], "sha256:"+n.Name(), data)
			if bytes.Contains(data, []byte(`"layers":`)) {
				g.Put(argument[0], "", oci.ManifestType, data)
			}
		}
		g.Put(argument[0], argument[1], oci.IndexType, []byte(ts.ReadFile(filepath.Join(dir, "index.json"))))
	case "storage": // URL: blobs are elsewhere
		g.Storage = argument[0]
	case "unconditional": // it knows no If-None-Match
		g.NoConditions = true
	case "truncated": // blobs end half way
		g.Answer = onBlobs(g, func(w http.ResponseWriter, data []byte) {
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			w.Write(data[:len(data)/2])
		})
	case "flipped": // blobs have another content, of the same size
		g.Answer = onBlobs(g, func(w http.ResponseWriter, data []byte) {
			data = bytes.Clone(data)
			data[len(data)/2] ^= 1
			w.Write(data)
		})
	case "swapped": // the manifest of the documents is another one
		g.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/manifests/sha256:") {
				return false
			}
			w.Header().Set("Content-Type", oci.ManifestType)
			io.WriteString(w, argument[0])
			return true
		}
	case "huge": // the index does not end
		g.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/manifests/") {
				return false
			}
			w.Write(bytes.Repeat([]byte(" "), oci.MaxManifest+1))
			return true
		}
	case "busy": // each path is to be had at the second request, one second later
		asked := map[string]bool{}
		var mu sync.Mutex
		g.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			if asked[r.URL.Path] {
				return false
			}
			asked[r.URL.Path] = true
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
	default:
		ts.Fatalf("no change %s", how)
	}
}

// onBlobs answers requests for blobs that exist.
func onBlobs(g *ocitest.Registry, answer func(w http.ResponseWriter, data []byte)) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		repository, digest, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/blobs/")
		data := g.Blob(repository, digest)
		if !ok || data == nil || r.Method != http.MethodGet {
			return false
		}
		answer(w, data)
		return true
	}
}
