package trial_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/trial"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/publish"
)

// bench is a channel's directory, and a directory of files to add to it.
type bench struct {
	*testing.T
	dir   string
	draft *publish.Draft
	trial.Unpacker
}

func newBench(t *testing.T) *bench {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	d := publish.Dir{Root: root}
	if err := d.Init("acme"); err != nil {
		t.Fatal(err)
	}
	draft, err := d.Begin()
	if err != nil {
		t.Fatal(err)
	}
	scratch := func() (*os.Root, func() error, error) {
		root, err := os.OpenRoot(t.TempDir())
		return root, root.Close, err
	}
	return &bench{t, t.TempDir(), draft, trial.Unpacker{Child: install.Child{}, Scratch: scratch}}
}

// tar writes an archive of executable files.
func (b *bench) tar(name string, files ...string) string {
	b.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, file := range files {
		if err := w.WriteHeader(&tar.Header{Name: file, Mode: 0o755, Size: 3, Typeflag: tar.TypeReg}); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write([]byte("1.0")); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

func (b *bench) add(f trial.Files) ([]trial.Added, error) {
	f.Open, f.Strip = os.Open, -1
	return b.Add(b.Context(), b.draft, f)
}

// The single directory of an archive names what the file's name does not.
func TestAddGuessesFromDirectory(t *testing.T) {
	b := newBench(t)
	added, err := b.add(trial.Files{Paths: []string{b.tar("download.tar", "zig-0.14.0/bin/zig", "zig-0.14.0/README")}, Platform: "any", Commands: []string{"bin/zig"}})
	if err != nil {
		t.Fatal(err)
	}
	got := added[0]
	if got.Tool != "zig" || got.Version != "0.14.0" || got.Strip != 1 || got.Unpacked != 6 {
		t.Errorf("%+v", got)
	}
}

// A pattern that begins with the single directory keeps it.
func TestAddKeepsDirectoryThatPatternNames(t *testing.T) {
	b := newBench(t)
	added, err := b.add(trial.Files{Paths: []string{b.tar("zig-0.14.0.tar", "zig-0.14.0/zig")}, Platform: "any", Commands: []string{"zig-0.14.0/zig"}})
	if err != nil || added[0].Strip != 0 {
		t.Errorf("%+v, %v", added, err)
	}
}

func TestAddRefusesWhatUsersCouldNotUse(t *testing.T) {
	b := newBench(t)
	archive := b.tar("zig-0.14.0.tar", "zig-0.14.0/bin/zig")
	var none *trial.NoCommandError
	if _, err := b.add(trial.Files{Paths: []string{archive}, Platform: "any"}); !errors.As(err, &none) || len(none.Programs) != 1 {
		t.Errorf("no commands: %v", err)
	}
	if _, err := b.add(trial.Files{Paths: []string{archive}, Platform: "any", Commands: []string{"bin/zig", "bin/no"}}); !errors.As(err, &none) || none.Patterns[0] != "bin/no" {
		t.Errorf("a pattern without a file: %v", err)
	}
	for _, f := range []trial.Files{{Platform: "linux/x86_64"}, {Platform: "any", Format: "rar"}, {}} {
		f.Paths, f.Commands = []string{archive}, []string{"bin/zig"}
		if _, err := b.add(f); !errors.Is(err, manifests.ErrInput) {
			t.Errorf("%+v: %v", f, err)
		}
	}
	if _, err := b.add(trial.Files{Paths: []string{archive}, Platform: "any", Commands: []string{"bin/zig"}}); err != nil {
		t.Errorf("the same file with its command: %v", err)
	}
}
