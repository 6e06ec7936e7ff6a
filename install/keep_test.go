package install_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// update updates a tool from one version to the next.
func (w *world) update(tool string, from, to int, keep *int) install.Result {
	w.t.Helper()
	r, ok := w.find(fmt.Sprintf("%s %d.0", tool, from))
	if !ok {
		w.t.Fatalf("%s %d.0 is not installed", tool, from)
	}
	return w.must(plan.Change{Update: []plan.Update{{ID: r.ID, Release: w.proved(fmt.Sprintf("%s %d.0", tool, to))}}, Keep: keep})
}

// size returns how many bytes the files of the home have, without the cache.
func (w *world) size() (bytes int64) {
	w.t.Helper()
	err := filepath.WalkDir(w.path(".local"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		bytes += info.Size()
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return bytes
}

// After ten updates of three tools, gc frees the thirty earlier releases, and nothing else:
// the home is byte for byte as it was, except for their prefixes, receipts, evidence and
// generations. With one kept release of each tool, the home never has more than six.
func TestTenUpdatesOfThreeTools(t *testing.T) {
	tools := []string{"zig", "go", "node"}
	w := newWorld(t)
	installed("zig 1.0", "go 1.0", "node 1.0")(w)
	w.write(".local/bin/mine", "mine")
	fresh := w.size()
	for v := 1; v <= 10; v++ {
		for _, tool := range tools {
			w.update(tool, v, v+1, nil)
		}
	}
	before, grown, s := w.snapshot(), w.size(), w.state()
	var c plan.Change
	var ids []string
	for id := range s.Earlier() {
		c.Free, ids = append(c.Free, id), append(ids, string(id))
	}
	if len(c.Free) != 30 {
		t.Fatalf("%d earlier releases, want 30", len(c.Free))
	}
	res := w.must(c)
	if len(res.Removed) != 30 || len(res.Leftovers) > 0 {
		t.Errorf("removed %d releases, left %v", len(res.Removed), res.Leftovers)
	}
	after, left := w.snapshot(), w.size()
	t.Logf("three tools: %d bytes; after ten updates of each: %d; after gc: %d; freed as it says: %d", fresh, grown, left, res.Freed)
	if left > fresh+2000 || res.Freed <= 0 || grown-left < res.Freed {
		t.Errorf("%d bytes are left, of %d before the updates; gc says that it freed %d", left, fresh, res.Freed)
	}
	lines := strings.Split(after, "\n")
	for _, line := range strings.Split(before, "\n") {
		path, _, _ := strings.Cut(line, " ")
		freed := slices.ContainsFunc(ids, func(id string) bool { return strings.Contains(path, id) }) ||
			strings.Contains(path, "/generations/") || strings.Contains(path, "/evidence/")
		if !freed && !slices.Contains(lines, line) {
			t.Errorf("changed or gone: %s", line)
		}
	}
	for _, line := range lines {
		if !strings.Contains(before, line) {
			t.Errorf("new: %s", line)
		}
	}
	w.sound("after gc", 0)
	if got := w.state().Generations; len(got) != 1 {
		t.Errorf("%d generations are left", len(got))
	}

	keep := 1
	for v := 11; v <= 20; v++ {
		for _, tool := range tools {
			w.update(tool, v, v+1, &keep)
			if prefixes, _ := os.ReadDir(w.path(".local/share/kist/prefixes")); len(prefixes) > 6 {
				t.Fatalf("%d prefixes", len(prefixes))
			}
		}
	}
	if n := len(w.state().Earlier()); n != 3 {
		t.Errorf("%d earlier releases are kept, want one of each tool", n)
	}
	w.sound("after updates that keep one", 0)
	w.must(plan.Change{Rollback: true})
	if _, ok := w.find("node 20.0"); !ok {
		t.Error("rollback does not return to the release before")
	}
}

// An update whose freeing fails is made nevertheless, and the next change tries again.
func TestUpdateWhoseFreeingFails(t *testing.T) {
	w := newWorld(t)
	installed("zig 1.0")(w)
	w.update("zig", 1, 2, nil)
	old, _ := w.earlier("zig 1.0")
	prefix := w.kist().Prefix(old.ID)
	if err := os.Rename(prefix, prefix+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(prefix+".moved", prefix); err != nil {
		t.Fatal(err)
	}
	keep := 1
	w.update("zig", 2, 3, &keep)
	if got := w.command("zig"); got != "bin/zig 3.0" {
		t.Errorf("the command is %q", got)
	}
	if len(w.warned) != 1 || !strings.Contains(w.warned[0], "is a link or lies behind one") {
		t.Errorf("warned %q", w.warned)
	}
	if err := os.Remove(prefix); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(prefix+".moved", prefix); err != nil {
		t.Fatal(err)
	}
	w.do(installs("another 1.0"))
	if _, err := os.Lstat(prefix); err == nil {
		t.Error("the next change does not finish the removal")
	}
}

// A release that a plan wants to free stays if it is in force by the time.
func TestFreedReleaseThatIsInForceAgain(t *testing.T) {
	w := newWorld(t)
	installed("zig 1.0")(w)
	w.update("zig", 1, 2, nil)
	old, _ := w.earlier("zig 1.0")
	i := w.kist()
	p, err := i.Plan(plan.Change{Free: []record.ID{old.ID}})
	if err != nil || !slices.Equal(p.Free, []record.ID{old.ID}) {
		t.Fatal(p, err)
	}
	w.must(plan.Change{Rollback: true})
	if res, err := i.Apply(t.Context(), p); err != nil || len(res.Removed) > 0 {
		t.Errorf("removed %v, %v", res.Removed, err)
	}
	if got := w.command("zig"); got != "bin/zig 1.0" {
		t.Errorf("the command is %q", got)
	}
}

func TestLastUseIsKnownToTheDay(t *testing.T) {
	w := newWorld(t)
	r := w.install(w.release("zig", "1.0", "bin/zig"))
	day := func(want int) {
		t.Helper()
		last, err := w.kist().LastUse(r.ID)
		if got := int(last.Sub(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)).Hours() / 24); err != nil || got != want {
			t.Errorf("last used %d days later (%v), %v; want %d", got, last, err, want)
		}
	}
	day(0)
	receipt := w.path(".local/state/kist/receipts/" + string(r.ID) + ".json")
	before, err := os.ReadFile(receipt)
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(23 * time.Hour)
	w.kist().NoteUse(r.ID)
	day(0) // not written again on the same day
	w.now = w.now.Add(49 * time.Hour)
	w.kist().NoteUse(r.ID)
	day(3)
	w.now = w.now.AddDate(0, 0, 7)
	w.must(plan.Change{Update: []plan.Update{{ID: r.ID, Release: w.release("zig", "2.0", "bin/zig")}}})
	day(10) // it was in force until then
	if after, err := os.ReadFile(receipt); err != nil || string(after) != string(before) {
		t.Errorf("the receipt changed: %v", err)
	}
	w.kist().NoteUse("acme-none-1.0-00000000") // no such release: nothing happens
}

// A project is recorded once, survives the generation that it was recorded in, and goes
// with kist.
func TestProjectsAreRecorded(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	p := install.SeenProject{Dir: w.path("shop"), Mount: "/", Uses: []string{"acme/zig@1.0"}}
	note := func(p install.SeenProject) {
		t.Helper()
		if err := w.kist().NoteProject(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	note(p) // nothing is installed: nothing is recorded
	w.same(before)
	w.do(installs("zig 1.0"))
	note(p)
	recorded := w.snapshot()
	w.now = w.now.Add(time.Hour)
	note(p)
	w.same(recorded)
	note(install.SeenProject{Dir: w.path("shop/a=b 'c'"), Mount: "/"})
	p.Uses = []string{"acme/zig@2.0"}
	note(p)
	keep := 0
	w.update("zig", 1, 2, &keep)
	w.update("zig", 2, 3, &keep)
	got, err := w.kist().SeenProjects()
	if err != nil || len(got) != 2 || got[0].Dir != p.Dir || !slices.Equal(got[0].Uses, p.Uses) || got[1].Dir != w.path("shop/a=b 'c'") || !got[0].Seen.Equal(w.now) {
		t.Errorf("recorded %+v, %v", got, err)
	}
	w.do(uninstallAll(true))
	w.same(before)
}

// The same version can be in force and be held by an older generation: only that one is freed.
func TestInstallOfAnEarlierRelease(t *testing.T) {
	w := newWorld(t)
	installed("zig 1.0")(w)
	w.update("zig", 1, 2, nil)
	w.must(plan.Change{Install: []manifests.Release{w.proved("zig 1.0")}})
	old, _ := w.earlier("zig 1.0")
	res := w.must(plan.Change{Free: []record.ID{old.ID}})
	if len(res.Removed) != 1 {
		t.Errorf("removed %v", res.Removed)
	}
	if r, ok := w.find("zig 1.0"); !ok || w.kist().Missing(r) != nil {
		t.Error("gc of an earlier release removed the same version in force")
	}
}
