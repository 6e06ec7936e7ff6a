package install_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A feed is a channel whose manifest is described by its fields.
type feed struct {
	mark    verify.Mark
	release manifests.Release
	err     error
	asked   manifests.Query
}

func (f *feed) Fetch(ctx context.Context, t manifests.Transport, q manifests.Query) (manifests.Catalog, error) {
	f.asked = q
	return f, f.err
}
func (f *feed) Mark() verify.Mark { return f.mark }
func (f *feed) Resolve(q manifests.Request) (manifests.Release, error) {
	r := f.release
	r.Components = append([]string{r.Tool}, q.Components...)
	return r, nil
}
func (f *feed) Versions(string) []manifests.Version { return nil }

func (f *feed) serve(now time.Time, serial uint64, text string) {
	f.mark = verify.Mark{Serial: serial, Issued: now.Add(-time.Hour), Expires: now.Add(90 * 24 * time.Hour), Digest: verify.DigestOf([]byte(text))}
}

func (w *world) catalog(ch manifests.Channel) error {
	_, err := w.kist().Catalog(w.t.Context(), w, ch, manifests.Request{Tool: "zig"})
	return err
}

func TestMarksOnlyMoveForward(t *testing.T) {
	w := newWorld(t)
	f := &feed{}
	ch := manifests.Channel{Name: "acme", Source: f, Added: true}
	f.serve(w.now, 5, "five")
	var lost *verify.MarkError
	if err := w.catalog(ch); !errors.As(err, &lost) {
		t.Errorf("an added channel without a mark: %v", err)
	}
	if _, _, err := w.kist().Renew(t.Context(), w, ch, manifests.Request{}); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name   string
		serial uint64
		text   string
		stale  bool
	}{
		{"the same", 5, "five", false}, {"newer", 6, "six", false}, {"rollback", 5, "five", true},
		{"equivocation", 6, "other", true}, {"what was accepted before", 6, "six", false},
	}
	for _, s := range steps {
		f.serve(w.now, s.serial, s.text)
		if err := w.catalog(ch); errors.Is(err, verify.ErrStale) != s.stale {
			t.Errorf("%s: %v", s.name, err)
		}
		if m, err := w.kist().Mark(ch); err != nil || m.Serial < 5 || s.stale && m.Serial != 6 {
			t.Errorf("%s: the mark is %+v, %v", s.name, m, err)
		}
	}
	if f.asked.Last.Serial != 6 {
		t.Errorf("the source was told of mark %d, want 6", f.asked.Last.Serial)
	}
	older := f.mark
	older.Serial = 5
	if err := f.asked.CheckMark(older); !errors.Is(err, verify.ErrStale) {
		t.Errorf("the source may ask about an older mark: %v", err)
	}
	if err := f.asked.CheckMark(f.mark); err != nil {
		t.Errorf("the source may ask about its mark: %v", err)
	}
}

func TestRenewStillRefusesAnOlderManifest(t *testing.T) {
	w := newWorld(t)
	f := &feed{}
	ch := manifests.Channel{Name: "acme", Source: f, Added: true}
	f.serve(w.now, 5, "five")
	if _, _, err := w.kist().Renew(t.Context(), w, ch, manifests.Request{}); err != nil {
		t.Fatal(err)
	}
	f.serve(w.now, 4, "four")
	if _, _, err := w.kist().Renew(t.Context(), w, ch, manifests.Request{}); !errors.Is(err, verify.ErrStale) {
		t.Errorf("renewed with an older one: %v", err)
	}
}

func TestLostOrDamagedMarkIsAnError(t *testing.T) {
	w := newWorld(t)
	f := &feed{}
	ch := manifests.Channel{Name: "acme", Source: f, Added: true}
	mark := w.path(".local/state/kist/marks/acme.json")
	for name, spoil := range map[string]func() error{
		"removed":          func() error { return os.Remove(mark) },
		"emptied":          func() error { return os.Truncate(mark, 0) },
		"cut":              func() error { return os.Truncate(mark, 20) },
		"another's":        func() error { return os.WriteFile(mark, []byte(`{"channel":"other","serial":9}`), 0o600) },
		"without a number": func() error { return os.WriteFile(mark, []byte(`{"channel":"acme"}`), 0o600) },
		"a directory":      func() error { return errors.Join(os.Remove(mark), os.Mkdir(mark, 0o700)) },
	} {
		os.RemoveAll(mark)
		f.serve(w.now, 5, "five")
		if _, _, err := w.kist().Renew(t.Context(), w, ch, manifests.Request{}); err != nil {
			t.Fatal(err)
		}
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		var lost *verify.MarkError
		if err := w.catalog(ch); !errors.As(err, &lost) || !errors.Is(err, verify.ErrStale) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The receipts of a built-in channel show that it once had a mark.
func TestBuiltInChannelHasOneFirstUse(t *testing.T) {
	w := newWorld(t)
	f := &feed{release: w.release("zig", "1.0", "bin/zig")}
	f.serve(w.now, 5, "five")
	ch := manifests.Channel{Name: "acme", Source: f}
	i := w.kist()
	r, err := i.Resolve(t.Context(), w, ch, manifests.Request{Tool: "zig"})
	if err != nil {
		t.Fatal(err)
	}
	if r.Evidence.Mark == nil || r.Evidence.Mark.Serial != 5 {
		t.Errorf("the evidence does not hold the mark: %+v", r.Evidence)
	}
	w.must(plan.Change{Install: []manifests.Release{r}})
	if err := os.Remove(w.path(".local/state/kist/marks/acme.json")); err != nil {
		t.Fatal(err)
	}
	var lost *verify.MarkError
	if err := w.catalog(ch); !errors.As(err, &lost) {
		t.Errorf("first use a second time: %v", err)
	}
}

func TestClockSetBackDoesNotReviveManifest(t *testing.T) {
	w := newWorld(t)
	f := &feed{}
	ch := manifests.Channel{Name: "acme", Source: f, Added: true}
	f.serve(w.now, 5, "five")
	if _, _, err := w.kist().Renew(t.Context(), w, ch, manifests.Request{}); err != nil {
		t.Fatal(err)
	}
	f.mark = verify.Mark{Serial: 6, Issued: w.now.AddDate(0, 0, -40), Expires: w.now.AddDate(0, 0, -10), Digest: verify.DigestOf([]byte("x"))}
	w.now = w.now.AddDate(0, 0, -20)
	var expired *verify.ExpiredError
	if err := w.catalog(ch); !errors.As(err, &expired) {
		t.Errorf("with the clock set back: %v", err)
	}
}

func TestAddingComponentKeepsOthers(t *testing.T) {
	w := newWorld(t)
	f := &feed{release: w.release("zig", "1.0", "bin/zig")}
	ch := manifests.Channel{Name: "acme", Source: f}
	for _, c := range []string{"docs", "src"} {
		i := w.kist()
		r, err := i.Resolve(t.Context(), w, ch, manifests.Request{Tool: "zig", Components: []string{c}})
		if err != nil {
			t.Fatal(err)
		}
		w.must(plan.Change{Install: []manifests.Release{r}})
	}
	s, err := w.kist().State()
	if err != nil {
		t.Fatal(err)
	}
	have := s.Installed()
	if len(have) != 1 || !has(have[0].Components, "docs") || !has(have[0].Components, "src") {
		t.Errorf("installed %+v", have)
	}
}

func has(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// The mark of a channel with several lines counts each line by itself. An exact
// version, however old, is only compared with the clock.
func TestEachLineOfAChannelHasItsMark(t *testing.T) {
	w := newWorld(t)
	f := &feed{}
	ch := manifests.Channel{Name: "rust", Source: f}
	day := func(line string, daysAgo int, text string) {
		f.mark = verify.Mark{Line: line, Fixed: line == "", Issued: w.now.AddDate(0, 0, -daysAgo), Digest: verify.DigestOf([]byte(text))}
	}
	for _, s := range []struct {
		name, line, text string
		daysAgo          int
		stale            bool
	}{
		{"an exact version first", "", "1.38.0", 2600, false}, {"stable", "stable", "1.95.0", 30, false},
		{"nightly, newer", "nightly", "n2", 1, false}, {"stable again, older than nightly", "stable", "1.95.0", 30, false},
		{"an older nightly", "nightly", "n1", 2, true}, {"another stable of the day", "stable", "1.95.0!", 30, true},
		{"an exact version", "", "1.38.0", 2600, false}, {"one from the future", "", "1.99.0", -2, true},
		{"a newer stable", "stable", "1.96.0", 20, false}, {"the older stable", "stable", "1.95.0", 30, true},
		{"beta, never seen", "beta", "b1", 90, false},
	} {
		day(s.line, s.daysAgo, s.text)
		if err := w.catalog(ch); (err != nil) != s.stale || err != nil && !errors.Is(err, verify.ErrStale) {
			t.Errorf("%s: %v", s.name, err)
		}
	}
	m, err := w.kist().Mark(ch)
	if err != nil || len(m.Lines) != 3 || !m.Issued.Equal(w.now.AddDate(0, 0, -1)) || m.LineMark("stable").Digest != verify.DigestOf([]byte("1.96.0")) {
		t.Errorf("the mark is %+v, %v", m, err)
	}
	day("stable", 20, "1.96.0")
	if _, was, err := w.kist().Renew(t.Context(), w, ch, manifests.Request{}); err != nil || was.Digest != f.mark.Digest {
		t.Errorf("renewed, it was %+v, %v", was, err)
	}
}

// An exact version stores no mark, so its receipt does not show that there was one.
func TestExactVersionStoresNoMark(t *testing.T) {
	w := newWorld(t)
	f := &feed{release: w.release("zig", "1.0", "bin/zig")}
	f.mark = verify.Mark{Fixed: true, Issued: w.now.AddDate(-1, 0, 0), Digest: verify.DigestOf([]byte("1.0"))}
	ch := manifests.Channel{Name: "acme", Source: f}
	r, err := w.kist().Resolve(t.Context(), w, ch, manifests.Request{Tool: "zig", Version: "1.0"})
	if err != nil || r.Evidence.Mark == nil || !r.Evidence.Mark.Fixed {
		t.Fatalf("evidence %+v, %v", r.Evidence, err)
	}
	w.must(plan.Change{Install: []manifests.Release{r}})
	f.mark.Line, f.mark.Fixed = "stable", false
	if err := w.catalog(ch); err != nil {
		t.Errorf("a line for the first time, after an exact version: %v", err)
	}
}

func TestDryRunStoresNoMark(t *testing.T) {
	w := newWorld(t)
	f := &feed{}
	f.serve(w.now, 5, "five")
	i := w.kist()
	i.Opened().DryRun = true
	before := w.snapshot()
	if _, err := i.Catalog(t.Context(), w, manifests.Channel{Name: "acme", Source: f}, manifests.Request{}); err != nil {
		t.Fatal(err)
	}
	w.same(before)
}

// A suite that was seen and no longer exists is stale until the user renews the channel.
func TestWithheldLineIsStale(t *testing.T) {
	w := newWorld(t)
	line := func(name string, days int, text string) verify.Mark {
		return verify.Mark{Line: name, Issued: w.now.AddDate(0, 0, days), Digest: verify.DigestOf([]byte(text))}
	}
	f := &feed{mark: verify.JoinLines("", line("base", -90, "b"), line("security", -1, "s"))}
	ch := manifests.Channel{Name: "bookworm", Source: f}
	if err := w.catalog(ch); err != nil {
		t.Fatal(err)
	}
	if m, err := w.kist().Mark(ch); err != nil || len(m.Lines) != 2 || m.Lines["base"].Channel != "bookworm" {
		t.Fatalf("mark %+v, %v", m, err)
	}
	f.mark = verify.JoinLines("", line("base", -90, "b"))
	var withheld *verify.WithheldError
	if err := w.catalog(ch); !errors.As(err, &withheld) || withheld.Channel != "bookworm" || withheld.Line != "security" {
		t.Errorf("withheld: %v", err)
	}
	f.mark = verify.JoinLines("", line("base", -91, "b0"))
	if _, _, err := w.kist().Renew(t.Context(), w, ch, manifests.Request{}); !errors.Is(err, verify.ErrStale) {
		t.Errorf("renewed with an older one: %v", err)
	}
	f.mark = verify.JoinLines("", line("base", -90, "b"))
	if _, was, err := w.kist().Renew(t.Context(), w, ch, manifests.Request{}); err != nil || len(was.Lines) != 2 {
		t.Errorf("renewed: %+v, %v", was, err)
	}
	if m, err := w.kist().Mark(ch); err != nil || len(m.Lines) != 1 {
		t.Errorf("the mark is %+v, %v", m, err)
	}
	if err := w.catalog(ch); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// A release that states no date counts from when this machine first met it, which is stored
// with the channel's mark and survives newer marks.
func TestFirstSeen(t *testing.T) {
	w := newWorld(t)
	f := &feed{}
	ch := manifests.Channel{Name: "acme", Source: f, Added: true}
	f.serve(w.now, 5, "five")
	if _, _, err := w.kist().Renew(t.Context(), w, ch, manifests.Request{}); err != nil {
		t.Fatal(err)
	}
	first := w.now
	seen := func(version string, want time.Time) {
		t.Helper()
		if got, err := w.kist().FirstSeen(t.Context(), ch, manifests.Release{Tool: "zig", Version: version}); err != nil || !got.Equal(want) {
			t.Errorf("zig %s: %v, %v; want %v", version, got, err, want)
		}
	}
	seen("0.14.0", first)
	w.now = w.now.AddDate(0, 0, 4)
	seen("0.14.0", first)
	f.serve(w.now, 6, "six")
	if err := w.catalog(ch); err != nil {
		t.Fatal(err)
	}
	seen("0.14.0", first)
	seen("0.14.1", w.now)
	second := w.now
	w.now = first // the clock set back makes nothing older than it was
	seen("0.14.2", f.mark.Issued)
	w.now = second.AddDate(0, 0, 1)
	seen("0.14.1", second)

	// The clock is never earlier than the newest accepted manifest: a machine whose clock has
	// lost the date does not make what it meets then look old for ever.
	w.now = first.AddDate(-50, 0, 0)
	seen("0.15.0", f.mark.Issued)
	w.now = second.AddDate(0, 0, 1)
	seen("0.15.0", f.mark.Issued)

	// So are the signatures that name the release, if the channel has no dates of its own.
	ch = manifests.Channel{Name: "lists", Source: &feed{}}
	made := first.AddDate(0, 0, -3)
	signed := manifests.Release{Tool: "zig", Version: "1.0", Evidence: verify.Evidence{Kind: verify.ByDetached, Signers: []verify.Signer{{Created: made}}}}
	for _, now := range []time.Time{first.AddDate(-50, 0, 0), first} {
		w.now = now
		if got, err := w.kist().FirstSeen(t.Context(), ch, signed); err != nil || !got.Equal(made) {
			t.Errorf("at %v: first seen at %v, %v; want %v", now, got, err, made)
		}
	}
	w.now = second.AddDate(0, 0, 1)

	// A channel without marks has one for what was seen.
	ch = manifests.Channel{Name: "plain", Source: &feed{}}
	seen("1.0", w.now)
	start := w.now
	w.now = w.now.AddDate(0, 0, 3)
	seen("1.0", start)
}
