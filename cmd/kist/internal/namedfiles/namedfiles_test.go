package namedfiles_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/verify"
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

// TestOpenRefusesWhatIsNoFile checks that a directory or a missing file is refused, each as
// such, and that a file and the empty device are opened.
func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir: "usage", filepath.Join(dir, "gone"): "missing", file: "", os.DevNull: "",
	} {
		f, err := namedfiles.Open(path)
		got := ""
		if e, ok := err.(interface{ Kind() string }); ok {
			got = e.Kind()
		}
		if got != want || (err == nil) != (want == "") {
			t.Errorf("%s: %v", path, err)
		}
		if err == nil {
			f.Close()
		}
	}
	if _, err := namedfiles.OpenRoot(file, true); err == nil {
		t.Error("a file is opened as a directory")
	}
	if _, err := namedfiles.Read(file, 3); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a file over the limit: %v", err)
	}
	if data, err := namedfiles.Read(file, 4); err != nil || string(data) != "text" {
		t.Errorf("%q, %v", data, err)
	}
}
