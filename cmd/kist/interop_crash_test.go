//go:build interop && linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

var (
	kills = flag.Int("kills", 60, "how many kists TestKills kills")
	seed  = flag.Uint64("seed", 20261122, "of what TestKills does when")
	most  = flag.Int("failures", 25, "how many operations of a change TestFailures has fail for one reason; 0: each")
)

// TestKills kills kists at any system call that changes a file, one after the
// other in the same home, so that repairs are killed too:
//
//	go test -tags interop ./cmd/kist -run '^TestKills$' -kills 500
func TestKills(t *testing.T) {
	program := build(t)
	acme, channel := newSigner(t, "ed25519"), commonDir(t)
	byHand(t, channel, acme, 1, 5, "1.0", "2.0")
	h := newHome(t, program)
	decoy(t, h)
	before := takeSnapshot(t, h.dir)
	key := acme.publicKey()
	changes := [][]string{
		{"channel", "add", "acme", channel, "--key", key},
		{"install", "acme/hello@1.0"},
		{"install", "acme/hello@1.0", "acme/hello@2.0"},
		{"install", "acme/hello@2.0", "--default"},
		{"default", "hello@1.0"},
		{"rollback"},
		{"uninstall", "hello@1.0"},
		{"uninstall", "--all"},
		{"self", "uninstall"},
	}
	h.must(changes[0]...)
	random := rand.New(rand.NewPCG(*seed, *seed))
	length := map[string]int{} // how many such calls a change makes, as far as seen
	killed := 0
	for n := 0; killed < *kills && n < 4**kills; n++ {
		change := changes[random.IntN(len(changes))]
		name := strings.Join(change, " ")
		at, seen := 1+random.IntN(max(40, length[name])), 0
		var last call
		o := h.traced(func(c call) verdict {
			if !c.changes() {
				return verdict{}
			}
			seen++
			last = c
			return verdict{kill: seen == at}
		}, change...)
		length[name] = max(length[name], seen)
		if o.code == -1 {
			killed++
		}
		sound(t, h)
		if t.Failed() {
			t.Fatalf("after kill %d (-seed %d), of kist %s at call %d: %v", killed, *seed, name, at, last)
		}
	}
	if killed < *kills {
		t.Errorf("only %d kists were killed: this test shows little", killed)
	}
	t.Logf("%d kists were killed", killed)

	// All of it made again, by kists that nobody kills.
	h.must("channel", "add", "acme", channel, "--key", key)
	h.must("install", "acme/hello@1.0", "acme/hello@2.0")
	whole(t, h)
	if got := h.must("run", "hello@2.0", "--", "hello"); got != "hello 2.0\n" {
		t.Errorf("run says %q", got)
	}
	if left, err := filepath.Glob(h.data("stage", "*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	h.must("uninstall", "--all")
	h.must("self", "uninstall")
	after := takeSnapshot(t, h.dir)
	maps.DeleteFunc(after, func(name, line string) bool {
		// Killed between making a directory and noting that, it stays, empty.
		left, err := os.ReadDir(name)
		return before[name] == "" && strings.HasPrefix(line, "d") && err == nil && len(left) == 0
	})
	same(t, before, after)
}

// TestFailures has each file operation of a change fail in turn, for each reason
// that it may fail for. What comes of it is an error that says what was done,
// and a home in which the same change can be made:
//
//	go test -tags interop ./cmd/kist -run '^TestFailures$' -failures 0 -timeout 1h
func TestFailures(t *testing.T) {
	program := build(t)
	acme, channel := newSigner(t, "ed25519"), commonDir(t)
	byHand(t, channel, acme, 1, 2, "1.0", "2.0")
	opens := func(c call) bool { return c.name == "openat" }
	writes := func(c call) bool { return c.changes() && c.name != "unlinkat" }
	all := func(call) bool { return true }
	for _, test := range []struct {
		change []string
		errno  syscall.Errno
		of     func(call) bool // which operations may fail so
		codes  []int
	}{
		{[]string{"install", "acme/hello@2.0", "--default"}, unix.ENOSPC, writes, []int{8}},
		{[]string{"install", "acme/hello@2.0", "--default"}, unix.EIO, all, []int{1}},
		{[]string{"install", "acme/hello@2.0", "--default"}, unix.EMFILE, opens, []int{1}},
		{[]string{"install", "acme/hello@2.0", "--default"}, unix.EDQUOT, writes, []int{8}},
		{[]string{"install", "acme/hello@2.0", "--default"}, unix.EACCES, call.changes, []int{8}},
		{[]string{"uninstall", "hello@1.0"}, unix.EIO, all, []int{1}},
		{[]string{"uninstall", "hello@1.0"}, unix.ENOSPC, writes, []int{8}},
		{[]string{"uninstall", "--all"}, unix.EIO, all, []int{1}},
	} {
		t.Run(strings.Join(test.change, " ")+" "+test.errno.Error(), func(t *testing.T) {
			h := newHome(t, program)
			h.must("channel", "add", "acme", channel, "--key", acme.publicKey())
			h.must("install", "acme/hello@1.0")
			template := h.dir + ".before"
			copyHome(t, template, h.dir)
			before := h.installed()
			total := 0
			if o := h.traced(func(c call) verdict {
				if test.of(c) {
					total++
				}
				return verdict{}
			}, test.change...); o.code != 0 {
				t.Fatalf("without a failure: %v", o)
			}
			want := h.installed()
			failed := 0
			step := 1
			if *most > 0 {
				step = max(1, total / *most)
			}
			for n := 1; n <= total; n += step {
				if err := os.RemoveAll(h.dir); err != nil {
					t.Fatal(err)
				}
				copyHome(t, h.dir, template)
				seen := 0
				var at call
				fetched := false
				o := h.traced(func(c call) verdict {
					if fetched = fetched || strings.HasPrefix(c.to, ".cache/kist/blobs/"); !test.of(c) {
						return verdict{}
					}
					if seen++; seen != n {
						return verdict{}
					}
					at = c
					return verdict{errno: test.errno}
				}, test.change...)
				when := fmt.Sprintf("%v at operation %d of %d, %v", test.errno, n, total, at)
				after := h.installed()
				switch {
				case o.code == 0:
					if !slices.Equal(after, want) {
						t.Errorf("%s: it said that it was done, and this is installed: %v", when, after)
					}
				case !slices.Contains(test.codes, o.code):
					t.Errorf("%s: %v", when, o)
				case strings.Contains(o.stderr, "it is done"):
					failed++
					if !slices.Equal(after, want) {
						t.Errorf("%s: %v; installed: %v", when, o, after)
					}
				default:
					failed++
					if !slices.Equal(after, before) {
						t.Errorf("%s: %v; installed: %v", when, o, after)
					}
				}
				if strings.Contains(o.stderr, "internal error") {
					t.Errorf("%s: %v", when, o)
				}
				if blobs, _ := filepath.Glob(h.path(".cache", "kist", "blobs", "sha256", "*")); fetched && len(blobs) != 2 && at.name != "renameat" {
					t.Errorf("%s: the download was not kept: %v", when, blobs)
				}
				h.must("verify")
				again := h.kist(test.change...)
				if now := h.installed(); again.code != 0 && !slices.Equal(now, want) || !slices.Equal(now, want) {
					t.Errorf("%s: again: %v; installed: %v", when, again, now)
				}
				whole(t, h)
			}
			t.Logf("%d operations, %d of which ended the change", total, failed)
			if failed == 0 {
				t.Error("no failure had a consequence: this test shows nothing")
			}
		})
	}
}

// copyHome copies a home with its modes.
func copyHome(t *testing.T, to, from string) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		into := to + strings.TrimPrefix(name, from)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return os.Mkdir(into, info.Mode().Perm())
		case d.Type() == os.ModeSymlink:
			target, err := os.Readlink(name)
			return errors.Join(err, os.Symlink(target, into))
		}
		data, err := os.ReadFile(name)
		return errors.Join(err, os.WriteFile(into, data, info.Mode().Perm()))
	})
	if err != nil {
		t.Fatal(err)
	}
}
