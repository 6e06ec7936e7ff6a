package install_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A world is a home with kist's directories in it, and an origin in memory.
type world struct {
	t      *testing.T
	home   string
	files  map[string][]byte // the origin: what each ref serves
	mu     sync.Mutex
	asked  int // how often the origin was asked
	warned []string
	now    time.Time

	checkpoint func(step string)
}

func newWorld(t *testing.T) *world { return worldIn(t, t.TempDir()) }

func worldIn(t *testing.T, home string) *world {
	return &world{t: t, home: home, files: map[string][]byte{}, now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
}

func (w *world) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	data, ok := w.files[ref]
	if !ok {
		return nil, 0, fmt.Errorf("%s: %w", ref, manifests.ErrNotFound)
	}
	return io.NopCloser(bytes.NewReader(data[offset:])), int64(len(data)), nil
}

func (w *world) dirs() install.Dirs {
	at := func(p string) string { return filepath.Join(w.home, p) }
	return install.Dirs{Data: at(".local/share"), State: at(".local/state"), Cache: at(".cache"), Config: at(".config"), Bin: at(".local/bin")}
}

// kist opens an Installer as a new process would.
func (w *world) kist() *install.Installer {
	w.t.Helper()
	i, err := install.Open(w.t.Context(), install.Options{Dirs: w.dirs(), Host: install.Host{EUID: os.Geteuid(), Caller: -1}, Transport: w,
		Now: w.now, Version: "test", Random: rand.Reader, LockWait: time.Second, Command: "kist test", Checkpoint: w.checkpoint,
		Warn: func(s string) { w.warned = append(w.warned, s) }})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { i.Close() })
	return i
}

// release puts a tool with these files ("name" or "name -> target") on the
// origin. Files are executable and hold their own name and the version.
func (w *world) release(tool, version string, files ...string) manifests.Release {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, f := range files {
		name, target, link := strings.Cut(f, " -> ")
		h := &tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeReg}
		text := name + " " + version + "\n"
		if link {
			h.Typeflag, h.Linkname, text = tar.TypeSymlink, target, ""
		}
		h.Size = int64(len(text))
		if err := tw.WriteHeader(h); err != nil {
			w.t.Fatal(err)
		}
		io.WriteString(tw, text)
	}
	if err := tw.Close(); err != nil {
		w.t.Fatal(err)
	}
	return w.offer(tool, version, b.Bytes())
}

// offer puts a tool on the origin, whose archive is a tar.
func (w *world) offer(tool, version string, archive []byte) manifests.Release {
	ref := "https://example.org/" + tool + "-" + version + ".tar"
	w.files[ref] = archive
	return manifests.Release{Channel: "acme", Tool: tool, Version: version, Components: []string{tool},
		Platform: manifests.Platform{OS: "linux", Arch: "amd64"}, Commands: []string{"bin/*"},
		Evidence: verify.Evidence{Kind: verify.ByDetached, Name: "https://example.org/channel.toml"},
		Artifacts: []manifests.Artifact{{Name: filepath.Base(ref), Component: tool, Refs: []string{ref}, Size: int64(len(archive)),
			Integrity: manifests.Integrity{Digest: verify.DigestOf(archive)}, Layout: manifests.Layout{Format: "tar"}}}}
}

func (w *world) releases(tool, version string, files ...string) []manifests.Release {
	return []manifests.Release{w.release(tool, version, files...)}
}

// change plans and applies c as one process.
func (w *world) change(c plan.Change) (install.Result, error) {
	i := w.kist()
	defer i.Close()
	p, err := i.Plan(c)
	if err != nil {
		return install.Result{}, err
	}
	return i.Apply(w.t.Context(), p)
}

func (w *world) must(c plan.Change) install.Result {
	w.t.Helper()
	res, err := w.change(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

func (w *world) install(r manifests.Release) record.Head {
	w.t.Helper()
	res := w.must(plan.Change{Install: []manifests.Release{r}})
	if len(res.Installed) != 1 {
		w.t.Fatalf("installed %d releases, want 1", len(res.Installed))
	}
	return res.Installed[0]
}

// snapshot describes every path below the home: type, mode, content.
func (w *world) snapshot() string {
	w.t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(w.home, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %v", strings.TrimPrefix(p, w.home), info.Mode())
		switch {
		case info.Mode().Type() == fs.ModeSymlink:
			target, _ := os.Readlink(p)
			fmt.Fprintf(&b, " -> %s", target)
		case info.Mode().IsRegular():
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %s", verify.DigestOf(data))
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return b.String()
}

func (w *world) same(before string) {
	w.t.Helper()
	if after := w.snapshot(); after != before {
		w.t.Errorf("the home changed.\nbefore:\n%s\nafter:\n%s", before, after)
	}
}

func (w *world) path(p string) string { return filepath.Join(w.home, p) }

func (w *world) write(p, text string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(p)), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.path(p), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// command reads what a command of the bin directory holds.
func (w *world) command(name string) string {
	data, err := os.ReadFile(w.path(".local/bin/" + name))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(data))
}
