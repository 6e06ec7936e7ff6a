//go:build interop && linux

package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A crash of the machine can keep a rename and lose what was written before it:
// the order of the system calls is the guarantee.
func TestDurableOrder(t *testing.T) {
	program := build(t)
	acme, channel := newSigner(t, "ed25519"), commonDir(t)
	byHand(t, channel, acme, 1, 2, "1.0")
	h := newHome(t, program)
	h.must("channel", "add", "acme", channel, "--key", acme.publicKey())

	// What is made up at random has names of its own here.
	spelling := strings.NewReplacer(".local/share/kist", "DATA", ".local/state/kist", "STATE", ".local/bin", "BIN")
	random := []struct {
		pattern *regexp.Regexp
		name    string
	}{
		{regexp.MustCompile(`\.kist-[A-Z2-7]{26}\.tmp`), "TEMP"},
		{regexp.MustCompile(`stage/[0-9a-f]{16}`), "stage/S"},
		{regexp.MustCompile(`acme-hello-1\.0-[0-9a-f]{8}`), "ID"},
	}
	order := func(of func(line string) bool, args ...string) (lines []string) {
		t.Helper()
		o := h.traced(func(c call) verdict {
			line := spelling.Replace(c.String())
			for _, r := range random {
				line = r.pattern.ReplaceAllString(line, r.name)
			}
			if c.changes() && of(line) && (len(lines) == 0 || lines[len(lines)-1] != line) {
				lines = append(lines, line)
			}
			return verdict{}
		}, args...)
		if o.code != 0 {
			t.Fatal(o)
		}
		// The order of names in a directory is the file system's.
		for n := range lines {
			if n > 0 && strings.HasPrefix(lines[n], "unlinkat") && filepath.Dir(lines[n]) == filepath.Dir(lines[n-1]) &&
				(strings.Contains(lines[n], "/bin/") || strings.Contains(lines[n], " BIN/")) && lines[n] < lines[n-1] {
				lines[n], lines[n-1] = lines[n-1], lines[n]
			}
		}
		return lines
	}
	compare := func(what string, got []string, want string) {
		t.Helper()
		if text := strings.Join(got, "\n") + "\n"; text != want {
			t.Errorf("%s: got\n%s\nwant\n%s", what, text, want)
		}
	}

	// Of an install, from when the toolchain is complete; nothing is written to it
	// after that. Directories that are made the first time are not the point, but
	// the one of the link "current" is, right after it.
	switched, listed := false, false // by the line before
	// Whatever was made at the top lasts before the switch to it.
	top := func(line string) bool {
		now := (switched || listed) && line == "fsync DATA"
		switched, listed = strings.HasSuffix(line, " to DATA/current"), line == "fsync DATA/generations"
		return now
	}
	once := regexp.MustCompile(`evidence|toolchains|made\.json|places\.json|^fsync (STATE|DATA)(/TEMP)?$|^renameat STATE/TEMP`)
	steps := regexp.MustCompile(`^(syncfs|fsync|renameat2?|symlinkat) (DATA|STATE|BIN)`)
	complete := false
	compare("install", order(func(line string) bool {
		complete = complete || strings.HasPrefix(line, "syncfs ")
		if complete && strings.Contains(line, "DATA/stage/S/") && !strings.Contains(line, "TEMP") {
			t.Errorf("after it was made to last: %s", line)
		}
		now := top(line)
		return now || complete && steps.MatchString(line) && !once.MatchString(line)
	}, "install", "acme/hello"), installOrder)
	steps = regexp.MustCompile(`^(syncfs|fsync|renameat2?|unlinkat) (DATA|STATE|BIN)`)
	compare("uninstall", order(func(line string) bool {
		now := top(line)
		return now || steps.MatchString(line) && !once.MatchString(line) && !strings.Contains(line, "prefixes/ID/")
	}, "uninstall", "hello"), uninstallOrder)
}

const (
	installOrder = `syncfs DATA/stage/S
fsync STATE/receipts/TEMP
renameat STATE/receipts/TEMP to STATE/receipts/ID.json
fsync STATE/receipts
renameat2 DATA/stage/S to DATA/prefixes/ID
fsync DATA/prefixes
fsync DATA/stage
symlinkat DATA/generations/1/bin/hello
symlinkat DATA/generations/1/bin/hi
fsync DATA/generations/1/bin
fsync DATA/generations/1/TEMP
renameat DATA/generations/1/TEMP to DATA/generations/1/generation.json
fsync DATA/generations/1
fsync DATA/generations
fsync DATA
symlinkat BIN/hello
symlinkat BIN/hi
fsync BIN
symlinkat DATA/TEMP
renameat DATA/TEMP to DATA/current
fsync DATA
renameat DATA/generations/1/prepared to DATA/generations/1/committed
fsync DATA/generations/1
`
	uninstallOrder = `fsync DATA/generations/2/bin
fsync DATA/generations/2/TEMP
renameat DATA/generations/2/TEMP to DATA/generations/2/generation.json
fsync DATA/generations/2
fsync DATA/generations
fsync DATA
renameat DATA/TEMP to DATA/current
fsync DATA
renameat DATA/generations/2/prepared to DATA/generations/2/committed
fsync DATA/generations/2
unlinkat BIN/hello
unlinkat BIN/hi
unlinkat DATA/generations/1/committed
fsync DATA/generations/1
unlinkat DATA/generations/1/bin/hello
unlinkat DATA/generations/1/bin/hi
unlinkat DATA/generations/1/bin
unlinkat DATA/generations/1/generation.json
unlinkat DATA/generations/1
fsync DATA/generations
unlinkat DATA/prefixes/ID
fsync DATA/prefixes
unlinkat STATE/receipts/ID.json
fsync STATE/receipts
`
)

// Commands that only read change nothing and take no lock.
func TestReadersOnlyRead(t *testing.T) {
	program := build(t)
	acme, channel := newSigner(t, "ed25519"), commonDir(t)
	byHand(t, channel, acme, 1, 2, "1.0")
	h := newHome(t, program)
	h.must("channel", "add", "acme", channel, "--key", acme.publicKey())
	h.must("install", "acme/hello")
	for _, args := range [][]string{
		{"list"}, {"which", "hello"}, {"run", "hello", "--", "hello"}, {"env"}, {"verify"}, {"show", "hello"}, {"dirs"}, {"channel", "list"},
		{"install", "acme/hello", "--dry-run"}, {"uninstall", "hello", "--dry-run"},
	} {
		read := 0
		o := h.traced(func(c call) verdict {
			if read++; c.changes() || c.name == "flock" {
				t.Errorf("kist %s: %v", strings.Join(args, " "), c)
			}
			return verdict{}
		}, args...)
		if o.code != 0 || read == 0 && args[0] != "dirs" {
			t.Errorf("kist %s read %d times: %v", strings.Join(args, " "), read, o)
		}
	}
}

// A kist that has to wait is told which one holds the lock, and continues when that one
// has ended. Commands that only read do not wait.
func TestWaiting(t *testing.T) {
	program := build(t)
	acme, channel := newSigner(t, "ed25519"), commonDir(t)
	byHand(t, channel, acme, 1, 2, "1.0", "2.0")
	h := newHome(t, program)
	h.must("channel", "add", "acme", channel, "--key", acme.publicKey())
	h.must("install", "acme/hello@1.0")
	talk := tempFile(t)
	var waiting *exec.Cmd
	meanwhile := func() {
		if o := h.kist("list"); o.code != 0 {
			t.Errorf("a reader: %v", o)
		}
		waiting = h.command("uninstall", "hello@1.0")
		waiting.Stderr = talk
		if err := waiting.Start(); err != nil {
			t.Error(err)
			return
		}
		said := regexp.MustCompile(`waiting: .*/lock is locked by another process \((\d+) kist install, since \d\d:\d\d:\d\d\)`)
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if found := said.FindStringSubmatch(takeFile(t, talk.Name())); found != nil {
				if holder, err := os.Readlink("/proc/" + found[1] + "/exe"); err != nil || holder != program {
					t.Errorf("process %s runs %s, %v", found[1], holder, err)
				}
				return
			}
		}
		t.Errorf("it did not say for whom it waits: %s", takeFile(t, talk.Name()))
	}
	o := h.traced(func(c call) verdict {
		if c.name == "renameat2" { // the first one holds the lock, and stands still
			done := make(chan struct{})
			go func() { meanwhile(); close(done) }() // on a thread that traces nothing
			<-done
		}
		return verdict{}
	}, "install", "acme/hello@2.0")
	if o.code != 0 || waiting == nil {
		t.Fatal(o)
	}
	if err := waiting.Wait(); err != nil {
		t.Errorf("the one that waited: %v, %s", err, takeFile(t, talk.Name()))
	}
	if refs := h.installed(); !slices.Equal(refs, []string{"acme/hello@2.0"}) {
		t.Errorf("installed: %v", refs)
	}
}

// If the lock does not work, nothing is changed.
func TestNoLocks(t *testing.T) {
	program := build(t)
	acme, channel := newSigner(t, "ed25519"), commonDir(t)
	byHand(t, channel, acme, 1, 2, "1.0", "2.0")
	h := newHome(t, program)
	h.must("channel", "add", "acme", channel, "--key", acme.publicKey())
	h.must("install", "acme/hello@1.0")
	before := h.holds()
	for _, errno := range []syscall.Errno{unix.ENOLCK, unix.ENOSYS, unix.EOPNOTSUPP} {
		for _, args := range [][]string{{"install", "acme/hello@2.0"}, {"uninstall", "hello"}, {"uninstall", "--all"}} {
			o := h.traced(func(c call) verdict {
				if c.name == "flock" {
					return verdict{errno: errno}
				}
				return verdict{}
			}, args...)
			if o.code != 9 || !strings.Contains(o.stderr, "has no locks") || !strings.Contains(o.stderr, "Nothing was changed") {
				t.Errorf("kist %s, %v: %v", strings.Join(args, " "), errno, o)
			}
		}
	}
	same(t, before, h.holds())
	h.must("verify")
}

// Concurrent kists fetch an artifact once, and none waits for another's download of a
// different artifact.
func TestManyAtOnce(t *testing.T) {
	program := build(t)
	acme, channel := newSigner(t, "ed25519"), commonDir(t)
	byHand(t, channel, acme, 1, 50, "1.0", "2.0")
	var fetched atomic.Int64
	begun, slow := make(chan struct{}), make(chan struct{})
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "hello-1.0.tar.gz") && r.Method == http.MethodGet {
			fetched.Add(1)
		}
		if strings.HasSuffix(r.URL.Path, "hello-2.0.tar.gz") {
			once.Do(func() { close(begun) })
			<-slow
		}
		http.ServeFile(w, r, filepath.Join(channel, filepath.FromSlash(r.URL.Path)))
	}))
	defer server.Close()
	h := newHome(t, program)
	before := takeSnapshot(t, h.dir)
	h.must("channel", "add", "acme", server.URL, "--key", acme.publicKey())

	waitSlow := start(t, h.command("install", "acme/hello@2.0"))
	<-begun
	const many = 32
	var waits []func() outcome
	for range many {
		waits = append(waits, start(t, h.command("install", "acme/hello@1.0")))
	}
	for n, wait := range waits {
		if o := wait(); o.code != 0 {
			t.Errorf("process %d of %d: %v", n+1, many, o)
		}
	}
	if n := fetched.Load(); n != 1 {
		t.Errorf("%d processes fetched it %d times", many, n)
	}
	close(slow)
	if o := waitSlow(); o.code != 0 {
		t.Errorf("the slow one: %v", o)
	}
	whole(t, h)
	if refs := h.installed(); len(refs) != 2 {
		t.Errorf("installed: %v", refs)
	}
	receipts, err := filepath.Glob(h.path(".local", "state", "kist", "receipts", "*"))
	if err != nil || len(receipts) != 2 {
		t.Errorf("receipts: %v, %v", receipts, err)
	}
	h.must("self", "uninstall", "--yes")
	same(t, before, takeSnapshot(t, h.dir))
}
