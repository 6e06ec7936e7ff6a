package install_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Writable reports before any change whether settings can be stored, and leaves nothing.
func TestWritable(t *testing.T) {
	w := newWorld(t)
	config := filepath.Join(w.home, ".config")
	if err := w.kist().Writable("keys"); err != nil {
		t.Errorf("a home with nothing in it: %v", err)
	}
	if left, err := os.ReadDir(w.home); err != nil || len(left) != 0 {
		t.Errorf("asking left %v, %v", left, err)
	}
	keys := filepath.Join(config, "kist", "keys")
	if err := os.MkdirAll(keys, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := w.kist().Writable("channels", "keys"); err != nil {
		t.Errorf("with a settings directory: %v", err)
	}
	if left, err := os.ReadDir(keys); err != nil || len(left) != 0 {
		t.Errorf("asking left %v, %v", left, err)
	}

	// Permissions hold for everyone but root.
	for _, dir := range []string{keys, filepath.Dir(keys)} {
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		err := w.kist().Writable("keys")
		if os.Chmod(dir, 0o700) != nil {
			t.Fatal(dir)
		}
		if denied := errors.Is(err, fs.ErrPermission) && strings.HasPrefix(err.Error(), dir+" "); denied == (os.Geteuid() == 0) {
			t.Errorf("%s for its owner to read: %v", dir, err)
		}
	}

	if err := os.Remove(keys); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keys, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.kist().Writable("keys"); err == nil || !strings.HasPrefix(err.Error(), keys+" ") {
		t.Errorf("a file where a directory should be: %v", err)
	}
}
