//go:build interop

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// These tests check where kist may be installed, and what it must not touch there. They
// mount file systems in their own mount namespaces and become other users, so they need
// root.
func TestHomes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root")
	}
	program := build(t)
	acme, channel := newSigner(t, "ed25519"), commonDir(t)
	byHand(t, channel, acme, 1, 300, "1.0")
	key := filepath.Join(channel, "acme.asc")
	write(t, key, takeFile(t, acme.publicKey()), 0o644)

	for _, test := range []struct {
		name string
		run  func(t *testing.T, s site)
	}{
		{"a home full of other things is as it was", decoyHome},
		{"nothing that is installed is run", nothingRuns},
		{"removal opens no socket", removalIsOffline},
		{"a system directory under another name", boundSystem},
		{"homes of containers, services and others", otherHomes},
		{"root on behalf of somebody else", sudo},
		{"no space", noSpace},
		{"no inodes", noInodes},
		{"a full file system is emptied", full},
		{"a file system without programs", noExec},
		{"a machine without /proc", noProc},
		{"a machine with an empty /dev", emptyDev},
		{"a read-only file system", readOnly},
		{"a directory without permission", noPermission},
		{"a stage that cannot be removed", stuckStage},
		{"what root installs serves another user", anotherUser},
		{"a store that was copied from another user", relocatedByOthers},
		{"three users and root share a store", sharedStore},
		{"a store that another user can change", hostileStores},
		{"a file system that is not mounted", unmounted},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, site{program, channel, key}) })
	}
}

// site is a channel called acme that everybody can read.
type site struct{ program, channel, key string }

// home returns an empty home that has the channel.
func (s site) home(t *testing.T) *home {
	t.Helper()
	h := newHome(t, s.program)
	h.must("channel", "add", "acme", s.channel, "--key", s.key)
	return h
}

// person is a numeric user that shares nothing with an existing one.
const person = "54321"

// as returns h with kist run as person, or another user by number.
func (h *home) as(uid string) *home {
	return h.under("setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "--")
}

// own gives h's home to uid.
func (h *home) own(uid string) *home {
	tool(h.t, "chown", "-R", "-h", uid+":"+uid, h.dir)
	return h
}

// decoy fills a home with the usual files, and with files that should not be there.
func decoy(t *testing.T, h *home) {
	t.Helper()
	write(t, h.path(".profile"), "export EDITOR=ed\n", 0o644)
	write(t, h.path(".ssh", "id_ed25519"), "secret", 0o400)
	write(t, h.path(".local", "bin", "my-script"), "#!/bin/sh\n", 0o755)
	write(t, h.path(".local", "bin", "setuid"), "#!/bin/sh\n", 0o755|os.ModeSetuid)
	write(t, h.path(".local", "share", "other", "kist", "prefixes", "x"), "not ours", 0o600)
	write(t, h.path(".local", "state", "kist.old"), "not ours", 0o600)
	write(t, h.path(".config", "kist.conf"), "not ours", 0o644)
	write(t, h.path("with space", "new\nline", "ümlaut"), "x", 0o606)
	write(t, h.path("locked", "file"), "x", 0)
	write(t, h.path("shared", "file"), "x", 0o666)
	for link, target := range map[string]string{
		".local/bin/dangling":   "/nowhere/at/all",
		".local/bin/go":         "/usr/bin/true",
		".local/share/loop":     "loop",
		".local/share/up":       "..",
		".config/elsewhere":     "/etc",
		"absolute":              h.path(".ssh", "id_ed25519"),
		".local/bin/my-script2": "my-script",
	} {
		if err := os.Symlink(target, h.path(link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		os.Link(h.path(".profile"), h.path("profile-hard-link")),
		syscall.Mkfifo(h.path("pipe"), 0o600),
		os.Mkdir(h.path("empty"), 0o700),
		os.Chmod(h.path("shared"), 0o777|os.ModeSticky),
		os.Chmod(h.path("locked"), 0o500),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func decoyHome(t *testing.T, s site) {
	for _, uid := range []string{"0", person} {
		t.Run("user "+uid, func(t *testing.T) {
			h := newHome(t, s.program)
			decoy(t, h)
			h = h.own(uid).as(uid)
			before := takeSnapshot(t, h.dir)

			// kist itself lies in the bin directory, and is to go with the rest.
			inBin := *h
			inBin.program = h.path(".local", "bin", "kist")
			tool(t, "install", "-o", uid, "-g", uid, s.program, inBin.program)
			h = &inBin
			h.must("channel", "add", "acme", s.channel, "--key", s.key)
			h.must("install", "acme/hello")
			if got := tool(t, h.path(".local", "bin", "hello")); got != "hello 1.0\n" {
				t.Errorf("the command says %q", got)
			}
			h.must("uninstall", "hello")
			h.must("install", "acme/hello")
			h.must("self", "uninstall", "--yes")
			same(t, before, takeSnapshot(t, h.dir))
		})
	}
	t.Run("a command's name is taken", func(t *testing.T) {
		h := s.home(t)
		write(t, h.path(".local", "bin", "hello"), "mine", 0o644)
		before := h.holds()
		contains(t, h.exits(9, "install", "acme/hello").stderr, "kist did not make")
		same(t, before, h.holds())
		h.must("install", "acme/hello", "--no-default")
		h.must("uninstall", "hello")
	})
}

func nothingRuns(t *testing.T, s site) {
	h := s.home(t)
	log := filepath.Join(t.TempDir(), "strace")
	h.under("strace", "-f", "-e", "trace=execve,execveat", "-o", log).must("install", "acme/hello")
	trace := takeFile(t, log)
	contains(t, trace, `execve\("`+s.program) // the witness sees kist itself start
	for line := range strings.Lines(trace) {
		if strings.Contains(line, h.data()) || strings.Contains(line, h.path(".local", "bin")) {
			t.Errorf("run during the install: %s", line)
		}
	}
	h.under("strace", "-f", "-e", "trace=execve,execveat", "-o", log).must("run", "hello", "--", "hello")
	contains(t, takeFile(t, log), h.data("prefixes")) // and would have seen it
}

func removalIsOffline(t *testing.T, s site) {
	h := s.home(t)
	h.must("install", "acme/hello")
	log := filepath.Join(t.TempDir(), "strace")
	h.under("strace", "-f", "-e", "trace=%network", "-o", log).must("uninstall", "hello")
	contains(t, takeFile(t, log), "exited with 0")
	if trace := takeFile(t, log); strings.Contains(trace, "socket(") || strings.Contains(trace, "connect(") {
		t.Errorf("network calls during the removal:\n%s", trace)
	}
	h = h.with("GOPROXY=http://127.0.0.1:9/")
	h.under("strace", "-f", "-e", "trace=%network", "-o", log).exits(6, "list", "--available", "go")
	contains(t, takeFile(t, log), "socket\\(") // the witness sees sockets where there are any
}

// inNamespace runs kist after set-up commands, in a mount namespace of its own.
// The commands find the home in $HOME.
func (h *home) inNamespace(setUp string) *home {
	return h.under("unshare", "--mount", "--propagation", "private", "sh", "-ec", setUp+"\nexec \"$@\"", "sh")
}

func boundSystem(t *testing.T, s site) {
	for _, test := range []struct{ mount, data string }{
		{"/usr/share", "bound"},
		{"/usr", "bound/share"},
		{"/", "bound"},
		{"/", "bound/usr/lib"},
		{"/etc", "bound"},
		{"/usr/local", "bound"},
	} {
		t.Run(test.mount+" as "+test.data, func(t *testing.T) {
			h := s.home(t)
			if err := os.Mkdir(h.path("bound"), 0o755); err != nil {
				t.Fatal(err)
			}
			before := takeSnapshot(t, h.dir)
			o := h.with("XDG_DATA_HOME="+h.path(test.data)).inNamespace("mount --rbind "+test.mount+" \"$HOME/bound\"").exits(9, "install", "acme/hello")
			contains(t, o.stderr, "belongs to the system")
			same(t, before, takeSnapshot(t, h.dir))
			for _, made := range []string{"/kist", "/usr/kist", "/usr/share/kist", "/usr/lib/kist", "/etc/kist", "/usr/local/kist"} {
				if exists(t, made) {
					t.Errorf("%s was made", made)
				}
			}
		})
	}
	t.Run("a directory of one's own may be bound", func(t *testing.T) {
		h := s.home(t)
		own := commonDir(t)
		if err := os.Mkdir(h.path("bound"), 0o755); err != nil {
			t.Fatal(err)
		}
		h.with("XDG_DATA_HOME="+h.path("bound")).inNamespace("mount --bind "+own+" \"$HOME/bound\"").must("install", "acme/hello")
		if !exists(t, filepath.Join(own, "kist", "current")) {
			t.Error("nothing was installed")
		}
	})
}

func otherHomes(t *testing.T, s site) {
	life := func(t *testing.T, h *home) {
		t.Helper()
		h.must("channel", "add", "acme", s.channel, "--key", s.key)
		h.must("install", "acme/hello")
		h.must("uninstall", "hello")
		h.must("self", "uninstall", "--yes")
	}
	t.Run("a service below /var/lib", func(t *testing.T) {
		const name = "kist-test-service"
		dir := "/var/lib/" + name
		tool(t, "useradd", "--system", "--create-home", "--home-dir", dir, "--shell", "/usr/sbin/nologin", name)
		t.Cleanup(func() { tool(t, "userdel", "--remove", name) })
		h := newHome(t, s.program)
		h.dir = dir
		h.env = append(h.env, "HOME="+dir)
		life(t, h.as(name))
	})
	t.Run("a container's user without a name", func(t *testing.T) {
		h := newHome(t, s.program)
		life(t, h.own(person).as(person))
	})
	t.Run("a CI workspace that everybody above can write to", func(t *testing.T) {
		h := newHome(t, s.program)
		if err := os.Chmod(filepath.Dir(h.dir), 0o777); err != nil {
			t.Fatal(err)
		}
		contains(t, h.kist("list").stderr, filepath.Dir(h.dir))
		life(t, h)
	})
	t.Run("below /opt", func(t *testing.T) {
		dir, err := os.MkdirTemp("/opt", "kist-test-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		h := newHome(t, s.program)
		life(t, h.with("XDG_DATA_HOME="+dir, "XDG_BIN_HOME="+filepath.Join(dir, "bin")))
	})
	t.Run("a home that belongs to nobody kist knows", func(t *testing.T) {
		h := newHome(t, s.program).with("HOME=/var/lib/dpkg", "XDG_STATE_HOME=/var/lib/dpkg")
		h.exits(9, "install", "acme/hello")
		h.with("HOME=").exits(9, "list")
	})
}

func sudo(t *testing.T, s site) {
	h := newHome(t, s.program).own(person)
	before := takeSnapshot(t, h.dir)
	for _, variable := range []string{"SUDO_UID=", "PKEXEC_UID="} {
		o := h.with(variable+person).exits(9, "channel", "add", "acme", s.channel, "--key", s.key)
		contains(t, o.stderr, "(?i)"+person)
	}
	same(t, before, takeSnapshot(t, h.dir))
	h.must("channel", "add", "acme", s.channel, "--key", s.key) // root itself may, in a container with a mounted home
}

func noSpace(t *testing.T, s site) {
	cramped(t, s, 256, 256, func(n int) string { return fmt.Sprintf("size=%dk", n) })
}

func noInodes(t *testing.T, s site) {
	cramped(t, s, 45, 35, func(n int) string { return fmt.Sprintf("size=64m,nr_inodes=%d", n) })
}

// cramped installs onto file systems that are too small, each a little larger, until one
// suffices. Nothing may be left over, installed tools must still work, and with more room
// the same command succeeds.
func cramped(t *testing.T, s site, from, step int, options func(n int) string) {
	tooSmall := 0
	for n := from; ; n += step {
		h := newHome(t, s.program)
		script := fmt.Sprintf(`
mount -t tmpfs -o mode=755,%[1]s none "$HOME"
cd "$HOME"
"$1" channel add acme %[2]s --key %[3]s >/dev/null
find . ! -type d ! -path './.cache/*' ! -name lock | sort >%[4]s || exit 70
code=0
"$1" install acme/hello || code=$?
[ $code = 0 ] || find . ! -type d ! -path './.cache/*' ! -name lock | sort | diff %[4]s - >&2 || exit 71
"$1" list >&2 || exit 72
"$1" verify >&2 || exit 73
mount -o remount,size=64m,nr_inodes=10000 "$HOME"
"$1" install acme/hello >&2 || exit 74
"$1" verify >&2 || exit 75
exit $code`, options(n), s.channel, s.key, filepath.Join(t.TempDir(), "before"))
		h = h.under("unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh")
		o := h.kist()
		switch o.code {
		case 8:
			tooSmall++
			contains(t, o.stderr, "Nothing was changed")
			continue
		case 0:
		default:
			t.Errorf("with %s: %v", options(n), o)
		}
		break
	}
	if tooSmall < 5 {
		t.Errorf("only %d file systems were too small: this test shows little", tooSmall)
	}
}

// noExec checks that kist warns at install, and run says why it fails, if no program can
// be started.
func noExec(t *testing.T, s site) {
	for options, warned := range map[string]bool{"noexec": true, "exec": false} {
		script := fmt.Sprintf(`
mount -t tmpfs -o mode=755,size=64m,%s none "$HOME"
"$1" channel add acme %s --key %s >/dev/null
"$1" install acme/hello
"$1" run hello -- hello`, options, s.channel, s.key)
		h := newHome(t, s.program)
		o := h.under("unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh").kist()
		if strings.Contains(o.stderr, "mounted noexec: no command that is installed there can be started") != warned {
			t.Errorf("%s: %v", options, o)
		}
		if !warned {
			if o.code != 0 {
				t.Errorf("%s: %v", options, o)
			}
			continue
		}
		if o.code != 126 {
			t.Errorf("%s: %v", options, o)
		}
		contains(t, o.stderr, "cannot be started: its file system is mounted noexec")
		contains(t, o.stderr, "hint: mount it without noexec, or set XDG_DATA_HOME")
	}
}

// noProc checks that without /proc nothing is fetched, and the cause is named.
func noProc(t *testing.T, s site) {
	h := s.home(t)
	o := h.under("unshare", "--mount", "--propagation", "private", "sh", "-ec", `umount -l /proc; exec "$@"`, "sh").exits(8, "install", "acme/hello")
	contains(t, o.stderr, "/proc is not mounted")
	contains(t, o.stderr, "Nothing was changed.")
	contains(t, o.stderr, "hint: mount it")
	if strings.Contains(o.stderr, "downloading") {
		t.Errorf("it began to download: %v", o)
	}
	h.exits(0, "install", "acme/hello")
}

// emptyDev checks that kist needs nothing in /dev.
func emptyDev(t *testing.T, s site) {
	h := s.home(t)
	h.under("unshare", "--mount", "--propagation", "private", "sh", "-ec", `mount -t tmpfs none /dev; exec "$@"`, "sh").exits(0, "install", "acme/hello")
}

// full removes everything on a full file system.
func full(t *testing.T, s site) {
	for _, all := range []string{"uninstall --all --yes", "self uninstall --yes"} {
		script := fmt.Sprintf(`
mount -t tmpfs -o mode=755,size=16m none "$HOME"
cd "$HOME"
"$1" channel add acme %s --key %s >/dev/null
"$1" install acme/hello >/dev/null
until ! cat /dev/zero 2>/dev/null >>filled; do :; done
"$1" %s >&2
[ ! -e .local/bin/hello ] && [ -z "$(ls .local/share/kist/prefixes 2>/dev/null)" ] || exit 70
rm filled
`, s.channel, s.key, all)
		h := newHome(t, s.program)
		h = h.under("unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh")
		if o := h.kist(); o.code != 0 {
			t.Errorf("%s: %v", all, o)
		}
	}
}

func readOnly(t *testing.T, s site) {
	h := s.home(t)
	before := takeSnapshot(t, h.dir)
	h.inNamespace(`mount --bind "$HOME" "$HOME"; mount -o remount,ro,bind "$HOME"; cd "$HOME"`).exits(8, "install", "acme/hello")
	same(t, before, takeSnapshot(t, h.dir))
	h.must("install", "acme/hello")
	h.inNamespace(`mount --bind "$HOME" "$HOME"; mount -o remount,ro,bind "$HOME"; cd "$HOME"`).must("run", "hello", "--", "hello")
}

func noPermission(t *testing.T, s site) {
	h := newHome(t, s.program).own(person).as(person)
	share := h.path(".local", "share")
	tool(t, "mkdir", "-p", share)
	tool(t, "chown", "-R", person, h.path(".local"))
	tool(t, "chmod", "0500", share)
	before := h.holds()
	h.exits(8, "channel", "add", "acme", s.channel, "--key", s.key)
	same(t, before, h.holds())
	tool(t, "chmod", "0700", share)
	h.must("channel", "add", "acme", s.channel, "--key", s.key)
	h.must("install", "acme/hello")

	for _, dir := range []string{".local/bin", ".local/share/kist", ".local/share/kist/prefixes", ".local/share/kist/generations",
		".local/share/kist/toolchains", ".local/state/kist", ".local/state/kist/receipts"} {
		refs := h.installed()
		tool(t, "chmod", "0500", h.path(dir))
		o := h.exits(8, "uninstall", "hello")
		if done := strings.Contains(o.stderr, "the change was made"); done == strings.Contains(o.stderr, "Nothing was changed") {
			t.Errorf("%s: %v", dir, o)
		} else if now := len(h.installed()); now != len(refs) != done {
			t.Errorf("%s: %v; now %d are installed", dir, o, now)
		}
		tool(t, "chmod", "0700", h.path(dir))
		h.kist("uninstall", "hello") // what was cut short is finished; what is finished is not installed
		if refs := h.installed(); len(refs) > 0 {
			t.Errorf("%s: still installed: %v", dir, refs)
		}
		if left, err := filepath.Glob(h.data("prefixes", "*")); err != nil || len(left) > 0 {
			t.Errorf("%s: left: %v, %v", dir, left, err)
		}
		h.must("install", "acme/hello")
		whole(t, h)
	}
}

// stuckStage leaves in a stage what kist cannot remove: an immutable file, which stops
// even root, and a directory of root's in another user's home.
func stuckStage(t *testing.T, s site) {
	const name = "0123456789abcdef"
	for _, test := range []struct {
		why         string
		who         func(h *home) *home
		stick, free func(t *testing.T, file string)
	}{
		{"an immutable file", func(h *home) *home { return h },
			func(t *testing.T, file string) { tool(t, "chattr", "+i", file) },
			func(t *testing.T, file string) { tool(t, "chattr", "-i", file) }},
		{"a directory of root's", func(h *home) *home { return h.own(person).as(person) },
			func(t *testing.T, file string) { tool(t, "chown", "-R", "0", filepath.Dir(file)) },
			func(t *testing.T, file string) { tool(t, "chown", "-R", person, filepath.Dir(file)) }},
	} {
		h := test.who(newHome(t, s.program))
		before := takeSnapshot(t, h.dir)
		h.must("channel", "add", "acme", s.channel, "--key", s.key)
		h.must("install", "acme/hello")
		stage := h.data("stage", name)
		file := filepath.Join(stage, "lib", "half")
		write(t, file, "half", 0o644)
		write(t, stage+".lock", "", 0o600) // by which it is known for a stage
		if len(h.prefix) > 0 {
			tool(t, "chown", "-R", person, stage, stage+".lock")
		}
		test.stick(t, file)
		t.Cleanup(func() {
			if _, err := os.Stat(file); err == nil {
				test.free(t, file)
			}
		})
		for _, args := range [][]string{{"uninstall", "hello"}, {"install", "acme/hello"}, {"update"}} {
			o := h.exits(0, args...)
			contains(t, o.stderr, "(?m)^warning: "+stage+" cannot be removed: .*(operation not permitted|permission denied); left alone$")
		}
		contains(t, h.exits(10, "uninstall", "--all", "--yes").stdout, "(?m)^Kept "+stage+` \(cannot be removed: .*\)$`)
		h.must("install", "acme/hello")
		contains(t, h.exits(10, "self", "uninstall", "--yes").stdout, "(?m)^Kept "+stage+` \(cannot be removed: .*\)$`)
		for _, dir := range []string{h.data("prefixes"), h.data("generations"), h.path(".config", "kist"), h.path(".cache", "kist"), h.path(".local", "state", "kist", "marks"), h.path(".local", "bin", "hello")} {
			if _, err := os.Lstat(dir); err == nil {
				t.Errorf("%s: %s is still there", test.why, dir)
			}
		}
		test.free(t, file)
		h.must("self", "uninstall", "--yes")
		same(t, before, takeSnapshot(t, h.dir))
	}
}
