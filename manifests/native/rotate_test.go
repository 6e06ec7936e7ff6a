package native_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// people are the keys of publishers, each named by one letter.
type people map[rune]*verifytest.Key

func newPeople(t *testing.T, names string) people {
	p := people{}
	for _, name := range names {
		p[name] = verifytest.NewKey(t, string(name), noon.AddDate(-1, 0, 0))
	}
	return p
}

func (p people) keys(names string) (list []*verifytest.Key) {
	for _, name := range names {
		list = append(list, p[name])
	}
	return list
}

// keysDocument returns a keys document that lists the keys of names.
func (p people) keysDocument(t *testing.T, version uint64, names string, threshold int, changes ...func(*native.Keys)) *native.Keys {
	t.Helper()
	k := &native.Keys{Channel: "acme", Version: version, Issued: noon.Add(-time.Hour), Expires: noon.AddDate(0, 0, 30), Threshold: threshold}
	for _, key := range p.keys(names) {
		k.Certificates = append(k.Certificates, key.Public(t))
	}
	for _, change := range changes {
		change(k)
	}
	return k
}

// signedKeys is a keys document with its signatures.
type signedKeys struct{ data, sig []byte }

// sign returns k with signatures by names.
func (p people) sign(t *testing.T, k *native.Keys, names string) signedKeys {
	t.Helper()
	data, err := k.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return p.signText(t, data, names)
}

func (p people) signText(t *testing.T, data []byte, names string) signedKeys {
	if names == "" {
		return signedKeys{data, nil}
	}
	return signedKeys{data, verifytest.Cosign(t, data, noon.Add(-time.Minute), p.keys(names)...)}
}

const base = "https://tools.acme.example/kist/"

// keysUpstream serves keys documents by name: "keys.toml", "keys/1.toml".
func keysUpstream(documents map[string]signedKeys) *manifesttest.Upstream {
	u := &manifesttest.Upstream{Files: map[string][]byte{}}
	for name, d := range documents {
		u.Files[base+name] = d.data
		if d.sig != nil {
			u.Files[base+name+".asc"] = d.sig
		}
	}
	return u
}

// user returns a source whose user pinned the keys of names.
func (p people) user(t *testing.T, names string, threshold int) native.Source {
	return source(verify.Policy{Keys: verifytest.Keyring(t, p.keys(names)...), Threshold: threshold})
}

func rotate(s native.Source, u manifests.Transport) (native.Source, int, error) {
	next, accepted, err := s.Rotate(context.Background(), u, noon)
	return next, len(accepted), err
}

// userAt returns a source that has accepted the document k, signed by names.
func (p people) userAt(t *testing.T, k *native.Keys, names string) native.Source {
	t.Helper()
	s := p.user(t, names, k.Threshold)
	d := p.sign(t, k, names)
	next, _, err := rotate(s, keysUpstream(map[string]signedKeys{"keys.toml": d}))
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// TestRotationMatrix rotates from every m of n to every m of n, for up to 3 keys, of
// which all, none or some are new.
func TestRotationMatrix(t *testing.T) {
	const old, strangers = "abc", "xyz"
	p := newPeople(t, "abcdefxyz")
	row, step := 0, short.Step(t, 5)
	subsets := func(names string, n int) string { return names[:n] }
	for _, succession := range []struct{ name, next string }{{"other keys", "def"}, {"the same keys", "abc"}, {"one key in common", "cde"}} {
		for n := 1; n <= 3; n++ {
			for m := 1; m <= n; m++ {
				was := subsets(old, n)
				user := p.userAt(t, p.keysDocument(t, 1, was, m), was)
				for n2 := 1; n2 <= 3; n2++ {
					for m2 := 1; m2 <= n2; m2++ {
						is := subsets(succession.next, n2)
						next, err := p.keysDocument(t, 2, is, m2).Encode()
						if err != nil {
							t.Fatal(err)
						}
						name := fmt.Sprintf("%d of %d to %d of %d/%s", m, n, m2, n2, succession.name)
						for _, signers := range signings(was, m, is, m2, strangers) {
							if row++; row%step != 0 {
								continue
							}
							d := p.signText(t, next, signers)
							got, accepted, err := rotate(user, keysUpstream(map[string]signedKeys{"keys.toml": d}))
							want := distinct(signers, was) >= m && distinct(signers, is) >= m2
							switch {
							case want && (err != nil || accepted != 1 || got.Edition.Version != 2 || got.Policy.Threshold != m2):
								t.Errorf("%s, signed by %q: %d accepted, version %d: %v", name, signers, accepted, got.Edition.Version, err)
							case !want && !errors.Is(err, verify.ErrUntrusted):
								t.Errorf("%s, signed by %q: %v", name, signers, err)
							case !want && (accepted != 0 || got.Edition.Version != 1):
								t.Errorf("%s, signed by %q: refused, but version %d", name, signers, got.Edition.Version)
							}
						}
					}
				}
			}
		}
	}
}

// signings returns sets of signers: exactly enough, one fewer, only one side, one
// signer several times, everyone, and each with strangers.
func signings(was string, m int, is string, m2 int, strangers string) []string {
	return []string{
		was[:m] + is[:m2],
		was[len(was)-m:] + is[len(is)-m2:],
		was[:m-1] + is[:m2],
		was[:m] + is[:m2-1],
		was, is, was + is, "",
		strings.Repeat(was[:1], m) + is[:m2],
		was[:m] + strings.Repeat(is[:1], m2),
		strangers,
		strangers + was[:m] + is[:m2],
		strangers + was[:m-1] + is[:m2],
	}
}

// distinct counts the different signers that are in may.
func distinct(signers, may string) int {
	return len(slices.Compact(slices.Sorted(func(yield func(rune) bool) {
		for _, r := range signers {
			if strings.ContainsRune(may, r) && !yield(r) {
				return
			}
		}
	})))
}

// TestRotationCountsPrimaries checks that a key and its subkey count as one signer.
func TestRotationCountsPrimaries(t *testing.T) {
	p := newPeople(t, "abc")
	alone := verifytest.LoadKey(t, p['a'].Secret(t))
	p['a'].AddSubkey(t, noon.AddDate(0, -1, 0))
	user := p.userAt(t, p.keysDocument(t, 1, "ab", 2), "ab")
	data, err := p.keysDocument(t, 2, "ab", 2).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		keys []*verifytest.Key
		want error
	}{
		"primary and subkey": {[]*verifytest.Key{alone, p['a']}, verify.ErrUntrusted},
		"both people":        {[]*verifytest.Key{alone, p['b']}, nil},
		"both, by subkey":    {[]*verifytest.Key{p['a'], p['b']}, nil},
	} {
		d := signedKeys{data, verifytest.Cosign(t, data, noon.Add(-time.Minute), test.keys...)}
		if _, _, err := rotate(user, keysUpstream(map[string]signedKeys{"keys.toml": d})); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

// TestRotationRefuses offers documents to a user at version 2, which a signed. Each
// differs from a valid document in one thing.
func TestRotationRefuses(t *testing.T) {
	p := newPeople(t, "abx")
	user := p.userAt(t, p.keysDocument(t, 2, "a", 1), "a")
	valid := p.keysDocument(t, 3, "b", 1)
	text := func(k *native.Keys) string {
		data, err := k.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	edit := func(old, new string) signedKeys {
		document := text(valid)
		if !strings.Contains(document, old) {
			t.Fatalf("the document does not contain %q", old)
		}
		return p.signText(t, []byte(strings.Replace(document, old, new, 1)), "ab")
	}
	with := func(change func(*native.Keys)) signedKeys {
		return p.sign(t, p.keysDocument(t, 3, "b", 1, change), "ab")
	}
	expired := p.userAt(t, p.keysDocument(t, 2, "a", 1), "a")
	expired.Edition.Expires = noon
	for name, test := range map[string]struct {
		d    signedKeys
		want error
	}{
		"valid":                        {p.sign(t, valid, "ab"), nil},
		"unsigned":                     {p.sign(t, valid, ""), verify.ErrUntrusted},
		"signed by a stranger":         {p.sign(t, valid, "x"), verify.ErrUntrusted},
		"changed":                      {signedKeys{[]byte(text(valid) + "\n"), p.sign(t, valid, "ab").sig}, verify.ErrUntrusted},
		"another channel":              {with(func(k *native.Keys) { k.Channel = "acme2" }), verify.ErrUntrusted},
		"expired":                      {with(func(k *native.Keys) { k.Expires = noon }), verify.ErrStale},
		"about to expire":              {with(func(k *native.Keys) { k.Expires = noon.Add(time.Second) }), nil},
		"from the future":              {with(func(k *native.Keys) { k.Issued = noon.Add(6 * time.Minute) }), verify.ErrStale},
		"expires before issued":        {with(func(k *native.Keys) { k.Issued = k.Expires }), verify.ErrStale},
		"a life of 401 days":           {with(func(k *native.Keys) { k.Expires = k.Issued.Add(401 * 24 * time.Hour) }), verify.ErrStale},
		"a life of 400 days":           {with(func(k *native.Keys) { k.Expires = k.Issued.Add(400 * 24 * time.Hour) }), nil},
		"version going back":           {p.sign(t, p.keysDocument(t, 1, "ab", 1), "ab"), verify.ErrStale},
		"going back, to other keys":    {p.sign(t, p.keysDocument(t, 1, "x", 1), "x"), verify.ErrStale},
		"going back, unsigned":         {p.sign(t, p.keysDocument(t, 1, "x", 1), ""), verify.ErrStale},
		"same version, other keys":     {p.sign(t, p.keysDocument(t, 2, "x", 1), "x"), verify.ErrUntrusted},
		"later version, other keys":    {p.sign(t, p.keysDocument(t, 4, "x", 1), "x"), verify.ErrUntrusted},
		"going back, not this channel": {p.sign(t, p.keysDocument(t, 1, "x", 1, func(k *native.Keys) { k.Channel = "acme2" }), "x"), verify.ErrUntrusted},
		"same version, other":          {p.sign(t, p.keysDocument(t, 2, "ab", 1), "ab"), verify.ErrStale},
		"step skipped":                 {p.sign(t, p.keysDocument(t, 4, "b", 1), "ab"), verify.ErrStale},
		"threshold 0":                  {edit("threshold = 1", "threshold = 0"), verify.ErrUntrusted},
		"threshold -1":                 {edit("threshold = 1", "threshold = -1"), verify.ErrUntrusted},
		"threshold over the keys":      {edit("threshold = 1", "threshold = 2"), verify.ErrUntrusted},
		"threshold as text":            {edit("threshold = 1", "threshold = \"1\""), verify.ErrUntrusted},
		"unknown key":                  {edit("threshold = 1", "threshold = 1\ninsecure = true"), verify.ErrUntrusted},
		"unknown format":               {edit("format    = 1", "format = 2"), verify.ErrUntrusted},
		"version 0":                    {edit("version   = 3", "version = 0"), verify.ErrUntrusted},
		"serial 0":                     {edit("threshold = 1", "threshold = 1\nserial = 0"), verify.ErrUntrusted},
		"no keys":                      {p.signText(t, []byte(text(valid)[:strings.Index(text(valid), "[[key]]")]), "ab"), verify.ErrUntrusted},
		"a key twice":                  {p.signText(t, []byte(text(valid)+text(valid)[strings.Index(text(valid), "[[key]]"):]), "ab"), verify.ErrUntrusted},
		"another key's name":           {edit(string(p['b'].Primary()), string(p['a'].Primary())), verify.ErrUntrusted},
		"a key ID":                     {edit(string(p['b'].Primary()), string(p['b'].Primary()[24:])), verify.ErrUntrusted},
		"lower case":                   {edit(string(p['b'].Primary()), strings.ToLower(string(p['b'].Primary()))), verify.ErrUntrusted},
		"no certificate":               {edit("-----BEGIN PGP PUBLIC KEY BLOCK-----", ""), verify.ErrUntrusted},
		"revokes its own key":          {edit("threshold = 1", "threshold = 1\nrevoked = [\""+string(p['b'].Primary())+"\"]"), verify.ErrUntrusted},
		"revokes another key":          {with(func(k *native.Keys) { k.Revoked = []verify.Fingerprint{p['a'].Primary()} }), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, accepted, err := rotate(user, keysUpstream(map[string]signedKeys{"keys.toml": test.d}))
			if !errors.Is(err, test.want) || test.want == verify.ErrUntrusted && errors.Is(err, verify.ErrStale) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if test.want != nil && (accepted != 0 || got.Edition.Version != 2) && !strings.Contains(name, "expire") && !strings.Contains(name, "future") && !strings.Contains(name, "life") {
				t.Errorf("refused, but %d accepted, version %d", accepted, got.Edition.Version)
			}
			if test.want == nil && (accepted != 1 || got.Edition.Version != 3) {
				t.Errorf("%d accepted, version %d", accepted, got.Edition.Version)
			}
		})
	}
	if _, _, err := rotate(expired, keysUpstream(map[string]signedKeys{"keys.toml": p.sign(t, p.keysDocument(t, 2, "a", 1), "a")})); !errors.Is(err, verify.ErrStale) {
		t.Errorf("the accepted document has expired: %v", err)
	}
	if _, _, err := rotate(user, keysUpstream(nil)); !errors.Is(err, verify.ErrStale) {
		t.Errorf("the document has disappeared: %v", err)
	}
	never := p.user(t, "a", 1)
	if got, accepted, err := rotate(never, keysUpstream(nil)); err != nil || accepted != 0 || got.Edition.Version != 0 {
		t.Errorf("a channel without keys documents: %d, %v", accepted, err)
	}
}

// history returns the documents of a channel whose keys were a, ab, b, bc and c.
func history(t *testing.T, p people) map[string]signedKeys {
	return map[string]signedKeys{
		"keys/1.toml": p.sign(t, p.keysDocument(t, 1, "a", 1), "a"),
		"keys/2.toml": p.sign(t, p.keysDocument(t, 2, "ab", 2), "ab"),
		"keys/3.toml": p.sign(t, p.keysDocument(t, 3, "b", 1), "ab"),
		"keys/4.toml": p.sign(t, p.keysDocument(t, 4, "bc", 1), "b"),
		"keys.toml":   p.sign(t, p.keysDocument(t, 5, "c", 1), "c"),
	}
}

// TestRotationFollowsEveryVersion starts from different keys and versions.
func TestRotationFollowsEveryVersion(t *testing.T) {
	p := newPeople(t, "abcx")
	documents := history(t, p)
	for names, steps := range map[string]int{"a": 3, "b": 2, "c": 1, "abc": 1, "ax": 3} {
		got, accepted, err := rotate(p.user(t, names, 1), keysUpstream(documents))
		if err != nil || accepted != steps || got.Edition.Version != 5 || got.Policy.Keys.Pins()[0].Primary != p['c'].Primary() {
			t.Errorf("given %q: %d accepted, version %d: %v", names, accepted, got.Edition.Version, err)
		}
	}
	if _, _, err := rotate(p.user(t, "x", 1), keysUpstream(documents)); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("given a stranger's key: %v", err)
	}
	if _, _, err := rotate(p.user(t, "ac", 2), keysUpstream(documents)); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("given two keys that never signed the same document: %v", err)
	}
	for missing, want := range map[string]error{
		"keys/1.toml": nil, "keys/2.toml": nil, // older than what this user has
		"keys/3.toml": verify.ErrUntrusted, "keys/4.toml": verify.ErrUntrusted, // then keys.toml is by unknown keys
	} {
		u := keysUpstream(documents)
		u.Tell(base+missing, manifesttest.NotFound)
		user := p.userAt(t, p.keysDocument(t, 2, "ab", 2), "ab")
		if _, _, err := rotate(user, u); !errors.Is(err, want) {
			t.Errorf("without %s: %v, want %v", missing, err, want)
		}
	}
	same := map[string]signedKeys{
		"keys/2.toml": p.sign(t, p.keysDocument(t, 2, "a", 1, func(k *native.Keys) { k.Serial = 9 }), "a"),
		"keys/3.toml": p.sign(t, p.keysDocument(t, 3, "a", 1), "a"),
		"keys.toml":   p.sign(t, p.keysDocument(t, 3, "a", 1), "a"),
	}
	got, accepted, err := rotate(p.userAt(t, p.keysDocument(t, 1, "a", 1), "a"), keysUpstream(same))
	if err != nil || accepted != 2 || got.Edition.Restart != 9 || got.Edition.Restarted != 2 {
		t.Errorf("the same keys, the newest also served by its version: %d accepted, %+v: %v", accepted, got.Edition, err)
	}
}

// TestRotationForgetsNothing checks that a key stays revoked even if later documents
// do not repeat its revocation.
func TestRotationForgetsNothing(t *testing.T) {
	p := newPeople(t, "ab")
	revoking := p.keysDocument(t, 2, "b", 1, func(k *native.Keys) { k.Revoked = []verify.Fingerprint{p['a'].Primary()} })
	user := p.userAt(t, p.keysDocument(t, 1, "a", 1), "a")
	user, _, err := rotate(user, keysUpstream(map[string]signedKeys{"keys.toml": p.sign(t, revoking, "ab")}))
	if err != nil {
		t.Fatal(err)
	}
	for names, want := range map[string]error{"ab": verify.ErrUntrusted, "b": nil} {
		d := p.sign(t, p.keysDocument(t, 3, names, 1), names)
		if _, _, err := rotate(user, keysUpstream(map[string]signedKeys{"keys.toml": d})); !errors.Is(err, want) {
			t.Errorf("version 3 lists %q: %v, want %v", names, err, want)
		}
	}

	// An OpenPGP revocation that the user has seen counts, even if the document has
	// an older copy of the certificate.
	old := p.keysDocument(t, 2, "ab", 1)
	p['a'].Revoke(t, noon.Add(-time.Hour), true)
	user = p.user(t, "ab", 1)
	for signers, want := range map[string]error{"a": verify.ErrUntrusted, "b": nil} {
		got, _, err := rotate(user, keysUpstream(map[string]signedKeys{"keys.toml": p.sign(t, old, signers)}))
		if !errors.Is(err, want) {
			t.Errorf("signed by %q: %v, want %v", signers, err, want)
		}
		if err == nil && got.Policy.Keys.Certificates()[0].Revoked == "" {
			t.Error("the revocation was forgotten")
		}
	}
}

// TestRotationRefusesFlippedBits changes one bit of each octet of the document.
func TestRotationRefusesFlippedBits(t *testing.T) {
	p := newPeople(t, "ab")
	user := p.userAt(t, p.keysDocument(t, 1, "a", 1), "a")
	d := p.sign(t, p.keysDocument(t, 2, "b", 1), "ab")
	random := rand.New(rand.NewPCG(1, 2))
	for i := range d.data {
		changed := slices.Clone(d.data)
		changed[i] ^= 1 << random.IntN(8)
		if _, _, err := user.Next("keys.toml", changed, d.sig, noon); !errors.Is(err, verify.ErrUntrusted) {
			t.Fatalf("octet %d changed: %v", i, err)
		}
	}
	if _, _, err := user.Next("keys.toml", d.data, d.sig, noon); err != nil {
		t.Error(err)
	}
}

// Object stores that forbid listing deny access to files that do not exist. If no keys
// document was ever seen, a denied one counts as missing; otherwise as hidden.
func TestRotationDenied(t *testing.T) {
	p := newPeople(t, "a")
	denied := func([]byte) (io.Reader, int64, error) { return nil, 0, manifests.ErrDenied }
	u := keysUpstream(map[string]signedKeys{"keys.toml": {}})
	u.Tell(base+"keys.toml", denied)
	if _, accepted, err := rotate(p.user(t, "a", 1), u); err != nil || accepted != 0 {
		t.Errorf("without a keys document: %d accepted, %v", accepted, err)
	}
	if _, _, err := rotate(p.userAt(t, p.keysDocument(t, 1, "a", 1), "a"), u); !errors.Is(err, verify.ErrStale) {
		t.Errorf("with a hidden keys document: %v", err)
	}
	u.Tell(base+"keys.toml", func([]byte) (io.Reader, int64, error) { return nil, 0, manifests.ErrUnreachable })
	if _, _, err := rotate(p.user(t, "a", 1), u); !errors.Is(err, manifests.ErrUnreachable) {
		t.Errorf("without an answer: %v", err)
	}
}

// TestRotationReturnsAcceptedDocuments checks that documents which were verified are
// returned even if the newest one is refused.
func TestRotationReturnsAcceptedDocuments(t *testing.T) {
	p := newPeople(t, "abx")
	user := p.userAt(t, p.keysDocument(t, 1, "a", 1), "a")
	second := p.sign(t, p.keysDocument(t, 2, "b", 1), "ab")
	for name, test := range map[string]struct {
		last     signedKeys
		want     error
		accepted int
	}{
		"expired":       {p.sign(t, p.keysDocument(t, 3, "b", 1, func(k *native.Keys) { k.Expires = noon }), "b"), verify.ErrStale, 2},
		"by a stranger": {p.sign(t, p.keysDocument(t, 3, "b", 1), "x"), verify.ErrUntrusted, 1},
		"valid":         {p.sign(t, p.keysDocument(t, 3, "b", 1), "b"), nil, 2},
	} {
		got, accepted, err := rotate(user, keysUpstream(map[string]signedKeys{"keys/2.toml": second, "keys.toml": test.last}))
		if !errors.Is(err, test.want) || accepted != test.accepted || got.Edition.Version != uint64(1+test.accepted) {
			t.Errorf("%s: %d accepted, version %d: %v", name, accepted, got.Edition.Version, err)
		}
	}
}
