package native_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// answering is an upstream that answers with text for everything that it does not
// have, up to more versions than anybody asks for.
func answering(u *manifesttest.Upstream, text string) *manifesttest.Upstream {
	names := []string{"keys.toml"}
	for n := uint64(1); n <= 200; n++ {
		names = append(names, native.KeysFileOf(n))
	}
	for _, name := range names {
		for _, ref := range []string{base + name, base + name + ".asc"} {
			if u.Files[ref] == nil {
				u.Files[ref] = []byte(text)
			}
		}
	}
	return u
}

const page = "<!DOCTYPE html>\n<title>acme</title>"

// A web page counts as no keys document while none was ever seen, and never
// afterwards: whoever serves one could take back a rotation.
func TestPagesInPlaceOfKeys(t *testing.T) {
	p := newPeople(t, "abc")
	one := p.sign(t, p.says(t, 1, "a", 1), "a")
	two := p.sign(t, p.says(t, 2, "b", 1), "ab")
	three := p.sign(t, p.says(t, 3, "c", 1), "bc")
	fresh, seen := p.user(t, "a", 1), p.at(t, p.says(t, 1, "a", 1), "a")

	u := answering(keysUpstream(nil), page)
	if s, taken, err := rotate(fresh, u); err != nil || taken != 0 || s.Edition.Version != 0 || len(u.Asked()) != 1 {
		t.Errorf("none was ever seen: version %d, %v after %v", s.Edition.Version, err, u.Asked())
	}
	u = answering(keysUpstream(nil), page)
	s, taken, err := rotate(seen, u)
	if !errors.As(err, new(*manifests.PageError)) || !errors.Is(err, manifests.ErrUnreachable) || taken != 0 || s.Edition.Version != 1 || len(u.Asked()) != 1 {
		t.Errorf("one was seen: version %d, %v after %v", s.Edition.Version, err, u.Asked())
	}

	// A page beside a keys document is no reason to pass over it.
	u = keysUpstream(map[string]signedKeys{"keys.toml": {one.data, []byte(page)}})
	if s, _, err := rotate(fresh, u); !errors.As(err, new(*manifests.PageError)) || s.Edition.Version != 0 {
		t.Errorf("a page for signatures: version %d, %v", s.Edition.Version, err)
	}

	// On a host that answers so for what it does not have, the walk ends there.
	all := map[string]signedKeys{"keys.toml": three, "keys/1.toml": one, "keys/2.toml": two}
	u = answering(keysUpstream(all), page)
	if s, _, err := rotate(fresh, u); err != nil || s.Edition.Version != 3 || len(u.Asked()) > 7 {
		t.Errorf("walked from the start to version %d, %v after %v", s.Edition.Version, err, u.Asked())
	}
	if s, _, err := rotate(seen, answering(keysUpstream(all), page)); err != nil || s.Edition.Version != 3 {
		t.Errorf("walked from version 1 to %d, %v", s.Edition.Version, err)
	}
	delete(all, "keys/2.toml")
	u = answering(keysUpstream(all), page)
	if s, _, err := rotate(seen, u); !errors.As(err, new(*manifests.PageError)) || s.Edition.Version != 1 || len(u.Asked()) > 6 {
		t.Errorf("a step is a page: version %d, %v after %v", s.Edition.Version, err, u.Asked())
	}
}

// An origin that answers with the same nonsense for everything is not asked for
// one version after the other.
func TestNonsenseForEverything(t *testing.T) {
	p := newPeople(t, "abc")
	for _, text := range []string{`{"error": "not found"}`, "ok", strings.Repeat("\x00", 100)} {
		for name, s := range map[string]struct {
			version uint64
		}{"none was seen": {0}, "one was seen": {1}} {
			user := p.user(t, "a", 1)
			if s.version > 0 {
				user = p.at(t, p.says(t, 1, "a", 1), "a")
			}
			u := answering(keysUpstream(nil), text)
			if next, _, err := rotate(user, u); !errors.Is(err, verify.ErrUntrusted) || next.Edition.Version != s.version || len(u.Asked()) > 3 {
				t.Errorf("%s, %q: version %d, %v after %d requests", name, text, next.Edition.Version, err, len(u.Asked()))
			}
		}
	}
	one := p.sign(t, p.says(t, 1, "a", 1), "a")
	u := answering(keysUpstream(map[string]signedKeys{"keys.toml": one}), "ok")
	if s, _, err := rotate(p.user(t, "a", 1), u); err != nil || s.Edition.Version != 1 {
		t.Errorf("its twin: version %d, %v", s.Edition.Version, err)
	}
	u = answering(keysUpstream(map[string]signedKeys{"keys.toml": p.sign(t, p.says(t, 3, "c", 1), "bc"), "keys/1.toml": one,
		"keys/2.toml": p.sign(t, p.says(t, 2, "b", 1), "ab")}), "ok")
	if s, _, err := rotate(p.user(t, "a", 1), u); err != nil || s.Edition.Version != 3 || slices.Contains(u.Asked(), base+"keys/4.toml") {
		t.Errorf("the walk ends at nonsense: version %d, %v after %v", s.Edition.Version, err, u.Asked())
	}
}
