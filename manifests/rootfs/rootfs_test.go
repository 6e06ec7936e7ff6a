package rootfs_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests/rootfs"
)

func openTemp(t *testing.T) (*os.Root, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root, dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestWriteFile(t *testing.T) {
	root, dir := openTemp(t)
	must(t, root.Mkdir("sub", 0o755))
	must(t, rootfs.WriteFile(root, "sub/a", []byte("one"), 0o600))
	must(t, rootfs.WriteFile(root, "sub/a", []byte("two"), 0o600))
	data, err := rootfs.ReadFile(root, "sub/a", 3)
	if err != nil || string(data) != "two" {
		t.Errorf("read %q, %v", data, err)
	}
	info, err := root.Stat("sub/a")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if got := names(t, dir+"/sub"); !slices.Equal(got, []string{"a"}) {
		t.Errorf("left %q", got)
	}
}

func TestWriteFileReplacesALinkNotItsTarget(t *testing.T) {
	root, dir := openTemp(t)
	must(t, os.WriteFile(dir+"/target", []byte("safe"), 0o600))
	must(t, os.Symlink("target", dir+"/name"))
	must(t, rootfs.WriteFile(root, "name", []byte("new"), 0o600))
	if data, err := os.ReadFile(dir + "/target"); string(data) != "safe" {
		t.Errorf("target holds %q, %v", data, err)
	}
	if info, err := os.Lstat(dir + "/name"); err != nil || !info.Mode().IsRegular() {
		t.Errorf("name is %v, %v", info.Mode(), err)
	}
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	root, dir := openTemp(t)
	must(t, root.Mkdir("taken", 0o755))
	must(t, root.Mkdir("taken/inside", 0o755))
	for _, name := range []string{"taken", "missing/name", "../name"} {
		if err := rootfs.WriteFile(root, name, []byte("x"), 0o600); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("WriteFile(%q) = %v, want an error that names it", name, err)
		}
		if err := rootfs.ReplaceLink(root, "x", name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("SwapLink(%q) = %v, want an error that names it", name, err)
		}
	}
	if got := names(t, dir); !slices.Equal(got, []string{"taken"}) {
		t.Errorf("left %q", got)
	}
}

func TestSwapLink(t *testing.T) {
	root, dir := openTemp(t)
	for _, target := range []string{"generations/1", "generations/2"} {
		must(t, rootfs.ReplaceLink(root, target, "current"))
		if got, err := root.Readlink("current"); err != nil || got != target {
			t.Errorf("current leads to %q, %v", got, err)
		}
	}
	if got := names(t, dir); !slices.Equal(got, []string{"current"}) {
		t.Errorf("left %q", got)
	}
}

func TestIsTemp(t *testing.T) {
	if !rootfs.IsTemp(rootfs.TempBeside("bin/go")) || filepath.Dir(rootfs.TempBeside("bin/go")) != "bin" {
		t.Errorf("%q is not a temporary name beside bin/go", rootfs.TempBeside("bin/go"))
	}
	for _, name := range []string{"", "go", ".kist-.tmp", ".kist-abc.tmp", ".kist-abcdefghijklmnopqrstuvwxyz.tmp", "x.kist-ABCDEFGHIJKLMNOPQRSTUVWXYZ.tmp"} {
		if rootfs.IsTemp(name) {
			t.Errorf("IsTemp(%q)", name)
		}
	}
}

func TestReadFileLimit(t *testing.T) {
	root, dir := openTemp(t)
	content := bytes.Repeat([]byte("x"), 100)
	must(t, os.WriteFile(dir+"/f", content, 0o600))
	if data, err := rootfs.ReadFile(root, "f", 100); err != nil || !bytes.Equal(data, content) {
		t.Errorf("at the limit: %d bytes, %v", len(data), err)
	}
	data, err := rootfs.ReadFile(root, "f", 99)
	if !errors.Is(err, rootfs.ErrTooLarge) || !strings.Contains(err.Error(), "99 bytes") || data != nil {
		t.Errorf("over the limit: %d bytes, %v", len(data), err)
	}
}

func TestReadFileRefusesNonRegularFiles(t *testing.T) {
	root, dir := openTemp(t)
	must(t, root.Mkdir("dir", 0o755))
	if _, err := rootfs.ReadFile(root, "dir", 10); !errors.Is(err, rootfs.ErrNotRegular) {
		t.Errorf("a directory: %v", err)
	}
	must(t, os.Symlink(filepath.Join(t.TempDir(), "secret"), dir+"/out"))
	if _, err := rootfs.ReadFile(root, "out", 10); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link that leaves the root: %v", err)
	}
	if _, err := rootfs.ReadFile(root, "missing", 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestMkdirAll(t *testing.T) {
	root, dir := openTemp(t)
	must(t, root.Mkdir("a", 0o755))
	for _, test := range []struct {
		name string
		want []string
	}{
		{"a/b/c", []string{"a/b", "a/b/c"}},
		{"a/b/c", nil},
		{"a/b/c/../d/", []string{"a/b/d"}},
		{".", nil},
	} {
		made, err := rootfs.MkdirAll(root, test.name, 0o700)
		if err != nil || !slices.Equal(made, test.want) {
			t.Errorf("MkdirAll(%q) = %q, %v, want %q", test.name, made, err, test.want)
		}
	}
	must(t, os.WriteFile(dir+"/file", nil, 0o600))
	for _, name := range []string{"file", "file/x", "../x"} {
		if made, err := rootfs.MkdirAll(root, name, 0o700); err == nil || made != nil {
			t.Errorf("MkdirAll(%q) = %q, %v, want an error", name, made, err)
		}
	}
	if info, err := root.Stat("a/b/c"); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("a/b/c: %v, %v", info.Mode(), err)
	}
}

func TestRenameNoReplace(t *testing.T) {
	renames := map[string]func(root *os.Root, old, new string) error{
		"in one step":        rootfs.RenameNoReplace,
		"check, then rename": rootfs.CheckThenRename,
	}
	for how, rename := range renames {
		t.Run(how, func(t *testing.T) {
			root, dir := openTemp(t)
			for _, d := range []string{"stage", "prefixes", "stage/new", "stage/new/bin", "prefixes/old", "prefixes/old/bin", "prefixes/empty"} {
				must(t, root.Mkdir(d, 0o755))
			}
			must(t, os.Symlink("nowhere", dir+"/prefixes/dangling"))
			must(t, os.WriteFile(dir+"/prefixes/file", nil, 0o600))
			for _, taken := range []string{"prefixes/old", "prefixes/empty", "prefixes/dangling", "prefixes/file"} {
				if err := rename(root, "stage/new", taken); !errors.Is(err, fs.ErrExist) {
					t.Errorf("onto %s: %v, want fs.ErrExist", taken, err)
				}
			}
			if err := rename(root, "stage/missing", "prefixes/x"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("of nothing: %v", err)
			}
			if err := rename(root, "stage/new", "../x"); err == nil {
				t.Error("out of the root: no error")
			}
			must(t, rename(root, "stage/new", "prefixes/new"))
			if info, err := root.Stat("prefixes/new/bin"); err != nil || !info.IsDir() {
				t.Errorf("after the rename: %v", err)
			}
			if got := names(t, dir+"/prefixes/old"); !slices.Equal(got, []string{"bin"}) {
				t.Errorf("the directory in the way now holds %q", got)
			}
		})
	}
}

func TestSyncer(t *testing.T) {
	root, dir := openTemp(t)
	s, err := rootfs.OpenSyncer(root)
	must(t, err)
	s.Ahead()
	must(t, root.Mkdir("d", 0o755))
	must(t, os.WriteFile(dir+"/d/f", []byte("x"), 0o400))
	must(t, os.Symlink("/nowhere", dir+"/d/link"))
	time.Sleep(rootfs.Pause + 100*time.Millisecond)
	must(t, s.Sync())
	s.Close()
	must(t, rootfs.SyncWalk(root))
	must(t, rootfs.SyncDir(root, "d"))
	if err := rootfs.SyncDir(root, "missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("SyncDir of nothing: %v", err)
	}
}

func TestSpace(t *testing.T) {
	root, _ := openTemp(t)
	free, inodes, err := rootfs.Space(root)
	if err != nil || free <= 0 || inodes <= 0 {
		t.Errorf("Space = %d bytes, %d inodes, %v", free, inodes, err)
	}
	must(t, root.Mkdir("below", 0o700))
	below, err := root.OpenRoot("below")
	must(t, err)
	defer below.Close()
	one, err := rootfs.Volume(root)
	must(t, err)
	if other, err := rootfs.Volume(below); other != one || err != nil {
		t.Errorf("Volume = %d, and %d of a directory below, %v", one, other, err)
	}
}

func TestProbe(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := rootfs.Probe(root); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("the probe left %v, %v", left, err)
	}
	if err := os.Remove(dir); err != nil { // nothing can be made in a directory that is gone
		t.Fatal(err)
	}
	if err := rootfs.Probe(root); err == nil {
		t.Error("a removed directory passed the probe")
	}
}

// All of kist relies on os.Root for this, and earlier Go versions failed at it: names that lead
// out by a trailing slash (CVE-2025-22873), and information about a directory's
// entries after a link took its place (CVE-2026-27139).
func TestRootKeepsNamesInside(t *testing.T) {
	outer := t.TempDir()
	inner := filepath.Join(outer, "inner")
	must(t, os.MkdirAll(filepath.Join(inner, "d"), 0o700))
	must(t, os.MkdirAll(filepath.Join(outer, "outside"), 0o700))
	must(t, os.WriteFile(filepath.Join(inner, "d", "f"), []byte("1"), 0o600))
	must(t, os.WriteFile(filepath.Join(outer, "outside", "f"), []byte("secret"), 0o600))
	root, err := os.OpenRoot(inner)
	must(t, err)
	defer root.Close()
	for _, name := range []string{"..", "../", "./../", "../.", "d/../..", "d/../../", "../outside", "../inner", "/", "/etc", ""} {
		if f, err := root.Open(name); err == nil {
			f.Close()
			t.Errorf("opened %q", name)
		}
		if r, err := root.OpenRoot(name); err == nil {
			r.Close()
			t.Errorf("opened %q as a root", name)
		}
	}
	dir, err := root.Open("d/")
	must(t, err)
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	must(t, err)
	must(t, os.Rename(filepath.Join(inner, "d"), filepath.Join(inner, "e")))
	must(t, os.Symlink("../outside", filepath.Join(inner, "d")))
	if info, err := entries[0].Info(); err == nil && info.Size() != 1 {
		t.Errorf("information about a file outside, of %d bytes", info.Size())
	}
	if info, err := root.Stat("d/f"); err == nil {
		t.Errorf("information about a file outside, of %d bytes", info.Size())
	}
}
