package unpack_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/internal/sandbox"
	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// TestMain lets the test binary also run as the sandboxed child.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "child" {
		os.Exit(sandbox.Serve())
	}
	os.Exit(m.Run())
}

// sandboxCommand returns how the child is started, where there is a sandbox.
func sandboxCommand() sandbox.Command {
	if runtime.GOOS != "linux" {
		return sandbox.Command{}
	}
	return sandbox.Command{Path: "/proc/self/exe", Args: []string{"kist", "child"}}
}

// A stage is a prefix to fill, next to files that must not change.
type stage struct {
	outer, inner string
	before       []string
	root         *os.Root
	prefix       *unpack.Prefix
}

func newStage(t testing.TB, limits unpack.Limits) *stage {
	t.Helper()
	s := &stage{outer: t.TempDir()}
	s.inner = filepath.Join(s.outer, "prefixes", "one")
	for _, dir := range []string{s.inner, filepath.Join(s.outer, "prefixes", "two")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	decoy := filepath.Join(s.outer, "decoy")
	if err := os.WriteFile(decoy, []byte("leave me"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"prefixes/decoy", "prefixes/two/decoy"} {
		if err := os.Link(decoy, filepath.Join(s.outer, name)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(s.inner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	s.before = s.outside(t)
	s.root, s.prefix = root, unpack.New(root, limits)
	return s
}

// outside lists everything around the prefix, with modes and contents.
func (s *stage) outside(t testing.TB) (list []string) {
	t.Helper()
	err := filepath.WalkDir(s.outer, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p == s.inner {
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := p + " " + info.Mode().String()
		if d.Type().IsRegular() {
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += " " + string(data)
		}
		list = append(list, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// add writes data to a file and unpacks it.
func (s *stage) add(t testing.TB, data []byte, layout manifests.Layout) error {
	t.Helper()
	src := source(t, data)
	defer src.Close()
	return s.prefix.Add(context.Background(), src, unpack.Archive{Name: "the-archive", Component: "part", Layout: layout})
}

func source(t testing.TB, data []byte) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "artifact")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	return f
}

// check checks the invariant of every test: nothing outside changed and, if the prefix was
// finished, its entries match the disk exactly.
func (s *stage) check(t testing.TB, entries []record.Entry, err error) {
	t.Helper()
	if after := s.outside(t); !slices.Equal(s.before, after) {
		t.Fatalf("outside the prefix, before:\n%s\nafter:\n%s", strings.Join(s.before, "\n"), strings.Join(after, "\n"))
	}
	if err != nil {
		return
	}
	if disk := stamped(t, s.root, onDisk(t, s.inner)); !slices.Equal(entries, disk) {
		t.Fatalf("recorded:\n%v\non disk:\n%v", entries, disk)
	}
	seen := map[string]bool{".": true}
	for _, e := range entries {
		if !seen[filepath.ToSlash(filepath.Dir(e.Path))] {
			t.Fatalf("%s comes before its directory", e.Path)
		}
		seen[e.Path] = true
	}
}

// onDisk walks dir, independently of Finish, and returns entries in the same form and order.
func onDisk(t testing.TB, dir string) (entries []record.Entry) {
	t.Helper()
	root, err := os.OpenRoot(dir) // paths may be longer than a system call accepts
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == "." {
			return err
		}
		info, err := root.Lstat(p)
		if err != nil {
			return err
		}
		e := record.Entry{Path: p, Component: "part", Mode: info.Mode() &^ fs.ModeType}
		switch {
		case info.IsDir():
			e.Type = record.Dir
		case info.Mode().Type() == fs.ModeSymlink:
			e.Type, e.Mode = record.Link, 0
			if e.Target, err = root.Readlink(p); err != nil {
				return err
			}
		case info.Mode().IsRegular():
			data, err := root.ReadFile(p)
			if err != nil {
				return err
			}
			e.Type, e.Size, e.Digest = record.File, int64(len(data)), verify.SHA256(sha256.Sum256(data))
		default:
			t.Fatalf("%s is %v", p, info.Mode())
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(entries, func(a, b record.Entry) int { return strings.Compare(a.Path, b.Path) })
	return entries
}

// stamped sets the stamps of the files among entries, which are below root, from disk, if
// the file system keeps stamps.
func stamped(t testing.TB, root *os.Root, entries []record.Entry) []record.Entry {
	t.Helper()
	for i := range entries {
		if e := &entries[i]; e.Type == record.File {
			e.Stamp = stampOf(t, root, e.Path)
		}
	}
	return entries
}

func stampOf(t testing.TB, root *os.Root, name string) record.Stamp {
	t.Helper()
	above, err := root.OpenRoot(path.Dir(name))
	if err != nil {
		t.Fatal(err)
	}
	defer above.Close()
	dir, err := rootfs.OpenDir(above)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if !dir.KeepsStamps() {
		return record.Stamp{}
	}
	info, err := dir.Lstat(path.Base(name))
	if err != nil {
		t.Fatal(err)
	}
	return record.Stamp(info.Stamp)
}

// unstamped returns entries without stamps, which differ between prefixes.
func unstamped(entries []record.Entry) []record.Entry {
	plain := slices.Clone(entries)
	for i := range plain {
		plain[i].Stamp = record.Stamp{}
	}
	return plain
}

// unpackAll unpacks one archive into a new stage, and checks the result.
func unpackAll(t testing.TB, data []byte, layout manifests.Layout, limits unpack.Limits) ([]record.Entry, error) {
	t.Helper()
	s := newStage(t, limits)
	err := s.add(t, data, layout)
	var entries []record.Entry
	if err == nil {
		entries, err = s.prefix.Finish(context.Background())
	}
	s.check(t, entries, err)
	return unstamped(entries), err
}

// unpackSandboxed is unpackAll in the sandbox.
func unpackSandboxed(t testing.TB, data []byte, layout manifests.Layout, limits unpack.Limits) ([]record.Entry, error) {
	t.Helper()
	s := newStage(t, limits)
	u, err := sandbox.Start(sandboxCommand(), s.root, limits)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	src, err := os.Open(source(t, data).Name()) // read-only
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	err = u.Add(context.Background(), src, unpack.Archive{Name: "the-archive", Component: "part", Layout: layout})
	var entries []record.Entry
	if err == nil {
		entries, err = u.Finish(context.Background())
	}
	s.check(t, entries, err)
	return entries, err
}

type unpackFunc func(testing.TB, []byte, manifests.Layout, unpack.Limits) ([]record.Entry, error)

// bothWays returns the ways to unpack one archive: in this process and in the sandbox.
// With -short few tests use the sandbox.
func bothWays(tb testing.TB) map[string]unpackFunc {
	ways := map[string]unpackFunc{"in this process": unpackAll}
	if !short.Leaves(tb, 6) {
		ways["in the sandbox"] = unpackSandboxed
	}
	return ways
}

// wantRefused requires that an archive is refused for rule, with the same error in this
// process and in the sandbox. With -short few tests use the sandbox.
func wantRefused(t testing.TB, data []byte, layout manifests.Layout, limits unpack.Limits, rule unpack.Rule) {
	t.Helper()
	_, without := unpackAll(t, data, layout, limits)
	wantRule(t, without, rule)
	if short.Leaves(t, 6) {
		return
	}
	_, behind := unpackSandboxed(t, data, layout, limits)
	wantRule(t, behind, rule)
	if without.Error() != behind.Error() {
		t.Errorf("in this process: %v\nin the sandbox: %v", without, behind)
	}
}

// wantRule requires that err is an EntryError for rule.
func wantRule(t testing.TB, err error, rule unpack.Rule) {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted, want: %s", rule)
	}
	e, ok := errors.AsType[*unpack.EntryError](err)
	if !ok || e.Rule != rule || e.Archive != "the-archive" || e.Detail == "" || !errors.Is(err, verify.ErrUntrusted) {
		t.Fatalf("got: %v\nwant the rule: %s", err, rule)
	}
}

// list returns the entries in one line: "dir/", "file", "link>target".
func list(entries []record.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		switch e.Type {
		case record.Dir:
			b.WriteString(e.Path + "/ ")
		case record.Link:
			b.WriteString(e.Path + ">" + e.Target + " ")
		default:
			b.WriteString(e.Path + " ")
		}
	}
	return strings.TrimSuffix(b.String(), " ")
}

// An attack is an archive that breaks one rule, and its honest twin: an archive that is as
// similar as possible and must be accepted, with the entries that it unpacks to.
type attack struct {
	name   string
	bad    []byte
	rule   unpack.Rule
	twin   []byte
	want   string
	layout manifests.Layout
}

// twinsOnly makes runAttacks skip the attacks and only compare the twins.
var twinsOnly bool

func runAttacks(t *testing.T, format string, attacks []attack) {
	t.Helper()
	names := make(map[string]bool)
	step := short.Step(t, 4)
	for i, a := range attacks {
		if names[a.name] {
			t.Fatalf("two attacks are named %q", a.name)
		}
		names[a.name] = true
		if i%step != 0 {
			continue
		}
		t.Run(strings.ReplaceAll(a.name, " ", "-"), func(t *testing.T) {
			layout := a.layout
			layout.Format = format
			if !twinsOnly {
				wantRefused(t, a.bad, layout, unpack.DefaultLimits(), a.rule)
			}
			entries, err := unpackAll(t, a.twin, layout, unpack.DefaultLimits())
			if err != nil {
				t.Fatalf("honest twin: %v", err)
			}
			if got := list(entries); got != a.want {
				t.Fatalf("honest twin: got %q, want %q", got, a.want)
			}
			if layout.Strip == 0 && layout.Installer == nil && layout.Copies == nil {
				compareWithOthers(t, format, a.twin, entries)
			}
		})
	}
}
