package namedfiles_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
)

// TestScratch checks that a temporary directory is removed with its content, but nothing
// that a link in it leads to.
func TestScratch(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	root, remove, err := namedfiles.Scratch(nil)
	if err != nil {
		t.Fatal(err)
	}
	name := root.Name()
	err = errors.Join(root.MkdirAll("a/b", 0o700), root.WriteFile("a/b/c", nil, 0o600),
		root.Symlink(filepath.Dir(outside), "a/out"), root.Symlink("nowhere", "dangling"))
	if err = errors.Join(err, remove()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", name, err)
	}
	if _, err := os.Lstat(outside); err != nil {
		t.Error(err)
	}
}
