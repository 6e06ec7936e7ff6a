package roots_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/kist-tools/kist/install/internal/roots"
)

// TestOpenNamed opens and makes directories that a user names, and refuses those of the
// system, those that others can write to, and those whose parent is missing.
func TestOpenNamed(t *testing.T) {
	host := roots.Host{EUID: os.Geteuid(), Caller: -1, PrivateGroup: -1}
	warn := func(string) {}
	dir := t.TempDir()
	if _, err := roots.OpenNamed(host, "mirror", filepath.Join(dir, "new"), false, warn); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing directory: %v", err)
	}
	for range 2 { // it is made, then opened
		root, err := roots.OpenNamed(host, "mirror", filepath.Join(dir, "new"), true, warn)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(root.WriteFile("file", nil, 0o600), root.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "new", "file")); err != nil {
		t.Error(err)
	}
	if _, err := roots.OpenNamed(host, "mirror", filepath.Join(dir, "a", "b"), true, warn); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory without a parent: %v", err)
	}
	if _, err := roots.OpenNamed(host, "mirror", filepath.Join(dir, "new", "file"), true, warn); err == nil {
		t.Error("a file was opened as a directory")
	}
}
