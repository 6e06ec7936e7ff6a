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

// A World is the state of an upstream at one moment.
type World struct {
	Name    string            // of the channel or project, if the format states one
	Version string            // of the only release
	Serial  uint64            // if the format has serials
	Issued  time.Time         // if the format has dates
	Expires time.Time         // if the format has an expiry
	Signers []*verifytest.Key // empty: unsigned
	Signed  time.Time         // when they sign
}

// Freshness is what a format states about the age of its documents.
type Freshness int

// The kinds of freshness; each includes the ones before it.
const (
	// Logged is an append-only log, and not part of the order of the others: each
	// state is proved to extend the last. The source's own tests cover that.
	Logged   Freshness = iota - 1
	Undated            // nothing
	Daily              // the day of issue
	Dated              // the time of issue, to the second
	Expiring           // and an expiry
	Numbered           // and a serial
)

// A Fixture describes one Source to the suite.
type Fixture struct {
	Name      string // the required World.Name; empty for formats that state none
	Freshness Freshness
	// Serve returns the files of an upstream in the state w, by ref.
	Serve func(tb testing.TB, w World) map[string][]byte
	// Source returns a source that trusts the keys of policy.
	Source func(tb testing.TB, policy verify.Policy) manifests.Source
	// Request returns the request for the release of a World with this version.
	Request func(version string) manifests.Request
	// Hints are the refs of unsigned indexes, and of documents that the upstream also
	// publishes in another form. A lie about one of them may go unnoticed, if the
	// resulting release is still the true one.
	Hints []string
	// Use is the purpose of the upstream's signatures. It decides how expired keys
	// are treated.
	Use verify.Use
	// Prove verifies the artifacts of a release, for formats that verify them only
	// then. It may be nil.
	Prove func(tb testing.TB, r manifests.Release, u *Upstream) error
}

// suite is a Fixture with the keys and times of one run.
type suite struct {
	Fixture
	now      time.Time
	key      *verifytest.Key
	stranger *verifytest.Key
}

// Run tests the source of f with every lie.
func Run(t *testing.T, f Fixture) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s := &suite{Fixture: f, now: now,
		key:      verifytest.NewKey(t, "publisher", now.AddDate(-1, 0, 0)),
		stranger: verifytest.NewKey(t, "stranger", now.AddDate(-1, 0, 0))}
	t.Run("valid", func(t *testing.T) {
		release, err := s.resolve(t, s.upstream(t, s.validWorld()), verify.Mark{})
		if err != nil {
			t.Fatal(err)
		}
		if v := release.Version; v != "1.2.0" && v != s.Request("1.2.0").Version || release.Evidence.Kind == "" && s.Prove == nil {
			t.Errorf("got version %q verified by %q", release.Version, release.Evidence.Kind)
		}
	})
	t.Run("signers", s.signers)
	t.Run("freshness", s.freshness)
	t.Run("transport", s.transport)
}

func (s *suite) validWorld() World {
	return World{Name: s.Name, Version: "1.2.0", Serial: 7, Issued: s.now.Add(-time.Hour), Expires: s.now.Add(24 * time.Hour),
		Signers: []*verifytest.Key{s.key}, Signed: s.now.Add(-time.Hour)}
}

func (s *suite) upstream(tb testing.TB, w World) *Upstream { return &Upstream{Files: s.Serve(tb, w)} }

// fetch fetches the catalog from u.
func (s *suite) fetch(tb testing.TB, u *Upstream, last verify.Mark) (manifests.Catalog, error) {
	policy := verify.Policy{Keys: verifytest.Keyring(tb, s.key), Threshold: 1}
	q := manifests.Query{Request: s.Request("1.2.0"), Now: s.now, Last: last}
	return s.Source(tb, policy).Fetch(context.Background(), u, q)
}

// resolve does what an install does before the download: all checks in their order.
func (s *suite) resolve(tb testing.TB, u *Upstream, last verify.Mark) (manifests.Release, error) {
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
			w := s.validWorld()
			w.Signers = test.signers
			_, err := s.resolve(t, s.upstream(t, w), verify.Mark{})
			expect(t, err, test.want)
		})
	}
	if s.Name != "" {
		t.Run("another channel's manifest", func(t *testing.T) {
			w := s.validWorld()
			w.Name = "other"
			_, err := s.resolve(t, s.upstream(t, w), verify.Mark{})
			expect(t, err, verify.ErrUntrusted)
		})
	}
	if s.Freshness == Logged {
		return // its signatures have no time
	}
	s.keys(t)
	t.Run("signed in the future", func(t *testing.T) {
		w := s.validWorld()
		w.Signed = s.now.Add(time.Hour)
		_, err := s.resolve(t, s.upstream(t, w), verify.Mark{})
		expect(t, err, verify.ErrUntrusted)
	})
}

// keys tests a publisher's key that expired or was revoked before it signed, or after.
func (s *suite) keys(t *testing.T) {
	afterSigning := verify.ErrUntrusted
	if s.Use == verify.Release {
		afterSigning = nil
	}
	const year = 365 * 24 * time.Hour
	made, signed := s.now.Add(-2*year), s.now.Add(-time.Hour)
	for name, test := range map[string]struct {
		life    time.Duration // of the key; zero: unlimited
		revoked time.Time     // zero: never
		hard    bool          // as compromised
		want    error
	}{
		"a key that expires tomorrow":           {2*year + 24*time.Hour, time.Time{}, false, nil},
		"a key that expired before it signed":   {year, time.Time{}, false, verify.ErrUntrusted},
		"a key that expired after it signed":    {2*year - time.Minute, time.Time{}, false, afterSigning},
		"a key superseded before it signed":     {0, signed.Add(-time.Minute), false, verify.ErrUntrusted},
		"a key superseded after it signed":      {0, signed.Add(time.Minute), false, afterSigning},
		"a compromised key, revoked afterwards": {0, signed.Add(time.Minute), true, verify.ErrUntrusted},
		"a compromised key, revoked earlier":    {0, made.Add(year), true, verify.ErrUntrusted},
	} {
		t.Run(name, func(t *testing.T) {
			other := *s
			other.key = verifytest.NewExpiringKey(t, "publisher", made, test.life)
			if !test.revoked.IsZero() {
				other.key.Revoke(t, test.revoked, test.hard)
			}
			_, err := other.resolve(t, other.upstream(t, other.validWorld()), verify.Mark{})
			expect(t, err, test.want)
		})
	}
}

func (s *suite) freshness(t *testing.T) {
	catalog, err := s.fetch(t, s.upstream(t, s.validWorld()), verify.Mark{})
	if err != nil {
		t.Fatal(err)
	}
	last := catalog.Mark()
	if counts := !last.IsZero() && !last.Fixed; counts != (s.Freshness != Undated) {
		t.Fatalf("the catalog's mark is %+v", last)
	}
	for name, test := range map[string]struct {
		needs  Freshness
		change func(*World)
		last   verify.Mark
		want   error
	}{
		"the same again":           {Undated, func(w *World) {}, last, nil},
		"issued a little ahead":    {Dated, func(w *World) { w.Issued = s.now.Add(4 * time.Minute) }, verify.Mark{}, nil},
		"issued in the future":     {Dated, func(w *World) { w.Issued = s.now.Add(6 * time.Minute) }, verify.Mark{}, verify.ErrStale},
		"later and higher":         {Dated, func(w *World) { w.Serial++; w.Issued = w.Issued.Add(time.Second) }, last, nil},
		"issued on a future day":   {Daily, func(w *World) { w.Issued = w.Issued.Add(48 * time.Hour) }, verify.Mark{}, verify.ErrStale},
		"a day later":              {Daily, func(w *World) { w.Serial++; w.Issued = w.Issued.Add(time.Hour) }, dayBefore(last), nil},
		"earlier and lower":        {Daily, func(w *World) { w.Serial--; w.Issued = w.Issued.Add(-48 * time.Hour) }, last, verify.ErrStale},
		"earlier, but first use":   {Daily, func(w *World) { w.Serial--; w.Issued = w.Issued.Add(-48 * time.Hour) }, verify.Mark{}, nil},
		"same number, other bytes": {Daily, func(w *World) { w.Version = "1.2.1" }, last, verify.ErrStale},
		"about to expire":          {Expiring, func(w *World) { w.Expires = s.now.Add(time.Second) }, verify.Mark{}, nil},
		"just expired":             {Expiring, func(w *World) { w.Expires = s.now }, verify.Mark{}, verify.ErrStale},
		"expires before issued":    {Expiring, func(w *World) { w.Expires = w.Issued.Add(-time.Second) }, verify.Mark{}, verify.ErrStale},
		"a life of 400 days":       {Expiring, func(w *World) { w.Expires = w.Issued.Add(400 * 24 * time.Hour) }, verify.Mark{}, nil},
		"a life of 401 days":       {Expiring, func(w *World) { w.Expires = w.Issued.Add(401 * 24 * time.Hour) }, verify.Mark{}, verify.ErrStale},
		"lower, though later":      {Numbered, func(w *World) { w.Serial--; w.Issued = w.Issued.Add(time.Second) }, last, verify.ErrStale},
	} {
		if s.Freshness < test.needs {
			continue // the format does not state it
		}
		t.Run(name, func(t *testing.T) {
			w := s.validWorld()
			test.change(&w)
			catalog, err := s.fetch(t, s.upstream(t, w), test.last)
			if err == nil {
				err = catalog.Mark().Supersedes(test.last, s.now)
			}
			expect(t, err, test.want)
		})
	}
}

// dayBefore returns the mark of a day earlier.
func dayBefore(m verify.Mark) verify.Mark {
	m.Serial, m.Issued, m.Digest = m.Serial-min(m.Serial, 1), m.Issued.Add(-24*time.Hour), verify.DigestOf(nil)
	return m
}

// transport tests each lie about each file that the source requests.
func (s *suite) transport(t *testing.T) {
	valid := s.upstream(t, s.validWorld())
	want, err := s.resolve(t, valid, verify.Mark{})
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := s.fetch(t, valid, verify.Mark{})
	if err != nil {
		t.Fatal(err)
	}
	older := s.validWorld()
	older.Version, older.Serial, older.Issued = "1.1.0", older.Serial-1, older.Issued.Add(-48*time.Hour)
	previous := s.Serve(t, older)

	for _, ref := range valid.Asked() {
		file := valid.Files[ref]
		lies := map[string]struct {
			lie  Lie
			want error // nil: ErrUntrusted, or no error and the true release
		}{
			"empty":       {Empty, verify.ErrUntrusted},
			"cut":         {Cut, verify.ErrUntrusted},
			"endless":     {Endless, verify.ErrUntrusted},
			"oversized":   {Oversized, verify.ErrUntrusted},
			"a web page":  {Replaced([]byte("<!DOCTYPE html><title>Please log in</title>")), manifests.ErrUnreachable},
			"unreachable": {Unreachable, manifests.ErrUnreachable},
			"broken off":  {Broken, manifests.ErrUnreachable},
			"not found":   {NotFound, errMissing},
			"older":       {Replaced(previous[ref]), errOld},
		}
		for _, other := range valid.Asked() {
			if other != ref {
				lies["renamed "+other] = struct {
					lie  Lie
					want error
				}{Replaced(valid.Files[other]), verify.ErrUntrusted}
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
				u := s.upstream(t, s.validWorld())
				u.Tell(ref, test.lie)
				got, err := s.resolve(t, u, catalog.Mark())
				if u.Delivered() > 3*manifests.MaxHint {
					t.Errorf("read %d bytes", u.Delivered())
				}
				if err == nil && (test.want == nil || s.isHint(ref)) {
					if !reflect.DeepEqual(withoutSignatures(got.Artifacts), withoutSignatures(want.Artifacts)) || got.Version != want.Version {
						t.Errorf("accepted a false release:\n%+v\nwant %+v", got, want)
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

// withoutSignatures removes detached signatures, which differ from run to run and which
// Prove has verified. It also removes the stored answers that prove a tree hash: their
// base64 text has bits that are not signed, which a lie may change.
func withoutSignatures(artifacts []manifests.Artifact) []manifests.Artifact {
	artifacts = slices.Clone(artifacts)
	for i := range artifacts {
		in := &artifacts[i].Integrity
		in.Signature = nil
		if in.Tree != nil {
			tree := *in.Tree
			tree.Evidence.Proof, tree.Evidence.Blobs = verify.Digest{}, nil
			in.Tree = &tree
		}
	}
	return artifacts
}

// Some lies may be refused with either of two classes of error. A missing file may be
// the document or its proof. An old file may not match the other files, or it is the only
// file and its mark is lower.
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

// expect checks that err matches want.
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
