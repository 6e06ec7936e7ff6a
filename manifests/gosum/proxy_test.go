package gosum_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/gosum"
	"github.com/kist-tools/kist/verify"
)

func TestParseProxies(t *testing.T) {
	for _, test := range []struct {
		list string
		want []gosum.Proxy
	}{
		{"", nil},
		{"https://a.example", []gosum.Proxy{{URL: "https://a.example"}}},
		{" https://a.example/ , http://b.example/x/|direct", []gosum.Proxy{{URL: "https://a.example"}, {URL: "http://b.example/x", Any: true}, {URL: "direct"}}},
		{"a.example,off,https://never.example", []gosum.Proxy{{URL: "https://a.example"}, {URL: "off"}}},
		{"direct|https://never.example", []gosum.Proxy{{URL: "direct", Any: true}}},
		{",,https://a.example,,", []gosum.Proxy{{URL: "https://a.example"}}},
		{"file:///srv/proxy", []gosum.Proxy{{URL: "file:///srv/proxy"}}},
		{"https://u:p@a.example", []gosum.Proxy{{URL: "https://u:p@a.example"}}},
	} {
		got, err := gosum.ParseProxies(test.list)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%q: %+v, %v", test.list, got, err)
		}
	}
	for _, list := range []string{",", " ", "|", "noproxy", "/srv/proxy", "ftp://a.example", "https://", "https:opaque", "https://a.example?x=y",
		"https://a.example#f", "https://u:secret@a.example:port", "https://u:secret@[", strings.Repeat("https://a.example,", 100)} {
		if got, err := gosum.ParseProxies(list); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %+v, %v", list, got, err)
		}
	}
}

// TestProxiesAreTriedInOrder checks that the separators of a proxy list mean what they
// mean to the go command, and that no failed proof leads to the next proxy.
func TestProxiesAreTriedInOrder(t *testing.T) {
	const empty, down, good = "https://empty.example.org", "https://down.example.org", proxyURL
	for _, test := range []struct {
		list string
		want error // nil: proved
	}{
		{good, nil},
		{empty + "," + good, nil},
		{empty + "|" + good, nil},
		{down + "|" + good, nil},
		{down + "," + good, manifests.ErrUnreachable},
		{"direct", manifests.ErrUnreachable},
		{"off", manifests.ErrOffline}, {"off", gosum.ErrOff},
		{"", manifests.ErrUnreachable},
		{empty, manifests.ErrUnreachable}, // it does not relay the checksum database
		{empty + ",off", manifests.ErrUnreachable},
		{down + "|direct", manifests.ErrUnreachable},
		{good + ",off", nil},
	} {
		w := newWorld(t)
		_, err := w.fetch(t, test.list, ask("1.24.4"))
		if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
			t.Errorf("%q: %v, want %v", test.list, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: more than one line: %v", test.list, err)
		}
	}
	// Unknown to the first proxy and to every later one.
	var unknown *manifests.UnknownVersionError
	for _, list := range []string{good, good + ",direct", good + "|off", good + "," + good} {
		w := newWorld(t)
		if _, err := w.fetch(t, list, ask("1.24.99")); !errors.As(err, &unknown) || errors.Is(err, manifests.ErrUnreachable) {
			t.Errorf("%q: %v", list, err)
		}
	}
	w := newWorld(t)
	if _, err := w.fetch(t, good+","+down, ask("1.24.99")); !errors.Is(err, manifests.ErrUnreachable) {
		t.Errorf("the second proxy might have had it: %v", err)
	}
}

func TestFailedProofStopsTheSearch(t *testing.T) {
	lookup := "/sumdb/sum.example.org/lookup/golang.org/toolchain@" + moduleVersion("1.24.4", "linux-amd64")
	for name, tamper := range map[string]func(w *world){
		"forged hash": func(w *world) {
			honest, _ := w.db.Read(t.Context(), strings.TrimPrefix(lookup, "/sumdb/sum.example.org"), 0)
			w.answer(lookup, http.StatusOK, []byte(strings.Replace(string(honest), " h1:", " h1:A", 1)))
		},
		"nonsense":    func(w *world) { w.answer(lookup, http.StatusOK, []byte("Welcome to the hotel")) },
		"empty":       func(w *world) { w.answer(lookup, http.StatusOK, nil) },
		"endless":     func(w *world) { w.answer(lookup, http.StatusOK, make([]byte, 10<<20)) },
		"another key": func(w *world) { w.db = w.db.SignedBy(newWorld(t).db) },
		"unsigned":    func(w *world) { w.db = w.db.SignedBy() },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			source := w.source(t, proxyURL+"|https://other.example.org/go")
			tamper(w)
			_, err := source.Fetch(t.Context(), w, ask("1.24.4"))
			if !errors.Is(err, verify.ErrUntrusted) {
				t.Errorf("got %v", err)
			}
			for _, ref := range w.asked {
				if strings.Contains(ref, "other") {
					t.Errorf("after a failed proof, %s was asked", ref)
				}
			}
		})
	}
}

func TestCredentialsAreNeverShown(t *testing.T) {
	const list = "https://user:hunter2@proxy.example.org/go"
	w := newWorld(t)
	release, err := w.fetch(t, list, ask(""))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(release.Artifacts[0].Refs[0], "hunter2") {
		t.Error("the download needs them")
	}
	evidence, err := json.Marshal([]any{release.Evidence, release.Artifacts[0].Integrity.Tree, release.Artifacts[0].Name})
	if err != nil || strings.Contains(string(evidence), "hunter2") {
		t.Errorf("evidence %s, %v", evidence, err)
	}
	for name, fail := range map[string]func(w *world){
		"no database": func(w *world) { w.answer("/sumdb/sum.example.org/supported", http.StatusNotFound, nil) },
		"no list":     func(w *world) { w.answer("/golang.org/toolchain/@v/list", http.StatusBadGateway, nil) },
		"long list":   func(w *world) { w.list = strings.Repeat("x", 5<<20) },
		"no record": func(w *world) {
			w.answer("/sumdb/sum.example.org/lookup/golang.org/toolchain@"+moduleVersion("1.27.3", "linux-amd64"), http.StatusBadGateway, nil)
		},
		"long record": func(w *world) {
			w.answer("/sumdb/sum.example.org/lookup/golang.org/toolchain@"+moduleVersion("1.27.3", "linux-amd64"), http.StatusOK, make([]byte, 1<<20))
		},
		"no file": func(w *world) {
			w.answer("/golang.org/toolchain/@v/"+moduleVersion("1.27.3", "linux-amd64")+".zip", http.StatusBadGateway, nil)
		},
	} {
		w := newWorld(t)
		fail(w)
		_, err := w.fetch(t, list, ask(""))
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v", err, err), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
