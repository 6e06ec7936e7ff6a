//go:build interop

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Interrupted and concurrent changes leave everything complete or absent.
func TestInterruption(t *testing.T) {
	program := build(t)
	acme, channel := newSigner(t, "ed25519"), commonDir(t)
	byHand(t, channel, acme, 1, 1500, "1.0", "2.0")
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s site)
	}{
		{"Ctrl-C while downloading", interruptedDownload},
		{"Ctrl-C while unpacking", interruptedUnpack},
		{"two at once", func(t *testing.T, s site) { crowd(t, s, 2) }},
		{"eight at once", func(t *testing.T, s site) { crowd(t, s, 8) }},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, site{program, channel, acme.publicKey()}) })
	}
}

// whole fails the test unless everything installed is complete, and every command of
// kist's in the bin directory has a target.
func whole(t *testing.T, h *home) {
	t.Helper()
	sound(t, h)
	links, err := filepath.Glob(h.path(".local", "bin", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || !strings.HasPrefix(target, h.data()) {
			continue
		}
		if _, err := os.Stat(link); err != nil {
			t.Errorf("a command that leads nowhere: %v", err)
		}
	}
}

// sound fails the test unless the current generation is complete. A killed kist may have
// left further commands, which the next one removes.
func sound(t *testing.T, h *home) {
	t.Helper()
	h.must("list")
	h.must("verify")
	links, err := filepath.Glob(h.data("current", "bin", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if _, err := os.Stat(link); err != nil {
			t.Errorf("a command that leads nowhere: %v", err)
		}
	}
}

// interruptedDownload serves half an archive and then presses Ctrl-C.
func interruptedDownload(t *testing.T, s site) {
	half := make(chan struct{})
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file := filepath.Join(s.channel, filepath.FromSlash(r.URL.Path))
		if !strings.HasPrefix(r.URL.Path, "/blobs/") {
			http.ServeFile(w, r, file)
			return
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.Write(content[:len(content)/2])
		w.(http.Flusher).Flush()
		once.Do(func() { close(half) })
		<-r.Context().Done()
	}))
	defer server.Close()
	h := newHome(t, s.program)
	h.must("channel", "add", "acme", server.URL, "--key", s.key)
	before := h.holds()

	cmd := h.command("install", "acme/hello@1.0")
	wait := start(t, cmd)
	<-half
	cmd.Process.Signal(syscall.SIGINT)
	if o := wait(); o.code != 130 {
		t.Fatalf("want exit 130, got %v", o)
	}
	same(t, before, h.holds())
}

// interruptedUnpack presses Ctrl-C when the first files are in a stage.
func interruptedUnpack(t *testing.T, s site) {
	h := newHome(t, s.program)
	h.must("channel", "add", "acme", s.channel, "--key", s.key)
	before := h.holds()
	for range 10 {
		cmd := h.command("install", "acme/hello@1.0")
		wait := start(t, cmd)
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if files, _ := filepath.Glob(h.data("stage", "*", "*", "*")); len(files) > 0 {
				break
			}
		}
		cmd.Process.Signal(syscall.SIGINT)
		switch o := wait(); o.code {
		case 130:
			same(t, before, h.holds())
			h.must("install", "acme/hello@1.0")
			whole(t, h)
			return
		case 0: // too late this time
			h.must("uninstall", "hello")
		default:
			t.Fatalf("want exit 130, got %v", o)
		}
	}
	t.Error("no interrupt came in time in ten installs")
}

// crowd lets n processes install at once.
func crowd(t *testing.T, s site, n int) {
	h := newHome(t, s.program)
	h.must("channel", "add", "acme", s.channel, "--key", s.key)
	var waits []func() outcome
	for i := range n {
		tools := [][]string{{"acme/hello@1.0"}, {"acme/hello@2.0", "acme/hello@1.0"}}[i%2]
		waits = append(waits, start(t, h.command(append([]string{"install"}, tools...)...)))
	}
	for i, wait := range waits {
		if o := wait(); o.code != 0 {
			t.Errorf("process %d of %d: %v", i+1, n, o)
		}
	}
	whole(t, h)
	if refs := h.installed(); len(refs) != 2 {
		t.Errorf("installed: %v, want hello 1.0 and 2.0 once each", refs)
	}
}
