package sandbox

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// The test binary is also the child: an honest one, or a compromised one
// (broken_linux_test.go).
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if play, ok := parts[os.Args[1]]; ok {
			os.Exit(play(os.Args[2:]))
		}
	}
	os.Exit(m.Run())
}

// parts holds what the test binary does instead of testing, by its first argument.
var parts = map[string]func(args []string) int{
	"honest": func([]string) int { return Serve() },
}

// childOf returns the command of a child that plays a part.
func childOf(part string, args ...string) Command {
	return Command{Path: "/proc/self/exe", Args: append([]string{"kist", part}, args...)}
}

// walls returns the ways to unpack on this system.
func walls() map[string]Command {
	ways := map[string]Command{"in process": {}}
	if runtime.GOOS == "linux" {
		ways["in a child"] = childOf("honest")
	}
	return ways
}

// A stage is a directory to fill, in a directory that must not change.
type stage struct {
	dir  string
	root *os.Root
}

func newStage(t testing.TB) *stage {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "stage")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return &stage{dir, root}
}

// clock returns the time of the stage's file system, and whether that keeps stamps.
func (s *stage) clock(t *testing.T) (now time.Time, stamped bool) {
	t.Helper()
	now, err := rootfs.Clock(s.root)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := rootfs.OpenDir(s.root)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	return now, dir.KeepsStamps()
}

func (s *stage) start(t testing.TB, c Command, limits unpack.Limits) *Unpacker {
	t.Helper()
	u, err := Start(c, s.root, limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	return u
}

// archiveOf returns a tar of files ("name" or "name -> target"), each of which holds its name.
func archiveOf(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		name, target, link := strings.Cut(f, " -> ")
		h := &tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeReg, Size: int64(len(name))}
		switch {
		case link:
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, target, 0
		case strings.HasSuffix(name, "/"):
			h.Typeflag, h.Size, h.Mode = tar.TypeDir, 0, 0o711
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			io.WriteString(w, name)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// opened returns a file that holds data and is open for reading only.
func opened(t testing.TB, data []byte) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func archive(name string) unpack.Archive {
	return unpack.Archive{Name: name, Component: "of " + name, Layout: manifests.Layout{Format: "tar"}}
}
