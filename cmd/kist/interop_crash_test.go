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
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

var (
	kills = flag.Int("kills", 20, "how many kists TestChangesSurviveKills and TestRepairsSurviveKills kill each")
	seed  = flag.Uint64("seed", 20261122, "of what TestChangesSurviveKills does when")
	most  = flag.Int("failures", 4, "how many operations of a change TestFailures has fail for one reason; 0: each")
)

// TestChangesSurviveKills kills kist at any system call that changes a file, again and again
// in the same home:
//
//	go test -tags interop ./cmd/kist -run '^TestChangesSurviveKills$' -kills 500 -timeout 1h
func TestChangesSurviveKills(t *testing.T) {
	k := newKiller(t)
	changes := [][]string{
		{"channel", "add", "acme", k.channel, "--key", k.key},
		{"install", "acme/hello@1.0"},
		{"install", "acme/hello@1.0", "acme/hello@2.0"},
		{"install", "acme/hello@2.0", "--default"},
		{"default", "hello@1.0"},
		{"rollback"},
		{"sync", syncFile(t, "1.0"), "--prune"},
		{"sync", syncFile(t, "2.0"), "--prune"},
		{"uninstall", "hello@1.0"},
		{"uninstall", "--all"},
		{"self", "uninstall"},
	}
	k.must(changes[0]...)
	length := map[string]int{} // how many such calls a change makes, as far as seen
	for k.killed < *kills {
		change := changes[k.random.IntN(len(changes))]
		name := strings.Join(change, " ")
		_, seen := k.kill(1+k.random.IntN(max(40, length[name])), change...)
		length[name] = max(length[name], seen)
	}
	k.end()
}

// syncFile returns a file by which sync wants one version of hello.
func syncFile(t *testing.T, version string) string {
	file := filepath.Join(commonDir(t), "kist.toml")
	if err := os.WriteFile(file, []byte("[tools]\n\"acme/hello\" = \"="+version+"\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestRepairsSurviveKills kills a change, then its repair, and then the repair of that,
// until one is not killed:
//
//	go test -tags interop ./cmd/kist -run '^TestRepairsSurviveKills$' -kills 500 -timeout 1h
func TestRepairsSurviveKills(t *testing.T) {
	k := newKiller(t)
	k.must("channel", "add", "acme", k.channel, "--key", k.key)
	nothing := []string{"install", "acme/hello@1.0"} // it is there: this repairs, and does no more
	k.must(nothing...)
	for killed := 0; killed < *kills; {
		change := []string{"install", "acme/hello@2.0", "--default"}
		if slices.Contains(k.installed(), "acme/hello@2.0") {
			change = [][]string{{"uninstall", "hello@2.0"}, {"rollback"}}[k.random.IntN(2)]
		}
		if o, _ := k.kill(1+k.random.IntN(60), change...); o.code != -1 {
			continue
		}
		for {
			o, _ := k.kill(1+k.random.IntN(30), nothing...)
			if o.code != -1 {
				break
			}
			killed++
		}
		whole(t, k.home)
	}
	k.end()
}

// killer is a home in which kist is killed, with foreign files in it.
type killer struct {
	*home
	channel, key   string
	random         *rand.Rand
	before         snapshot
	killed, spared int
}

func newKiller(t *testing.T) *killer {
	acme, channel := newSigner(t, "ed25519"), commonDir(t)
	byHand(t, channel, acme, 1, 5, "1.0", "2.0")
	h := newHome(t, build(t))
	decoy(t, h)
	return &killer{home: h, channel: channel, key: acme.publicKey(), random: rand.New(rand.NewPCG(*seed, *seed)), before: takeSnapshot(t, h.dir)}
}

// kill runs kist and kills it at the nth call that changes a file, if it makes that many.
// It fails the test unless the home is sound afterwards, and returns the number of such
// calls.
func (k *killer) kill(at int, args ...string) (o outcome, seen int) {
	k.t.Helper()
	var last call
	o = k.traced(func(c call) verdict {
		if !c.changes() {
			return verdict{}
		}
		seen++
		last = c
		return verdict{kill: seen == at}
	}, args...)
	if o.code == -1 {
		k.killed++
	} else if k.spared++; k.spared > 3**kills {
		k.t.Fatalf("only %d kists were killed, and %d were not: this test shows little", k.killed, k.spared)
	}
	sound(k.t, k.home)
	if k.t.Failed() {
		k.t.Fatalf("after kill %d (-seed %d), of kist %s at call %d: %v", k.killed, *seed, strings.Join(args, " "), at, last)
	}
	return o, seen
}

// end repeats all changes without kills, and removes everything.
func (k *killer) end() {
	k.t.Logf("%d kists were killed, %d were done before", k.killed, k.spared)
	k.must("channel", "add", "acme", k.channel, "--key", k.key)
	k.must("install", "acme/hello@1.0", "acme/hello@2.0")
	whole(k.t, k.home)
	if got := k.must("run", "hello@2.0", "--", "hello"); got != "hello 2.0\n" {
		k.t.Errorf("run says %q", got)
	}
	if left, err := filepath.Glob(k.data("stage", "*")); err != nil || len(left) > 0 {
		k.t.Errorf("left: %v, %v", left, err)
	}
	k.must("uninstall", "--all")
	k.must("self", "uninstall")
	after := takeSnapshot(k.t, k.dir)
	maps.DeleteFunc(after, func(name, line string) bool {
		// Killed between making a directory and noting that, it stays, empty.
		left, err := os.ReadDir(name)
		return k.before[name] == "" && strings.HasPrefix(line, "d") && err == nil && len(left) == 0
	})
	same(k.t, k.before, after)
}

// TestFailures makes each file operation of a change fail in turn, for each possible
// reason. The result must be an error that says what was done, and a home in which the
// same change succeeds:
//
//	go test -tags interop ./cmd/kist -run '^TestFailures$' -failures 0 -timeout 2h
func TestFailures(t *testing.T) {
	program := build(t)
	acme, channel := newSigner(t, "ed25519"), commonDir(t)
	byHand(t, channel, acme, 1, 2, "1.0")
	opens := func(c call) bool { return c.name == "openat" }
	writes := func(c call) bool { return c.changes() && c.name != "unlinkat" }
	all := func(call) bool { return true }
	install, uninstall := []string{"install", "acme/hello@2.0", "--default"}, []string{"uninstall", "hello@1.0"}
	tests := map[string]failures{
		"install, disk":          {install, unix.EIO, all, 1},
		"install, sync":          {install, unix.EIO, call.makesLast, 1},
		"install, space":         {install, unix.ENOSPC, writes, 8},
		"install, quota":         {install, unix.EDQUOT, writes, 8},
		"install, permission":    {install, unix.EACCES, call.changes, 8},
		"install, descriptors":   {install, unix.EMFILE, opens, 1},
		"update, disk":           {[]string{"update"}, unix.EIO, all, 1},
		"rollback, disk":         {[]string{"rollback"}, unix.EIO, all, 1},
		"default, disk":          {[]string{"default", "hello@1.0"}, unix.EIO, all, 1},
		"uninstall, disk":        {uninstall, unix.EIO, all, 1},
		"uninstall, sync":        {uninstall, unix.EIO, call.makesLast, 1},
		"uninstall, space":       {uninstall, unix.ENOSPC, writes, 8},
		"uninstall, descriptors": {uninstall, unix.EMFILE, opens, 1},
		"sync, disk":             {[]string{"sync", syncFile(t, "2.0"), "--prune"}, unix.EIO, all, 1},
		"uninstall --all, disk":  {[]string{"uninstall", "--all"}, unix.EIO, all, 1},
	}
	homes := map[string]*home{}
	for name := range tests {
		homes[name] = newHome(t, program)
		homes[name].must("channel", "add", "acme", channel, "--key", acme.publicKey())
		homes[name].must("install", "acme/hello")
	}
	byHand(t, channel, acme, 2, 2, "1.0", "2.0")
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := homes[name]
			h.t = t
			switch test.change[0] {
			case "default", "rollback":
				h.must(install...)
			case "uninstall":
				if test.change[1] != "--all" {
					h.must(install...)
				}
			}
			test.each(t, h)
		})
	}
}

// failures is a change whose operations fail, one at a time.
type failures struct {
	change []string
	errno  syscall.Errno
	of     func(call) bool // which operations may fail so
	code   int             // that says so
}

func (f failures) each(t *testing.T, h *home) {
	template := h.dir + ".before"
	copyHome(t, template, h.dir)
	before := h.state()
	total := 0
	if o := h.traced(func(c call) verdict {
		if f.of(c) {
			total++
		}
		return verdict{}
	}, f.change...); o.code != 0 {
		t.Fatalf("without a failure: %v", o)
	}
	want := h.state()
	step := 1
	if *most > 0 {
		step = max(1, total / *most)
	}
	random, failed := rand.New(rand.NewPCG(*seed, uint64(f.errno))), 0
	for n := 1 + random.IntN(step); n <= total; n += step {
		must(t, os.RemoveAll(h.dir))
		copyHome(t, h.dir, template)
		seen := 0
		var at call
		fetched := false
		o := h.traced(func(c call) verdict {
			fetched = fetched || strings.HasPrefix(c.to, ".cache/kist/blobs/")
			if !f.of(c) {
				return verdict{}
			}
			if seen++; seen != n {
				return verdict{}
			}
			at = c
			return verdict{errno: f.errno}
		}, f.change...)
		when := fmt.Sprintf("%v at operation %d of %d, %v", f.errno, n, total, at)
		after := h.state()
		if o.code != 0 {
			failed++
		}
		switch done := strings.Contains(o.stderr, "the change was made"); {
		case o.code == 0 && at.makesLast():
			t.Errorf("%s: it goes on though that may not last", when)
		case o.code == 0 && after != want:
			t.Errorf("%s: it said that it was done, and this is there:\n%s", when, after)
		case o.code != 0 && o.code != f.code, strings.Contains(o.stderr, "internal error"):
			t.Errorf("%s: %v", when, o)
		case done && inForce(after) != inForce(want):
			t.Errorf("%s: %v; and this is there:\n%s", when, o, after)
		case o.code != 0 && !done && after != before:
			t.Errorf("%s: %v; and this is there:\n%s", when, o, after)
		}
		if blobs, _ := filepath.Glob(h.path(".cache", "kist", "blobs", "sha256", "*")); fetched && len(blobs) != 2 && at.name != "renameat" {
			t.Errorf("%s: the download was not kept: %v", when, blobs)
		}
		h.must("verify")
		again := h.kist(f.change...)
		if again.code == 3 { // it was done: what is left to do, the next change does first
			h.must("install", h.installed()[0])
		}
		if now := h.state(); now != want {
			t.Errorf("%s: %v; again: %v; and this is there:\n%swant\n%s", when, o, again, now, want)
		}
		whole(t, h)
	}
	t.Logf("%d operations, %d of which ended the change", total, failed)
	if failed == 0 {
		t.Error("no failure had a consequence: this test shows nothing")
	}
}

// state describes a home: a line about the current generation, then its files.
func (h *home) state() string {
	h.t.Helper()
	var b strings.Builder
	fmt.Fprintln(&b, h.installed())
	for _, pattern := range []string{
		".local/share/kist/generations/*/committed", ".local/share/kist/prefixes/*", ".local/share/kist/stage/*",
		".local/share/kist/toolchains/*/*/*", ".local/state/kist/receipts/*", ".local/state/kist/evidence/*/*", ".local/bin/*", ".local/bin/.*",
	} {
		found, err := filepath.Glob(h.path(pattern))
		if err != nil {
			h.t.Fatal(err)
		}
		for _, name := range found {
			fmt.Fprintln(&b, randomID.ReplaceAllString(strings.TrimPrefix(name, h.dir), "ID"))
		}
	}
	return b.String()
}

func inForce(state string) string {
	first, _, _ := strings.Cut(state, "\n")
	return first
}

var randomID = regexp.MustCompile(`\b[0-9a-f]{8}\b`)

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
