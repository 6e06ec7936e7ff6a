//go:build unix

package host_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests/config"
)

func TestReadConfig(t *testing.T) {
	dir := t.TempDir()
	d := host.BaseDirs{Dirs: install.Dirs{Config: filepath.Join(dir, "config")}, Home: dir, Machine: filepath.Join(dir, "etc")}
	user := install.Host{EUID: os.Geteuid(), PrivateGroup: -1}
	own, machine := filepath.Join(d.Dirs.Config, "kist", config.File), filepath.Join(d.Machine, config.File)
	write := func(t *testing.T, file, text string, mode os.FileMode) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.RemoveAll(file), os.WriteFile(file, []byte(text), mode), os.Chmod(file, mode)); err != nil {
			t.Fatal(err)
		}
	}
	if c, err := d.ReadConfig(user); err != nil || !reflect.DeepEqual(c, config.Config{}) {
		t.Errorf("without files: %+v, %v", c, err)
	}
	write(t, own, "format = 1\nstores = [\"~/mine\"]", 0o600)
	write(t, machine, "format = 1\nstores = [\"/opt/kist\"]", 0o644)
	c, err := d.ReadConfig(user)
	if want := []string{filepath.Join(dir, "mine"), "/opt/kist"}; err != nil || !reflect.DeepEqual(c.Stores, want) {
		t.Errorf("got %q, %v, want %q", c.Stores, err, want)
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T)
		want  string
	}{
		"not TOML":              {func(t *testing.T) { write(t, own, "format", 0o600) }, "line 1"},
		"writable for everyone": {func(t *testing.T) { write(t, own, "format = 1", 0o602) }, "writable for everyone"},
		"a directory": {func(t *testing.T) {
			if err := errors.Join(os.Remove(own), os.Mkdir(own, 0o700)); err != nil {
				t.Fatal(err)
			}
		}, "not a regular file"},
		"a FIFO": {func(t *testing.T) {
			if err := errors.Join(os.RemoveAll(own), syscall.Mkfifo(own, 0o600)); err != nil {
				t.Fatal(err)
			}
		}, "not a regular file"},
		"too large": {func(t *testing.T) { write(t, own, "#"+strings.Repeat("x", config.MaxFile), 0o600) }, "larger than the limit"},
	} {
		t.Run(name, func(t *testing.T) {
			c.spoil(t)
			rest, err := d.ReadConfig(user)
			var broken *config.Error
			if !errors.As(err, &broken) || broken.File != own || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an *Error with %q", err, c.want)
			}
			if want := []string{"/opt/kist"}; !reflect.DeepEqual(rest.Stores, want) {
				t.Errorf("the machine's file names %q, want %q", rest.Stores, want)
			}
		})
	}
	if os.Geteuid() == 0 {
		write(t, own, "format = 1", 0o600)
		if err := os.Chown(own, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		if _, err := d.ReadConfig(user); err == nil || !strings.Contains(err.Error(), "it belongs to user 12345") {
			t.Errorf("another user's file: %v", err)
		}
		write(t, own, "format = 1", 0o620)
		if err := os.Chown(own, 0, 12345); err != nil {
			t.Fatal(err)
		}
		if _, err := d.ReadConfig(user); err == nil || !strings.Contains(err.Error(), "it is writable for group 12345") {
			t.Errorf("another group's file: %v", err)
		}
		user.PrivateGroup = 12345
		if _, err := d.ReadConfig(user); err != nil {
			t.Errorf("the user's own group: %v", err)
		}
	}
}
