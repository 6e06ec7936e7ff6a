//go:build live

package main

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/host"
)

// machine is a root directory with its own distribution and no compiler. Programs there
// have their own mounts, and see the homes of all machines.
type machine struct {
	name string // as messages and the table call it
	root string // path of its root directory
	// release is the one of Debian that it is; empty: none.
	release string
	shared  map[string]string // what is mounted: directory of this machine by path there
}

// aptMirror returns the mirror of this machine's apt, as kist reads it.
func aptMirror(t *testing.T) string {
	t.Helper()
	for _, s := range host.AptSources(host.Root()) {
		if slices.Contains(s.Suites, "bookworm") && len(s.URIs) > 0 {
			return s.URIs[0]
		}
	}
	t.Fatal("this machine's apt sources name no mirror of bookworm")
	return ""
}

// debootstrapped returns machines as the distribution's own installer starts the smallest
// ones, by release: the required packages are unpacked, and none of their programs is
// run.
func debootstrapped(t *testing.T, dir, from string, releases ...string) map[string]*machine {
	t.Helper()
	machines := map[string]*machine{}
	waits := map[string]func() outcome{}
	for _, release := range releases {
		machines[release] = &machine{name: "Debian (" + release + ")", root: filepath.Join(dir, release), release: release}
		waits[release] = start(t, exec.Command("debootstrap", "--variant=minbase", "--foreign", release, machines[release].root, from))
	}
	for release, wait := range waits {
		if o := wait(); o.code != 0 {
			t.Errorf("debootstrap %s: %v", release, o)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	return machines
}

// withMusl returns a machine whose C library is not glibc, with only a shell and its
// usual commands.
func withMusl(t *testing.T, dir string) *machine {
	t.Helper()
	m := &machine{name: "musl", root: filepath.Join(dir, "musl")}
	debs := filepath.Join(dir, "debs")
	if err := os.MkdirAll(debs, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "busybox-static", "musl")
	cmd.Dir = debs
	if o := finish(t, cmd); o.code != 0 {
		t.Fatal(o)
	}
	files, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, deb := range files {
		tool(t, "dpkg-deb", "--extract", deb, m.root)
	}
	for _, sub := range []string{"dev", "proc", "tmp", "usr/bin", "usr/local/bin", "bin"} {
		if err := os.MkdirAll(filepath.Join(m.root, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tool(t, "chroot", m.root, "/bin/busybox", "--install", "-s", "/bin")
	return m
}

// settle installs kist on m, and gives it a mirror, host names and the shared files.
func (m *machine) settle(t *testing.T, program, from string, shared map[string]string) {
	t.Helper()
	m.shared = shared
	write(t, filepath.Join(m.root, "etc/apt/sources.list"), "deb "+from+" bookworm main\n", 0o644)
	// In a container debootstrap makes a link of it, to itself once it is /proc.
	if err := os.Remove(filepath.Join(m.root, "proc")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(m.root, "proc"), 0o755); err != nil {
		t.Fatal(err)
	}
	tool(t, "install", "-D", program, filepath.Join(m.root, "usr/local/bin/kist"))
	for _, file := range []string{"/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt"} {
		if content, err := os.ReadFile(file); err == nil {
			write(t, filepath.Join(m.root, file), string(content), 0o644)
		}
	}
	for at := range shared {
		if err := os.MkdirAll(filepath.Join(m.root, at), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a shell script on m, with only these variables and PATH.
func (m *machine) run(t *testing.T, script string, variables ...string) outcome {
	t.Helper()
	mounts := `root=$1; shift
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
while [ "$1" != -- ]; do mount --bind "$1" "$root$2"; shift 2; done
shift
exec chroot "$root" "$@"`
	args := []string{"--mount", "--propagation", "private", "sh", "-euc", mounts, "sh", m.root}
	for at, dir := range m.shared {
		args = append(args, dir, at)
	}
	args = append(args, "--", "/bin/sh", "-euc", script)
	cmd := exec.Command("unshare", args...)
	cmd.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}, variables...)
	for _, pair := range os.Environ() { // how this machine reaches its network
		if name, _, _ := strings.Cut(pair, "="); strings.HasSuffix(strings.ToLower(name), "_proxy") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	if _, err := os.Stat(filepath.Join(m.root, "etc/ssl/certs/ca-certificates.crt")); err == nil {
		cmd.Env = append(cmd.Env, "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt")
	}
	return finish(t, cmd)
}

// must is run for a script that has to succeed.
func (m *machine) must(t *testing.T, script string, variables ...string) string {
	t.Helper()
	o := m.run(t, script, variables...)
	if o.code != 0 {
		t.Fatalf("on %s:\n%s\n%v", m.name, script, o)
	}
	return o.stdout
}

// hasNoCompiler fails the test if m has a tool that kist is to provide.
func (m *machine) hasNoCompiler(t *testing.T) {
	t.Helper()
	for _, command := range []string{"cc", "gcc", "clang", "ld", "as", "rustc", "cargo", "go", "python3", "meson", "ninja", "cmake"} {
		for _, dir := range []string{"bin", "usr/bin", "usr/local/bin"} {
			if exists(t, path.Join(m.root, dir, command)) {
				t.Fatalf("%s has %s", m.name, command)
			}
		}
	}
}
