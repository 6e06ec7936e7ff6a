//go:build unix

package host_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/host"
)

// newCommand writes an executable file that kist did not install, and returns its path.
func newCommand(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSearchPath(t *testing.T) {
	root := t.TempDir()
	for _, path := range []string{"usr/sudo", "usr/ls", "bin/ls", "sbin/ip", "own/tool/go", "layer/tool/go", "opt/go", "kist/zig"} {
		newCommand(t, filepath.Join(root, filepath.Dir(path)), filepath.Base(path))
	}
	if err := os.Symlink(filepath.Join(root, "own/tool/go"), filepath.Join(root, "sbin/go")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "layer/tool/go"), filepath.Join(root, "bin/go")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path  string // of directories below root, or relative after a dot
		hides string // by commands called ip, ls, sudo
		go_   string // the first go that kist did not install
		ls    string // the command that hides kist's ls
	}{
		{"kist usr", "usr/sudo usr/ls", "", ""},
		{"kist usr bin sbin opt", "usr/sudo sbin/ip usr/ls", "opt/go", ""},
		{"usr kist bin opt", "bin/ls", "opt/go", "usr/ls"},
		{"kist/ own/tool opt", "", "opt/go", ""},
		{"kist sbin own/tool", "sbin/ip", "", ""},
		{"kist layer/tool bin opt", "bin/ls", "opt/go", ""}, // the layer's go is not the system's
		{"bin kist", "", "", "bin/ls"},
		{"usr sbin", "usr/sudo sbin/ip usr/ls", "", ""}, // not on PATH yet
		{"kist missing ./usr", "", "", ""},
		{"", "", "", ""},
	} {
		dirs := strings.Fields(test.path)
		for i, dir := range dirs {
			if !strings.HasPrefix(dir, ".") {
				dirs[i] = root + "/" + dir
			}
		}
		p := host.ParsePath(strings.Join(dirs, ":"), filepath.Join(root, "kist"), filepath.Join(root, "own"), filepath.Join(root, "layer"))
		var hides []string
		for _, h := range p.Hides([]string{"ip", "ls", "sudo"}) {
			hides = append(hides, strings.TrimPrefix(h.Path, root+"/"))
		}
		if got := strings.Join(hides, " "); got != test.hides {
			t.Errorf("%s hides %q, want %q", test.path, got, test.hides)
		}
		if got := strings.TrimPrefix(p.Find("go", nil), root+"/"); got != test.go_ {
			t.Errorf("%s: the system's go is %q, want %q", test.path, got, test.go_)
		}
		if got := strings.TrimPrefix(p.HiddenBy("ls"), root+"/"); got != test.ls {
			t.Errorf("%s: kist's ls is hidden by %q, want %q", test.path, got, test.ls)
		}
		if got := p.HasBin(); got != strings.Contains(test.path, "kist") {
			t.Errorf("%s: HasBin is %v", test.path, got)
		}
	}
}

// TestFindSkipsLinkedCommands checks that a command in kist's directory is the system's
// unless kist linked it.
func TestFindSkipsLinkedCommands(t *testing.T) {
	bin := t.TempDir()
	path := newCommand(t, bin, "go")
	p := host.ParsePath(bin, bin, filepath.Join(bin, "own"))
	if got := p.Find("go", nil); got != path {
		t.Errorf("not linked: got %q", got)
	}
	if got := p.Find("go", []string{"go"}); got != "" {
		t.Errorf("linked: got %q", got)
	}
}

func TestSameDir(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		a, b string
		want bool
	}{{dir, dir + "/", true}, {dir, link, true}, {"/missing", "/missing", true}, {dir, "/missing", false}, {"", "", false}} {
		if got := host.SameDir(test.a, test.b); got != test.want {
			t.Errorf("%q and %q: %v", test.a, test.b, got)
		}
	}
}
