package sandbox

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

func init() {
	// held ABI: an honest child that uses Landlock up to that version.
	parts["held"] = func(args []string) int {
		abi, err := strconv.Atoi(args[0])
		if err == nil {
			err = serve(abi)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
}

// formats returns archives of every format, each with one file or more.
func formats(t *testing.T) map[string][]byte {
	t.Helper()
	tree := archiveOf(t, "bin/", "bin/a", "bin/b -> a", "lib/a/b/c/deep")
	all := map[string][]byte{"file": []byte("a program"), "tar": tree, "zip": zipOf(t, "bin/a", "lib/deep"),
		"tar.gz": gzipOf(t, tree), "tar.zst": zstdOf(t, tree),
		"deb": debOf("data.tar.gz", gzipOf(t, archiveOf(t, "./usr/", "./usr/bin/a")))}
	for _, format := range []string{"tar.xz", "tar.bz2"} {
		data, err := os.ReadFile("../unpack/testdata/a." + format)
		if err != nil {
			t.Fatal(err)
		}
		all[format] = data
	}
	for _, f := range manifests.Formats() {
		if all[f] == nil {
			t.Fatalf("no archive of format %s", f)
		}
	}
	return all
}

func gzipOf(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstdOf(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(32<<20))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipOf(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// debOf returns a .deb with its files in the member name (deb(5)).
func debOf(name string, data []byte) []byte {
	b := []byte("!<arch>\n")
	for _, m := range []struct {
		name string
		data []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar", nil}, {name, data}} {
		b = fmt.Appendf(b, "%-16s%-12s%-6s%-6s%-8s%-10d`\n%s", m.name, "0", "0", "0", "100644", len(m.data), m.data)
		if len(m.data)%2 == 1 {
			b = append(b, '\n')
		}
	}
	return b
}

// kernelABI returns the version of Landlock of this kernel, 0 if it has none.
func kernelABI() int {
	abi, err := llsys.LandlockGetABIVersion()
	if err != nil {
		return 0
	}
	return abi
}

// Every format unpacks behind the walls of older kernels and of this one, from a file
// and from a pipe.
func TestFormatsOnEveryKernel(t *testing.T) {
	all := formats(t)
	abis := map[int]bool{newestABI: true}
	for _, abi := range olderABIs {
		abis[abi] = true
	}
	for abi := range short.Rows(t, abis, 5) {
		t.Run(fmt.Sprint("Landlock ", abi), func(t *testing.T) {
			for format, data := range all {
				for _, how := range []string{"file", "pipe"} {
					if how == "pipe" && !strings.HasPrefix(format, "tar") {
						continue // these are not read as a stream
					}
					s := newStage(t)
					u := s.start(t, childOf("held", strconv.Itoa(abi)), unpack.DefaultLimits())
					a := unpack.Archive{Name: "x", Component: "x", Layout: manifests.Layout{Format: format}}
					if format == "file" {
						a.Layout.Into = "bin/program"
					}
					var err error
					if how == "file" {
						err = u.Add(t.Context(), opened(t, data), a)
					} else {
						err = u.AddStream(t.Context(), bytes.NewReader(data), int64(len(data)), a)
					}
					if err != nil {
						t.Errorf("%s from a %s: %v", format, how, err)
						continue
					}
					entries, err := u.Finish(t.Context())
					if err != nil || len(entries) == 0 {
						t.Errorf("%s from a %s: %d entries, %v", format, how, len(entries), err)
					}
					want := Level{Child: true, Landlock: min(abi, kernelABI()), Calls: arch() != 0}
					if level := u.Level(); level != want {
						t.Errorf("%s: behind %v, not %v", format, level, want)
					}
				}
			}
			zip := zipOf(t, "example.com/m@v1.0.0/go.mod")
			h1, err := HashZip(t.Context(), childOf("held", strconv.Itoa(abi)), "x", opened(t, zip), int64(len(zip)), func(int64) {})
			if err != nil || !strings.HasPrefix(h1, "h1:") {
				t.Errorf("hash: %q, %v", h1, err)
			}
		})
	}
}

// The filter allows what the runtime does only under load: several large windows at once,
// garbage collections, threads that start and end, and a process that is stopped and
// continued.
func TestUnpacksUnderLoad(t *testing.T) {
	const archives, files = 3, 200
	s := newStage(t)
	u := s.start(t, childOf("honest"), unpack.DefaultLimits())
	done := make(chan error, archives)
	for n := range archives {
		var names []string
		for i := range files {
			names = append(names, fmt.Sprintf("%d/%d/%s", n, i, strings.Repeat("long-name-", 20)))
		}
		data := zstdOf(t, archiveOf(t, names...))
		a := unpack.Archive{Name: fmt.Sprint(n), Component: fmt.Sprint(n), Layout: manifests.Layout{Format: "tar.zst"}}
		go func() { done <- u.AddStream(t.Context(), slowly{bytes.NewReader(data)}, int64(len(data)), a) }()
	}
	pid := u.child.(*child).cmd.Process.Pid
	for left := archives; left > 0; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			left--
		case <-time.After(10 * time.Millisecond):
			for _, signal := range []unix.Signal{unix.SIGSTOP, unix.SIGCONT} {
				if err := unix.Kill(pid, signal); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Millisecond)
			}
		}
	}
	entries, err := u.Finish(t.Context())
	if err != nil || len(entries) != archives*(1+2*files) {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	if found, err := filepath.Glob(filepath.Join(s.dir, "*", "*", "*")); err != nil || len(found) != archives*files {
		t.Errorf("%d files, %v", len(found), err)
	}
}

// A slowly read archive arrives in small pieces, with pauses between them.
type slowly struct{ from *bytes.Reader }

func (s slowly) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return s.from.Read(p[:min(len(p), 200)])
}
