//go:build unix

package host_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
)

func TestReadSecret(t *testing.T) {
	const limit = 100
	user := install.Host{EUID: os.Geteuid(), PrivateGroup: -1}
	file := filepath.Join(t.TempDir(), "secret")
	write := func(mode os.FileMode) {
		t.Helper()
		if err := errors.Join(os.RemoveAll(file), os.WriteFile(file, []byte("s3cr3t"), mode), os.Chmod(file, mode)); err != nil {
			t.Fatal(err)
		}
	}
	check := func(name, want string) {
		t.Helper()
		data, err := host.ReadSecret(file, limit, user)
		_, unsafe := errors.AsType[*host.UnsafeFileError](err)
		if want == "" && err != nil || want != "" && (!unsafe || err.Error() != want) || string(data) != "s3cr3t" {
			t.Errorf("%s: %q, %v, want %q", name, data, err, want)
		}
	}
	for mode, want := range map[os.FileMode]string{
		0o600: "", 0o400: "",
		0o604: "it is readable for everyone", 0o644: "it is readable for everyone",
		0o602: "it is writable for everyone",
	} {
		write(mode)
		check(mode.String(), want)
	}
	if os.Geteuid() == 0 {
		chown := func(uid, gid int) {
			t.Helper()
			if err := os.Chown(file, uid, gid); err != nil {
				t.Fatal(err)
			}
		}
		write(0o640)
		check("root's group", "")
		chown(0, 1234)
		check("root's own file for another group", "it is readable for group 1234")
		user.EUID = 1000
		check("a file that root gave to a group", "")
		chown(1000, 1234)
		check("another group", "it is readable for group 1234")
		user.PrivateGroup = 1234
		check("the user's own group", "")
		chown(1001, 1234)
		check("another user", "it belongs to user 1001")
	}

	for name, spoil := range map[string]func() error{
		"no such file":           func() error { return os.Remove(file) },
		"not a regular file":     func() error { return errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o600)) },
		"larger than the limit":  func() error { return os.WriteFile(file, make([]byte, limit+1), 0o600) },
		"too many levels of sym": func() error { return errors.Join(os.Remove(file), os.Symlink(file, file)) },
	} {
		write(0o600)
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if data, err := host.ReadSecret(file, limit, user); err == nil || !strings.Contains(err.Error(), name) || data != nil {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
}

func TestCheckProgram(t *testing.T) {
	user := install.Host{EUID: os.Geteuid(), PrivateGroup: os.Getegid()}
	top := t.TempDir()
	own, dir := filepath.Join(top, "kist"), filepath.Join(top, "dir")
	program, link := filepath.Join(dir, "helper"), filepath.Join(top, "link")
	installed := filepath.Join(own, "prefixes", "x", "helper")
	for _, err := range []error{
		os.MkdirAll(filepath.Dir(installed), 0o755), os.Mkdir(dir, 0o755),
		os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755), os.WriteFile(installed, []byte("#!/bin/sh\n"), 0o755),
		os.Symlink(program, link),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	mode := func(path string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	check := func(path, want string, unsafe bool) {
		t.Helper()
		real, err := host.CheckProgram(path, user, []string{"", own})
		if resolved, _ := filepath.EvalSymlinks(path); err == nil && real != resolved {
			t.Errorf("%s: runs %s, want %s", path, real, resolved)
		}
		_, is := errors.AsType[*host.UnsafeFileError](err)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || is != unsafe {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	check(program, "", false)
	check(link, "", false)
	check(filepath.Join(dir, "none"), "no such file", false)
	check(dir, "not an executable file", false)
	check(installed, "kist installed it", true)
	if err := errors.Join(os.Remove(link), os.Symlink(installed, link)); err != nil {
		t.Fatal(err)
	}
	check(link, "kist installed it", true)
	mode(program, 0o644)
	check(program, "not an executable file", false)
	mode(program, 0o757)
	check(program, "it is writable for everyone, so others can say what it does", true)
	mode(program, 0o755)
	mode(dir, 0o777)
	check(program, dir+": it is writable for everyone, so others can put another program there", true)
	mode(dir, 0o777|os.ModeSticky)
	check(program, "", false)
	if os.Geteuid() == 0 {
		owner := func(uid, gid int, m os.FileMode) {
			t.Helper()
			if err := os.Chown(dir, uid, gid); err != nil {
				t.Fatal(err)
			}
			mode(dir, m)
		}
		owner(0, 1234, 0o775) // as /usr/local/bin of Debian
		check(program, "", false)
		owner(1234, 0, 0o755)
		check(program, dir+": it belongs to user 1234", true)
		owner(1234, 0, 0o777|os.ModeSticky)
		check(program, dir+": it belongs to user 1234", true)
		owner(0, 0, 0o755)
	}
	mode(dir, 0o755)

	// A link in a directory of everyone's can be replaced.
	shared := filepath.Join(top, "shared")
	if err := errors.Join(os.Mkdir(shared, 0o755), os.Symlink(program, filepath.Join(shared, "link"))); err != nil {
		t.Fatal(err)
	}
	check(filepath.Join(shared, "link"), "", false)
	mode(shared, 0o777)
	check(filepath.Join(shared, "link"), "so others can put another program there", true)
}

// TestAskHelper checks that a helper gets its argument, its input and its environment, and
// no more.
func TestAskHelper(t *testing.T) {
	path := shellProgram(t, "cat; pwd; echo $# $1; env; echo s3cr3t >&2")
	answer, err := host.AskHelper(t.Context(), path, "get", "protocol=https\n\n", []string{"HERE=there"})
	if got := string(answer); err != nil || !strings.HasPrefix(got, "protocol=https\n\n/\n1 get\n") || !strings.Contains(got, "HERE=there") || strings.Contains(got, "s3cr3t") || strings.Contains(got, "HOME=") {
		t.Errorf("got %q, %v", got, err)
	}
	for text, want := range map[string]string{
		"exit 3":                  "exit status 3",
		"head -c 65537 /dev/zero": "it printed more than 65536 bytes",
	} {
		if answer, err := host.AskHelper(t.Context(), shellProgram(t, text), "get", "", []string{"PATH=/usr/bin:/bin"}); err == nil || err.Error() != want {
			t.Errorf("%s: %q, %v; want %s", text, answer, err, want)
		}
	}
}
