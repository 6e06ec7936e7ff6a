package native_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// A cache serves files that it kept, and for all others those of origin.
type cache struct {
	kept    map[string][]byte // by ref
	origin  *manifesttest.Upstream
	obeys   bool // Cache-Control: no-cache reaches the origin
	asked   []string
	delayed int // waits before requests were repeated
}

func (c *cache) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	c.asked = append(c.asked, ref)
	from := c.origin
	if _, ok := c.kept[ref]; ok && !(c.obeys && manifests.AvoidsCaches(ctx)) {
		from = &manifesttest.Upstream{Files: c.kept}
	}
	return from.Open(ctx, ref, offset)
}

func (c *cache) OpenAnswer(ctx context.Context, ref string, offset int64) (manifests.Answer, error) {
	body, size, err := c.Open(ctx, ref, offset)
	return manifests.Answer{Body: body, Size: size, Again: func(_ context.Context, try int, err error) error {
		if try > 0 {
			return err
		}
		c.delayed++
		return nil
	}}, err
}

// withCopies adds to files the copies of the signatures of the documents called names.
func withCopies(files map[string][]byte, names ...string) map[string][]byte {
	files = maps.Clone(files)
	for _, name := range names {
		files[base+native.SignaturesOf(verify.DigestOf(files[base+name]))] = files[base+name+".asc"]
	}
	return files
}

// editions returns what a publisher served before and after it published serial 8 in
// place of serial 7, with the copies of signatures.
func editions(t *testing.T) (s native.Source, before, after map[string][]byte, q manifests.Query) {
	now, key, w := world(t)
	before = withCopies(serve(t, w), "channel.toml")
	w.Version, w.Serial, w.Issued, w.Signed = "1.3.0", 8, now, now
	after = withCopies(serve(t, w), "channel.toml")
	for ref, data := range before {
		if strings.Contains(ref, "/signatures/") {
			after[ref] = data
		}
	}
	return source(verify.Policy{Keys: verifytest.Keyring(t, key), Threshold: 1}), before, after, manifests.Query{Now: now}
}

// only returns the files of which the names, below base, are given.
func only(files map[string][]byte, names ...string) map[string][]byte {
	kept := map[string][]byte{}
	for _, name := range names {
		kept[base+name] = files[base+name]
	}
	return kept
}

// without returns files without the copies of signatures.
func without(files map[string][]byte) map[string][]byte {
	files = maps.Clone(files)
	maps.DeleteFunc(files, func(ref string, _ []byte) bool { return strings.Contains(ref, "/signatures/") })
	return files
}

// TestMixedManifests has a cache that keeps either the manifest or its signatures.
func TestMixedManifests(t *testing.T) {
	s, before, after, q := editions(t)
	for name, test := range map[string]struct {
		c        *cache
		serial   uint64 // 0: refused
		requests int
		delayed  int
	}{
		"nothing kept":                         {&cache{origin: &manifesttest.Upstream{Files: after}}, 8, 2, 0},
		"both kept":                            {&cache{origin: &manifesttest.Upstream{Files: after}, kept: only(before, "channel.toml", "channel.toml.asc")}, 7, 2, 0},
		"an old manifest":                      {&cache{origin: &manifesttest.Upstream{Files: after}, kept: only(before, "channel.toml")}, 7, 3, 0},
		"old signatures":                       {&cache{origin: &manifesttest.Upstream{Files: after}, kept: only(before, "channel.toml.asc")}, 8, 3, 0},
		"an old manifest, no copies, obeying":  {&cache{origin: &manifesttest.Upstream{Files: without(after)}, kept: only(before, "channel.toml"), obeys: true}, 8, 5, 1},
		"old signatures, no copies, obeying":   {&cache{origin: &manifesttest.Upstream{Files: without(after)}, kept: only(before, "channel.toml.asc"), obeys: true}, 8, 5, 1},
		"an old manifest, no copies, stubborn": {&cache{origin: &manifesttest.Upstream{Files: without(after)}, kept: only(before, "channel.toml")}, 0, 6, 1},
		"old signatures, no copies, stubborn":  {&cache{origin: &manifesttest.Upstream{Files: without(after)}, kept: only(before, "channel.toml.asc")}, 0, 6, 1},
	} {
		catalog, err := s.Fetch(context.Background(), test.c, q)
		switch {
		case test.serial == 0 && (!errors.Is(err, verify.ErrUntrusted) || !errors.As(err, new(*manifests.MismatchError))):
			t.Errorf("%s: %v", name, err)
		case test.serial > 0 && (err != nil || catalog.Mark().Serial != test.serial):
			t.Errorf("%s: %v, want serial %d", name, err, test.serial)
		}
		if len(test.c.asked) != test.requests || test.c.delayed != test.delayed {
			t.Errorf("%s: %d waits, asked for %v", name, test.c.delayed, test.c.asked)
		}
	}

	// An old manifest with its own signatures is judged by the mark as ever.
	c := &cache{origin: &manifesttest.Upstream{Files: after}, kept: only(before, "channel.toml")}
	catalog, err := s.Fetch(context.Background(), c, q)
	if err != nil {
		t.Fatal(err)
	}
	newer, err := s.Fetch(context.Background(), c.origin, q)
	if err != nil {
		t.Fatal(err)
	}
	if err := catalog.Mark().Supersedes(newer.Mark(), q.Now); !errors.Is(err, verify.ErrStale) {
		t.Errorf("after serial 8 was seen: %v", err)
	}
}

// TestCopiesOfSignaturesProveNoMore checks that a server gains nothing by the copy of the
// signatures: they must prove the same bytes by the same policy.
func TestCopiesOfSignaturesProveNoMore(t *testing.T) {
	s, before, after, q := editions(t)
	stranger := verifytest.NewKey(t, "stranger", q.Now.AddDate(-1, 0, 0))
	_, key, w := world(t)
	second := verifytest.NewKey(t, "second", q.Now.AddDate(-1, 0, 0))
	w.Name, w.Signers = "other", []*verifytest.Key{key}
	other := serve(t, w)

	served := maps.Clone(after)
	served[location+".asc"] = before[location+".asc"]
	name := base + native.SignaturesOf(verify.DigestOf(served[location]))
	valid := served[name]
	for title, lie := range map[string]manifesttest.Lie{
		"none":                          manifesttest.NotFound,
		"unreachable":                   manifesttest.Unreachable,
		"denied":                        func([]byte) (io.Reader, int64, error) { return nil, 0, manifests.ErrDenied },
		"empty":                         manifesttest.Empty,
		"cut":                           manifesttest.Cut,
		"endless":                       manifesttest.Endless,
		"oversized":                     manifesttest.Oversized,
		"broken":                        manifesttest.Broken,
		"a web page":                    manifesttest.Replaced([]byte(page)),
		"of another manifest":           manifesttest.Replaced(before[location+".asc"]),
		"of another channel's manifest": manifesttest.Replaced(other[location+".asc"]),
		"by a stranger":                 manifesttest.Replaced(stranger.Sign(t, served[location], q.Now)),
		"binary":                        manifesttest.Replaced(verifytest.SignBinary(t, served[location], q.Now, key)),
		"the manifest":                  manifesttest.Replaced(served[location]),
	} {
		u := &manifesttest.Upstream{Files: served}
		u.Tell(name, lie)
		c := &cache{origin: u}
		if _, err := s.Fetch(context.Background(), c, q); !errors.Is(err, verify.ErrUntrusted) || len(c.asked) > 8 { // a broken body is asked for twice
			t.Errorf("%s: %v after %v", title, err, c.asked)
		}
		u.Tell(name, manifesttest.Replaced(valid))
		if _, err := s.Fetch(context.Background(), u, q); err != nil {
			t.Errorf("%s, then the valid copy: %v", title, err)
		}
	}

	// The threshold is the same.
	s.Policy = verify.Policy{Keys: verifytest.Keyring(t, key, second), Threshold: 2}
	if _, err := s.Fetch(context.Background(), &manifesttest.Upstream{Files: served}, q); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("one of two: %v", err)
	}
	served[name] = verifytest.Cosign(t, served[location], q.Now, key, second)
	if _, err := s.Fetch(context.Background(), &manifesttest.Upstream{Files: served}, q); err != nil {
		t.Errorf("both: %v", err)
	}
	for title, ctx := range map[string]context.Context{"in time": context.Background(), "cancelled": cancelled()} {
		_, err := s.Fetch(ctx, &manifesttest.Upstream{Files: served}, q)
		if want := ctx.Err(); !errors.Is(err, want) {
			t.Errorf("%s: %v", title, err)
		}
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// TestMixedManifestOfUnknownKeys checks that a wrong key is no mismatch: its hint is
// another.
func TestMixedManifestOfUnknownKeys(t *testing.T) {
	s, _, after, q := editions(t)
	stranger := verifytest.NewKey(t, "stranger", q.Now.AddDate(-1, 0, 0))
	for name, sig := range map[string][]byte{
		"by a stranger":                    stranger.Sign(t, after[location], q.Now),
		"by a stranger, of something else": stranger.Sign(t, []byte("x"), q.Now),
		"empty":                            {},
	} {
		files := without(after)
		files[location+".asc"] = sig
		_, err := s.Fetch(context.Background(), &manifesttest.Upstream{Files: files}, q)
		if !errors.As(err, new(*verify.SignatureError)) || errors.As(err, new(*manifests.MismatchError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMixedKeys is TestMixedManifests for keys documents.
func TestMixedKeys(t *testing.T) {
	p := newPeople(t, "abc")
	one, two := p.sign(t, p.keysDocument(t, 1, "a", 1), "a"), p.sign(t, p.keysDocument(t, 2, "b", 1), "ab")
	before := withCopies(keysUpstream(map[string]signedKeys{"keys.toml": one}).Files, "keys.toml")
	after := withCopies(keysUpstream(map[string]signedKeys{"keys.toml": two, "keys/1.toml": one}).Files, "keys.toml", "keys/1.toml")
	fresh, seen := p.user(t, "a", 1), p.userAt(t, p.keysDocument(t, 1, "a", 1), "a")
	for name, test := range map[string]struct {
		user     native.Source
		kept     map[string][]byte
		version  uint64 // with copies
		obeying  uint64 // without copies, if the cache obeys
		requests int    // with copies
	}{
		"nothing kept":                       {seen, nil, 2, 2, 2},
		"an old document, seen before":       {seen, only(before, "keys.toml"), 1, 1, 2}, // it is the one in force, so its signatures do not matter
		"an old document, by a new user":     {fresh, only(before, "keys.toml"), 1, 2, 3},
		"old signatures":                     {seen, only(before, "keys.toml.asc"), 2, 2, 3},
		"old signatures, by a new user":      {fresh, only(before, "keys.toml.asc"), 2, 2, 3},
		"an old document and its signatures": {fresh, only(before, "keys.toml", "keys.toml.asc"), 1, 1, 2},
	} {
		c := &cache{origin: &manifesttest.Upstream{Files: after}, kept: test.kept}
		if s, _, err := rotate(test.user, c); err != nil || s.Edition.Version != test.version || len(c.asked) != test.requests {
			t.Errorf("%s: version %d, %v after %v", name, s.Edition.Version, err, c.asked)
		}
		c = &cache{origin: &manifesttest.Upstream{Files: without(after)}, kept: test.kept, obeys: true}
		if s, _, err := rotate(test.user, c); err != nil || s.Edition.Version != test.obeying {
			t.Errorf("%s, no copies: version %d, %v", name, s.Edition.Version, err)
		}
	}

	// What no copy and no cache repairs is refused, after a few requests.
	c := &cache{origin: &manifesttest.Upstream{Files: without(after)}, kept: only(before, "keys.toml.asc")}
	if s, _, err := rotate(seen, c); !errors.As(err, new(*manifests.MismatchError)) || s.Edition.Version != 1 || len(c.asked) > 12 {
		t.Errorf("a stubborn cache: version %d, %v after %v", s.Edition.Version, err, c.asked)
	}

	// A server that has the same text for every missing file does not hide that.
	files := without(after)
	files[base+native.SignaturesOf(verify.DigestOf(two.data))] = []byte("not found")
	c = &cache{origin: &manifesttest.Upstream{Files: files}, kept: only(before, "keys.toml.asc"), obeys: true}
	if s, _, err := rotate(seen, c); err != nil || s.Edition.Version != 2 {
		t.Errorf("a text for a copy: version %d, %v after %v", s.Edition.Version, err, c.asked)
	}

	// The copy must be of the same document, by the same keys.
	ref := base + native.SignaturesOf(verify.DigestOf(two.data))
	for title, sig := range map[string][]byte{
		"of another document":    one.sig,
		"by the new keys alone":  p.sign(t, p.keysDocument(t, 2, "b", 1), "b").sig,
		"by the old keys alone":  p.sign(t, p.keysDocument(t, 2, "b", 1), "a").sig,
		"by strangers":           p.sign(t, p.keysDocument(t, 2, "b", 1), "c").sig,
		"of something else":      []byte("ok"),
		"of another channel's":   p.sign(t, p.keysDocument(t, 2, "b", 1, func(k *native.Keys) { k.Channel = "other" }), "ab").sig,
		"more than the ceiling":  []byte(strings.Repeat("-----BEGIN PGP SIGNATURE-----\n", 4000)),
		"a web page for a block": []byte(page),
	} {
		files := maps.Clone(after)
		files[ref] = sig
		c := &cache{origin: &manifesttest.Upstream{Files: files}, kept: only(before, "keys.toml.asc")}
		if s, _, err := rotate(seen, c); !errors.Is(err, verify.ErrUntrusted) || s.Edition.Version != 1 || len(c.asked) > 13 {
			t.Errorf("%s: version %d, %v after %v", title, s.Edition.Version, err, c.asked)
		}
	}
}
