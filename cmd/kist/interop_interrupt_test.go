//go:build interop

package main

import (
	"fmt"
	"math/rand/v2"
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

// What is killed, interrupted or crowded leaves everything whole or absent.
func TestInterruption(t *testing.T) {
	program := build(t)
	acme, channel := newSigner(t, "ed25519"), commonDir(t)
	byHand(t, channel, acme, 1, 1500, "1.0", "2.0")
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s site)
	}{
		{"killed at any moment", killed},
		{"Ctrl-C while downloading", interruptedDownload},
		{"Ctrl-C while unpacking", interruptedUnpack},
		{"two at once", func(t *testing.T, s site) { crowd(t, s, 2) }},
		{"eight at once", func(t *testing.T, s site) { crowd(t, s, 8) }},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, site{program, channel, acme.publicKey()}) })
	}
}

// whole fails the test unless everything installed is complete, and every
// command in the bin directory leads somewhere.
func whole(t *testing.T, h *home) {
	t.Helper()
	h.must("list")
	h.must("verify")
	links, err := os.ReadDir(h.path(".local", "bin"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, link := range links {
		if _, err := os.Stat(h.path(".local", "bin", link.Name())); err != nil {
			t.Errorf("a command that leads nowhere: %v", err)
		}
	}
}

func killed(t *testing.T, s site) {
	h := newHome(t, s.program)
	before := takeSnapshot(t, h.dir)
	h.must("channel", "add", "acme", s.channel, "--key", s.key)
	began := time.Now()
	h.must("install", "acme/hello@1.0")
	took := time.Since(began)

	const seed = 20261122
	random := rand.New(rand.NewPCG(seed, seed))
	ended := 0
	for i := range 40 {
		args := [][]string{
			{"uninstall", "--all", "--yes"},
			{"install", "acme/hello@1.0", "acme/hello@2.0"},
			{"uninstall", "hello@1.0"},
			{"install", "acme/hello@1.0", "--default"},
		}[i%4]
		cmd := h.command(args...)
		wait := start(t, cmd)
		time.Sleep(time.Duration(random.Int64N(int64(took))))
		cmd.Process.Kill()
		if wait().code != -1 {
			ended++
		}
		whole(t, h)
		if t.Failed() {
			t.Fatalf("after kill %d (seed %d), of kist %s", i, seed, strings.Join(args, " "))
		}
	}
	t.Logf("%d of 40 had ended before the kill", ended)
	if ended > 30 {
		t.Error("hardly any run was killed: this test shows nothing")
	}

	h.must("install", "acme/hello@1.0", "acme/hello@2.0")
	whole(t, h)
	if got := h.must("run", "hello@2.0", "--", "hello"); got != "hello 2.0\n" {
		t.Errorf("run says %q", got)
	}
	if stages, err := os.ReadDir(h.data("stage")); err != nil || len(stages) > 0 {
		t.Errorf("stages left: %v, %v", stages, err)
	}
	h.must("uninstall", "--all", "--yes")
	h.must("self", "uninstall", "--yes")
	same(t, before, takeSnapshot(t, h.dir))
}

// interruptedDownload serves half an archive, and presses Ctrl-C then.
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

// interruptedUnpack presses Ctrl-C once the first files lie in a stage.
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
