package native_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// TestRotationCeilings checks the ceilings on a document's size and on the number of
// versions.
func TestRotationCeilings(t *testing.T) {
	p := newPeople(t, "a")
	d := p.sign(t, p.keysDocument(t, 1, "a", 1), "a")
	for name, lie := range map[string]manifesttest.Lie{"endless": manifesttest.Endless, "oversized": manifesttest.Oversized} {
		for _, file := range []string{"keys.toml", "keys.toml.asc"} {
			u := keysUpstream(map[string]signedKeys{"keys.toml": d})
			u.Tell(base+file, lie)
			if _, _, err := rotate(p.user(t, "a", 1), u); !errors.Is(err, verify.ErrUntrusted) {
				t.Errorf("%s %s: %v", name, file, err)
			}
			if u.Delivered() > 2*native.MaxKeysFile {
				t.Errorf("%s %s: read %d bytes", name, file, u.Delivered())
			}
		}
	}
	ahead := func(versions uint64) error {
		documents := map[string]signedKeys{}
		for n := uint64(2); n <= versions; n++ {
			documents[native.KeysFileOf(n)] = p.sign(t, p.keysDocument(t, n, "a", 1), "a")
		}
		documents["keys.toml"] = documents[native.KeysFileOf(versions)]
		_, _, err := rotate(p.userAt(t, p.keysDocument(t, 1, "a", 1), "a"), keysUpstream(documents))
		return err
	}
	if err := ahead(native.MaxSteps); err != nil {
		t.Errorf("the greatest number of steps: %v", err)
	}
	if err := ahead(native.MaxSteps + 2); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("too many steps: %v", err)
	}
}

// FuzzKeys checks that every document that parses can be written and parsed again.
func FuzzKeys(f *testing.F) {
	key := verifytest.NewKey(f, "a", noon.AddDate(-1, 0, 0))
	k := &native.Keys{Channel: "acme", Version: 1, Issued: noon, Expires: noon.AddDate(0, 0, 30), Threshold: 1, Serial: 4,
		Revoked: []verify.Fingerprint{verify.Fingerprint(strings.Repeat("A", 40))}, Certificates: [][]byte{key.Public(f)}}
	data, err := k.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("format = 1\n[[key]]\nfingerprint = \"\"\ncertificate = ''\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := native.ParseKeysDraft(data)
		if err != nil {
			if !errors.Is(err, verify.ErrUntrusted) {
				t.Fatalf("%v does not match ErrUntrusted", err)
			}
			return
		}
		if k.Threshold < 1 || k.Threshold > len(k.Certificates) || k.Version == 0 {
			t.Fatalf("accepted %+v", k)
		}
		again, err := k.Encode()
		if err != nil {
			t.Fatalf("%v", err)
		}
		same, err := native.ParseKeysDraft(again)
		if err != nil || same.Version != k.Version || same.Threshold != k.Threshold || len(same.Certificates) != len(k.Certificates) ||
			!slices.Equal(same.Revoked, k.Revoked) {
			t.Fatalf("%+v became %+v: %v", k, same, err)
		}
	})
}

// TestKeysAreDistinct checks that a keys document must not list one secret key twice
// under two fingerprints.
func TestKeysAreDistinct(t *testing.T) {
	p := newPeople(t, "bc")
	p['a'], p['t'] = verifytest.NewReissuedKey(t, "a", noon.AddDate(-1, 0, 0), noon.AddDate(0, -1, 0))
	valid := p.sign(t, p.keysDocument(t, 1, "abc", 2), "ab").data
	if _, err := native.ParseKeysDraft(valid); err != nil {
		t.Fatal(err)
	}
	forged := strings.NewReplacer(string(p['b'].Public(t)), string(p['t'].Public(t)), string(p['b'].Primary()), string(p['t'].Primary())).Replace(string(valid))
	_, err := native.ParseKeysDraft([]byte(forged))
	if _, ok := errors.AsType[*manifests.FormatError](err); !ok || !errors.Is(err, verify.ErrUntrusted) || !strings.Contains(err.Error(), "one key under two fingerprints") {
		t.Errorf("%v of\n%s", err, forged)
	}
	if data, err := p.keysDocument(t, 1, "at", 1).Encode(); err == nil {
		t.Errorf("Encode accepted it:\n%s", data)
	}
}

// TestKeysAtEveryCeilingCanBeRead writes a keys document with the greatest number of
// keys and revoked keys, and reads it back. One more of either, or a longer document,
// cannot be written.
func TestKeysAtEveryCeilingCanBeRead(t *testing.T) {
	names := "abcdefghijklmnopqrstuvwxyzABCDEFG"
	p := newPeople(t, names)
	full := p.keysDocument(t, 1<<63-1, names[:native.MaxKeys], native.MaxKeys, func(k *native.Keys) {
		k.Serial = 1<<63 - 1
		for i := range native.MaxRevoked {
			k.Revoked = append(k.Revoked, verify.Fingerprint(fmt.Sprintf("%064X", i)))
		}
	})
	data, err := full.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := native.ParseKeysDraft(data)
	if err != nil || len(back.Certificates) != native.MaxKeys || !slices.Equal(back.Revoked, full.Revoked) || back.Version != full.Version {
		t.Errorf("%d keys, %d revoked, version %d: %v", len(back.Certificates), len(back.Revoked), back.Version, err)
	}
	for name, change := range map[string]func(*native.Keys){
		"a key more":         func(k *native.Keys) { k.Certificates = append(k.Certificates, p['G'].Public(t)) },
		"a revoked key more": func(k *native.Keys) { k.Revoked = append(k.Revoked, verify.Fingerprint(strings.Repeat("A", 64))) },
		"a longer key": func(k *native.Keys) {
			armored := string(k.Certificates[0])
			k.Certificates[0] = []byte(strings.Replace(armored, "\n", "\nComment: "+strings.Repeat("x", native.MaxKeysFile)+"\n", 1))
		},
	} {
		over := *full
		over.Certificates, over.Revoked = slices.Clone(full.Certificates), slices.Clone(full.Revoked)
		change(&over)
		if _, err := over.Encode(); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}
