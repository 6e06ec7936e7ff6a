package unpack_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

// takeAll copies the prefix in the directory from to a new one.
func takeAll(t *testing.T, from string, entries []record.Entry, limits unpack.Limits) ([]record.Entry, string, error) {
	t.Helper()
	source, to := openRoot(t, from), t.TempDir()
	p := unpack.New(openRoot(t, to), limits)
	if err := p.CopyFrom(t.Context(), unpack.Archive{Name: "the other", Component: "part"}, entries, source.Open); err != nil {
		if again := p.CopyFrom(t.Context(), unpack.Archive{Name: "the other"}, nil, source.Open); again == nil {
			t.Error("something can be done with a broken prefix")
		}
		return nil, to, err
	}
	got, err := p.Finish(t.Context())
	return unstamped(got), to, err
}

func openRoot(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// A copied prefix has the same entries, and the same files on disk.
func TestTakeCopiesEntries(t *testing.T) {
	from := t.TempDir()
	for name, text := range map[string]string{"bin/a": "a", "lib/deep/b": "bb", "lib/empty": ""} {
		at := filepath.Join(from, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	hash := func(text string) verify.Digest { return verify.DigestOf([]byte(text)) }
	entries := []record.Entry{
		{Path: "bin", Type: record.Dir, Mode: 0o755},
		{Path: "bin/a", Type: record.File, Mode: 0o755, Size: 1, Digest: hash("a")}, // the mode is the receipt's
		{Path: "bin/b", Type: record.Link, Target: "../lib/deep/b"},
		{Path: "lib", Type: record.Dir, Mode: 0o700},
		{Path: "lib/deep", Type: record.Dir, Mode: 0o755},
		{Path: "lib/deep/b", Type: record.File, Mode: 0o644, Size: 2, Digest: hash("bb")},
		{Path: "lib/empty", Type: record.File, Mode: 0o644, Digest: hash("")},
	}
	got, to, err := takeAll(t, from, entries, unpack.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	for i := range entries {
		entries[i].Component = "part"
	}
	if len(got) != len(entries) {
		t.Fatalf("%d entries: %v", len(got), got)
	}
	for i := range got {
		if got[i] != entries[i] {
			t.Errorf("got %+v, want %+v", got[i], entries[i])
		}
	}
	if info, err := os.Stat(filepath.Join(to, "bin/a")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("bin/a: %v, %v", info, err)
	}
	if text, err := os.ReadFile(filepath.Join(to, "bin/b")); err != nil || string(text) != "bb" {
		t.Errorf("through the link: %q, %v", text, err)
	}
	// The copy is independent of the original.
	if err := os.WriteFile(filepath.Join(from, "bin/a"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(to, "bin/a")); err != nil || string(text) != "a" {
		t.Errorf("bin/a changed with the original: %q, %v", text, err)
	}

	var wrong *verify.DigestError
	if _, _, err := takeAll(t, from, entries, unpack.DefaultLimits()); !errors.As(err, &wrong) || wrong.Name != "bin/a" {
		t.Errorf("a file that was changed: %v", err)
	}
	if err := os.Truncate(filepath.Join(from, "bin/a"), 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := takeAll(t, from, entries, unpack.DefaultLimits()); !errors.As(err, &wrong) {
		t.Errorf("a file that was cut: %v", err)
	}
	if err := os.Remove(filepath.Join(from, "bin/a")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := takeAll(t, from, entries, unpack.DefaultLimits()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is gone: %v", err)
	}
}

// The rules for archives hold for the entries of a receipt.
func TestTakeRefusesInvalidEntries(t *testing.T) {
	from := t.TempDir()
	if err := os.WriteFile(filepath.Join(from, "a"), []byte("aa"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := record.Entry{Path: "a", Type: record.File, Mode: 0o644, Size: 2, Digest: verify.DigestOf([]byte("aa"))}
	small := unpack.DefaultLimits()
	small.Bytes = 1
	for name, test := range map[string]struct {
		entries []record.Entry
		limits  unpack.Limits
	}{
		"a link that leaves": {[]record.Entry{{Path: "l", Type: record.Link, Target: "../x"}}, unpack.DefaultLimits()},
		"a path that leaves": {[]record.Entry{{Path: "../d", Type: record.Dir, Mode: 0o755}}, unpack.DefaultLimits()},
		"twice the same":     {[]record.Entry{file, file}, unpack.DefaultLimits()},
		"below a file":       {[]record.Entry{file, {Path: "a/b", Type: record.Dir, Mode: 0o755}}, unpack.DefaultLimits()},
		"over a limit":       {[]record.Entry{file}, small},
	} {
		var refused *unpack.EntryError
		if _, _, err := takeAll(t, from, test.entries, test.limits); !errors.As(err, &refused) || refused.Archive != "the other" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, _, err := takeAll(t, from, []record.Entry{file}, unpack.DefaultLimits()); err != nil || len(got) != 1 {
		t.Errorf("an honest one: %v, %v", got, err)
	}
}
