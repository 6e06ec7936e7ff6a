package install_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

func TestWitness(t *testing.T) {
	const chunk = 64 << 10
	filler := func(n int) string { return strings.Repeat("\x7f", n) }
	for _, test := range []struct {
		name, text, want string
		line, ok         bool
	}{
		{"a line", "go1.2.1\ntime\n", "go1.2.1", true, true},
		{"the last line without its end", "time\r\ngo1.2.1", "go1.2.1", true, true},
		{"the beginning of a line", "go1.2.10\n", "go1.2.1", true, false},
		{"a line in too long a text", "go1.2.1\n" + filler(install.MaxWitness), "go1.2.1", true, false},
		{"a text", "x Bun v1.2.1 (abc)", "Bun v1.2.1 (", false, true},
		{"another", "x Bun v1.2.10 (abc)", "Bun v1.2.1 (", false, false},
		{"late in a program", filler(5*install.MaxWitness) + "Bun v1.2.1 (", "Bun v1.2.1 (", false, true},
		{"across two reads", filler(chunk-5) + "Bun v1.2.1 (" + filler(chunk), "Bun v1.2.1 (", false, true},
		{"across later reads", filler(2*chunk-11-7) + "Bun v1.2.1 (", "Bun v1.2.1 (", false, true},
		{"with a gap at the seam", filler(chunk-5) + "Bun v 1.2.1 (", "Bun v1.2.1 (", false, false},
		{"an empty file", "", "Bun v1.2.1 (", false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			root, err := os.OpenRoot(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			if err := root.WriteFile("file", []byte(test.text), 0o644); err != nil {
				t.Fatal(err)
			}
			a := manifests.Artifact{Name: "a.zip", Witness: &manifests.Witness{Path: "file", Contains: test.want, WholeLine: test.line}}
			err = install.Confirm(root, a)
			var refused *install.WitnessError
			if (err == nil) != test.ok || !test.ok && (!errors.As(err, &refused) || !errors.Is(err, verify.ErrUntrusted) || len(refused.Found) > 60) {
				t.Errorf("got %v", err)
			}
			a.Witness.Path = "nowhere"
			if err := install.Confirm(root, a); !errors.As(err, &refused) {
				t.Errorf("no file: %v", err)
			}
		})
	}
}

// A system error says nothing about a witness; a missing file does.
func TestSystemErrorIsNotAMissingWitness(t *testing.T) {
	for err, want := range map[error]bool{
		syscall.EMFILE: true, syscall.EIO: true, syscall.EACCES: true,
		syscall.ENOENT: false, syscall.ENOTDIR: false, syscall.ELOOP: false, syscall.ENAMETOOLONG: false, rootfs.ErrNotRegular: false,
	} {
		if got := install.Failed(&fs.PathError{Op: "open", Path: "VERSION", Err: err}); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}
