package install_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// proved returns a release with evidence that is kept.
func (w *world) proved(tool string) manifests.Release {
	name, version, _ := strings.Cut(tool, " ")
	r := w.release(name, version, "bin/"+name, "bin/"+name+"-"+version, "lib/a", "lib/deep/b", "lib/link -> a")
	document := []byte("document of " + tool)
	r.Evidence.Digest = verify.DigestOf(document)
	r.Evidence.Blobs = []verify.Blob{{Digest: r.Evidence.Digest, Data: document}}
	return r
}

// find returns an installed release, or one whose removal was cut short.
func (w *world) find(tool string) (record.Head, bool) {
	w.t.Helper()
	s := w.state()
	for _, r := range append(s.Installed(), s.Truncated()...) {
		if r.Tool+" "+r.Version == tool {
			return r, true
		}
	}
	return record.Head{}, false
}

// earlier returns a release that only older generations name.
func (w *world) earlier(tool string) (record.Head, bool) {
	w.t.Helper()
	s := w.state()
	for id := range s.Earlier() {
		if r := s.Receipts[id]; r.Tool+" "+r.Version == tool {
			return r, true
		}
	}
	return record.Head{}, false
}

func (w *world) state() plan.State {
	w.t.Helper()
	i := w.kist()
	defer i.Close()
	s, err := i.State()
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// spoil changes one file of a toolchain, litter adds one; clean removes both.
func (w *world) spoil(tool string)  { w.mine(tool, "lib/a") }
func (w *world) litter(tool string) { w.mine(tool, "mine") }

func (w *world) mine(tool, name string) {
	w.t.Helper()
	r, _ := w.find(tool)
	if err := os.WriteFile(filepath.Join(w.kist().Prefix(r.ID), name), []byte("mine"), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) clean() {
	w.t.Helper()
	err := filepath.WalkDir(w.path(".local/share"), func(name string, _ fs.DirEntry, err error) error {
		if text, _ := os.ReadFile(name); string(text) == "mine" {
			return os.Remove(name)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.t.Fatal(err)
	}
}

// see proves a catalog with this serial.
func (w *world) see(serial uint64) error {
	i := w.kist()
	defer i.Close()
	_, err := i.Catalog(w.t.Context(), w, manifests.Channel{Name: "acme", Source: counter(serial)}, manifests.Request{})
	return err
}

// A counter is a source whose catalogs are empty, with a mark.
type counter uint64

func (c counter) Fetch(context.Context, manifests.Transport, manifests.Query) (manifests.Catalog, error) {
	return c, nil
}
func (c counter) Resolve(manifests.Request) (manifests.Release, error) {
	return manifests.Release{}, errors.ErrUnsupported
}
func (c counter) Versions(string) []manifests.Version { return nil }
func (c counter) Mark() verify.Mark {
	return verify.Mark{Channel: "acme", Serial: uint64(c), Digest: verify.DigestOf([]byte{byte(c)}), Issued: time.Unix(int64(c), 0)}
}

// serial returns the serial of the mark, 0 if there is none.
func (w *world) serial() uint64 {
	i := w.kist()
	defer i.Close()
	m, err := i.Store().Mark("acme")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.t.Fatal(err)
	}
	return m.Serial
}

// sound fails the test unless every version is complete or absent, the current
// generation exists, every file has a receipt, no mark went back and no lock is held.
func (w *world) sound(when string, mark uint64) {
	t := w.t
	t.Helper()
	i := w.kist()
	defer i.Close()
	s, err := i.State()
	if err != nil || len(s.Damaged) > 0 {
		t.Fatalf("%s: %v, damaged: %v", when, err, s.Damaged)
	}
	for n, g := range s.Generations {
		for _, id := range g.Receipts {
			if _, drift, err := i.Verify(t.Context(), id); err != nil || len(drift) > 0 && !spoiled(drift) {
				t.Errorf("%s: generation %d names %s: %v, %v", when, n, id, drift, err)
			}
		}
	}
	for _, l := range s.Current.Links {
		name := l.Name
		if slices.Contains(s.Current.Shims, name) { // the launcher starts what is linked beside it
			if text := w.command(name); !strings.HasPrefix(text, "#!/bin/sh") && !strings.Contains(text, "no such file") {
				t.Errorf("%s: the launcher %s holds %q", when, name, text)
			}
			name = "../share/kist/current/default/" + name
		}
		text := w.command(name)
		if !strings.HasPrefix(text, l.Target) && !strings.Contains(text, "no such file") {
			t.Errorf("%s: the command %s holds %q", when, l.Name, text)
		}
	}
	recorded := map[string]bool{}
	for id := range s.Receipts {
		r, err := i.Receipt(id)
		if err != nil {
			t.Errorf("%s: %v", when, err)
		}
		for _, e := range r.Entries {
			recorded[filepath.Join(i.Prefix(id), filepath.FromSlash(e.Path))] = true
		}
	}
	filepath.WalkDir(w.path(".local/share/kist/prefixes"), func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !recorded[name] && filepath.Base(name) != "mine" {
			t.Errorf("%s: %s is in no receipt", when, name)
		}
		return nil
	})
	if now := w.serial(); now < mark && now != 0 {
		t.Errorf("%s: the mark went from %d to %d", when, mark, now)
	}
	if data := i.Roots().Dir(roots.Data); data != nil {
		lock, err := rootfs.TryLock(data, store.LockFile, "")
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if err := lock.Unlock(); err != nil {
			t.Fatal(err)
		}
	}
}

func spoiled(drift []install.Drift) bool {
	return len(drift) == 1 && strings.HasSuffix(drift[0].Path, "/lib/a")
}

// summary returns the content of a home without random values and without counters of
// attempts.
func (w *world) summary() string {
	w.t.Helper()
	var b strings.Builder
	s := w.state()
	for _, n := range slices.Sorted(maps.Keys(s.Generations)) {
		if n == s.Current.Number {
			b.WriteString("current ")
		}
		fmt.Fprintf(&b, "generation of")
		for _, r := range (plan.State{Current: s.Generations[n], Receipts: s.Receipts}).Installed() {
			fmt.Fprintf(&b, " %s %v", r.Ref(), s.Generations[n].Defaults[r.Key()] == r.ID)
		}
		b.WriteByte('\n')
	}
	ids := map[string]string{}
	for id, r := range s.Receipts {
		ids[string(id)] = r.Ref()
		fmt.Fprintf(&b, "receipt of %s, removed %v\n", r.Ref(), r.Removed)
	}
	err := filepath.WalkDir(w.home, func(name string, d fs.DirEntry, err error) error {
		name = filepath.ToSlash(strings.TrimPrefix(name, w.home))
		_, generation, ok := strings.Cut(name, "/generations/")
		if ok && generation != "" {
			return filepath.SkipDir
		}
		for id, ref := range ids {
			name = strings.ReplaceAll(name, id, "<"+ref+">")
		}
		if err == nil && !d.IsDir() {
			fmt.Fprintln(&b, name)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	links, _ := filepath.Glob(w.path(".local/bin/*"))
	for _, l := range links {
		fmt.Fprintf(&b, "%s holds %q\n", filepath.Base(l), w.command(filepath.Base(l)))
	}
	aliases, _ := filepath.Glob(w.path(".local/share/kist/toolchains/*/*/*"))
	for _, a := range aliases {
		text, err := os.ReadFile(filepath.Join(a, "lib/deep/b"))
		fmt.Fprintf(&b, "alias %s holds %q, %v\n", filepath.Base(a), text, err)
	}
	projects, err := w.kist().SeenProjects()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range projects {
		fmt.Fprintf(&b, "project %s uses %v\n", strings.TrimPrefix(p.Dir, w.home), p.Uses)
	}
	fmt.Fprintf(&b, "mark %d\n", w.serial())
	lines := strings.SplitAfter(b.String(), "\n")
	slices.SortFunc(lines, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.Index(b, "generation"), strings.Index(a, "generation")), strings.Compare(a, b))
	})
	return strings.Join(lines, "")
}

func copyTree(t *testing.T, to, from string) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		into := to + strings.TrimPrefix(name, from)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return os.Mkdir(into, info.Mode().Perm())
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			return os.Symlink(target, into)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(into, data, info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// restore restores home to the state at which template was copied from it.
func restore(t *testing.T, home, template string) {
	t.Helper()
	if err := os.RemoveAll(home); err != nil {
		t.Fatal(err)
	}
	copyTree(t, home, template)
}
