//go:build linux || darwin

package rootfs_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/kist-tools/kist/manifests/rootfs"
)

func TestLinkFile(t *testing.T) {
	refused := errors.New("refused")
	accept := func(r io.Reader) error {
		if data, err := io.ReadAll(r); err != nil || string(data) != "text" {
			return refused
		}
		return nil
	}
	for _, test := range []struct {
		name   string
		make   func(from *os.Root) error
		linked bool
	}{
		{"a file", func(from *os.Root) error { return from.WriteFile("d/f", []byte("text"), 0o600) }, true},
		{"no file", func(*os.Root) error { return nil }, false},
		{"other content", func(from *os.Root) error { return from.WriteFile("d/f", []byte("texts"), 0o600) }, false},
		{"other permissions", func(from *os.Root) error { return from.WriteFile("d/f", []byte("text"), 0o640) }, false},
		{"a second name", func(from *os.Root) error {
			return errors.Join(from.WriteFile("d/g", []byte("text"), 0o600), from.Link("d/g", "d/f"))
		}, false},
		{"a symbolic link", func(from *os.Root) error {
			return errors.Join(from.WriteFile("d/g", []byte("text"), 0o600), from.Symlink("g", "d/f"))
		}, false},
		{"a directory", func(from *os.Root) error { return from.Mkdir("d/f", 0o700) }, false},
	} {
		for _, there := range []bool{false, true} { // whether something has the name already
			from, to := openD(t), openD(t)
			if err := test.make(from); err != nil {
				t.Fatal(err)
			}
			before := ""
			if there {
				if before = "old"; to.WriteFile("d/e", []byte("old"), 0o600) != nil {
					t.Fatal("no old file")
				}
			}
			err := rootfs.LinkFile(from, "d/f", to, "d/e", 0o600, accept)
			data, missing := to.ReadFile("d/e")
			if !test.linked {
				if err == nil || string(data) != before || errors.Is(missing, fs.ErrNotExist) == there {
					t.Errorf("%s: %v, %q", test.name, err, data)
				}
			} else {
				f, _ := from.Stat("d/f")
				e, _ := to.Lstat("d/e")
				if err != nil || string(data) != "text" || !os.SameFile(f, e) || e.Mode() != 0o600 {
					t.Errorf("%s: %v, %q", test.name, err, data)
				}
			}
			if want := map[bool]string{true: "e"}[there || test.linked]; listD(t, to) != want {
				t.Errorf("%s: left %s", test.name, listD(t, to))
			}
		}
	}
	from, to := openD(t), openD(t)
	// A private file becomes as readable as the caller wants, and stays so.
	for _, name := range []string{"d/e", "d/h"} {
		if name == "d/e" {
			if err := from.WriteFile("d/f", []byte("text"), 0o600); err != nil {
				t.Fatal(err)
			}
		} else if err := to.Remove("d/e"); err != nil {
			t.Fatal(err)
		}
		err := rootfs.LinkFile(from, "d/f", to, name, 0o644, accept)
		if info, failed := to.Lstat(name); err != nil || failed != nil || info.Mode() != 0o644 {
			t.Errorf("%s: %v, %v, %v", name, err, failed, info)
		}
	}
	from, to = openD(t), openD(t)
	if err := syscall.Mkfifo(from.Name()+"/d/f", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := rootfs.LinkFile(from, "d/f", to, "d/e", 0o600, accept); !errors.Is(err, rootfs.ErrNotRegular) {
		t.Errorf("a pipe: %v", err)
	}
}
