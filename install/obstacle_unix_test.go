//go:build unix

package install_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// Whatever took the name of one of kist's own files or directories, the removal of
// everything ends, keeps it and names it, or is refused before anything is removed. Once
// it is gone, so is all the rest.
// With -short it tries only one kind of obstacle, for one name in three.
func TestObstaclesAndTheRemovalOfEverything(t *testing.T) {
	kinds := map[string]func(p string) error{
		"a pipe": func(p string) error { return unix.Mkfifo(p, 0o600) },
		"a file": func(p string) error { return os.WriteFile(p, []byte("the user's own"), 0o600) },
		"a link": func(p string) error { return os.Symlink("nowhere", p) },
	}
	for name, refused := range short.Rows(t, map[string]bool{
		".local/share/kist/current": false, ".local/share/kist/toolchains": false, ".local/share/kist/toolchains/acme": false,
		".local/share/kist/generations/1/bin": false, ".local/share/kist/generations/1": false, ".local/share/kist/stage": false,
		".local/share/kist/generations": true, ".local/state/kist/receipts": true, ".local/share/kist/lock": true,
		".local/state/kist/made.json": false, ".local/state/kist/evidence": false, ".local/state/kist/marks": false,
		".cache/kist/documents": false, ".cache/kist/blobs": false, ".cache/kist/partial": false,
	}, 3) {
		for kind, place := range short.Rows(t, kinds, 3) {
			if kind == "a link" && name == ".local/share/kist/current" {
				continue // every link of that name is kist's
			}
			t.Run(kind+" at "+strings.ReplaceAll(name, "/", " "), func(t *testing.T) {
				w := newWorld(t)
				w.install(w.proved("zig 1.0"))
				at := w.path(name)
				if err := errors.Join(os.RemoveAll(at), place(at)); err != nil {
					t.Fatal(err)
				}
				was, err := os.Lstat(at)
				if err != nil {
					t.Fatal(err)
				}
				res, err := w.kist().RemoveAll(t.Context(), true)
				if err != nil && !refused || errors.As(err, new(*install.UnfinishedError)) {
					t.Errorf("%v", err)
				}
				if is, err := os.Lstat(at); err != nil || !os.SameFile(is, was) {
					t.Errorf("it is gone: %v", err)
				}
				if named := slices.ContainsFunc(res.Leftovers, func(d install.Drift) bool { return d.Path == at }); err == nil && !named {
					t.Errorf("kept %v", res.Leftovers)
				}
				if err := os.Remove(at); err != nil {
					t.Fatal(err)
				}
				if _, err := w.kist().RemoveAll(t.Context(), true); err != nil {
					t.Fatal(err)
				}
				if _, err := os.Lstat(w.path(".local/share/kist/prefixes")); !errors.Is(err, os.ErrNotExist) && !refused {
					t.Errorf("prefixes: %v", err)
				}
			})
		}
	}
}
