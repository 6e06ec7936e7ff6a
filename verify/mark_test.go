package verify_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/verify"
)

var markNow = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func markAt(serial uint64, issued, expires time.Duration, text string) verify.Mark {
	return verify.Mark{Channel: "acme", Serial: serial, Issued: markNow.Add(issued), Expires: markNow.Add(expires), Digest: verify.DigestOf([]byte(text))}
}

func TestMarkSupersedes(t *testing.T) {
	const hour, days = time.Hour, 24 * time.Hour
	last := markAt(5, -days, 30*days, "five")
	for _, test := range []struct {
		name string
		next verify.Mark
		now  time.Time
		want string // "", "expired" or "downgrade"
	}{
		{"the same again", last, markNow, ""},
		{"a newer one", markAt(6, -hour, 30*days, "six"), markNow, ""},
		{"a leap of serials", markAt(1<<62, -hour, 30*days, "far"), markNow, ""},
		{"an older one (rollback)", markAt(4, -hour, 30*days, "four"), markNow, "downgrade"},
		{"another text under the serial (equivocation)", markAt(5, -days, 30*days, "other"), markNow, "downgrade"},
		{"expired by a second (freeze)", markAt(6, -days, -time.Second, "six"), markNow, "expired"},
		{"expiring this very moment", markAt(6, -days, 0, "six"), markNow, "expired"},
		{"one second left", markAt(6, -days, time.Second, "six"), markNow, ""},
		{"from the future, within the skew", markAt(6, verify.MaxSkew, 30*days, "six"), markNow, ""},
		{"from the future, beyond it", markAt(6, verify.MaxSkew+time.Second, 30*days, "six"), markNow, "expired"},
		{"a life at the limit", markAt(6, 0, verify.MaxLife, "six"), markNow, ""},
		{"a life over the limit", markAt(6, 0, verify.MaxLife+time.Second, "six"), markNow, "expired"},
		{"expires before it was issued", markAt(6, -hour, -2*hour, "six"), markNow.Add(-3 * hour), "expired"},
		{"expired, and the clock set back a year", markAt(6, -30*days, -2*days, "six"), markNow.Add(-365 * days), "expired"},
	} {
		err := test.next.Supersedes(last, test.now)
		var expired *verify.ExpiredError
		var downgrade *verify.DowngradeError
		got := ""
		switch {
		case errors.As(err, &expired):
			got = "expired"
		case errors.As(err, &downgrade):
			got = "downgrade"
		}
		if got != test.want || err != nil && !errors.Is(err, verify.ErrStale) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

// Lapse passes over expiry alone, and only of what is named.
func TestMarkLapses(t *testing.T) {
	const hour, days = time.Hour, 24 * time.Hour
	old := markAt(6, -30*days, -2*days, "six")
	named := func(texts ...string) func(verify.Digest) bool {
		return func(d verify.Digest) bool {
			for _, text := range texts {
				if d == verify.DigestOf([]byte(text)) {
					return true
				}
			}
			return false
		}
	}
	line := func(m verify.Mark, name string) verify.Mark { m.Line, m.Serial = name, 0; return m }
	lines := func(marks ...verify.Mark) verify.Mark { return verify.JoinLines("acme", marks...) }
	unnamed := old
	unnamed.Digest = verify.Digest{}
	for _, test := range []struct {
		name  string
		m     verify.Mark
		last  verify.Mark
		named func(verify.Digest) bool
		at    time.Duration // when it expired; 0: it did not lapse
		fresh bool
	}{
		{"named", old, verify.Mark{}, named("six"), -2 * days, true},
		{"not named", old, verify.Mark{}, named("five"), 0, false},
		{"without a digest", unnamed, verify.Mark{}, func(verify.Digest) bool { return true }, 0, false},
		{"not expired", markAt(6, -days, days, "six"), verify.Mark{}, named("six"), 0, true},
		{"expired this very moment", markAt(6, -days, 0, "six"), verify.Mark{}, named("six"), 0, true},
		{"without an expiry", verify.Mark{Serial: 1, Issued: markNow, Digest: verify.DigestOf([]byte("six"))}, verify.Mark{}, named("six"), 0, true},
		{"from the future", markAt(6, 2*hour, 3*hour, "six"), verify.Mark{}, named("six"), 0, false},
		{"never valid", markAt(6, -hour, -2*hour, "six"), verify.Mark{}, named("six"), 0, false},
		{"valid for too long", markAt(6, -verify.MaxLife-2*days, -days, "six"), verify.Mark{}, named("six"), 0, false},
		{"older than what was seen", old, markAt(7, -hour, days, "seven"), named("six"), -2 * days, false},
		{"another under the serial", old, markAt(6, -30*days, -2*days, "other"), named("six"), -2 * days, false},
		{"the same as was seen", old, old, named("six"), -2 * days, true},
		{"lines, the expired one named", lines(line(old, "a"), line(markAt(0, -hour, days, "b"), "b")), verify.Mark{}, named("six"), -2 * days, true},
		{"lines, another one named", lines(line(old, "a"), line(markAt(0, -hour, days, "b"), "b")), verify.Mark{}, named("b"), 0, false},
		{"lines, two expired, one named", lines(line(old, "a"), line(markAt(0, -30*days, -days, "b"), "b")), verify.Mark{}, named("six"), -2 * days, false},
		{"lines, two expired and named", lines(line(old, "a"), line(markAt(0, -30*days, -3*days, "b"), "b")), verify.Mark{}, named("six", "b"), -3 * days, true},
	} {
		before := test.m
		m, expired := test.m.Lapse(markNow, test.named)
		if want := markNow.Add(test.at); test.at == 0 && !expired.IsZero() && test.name != "expired this very moment" || test.at != 0 && !expired.Equal(want) {
			t.Errorf("%s: expired %v", test.name, expired)
		}
		if err := m.Supersedes(test.last, markNow); (err == nil) != test.fresh || err != nil && !errors.Is(err, verify.ErrStale) {
			t.Errorf("%s: %v", test.name, err)
		}
		if !test.m.Same(before) || !test.m.Expires.Equal(before.Expires) {
			t.Errorf("%s: the mark itself was changed", test.name)
		}
	}
}

// The message distinguishes an older manifest from a different one under the same
// serial or date.
func TestDowngradeErrorStatesTheReason(t *testing.T) {
	const days = 24 * time.Hour
	dated := func(issued time.Duration, text string) verify.Mark { return markAt(0, issued, 30*days, text) }
	for _, test := range []struct {
		name       string
		have, next verify.Mark
		want       string
	}{
		{"an older serial", markAt(11, -days, 30*days, "a"), markAt(10, -days, 30*days, "b"), "serial 10 is older than serial 11"},
		{"the serial and its date", markAt(11, -days, 30*days, "a"), markAt(11, -days, 30*days, "b"), "a different manifest under serial 11,"},
		{"the serial, issued later", markAt(11, -2*days, 30*days, "a"), markAt(11, -days, 30*days, "b"), "a different manifest under serial 11,"},
		{"the serial, issued earlier", markAt(11, -days, 30*days, "a"), markAt(11, -2*days, 30*days, "b"), "a different manifest under serial 11,"},
		{"no serials, one date", dated(-days, "a"), dated(-days, "b"), "a different manifest under date 2026-11-21,"},
		{"no serials, an older date", dated(-days, "a"), dated(-2*days, "b"), "date 2026-11-20 is older than date 2026-11-21,"},
	} {
		err := test.next.Supersedes(test.have, markNow)
		if err == nil || !strings.HasPrefix(err.Error(), "channel acme: "+test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	if err := markAt(11, -days, 30*days, "a").Supersedes(markAt(11, -days, 30*days, "a"), markNow); err != nil {
		t.Errorf("the same again: %v", err)
	}
}

// Rust and Debian channels are ordered by date.
func TestMarkWithoutSerialIsOrderedByDate(t *testing.T) {
	at := func(days int, text string) verify.Mark {
		return verify.Mark{Channel: "rust", Issued: markNow.AddDate(0, 0, days), Digest: verify.DigestOf([]byte(text))}
	}
	for _, test := range []struct {
		name string
		next verify.Mark
		want bool
	}{
		{"the same again", at(-7, "a"), true}, {"newer", at(-1, "b"), true},
		{"older", at(-8, "c"), false}, {"another text of the date", at(-7, "d"), false}, {"from the future", at(1, "e"), false},
	} {
		if err := test.next.Supersedes(at(-7, "a"), markNow); (err == nil) != test.want {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// Each line of a channel is ordered separately; the clock is checked against all.
func TestLinesAreCheckedSeparately(t *testing.T) {
	at := func(line string, days int, text string) verify.Mark {
		return verify.Mark{Channel: "rust", Line: line, Issued: markNow.AddDate(0, 0, days), Digest: verify.DigestOf([]byte(text))}
	}
	stored := verify.Mark{}.WithLine(at("nightly", -1, "n1")).WithLine(at("stable", -30, "s1"))
	if stored.Channel != "rust" || !stored.Issued.Equal(markNow.AddDate(0, 0, -1)) || len(stored.Lines) != 2 || stored.IsZero() {
		t.Errorf("stored %+v", stored)
	}
	fixed := at("", -900, "1.38.0")
	fixed.Fixed = true
	tomorrow := fixed
	tomorrow.Issued = markNow.AddDate(0, 0, 1)
	for _, test := range []struct {
		name string
		next verify.Mark
		want bool
	}{
		{"the same stable", at("stable", -30, "s1"), true}, {"a newer stable, older than nightly", at("stable", -20, "s2"), true},
		{"an older stable", at("stable", -31, "s0"), false}, {"another stable of the date", at("stable", -30, "s!"), false},
		{"a line never seen", at("beta", -90, "b"), true}, {"an older nightly", at("nightly", -2, "n0"), false},
		{"an exact version, however old", fixed, true}, {"one from the future", tomorrow, false},
	} {
		err := test.next.Supersedes(stored.LineMark(test.next.Line), markNow)
		if (err == nil) != test.want || err != nil && !errors.Is(err, verify.ErrStale) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if next := stored.WithLine(at("stable", -20, "s2")); !next.LineMark("stable").Issued.Equal(markNow.AddDate(0, 0, -20)) ||
		!next.Issued.Equal(stored.Issued) || !stored.LineMark("stable").Issued.Equal(markNow.AddDate(0, 0, -30)) {
		t.Errorf("with a newer stable: %+v, before: %+v", next, stored)
	}
	whole := markAt(6, -time.Hour, time.Hour, "six")
	if got := markAt(5, -time.Hour, time.Hour, "five").WithLine(whole); got.Serial != 6 || got.LineMark("").Serial != 6 {
		t.Errorf("a channel of one line: %+v", got)
	}
	if err := at("stable", -31, "s0").Supersedes(stored.LineMark("stable"), markNow); !strings.Contains(err.Error(), "rust (stable)") {
		t.Errorf("the error does not name the line: %v", err)
	}
}

func TestFirstMarkMustOnlyBeFresh(t *testing.T) {
	if err := markAt(1, -time.Hour, time.Hour, "x").Supersedes(verify.Mark{}, markNow); err != nil {
		t.Error(err)
	}
	if err := markAt(1, -2*time.Hour, -time.Hour, "x").Supersedes(verify.Mark{}, markNow); err == nil {
		t.Error("an expired first manifest was accepted")
	}
}

func TestParseDigest(t *testing.T) {
	sum := verify.DigestOf([]byte("x")).Hex()
	for _, good := range []string{"sha256:" + sum, "sha256:" + strings.ToUpper(sum), "sha512:" + sum + sum} {
		if d, err := verify.ParseDigest(good); err != nil || d.String() != strings.ToLower(good[:6])+strings.ToLower(good[6:]) {
			t.Errorf("%s: %v, %v", good, d, err)
		}
	}
	for _, bad := range []string{"", sum, "md5:" + sum[:32], "sha1:" + sum[:40], "sha256:" + sum[:62], "sha256:" + sum + "00", "sha256:zz", "sha256:", "sha512:" + sum, "SHA256:" + sum} {
		if d, err := verify.ParseDigest(bad); err == nil {
			t.Errorf("%q was accepted as %v", bad, d)
		}
	}
}

func TestCheckRefusesOtherContent(t *testing.T) {
	want := verify.DigestOf([]byte("content"))
	read := func(s string) io.Reader { return strings.NewReader(s) }
	if err := verify.Check("x", read("content"), 7, want); err != nil {
		t.Error(err)
	}
	if err := verify.Check("x", read("content"), -1, want); err != nil {
		t.Error(err)
	}
	var size *verify.SizeError
	var digest *verify.DigestError
	if err := verify.Check("x", read("conten"), 7, want); !errors.As(err, &size) || !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("short: %v", err)
	}
	if err := verify.Check("x", io.MultiReader(read("content"), read(strings.Repeat("!", 1<<20))), 7, want); !errors.As(err, &size) || size.Got != 8 {
		t.Errorf("long: %v", err)
	}
	if err := verify.Check("x", read("Content"), 7, want); !errors.As(err, &digest) || !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("wrong: %v", err)
	}
	if err := verify.Check("x", read("content"), 7, verify.Digest{}); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("no digest: %v", err)
	}
	if _, err := (verify.Document{}).Child("x", []byte("content"), want); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a child of nothing proved: %v", err)
	}
}

// A manifest of several lines is checked line by line, and no line that was seen may
// be missing.
func TestJoinedMarkChecksEveryLine(t *testing.T) {
	at := func(line string, days int, text string) verify.Mark {
		return verify.Mark{Channel: "bookworm", Line: line, Issued: markNow.AddDate(0, 0, days), Digest: verify.DigestOf([]byte(text))}
	}
	expired := at("security", -1, "s2")
	expired.Expires = markNow
	last := verify.JoinLines("bookworm", at("base", -90, "b"), at("security", -2, "s"))
	if !last.Issued.Equal(markNow.AddDate(0, 0, -2)) || last.IsZero() || last.LineMark("base").Digest != verify.DigestOf([]byte("b")) || !last.Same(last) {
		t.Errorf("together %+v", last)
	}
	for name, test := range map[string]struct {
		next verify.Mark
		want bool
	}{
		"the same":                  {last, true},
		"one line newer":            {verify.JoinLines("bookworm", at("base", -90, "b"), at("security", -1, "s2")), true},
		"a line more":               {verify.JoinLines("bookworm", at("base", -90, "b"), at("security", -2, "s"), at("updates", -400, "u")), true},
		"one line older":            {verify.JoinLines("bookworm", at("base", -90, "b"), at("security", -3, "s0")), false},
		"one newer, one older":      {verify.JoinLines("bookworm", at("base", -91, "b0"), at("security", -1, "s2")), false},
		"another text of the date":  {verify.JoinLines("bookworm", at("base", -90, "b!"), at("security", -2, "s")), false},
		"one line from the future":  {verify.JoinLines("bookworm", at("base", -90, "b"), at("security", 1, "s3")), false},
		"one line expired":          {verify.JoinLines("bookworm", at("base", -90, "b"), expired), false},
		"one line withheld":         {verify.JoinLines("bookworm", at("base", -90, "b")), false},
		"both names, lines swapped": {verify.JoinLines("bookworm", at("security", -90, "b"), at("base", -2, "s")), false},
	} {
		err := test.next.Supersedes(last, markNow)
		if (err == nil) != test.want || err != nil && !errors.Is(err, verify.ErrStale) {
			t.Errorf("%s: %v", name, err)
		}
		if err := test.next.Supersedes(verify.Mark{}, markNow); err != nil && name != "one line expired" && name != "one line from the future" {
			t.Errorf("%s, as the first: %v", name, err)
		}
		if test.next.Same(last) != (name == "the same") {
			t.Errorf("%s is the same: %v", name, test.next.Same(last))
		}
	}
	var withheld *verify.WithheldError
	less := verify.JoinLines("bookworm", at("base", -90, "b"))
	if err := less.Supersedes(last, markNow); !errors.As(err, &withheld) || withheld.Line != "security" {
		t.Errorf("withheld: %v", err)
	}
	if err := less.Supersedes(last.OnlyLinesOf(less), markNow); err != nil {
		t.Errorf("where it is meant to be gone: %v", err)
	}
	if err := verify.JoinLines("bookworm", at("base", -91, "b0")).Supersedes(last.OnlyLinesOf(less), markNow); !errors.Is(err, verify.ErrStale) {
		t.Errorf("what is left still counts: %v", err)
	}
	if renamed := last.Renamed("mine"); renamed.Lines["base"].Channel != "mine" || last.Lines["base"].Channel != "bookworm" {
		t.Errorf("renamed %+v", renamed)
	}
	if stored := last.WithLine(less); !stored.Same(less) {
		t.Errorf("stored %+v", stored)
	}
}

// Only the mark that records an excerpt proves it.
func TestExcerptedProvesOnlyItsExcerpt(t *testing.T) {
	text := []byte("an excerpt")
	m := verify.JoinLines("bookworm", verify.Mark{Channel: "bookworm", Line: "base", Issued: markNow, Digest: verify.DigestOf([]byte("b"))})
	if _, err := m.Excerpted(text); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a mark without an excerpt: %v", err)
	}
	m.Excerpt = verify.DigestOf(text)
	if d, err := m.Excerpted(text); err != nil || d.IsZero() || string(d.View()) != string(text) {
		t.Errorf("the excerpt: %v", err)
	}
	for name, data := range map[string][]byte{"nothing": nil, "another": []byte("what was put in"), "cut": text[:4]} {
		if d, err := m.Excerpted(data); !errors.Is(err, verify.ErrUntrusted) || !d.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
	}
	if m.Lines["base"].Same(m) || !m.Same(verify.JoinLines("bookworm", m.Lines["base"])) {
		t.Error("an excerpt counts")
	}
}

func TestSightsAreKeptAndBounded(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n) }
	m := verify.Mark{Channel: "acme", Serial: 1}
	for n := range 2000 {
		before := len(m.Sights)
		next := m.WithSight(fmt.Sprintf("zig@%d", n), day(n))
		if len(m.Sights) != before {
			t.Fatal("the mark itself was changed")
		}
		m = next
	}
	if _, ok := m.Sights["zig@0"]; ok || len(m.Sights) != 1024 || !m.Sights["zig@1999"].Equal(day(1999)) {
		t.Errorf("%d sights", len(m.Sights))
	}
	for name, newer := range map[string]verify.Mark{"one line": {Channel: "acme", Serial: 2}, "several": {Channel: "acme", Line: "stable", Issued: day(1)}} {
		if got := m.WithLine(newer); len(got.Sights) != 1024 {
			t.Errorf("%s: %d sights after a newer mark", name, len(got.Sights))
		}
	}
}
