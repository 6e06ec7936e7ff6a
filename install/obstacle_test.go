package install_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// Foreign files in kist's directories block no change, and stay as they are.
func TestForeignFilesDoNotBlockChanges(t *testing.T) {
	names := []string{"generations/.DS_Store", "generations/1/.DS_Store", "generations/1/bin/mine", "generations/77",
		"stage/.lock", "stage/mine", "stage/0123456789abcdeg/mine", "toolchains/mine", "toolchains/acme/zig/2.0"}
	step := short.Step(t, 4)
	for i := 0; i < len(names); i += step {
		name := names[i]
		t.Run(strings.ReplaceAll(name, "/", " "), func(t *testing.T) {
			testForeign(t, name, func(w *world, p string) error { w.write(p, "mine"); return nil })
		})
	}
	for _, name := range []string{"toolchains/acme/zig/mine", "toolchains/acme/zig/2.0"} {
		t.Run("a link at "+strings.ReplaceAll(name, "/", " "), func(t *testing.T) {
			testForeign(t, name, func(w *world, p string) error { return os.Symlink("../../../../../mine", w.path(p)) })
		})
	}
}

func testForeign(t *testing.T, name string, place func(w *world, p string) error) {
	w := newWorld(t)
	before := w.snapshot()
	w.install(w.release("zig", "1.0", "bin/zig"))
	name = ".local/share/kist/" + name
	if err := place(w, name); err != nil {
		t.Fatal(err)
	}
	describe := func() string {
		info, err := os.Lstat(w.path(name))
		if err != nil {
			return err.Error()
		}
		text, _ := os.ReadFile(w.path(name))
		target, _ := os.Readlink(w.path(name))
		return fmt.Sprint(info.Mode(), info.ModTime(), string(text), target)
	}
	was := describe()
	second := w.install(w.release("zig", "2.0", "bin/zig"))
	w.must(plan.Change{Default: []record.ID{second.ID}})
	if got := w.command("zig"); got != "bin/zig 2.0" {
		t.Errorf("the command holds %q", got)
	}
	w.must(plan.Change{Rollback: true})
	w.must(plan.Change{Remove: []record.ID{second.ID}})
	w.install(w.release("other", "1.0", "bin/other"))
	res, err := w.kist().RemoveAll(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if is := describe(); is != was {
		t.Errorf("it was %s, and is %s", was, is)
	}
	if !slices.ContainsFunc(res.Leftovers, func(d install.Drift) bool { return d.Path == w.path(name) }) || len(res.Leftovers) != 1 {
		t.Errorf("kept %v", res.Leftovers)
	}
	// Once the user has taken it away, the rest goes.
	if err := os.Remove(w.path(name)); err != nil {
		t.Fatal(err)
	}
	if dir := filepath.Dir(w.path(name)); strings.HasSuffix(dir, "abcdeg") {
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
	}
	if res, err = w.kist().RemoveAll(t.Context(), true); err != nil || len(res.Leftovers) != 0 {
		t.Errorf("kept %v, %v", res.Leftovers, err)
	}
	w.same(before)
}

// Files that cannot be removed are reported, and block nothing else. (Root may remove
// them.)
func TestUnremovableFileDoesNotBlockChanges(t *testing.T) {
	stuck := os.Geteuid() != 0
	w := newWorld(t)
	before := w.snapshot()
	zig := w.install(w.release("zig", "1.0", "bin/zig", "lib/a"))
	dir := filepath.Join(w.kist().Prefix(zig.ID), "lib")
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o755) })
	_, err := w.change(plan.Change{Remove: []record.ID{zig.ID}})
	if errors.As(err, new(*install.UnfinishedError)) != stuck || !stuck && err != nil {
		t.Fatalf("uninstall: %v", err)
	}
	for _, tool := range []string{"one", "two"} {
		w.warned = nil
		w.install(w.release(tool, "1.0", "bin/"+tool))
		if told := slices.ContainsFunc(w.warned, func(text string) bool { return strings.Contains(text, dir) }); told != stuck {
			t.Errorf("warned %q", w.warned)
		}
	}
	res, err := w.kist().RemoveAll(t.Context(), true)
	if errors.As(err, new(*install.UnfinishedError)) != stuck || len(res.Removed) != 2 {
		t.Errorf("%+v, %v", res, err)
	}
	if stuck {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.kist().RemoveAll(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	w.same(before)
}

// kist does not write a receipt that it could not read again: a release with too many
// entries is refused before anything is in force.
func TestTooLargeReceiptIsRefused(t *testing.T) {
	w := newWorld(t)
	w.install(w.release("zig", "1.0", "bin/zig"))
	before := w.snapshot()

	target := strings.Repeat(strings.Repeat("\\", 250)+"/", 15) // twice as long in a receipt
	receipt := record.Receipt{Head: record.Head{ID: "acme-big-1.0-00000000", Channel: "acme", Tool: "big", Version: "1.0"}}
	for n := range 36_000 {
		receipt.Entries = append(receipt.Entries, record.Entry{Path: fmt.Sprint(n), Type: record.Link, Target: target})
	}
	var tooLarge *manifests.TooLargeError
	if err := w.kist().Store().PutReceipt(receipt); !errors.As(err, &tooLarge) {
		t.Errorf("a receipt: %v", err)
	}
	receipt.Entries = receipt.Entries[:10_000]
	if err := w.kist().Store().PutReceipt(receipt); err != nil {
		t.Errorf("one that is not too long: %v", err)
	}
	if _, err := w.kist().Receipt(receipt.ID); err != nil {
		t.Errorf("read again: %v", err)
	}
	if err := w.kist().Store().DropReceipt(receipt.ID); err != nil {
		t.Fatal(err)
	}

	g := record.Generation{Number: 2}
	for n := range 60_000 {
		g.Links = append(g.Links, record.CommandLink{Name: fmt.Sprint(n, strings.Repeat("x", 100)), ID: receipt.ID, Target: strings.Repeat("x", 200)})
	}
	if err := w.kist().Store().Prepare(g, nil); !errors.As(err, &tooLarge) {
		t.Errorf("a generation: %v", err)
	}
	w.same(before)
}

// Every change reports a stage that cannot be removed, with the cause, and continues.
// The lock of this stage is not a file, which stops every user, even root; once it is a
// lock, the stage is removed.
func TestUnremovableStageIsReported(t *testing.T) {
	const name = ".local/share/kist/stage/0123456789abcdef"
	w := newWorld(t)
	before := w.snapshot()
	zig := w.install(w.release("zig", "1.0", "bin/zig"))
	w.write(name+"/bin/half", "x")
	stage, lock := w.path(name), w.path(name+".lock")
	if err := os.Mkdir(lock, 0o700); err != nil {
		t.Fatal(err)
	}
	warned := func(verb string) {
		t.Helper()
		told := slices.DeleteFunc(slices.Clone(w.warned), func(text string) bool { return !strings.HasPrefix(text, stage+" cannot be removed: ") })
		if len(told) != 1 || !strings.HasSuffix(told[0], "; left alone") {
			t.Errorf("%s warned %q", verb, w.warned)
		}
		w.warned = nil
	}
	second := w.install(w.release("zig", "2.0", "bin/zig"))
	warned("install")
	w.must(plan.Change{Default: []record.ID{second.ID}})
	warned("default")
	if got := w.command("zig"); got != "bin/zig 2.0" {
		t.Errorf("the command holds %q", got)
	}
	w.must(plan.Change{Remove: []record.ID{zig.ID}})
	warned("uninstall")
	for _, self := range []bool{false, true} {
		res, err := w.kist().RemoveAll(t.Context(), self)
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Leftovers) != 1 || res.Leftovers[0].Path != stage || !strings.HasPrefix(res.Leftovers[0].Reason, "cannot be removed: ") {
			t.Errorf("kept %v", res.Leftovers)
		}
		if _, err := os.Stat(w.path(".local/share/kist/prefixes")); err == nil {
			t.Error("the prefixes are still there")
		}
	}
	for _, dir := range []string{".config/kist", ".cache/kist", ".local/state/kist/marks"} {
		if _, err := os.Lstat(w.path(dir)); err == nil {
			t.Errorf("%s is still there", dir)
		}
	}
	if err := errors.Join(os.Remove(lock), os.WriteFile(lock, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if res, err := w.kist().RemoveAll(t.Context(), true); err != nil || len(res.Leftovers) != 0 {
		t.Errorf("kept %v, %v", res.Leftovers, err)
	}
	w.same(before)
}

// A stage is removed whatever the modes of its directories are: a compromised unpacker
// can set any mode.
func TestStagesWithUnreadableDirectoriesAreRemoved(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	w.install(w.release("zig", "1.0", "bin/zig"))
	stage := ".local/share/kist/stage/0123456789abcdef"
	w.write(stage+".lock", "")
	for _, dir := range []string{"a", "a/b", "c", "c/d"} {
		w.write(stage+"/"+dir+"/file", "x")
	}
	for dir, mode := range map[string]os.FileMode{"a/b": 0o300, "a": 0o300, "c/d": 0, "c": 0o555} {
		if err := os.Chmod(w.path(stage+"/"+dir), mode); err != nil {
			t.Fatal(err)
		}
	}
	w.install(w.release("other", "1.0", "bin/other"))
	if len(w.warned) > 0 {
		t.Errorf("warned %q", w.warned)
	}
	if left, err := os.ReadDir(w.path(".local/share/kist/stage")); err != nil || len(left) > 0 {
		t.Errorf("left in stage: %v, %v", left, err)
	}
	if res, err := w.kist().RemoveAll(t.Context(), true); err != nil || len(res.Leftovers) != 0 {
		t.Errorf("kept %v, %v", res.Leftovers, err)
	}
	w.same(before)
}
