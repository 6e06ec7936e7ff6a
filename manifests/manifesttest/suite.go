package manifesttest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// A World is what an upstream says at one moment.
type World struct {
	Name    string            // of the channel or project, where the format states one
	Version string            // of the one release it offers
	Serial  uint64            // where the format has serials
	Issued  time.Time         // where the format has dates
	Expires time.Time         // where the format has an end of validity
	Signers []*verifytest.Key // nobody: unsigned
	Signed  time.Time         // when they sign
}

// Freshness is what a format states to judge freshness by.
type Freshness int

// The kinds of freshness; each includes the ones before it.
const (
	// Logged stands apart: a log, each state of which is proved to continue
	// the last. The source's own tests judge that.
	Logged   Freshness = iota - 1
	Undated            // nothing
	Daily              // on which day it was issued
	Dated              // when it was issued, to the second
	Expiring           // and until when it is valid
	Numbered           // and a serial
)

// A Fixture describes one Source to the suite.
type Fixture struct {
	Name      string // that World.Name must have, for formats that state it; else empty
	Freshness Freshness
	// Serve writes w as the files of an upstream, by ref.
	Serve func(tb testing.TB, w World) map[string][]byte
	// Source makes the source that trusts policy's keys.
	Source func(tb testing.TB, policy verify.Policy) manifests.Source
	// Request asks for the one release of a World with this version.
	Request func(version string) manifests.Request
	// Hints are refs of unsigned indexes, and of what an upstream also publishes
	// in another way: lies about them may go unnoticed as long as nothing false
	// is believed.
	Hints []string
	// Use is what the upstream's signatures are for, by which expired keys are
	// judged.
	Use verify.Use
	// Prove proves a release's artifacts, for formats whose proof is not
	// complete before. May be nil.
	Prove func(tb testing.TB, r manifests.Release, u *Upstream) error
}

// suite is a Fixture with the keys and times of one run.
type suite struct {
	Fixture
	now      time.Time
	key      *verifytest.Key
	stranger *verifytest.Key
}

// Run holds the source of f against every lie.
func Run(t *testing.T, f Fixture) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s := &suite{Fixture: f, now: now,
		key:      verifytest.NewKey(t, "publisher", now.AddDate(-1, 0, 0)),
		stranger: verifytest.NewKey(t, "stranger", now.AddDate(-1, 0, 0))}
	t.Run("honest", func(t *testing.T) {
		release, err := s.ask(t, s.upstream(t, s.honest()), verify.Mark{})
		if err != nil {
			t.Fatal(err)
		}
		if v := release.Version; v != "1.2.0" && v != s.Request("1.2.0").Version || release.Evidence.Kind == "" && s.Prove == nil {
			t.Errorf("got version %q proved by %q", release.Version, release.Evidence.Kind)
		}
	})
	t.Run("signers", s.signers)
	t.Run("freshness", s.freshness)
	t.Run("transport", s.transport)
}

func (s *suite) honest() World {
	return World{Name: s.Name, Version: "1.2.0", Serial: 7, Issued: s.now.Add(-time.Hour), Expires: s.now.Add(24 * time.Hour),
		Signers: []*verifytest.Key{s.key}, Signed: s.now.Add(-time.Hour)}
}

func (s *suite) upstream(tb testing.TB, w World) *Upstream { return &Upstream{Files: s.Serve(tb, w)} }

// fetch has the source learn what u serves.
func (s *suite) fetch(tb testing.TB, u *Upstream, last verify.Mark) (manifests.Catalog, error) {
	policy := verify.Policy{Keys: verifytest.Keyring(tb, s.key), Threshold: 1}
	q := manifests.Query{Request: s.Request("1.2.0"), Now: s.now, Last: last}
	return s.Source(tb, policy).Fetch(context.Background(), u, q)
}

// ask does what an install does, up to the download: all gates in their order.
func (s *suite) ask(tb testing.TB, u *Upstream, last verify.Mark) (manifests.Release, error) {
	catalog, err := s.fetch(tb, u, last)
	if err != nil {
		return manifests.Release{}, err
	}
	if err := catalog.Mark().Supersedes(last, s.now); err != nil {
		return manifests.Release{}, err
	}
	release, err := catalog.Resolve(s.Request("1.2.0"))
	if err != nil {
		return manifests.Release{}, err
	}
	if err := release.Validate(); err != nil {
		return manifests.Release{}, err
	}
	if s.Prove != nil {
		err = s.Prove(tb, release, u)
	}
	return release, err
}

func (s *suite) signers(t *testing.T) {
	for name, test := range map[string]struct {
		signers []*verifytest.Key
		want    error
	}{
		"nobody":              {nil, verify.ErrUntrusted},
		"a stranger":          {[]*verifytest.Key{s.stranger}, verify.ErrUntrusted},
		"publisher, stranger": {[]*verifytest.Key{s.key, s.stranger}, nil},
		"stranger, publisher": {[]*verifytest.Key{s.stranger, s.key}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := s.honest()
			w.Signers = test.signers
			_, err := s.ask(t, s.upstream(t, w), verify.Mark{})
			expect(t, err, test.want)
		})
	}
	if s.Name != "" {
		t.Run("another channel's manifest", func(t *testing.T) {
			w := s.honest()
			w.Name = "other"
			_, err := s.ask(t, s.upstream(t, w), verify.Mark{})
			expect(t, err, verify.ErrUntrusted)
		})
	}
	if s.Freshness == Logged {
		return // its signatures have no time
	}
	s.keys(t)
	t.Run("signed in the future", func(t *testing.T) {
		w := s.honest()
		w.Signed = s.now.Add(time.Hour)
		_, err := s.ask(t, s.upstream(t, w), verify.Mark{})
		expect(t, err, verify.ErrUntrusted)
	})
}

// keys has the publisher's key expire or be revoked, before it signed or since.
func (s *suite) keys(t *testing.T) {
	since := verify.ErrUntrusted
	if s.Use == verify.Release {
		since = nil
	}
	const year = 365 * 24 * time.Hour
	made, signed := s.now.Add(-2*year), s.now.Add(-time.Hour)
	for name, test := range map[string]struct {
		life    time.Duration // of the key; zero: for ever
		revoked time.Time     // zero: never
		hard    bool          // as compromised
		want    error
	}{
		"a key that expires tomorrow":           {2*year + 24*time.Hour, time.Time{}, false, nil},
		"a key that expired before it signed":   {year, time.Time{}, false, verify.ErrUntrusted},
		"a key that expired since":              {2*year - time.Minute, time.Time{}, false, since},
		"a key superseded before it signed":     {0, signed.Add(-time.Minute), false, verify.ErrUntrusted},
		"a key superseded since":                {0, signed.Add(time.Minute), false, since},
		"a key revoked since as compromised":    {0, signed.Add(time.Minute), true, verify.ErrUntrusted},
		"a key revoked as compromised, earlier": {0, made.Add(year), true, verify.ErrUntrusted},
	} {
		t.Run(name, func(t *testing.T) {
			other := *s
			other.key = verifytest.NewExpiringKey(t, "publisher", made, test.life)
			if !test.revoked.IsZero() {
				other.key.Revoke(t, test.revoked, test.hard)
			}
			_, err := other.ask(t, other.upstream(t, other.honest()), verify.Mark{})
			expect(t, err, test.want)
		})
	}
}

func (s *suite) freshness(t *testing.T) {
	catalog, err := s.fetch(t, s.upstream(t, s.honest()), verify.Mark{})
	if err != nil {
		t.Fatal(err)
	}
	last := catalog.Mark()
	if counts := !last.IsZero() && !last.Fixed; counts != (s.Freshness != Undated) {
		t.Fatalf("its mark is %+v", last)
	}
	for name, test := range map[string]struct {
		needs  Freshness
		change func(*World)
		last   verify.Mark
		want   error
	}{
		"the same again":            {Undated, func(w *World) {}, last, nil},
		"issued a little ahead":     {Dated, func(w *World) { w.Issued = s.now.Add(4 * time.Minute) }, verify.Mark{}, nil},
		"issued in the future":      {Dated, func(w *World) { w.Issued = s.now.Add(6 * time.Minute) }, verify.Mark{}, verify.ErrStale},
		"later and higher":          {Dated, func(w *World) { w.Serial++; w.Issued = w.Issued.Add(time.Second) }, last, nil},
		"of a day to come":          {Daily, func(w *World) { w.Issued = w.Issued.Add(48 * time.Hour) }, verify.Mark{}, verify.ErrStale},
		"a day later":               {Daily, func(w *World) { w.Serial++; w.Issued = w.Issued.Add(time.Hour) }, back(last), nil},
		"earlier and lower":         {Daily, func(w *World) { w.Serial--; w.Issued = w.Issued.Add(-48 * time.Hour) }, last, verify.ErrStale},
		"earlier and lower, no one": {Daily, func(w *World) { w.Serial--; w.Issued = w.Issued.Add(-48 * time.Hour) }, verify.Mark{}, nil},
		"same number, other bytes":  {Daily, func(w *World) { w.Version = "1.2.1" }, last, verify.ErrStale},
		"about to expire":           {Expiring, func(w *World) { w.Expires = s.now.Add(time.Second) }, verify.Mark{}, nil},
		"just expired":              {Expiring, func(w *World) { w.Expires = s.now }, verify.Mark{}, verify.ErrStale},
		"expires before issued":     {Expiring, func(w *World) { w.Expires = w.Issued.Add(-time.Second) }, verify.Mark{}, verify.ErrStale},
		"a life of 400 days":        {Expiring, func(w *World) { w.Expires = w.Issued.Add(400 * 24 * time.Hour) }, verify.Mark{}, nil},
		"a life of 401 days":        {Expiring, func(w *World) { w.Expires = w.Issued.Add(401 * 24 * time.Hour) }, verify.Mark{}, verify.ErrStale},
		"lower, though later":       {Numbered, func(w *World) { w.Serial--; w.Issued = w.Issued.Add(time.Second) }, last, verify.ErrStale},
	} {
		if s.Freshness < test.needs {
			continue // the format cannot say it
		}
		t.Run(name, func(t *testing.T) {
			w := s.honest()
			test.change(&w)
			catalog, err := s.fetch(t, s.upstream(t, w), test.last)
			if err == nil {
				err = catalog.Mark().Supersedes(test.last, s.now)
			}
			expect(t, err, test.want)
		})
	}
}

// back is a mark of a day earlier.
func back(m verify.Mark) verify.Mark {
	m.Serial, m.Issued, m.Digest = m.Serial-min(m.Serial, 1), m.Issued.Add(-24*time.Hour), verify.DigestOf(nil)
	return m
}

// transport tells each lie about each file that the source asks for.
func (s *suite) transport(t *testing.T) {
	honest := s.upstream(t, s.honest())
	truth, err := s.ask(t, honest, verify.Mark{})
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := s.fetch(t, honest, verify.Mark{})
	if err != nil {
		t.Fatal(err)
	}
	older := s.honest()
	older.Version, older.Serial, older.Issued = "1.1.0", older.Serial-1, older.Issued.Add(-48*time.Hour)
	previous := s.Serve(t, older)

	for _, ref := range honest.Asked() {
		file := honest.Files[ref]
		lies := map[string]struct {
			lie  Lie
			want error // nil: refused as untrusted, or seen through
		}{
			"empty":       {Empty, verify.ErrUntrusted},
			"cut":         {Cut, verify.ErrUntrusted},
			"endless":     {Endless, verify.ErrUntrusted},
			"oversized":   {Oversized, verify.ErrUntrusted},
			"a web page":  {Replaced([]byte("<!DOCTYPE html><title>Please log in</title>")), manifests.ErrUnreachable},
			"unreachable": {Unreachable, manifests.ErrUnreachable},
			"broken off":  {Broken, manifests.ErrUnreachable},
			"not found":   {NotFound, errMissing},
			"one of old":  {Replaced(previous[ref]), errOld},
		}
		for _, other := range honest.Asked() {
			if other != ref {
				lies["renamed "+other] = struct {
					lie  Lie
					want error
				}{Replaced(honest.Files[other]), verify.ErrUntrusted}
			}
		}
		for i := 0; i < len(file); i += max(1, len(file)/24) {
			lies[fmt.Sprintf("flipped %d", i)] = struct {
				lie  Lie
				want error
			}{Flipped(i), nil}
		}
		for name, test := range lies {
			t.Run(name+" "+ref, func(t *testing.T) {
				u := s.upstream(t, s.honest())
				u.Tell(ref, test.lie)
				got, err := s.ask(t, u, catalog.Mark())
				if u.Delivered() > 3*manifests.MaxHint {
					t.Errorf("read %d bytes", u.Delivered())
				}
				if err == nil && (test.want == nil || s.isHint(ref)) {
					if !reflect.DeepEqual(unsigned(got.Artifacts), unsigned(truth.Artifacts)) || got.Version != truth.Version {
						t.Errorf("believed the lie:\n%+v\n%+v", got, truth)
					}
					return
				}
				if test.want == nil {
					test.want = verify.ErrUntrusted
				}
				expect(t, err, test.want)
			})
		}
	}
}

// unsigned leaves out detached signatures, which differ from run to run and
// which Prove has judged, and how the answers that prove a tree hash were
// spelled: base64 has bits that nothing signs, and a lie may be told in those.
func unsigned(artifacts []manifests.Artifact) []manifests.Artifact {
	artifacts = slices.Clone(artifacts)
	for i := range artifacts {
		in := &artifacts[i].Integrity
		in.Signature = nil
		if in.Tree != nil {
			tree := *in.Tree
			tree.Evidence.Proof, tree.Evidence.Kept = verify.Digest{}, nil
			in.Tree = &tree
		}
	}
	return artifacts
}

// Some lies may be refused in either of two classes: where one file of several
// is missing, nothing is there or the proof of what is there; where one is old,
// it does not fit the others or, being all there is, counts lower.
var (
	errMissing = errors.New("not found, or not trusted")
	errOld     = errors.New("stale, or not trusted")
)

func (s *suite) isHint(ref string) bool {
	for _, h := range s.Hints {
		if h == ref {
			return true
		}
	}
	return false
}

func expect(t *testing.T, err, want error) {
	t.Helper()
	switch {
	case want == errMissing && isMissing(err):
	case want == errOld && (errors.Is(err, verify.ErrStale) || errors.Is(err, verify.ErrUntrusted)):
	case !errors.Is(err, want) || want == nil && err != nil:
		t.Errorf("got %v, want %v", err, want)
	}
}

func isMissing(err error) bool {
	var unknown *manifests.UnknownVersionError
	return errors.Is(err, manifests.ErrNotFound) || errors.Is(err, manifests.ErrUnreachable) ||
		errors.Is(err, verify.ErrUntrusted) || errors.As(err, &unknown)
}
