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

// answerMissing makes u answer with text for every keys document and signature that it
// does not have.
func answerMissing(u *manifesttest.Upstream, text string) *manifesttest.Upstream {
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

// A web page counts as a missing keys document only if no keys document was ever seen.
// Otherwise a server could undo a rotation with a page.
func TestPagesInPlaceOfKeys(t *testing.T) {
	p := newPeople(t, "abc")
	one := p.sign(t, p.keysDocument(t, 1, "a", 1), "a")
	two := p.sign(t, p.keysDocument(t, 2, "b", 1), "ab")
	three := p.sign(t, p.keysDocument(t, 3, "c", 1), "bc")
	fresh, seen := p.user(t, "a", 1), p.userAt(t, p.keysDocument(t, 1, "a", 1), "a")

	u := answerMissing(keysUpstream(nil), page)
	if s, accepted, err := rotate(fresh, u); err != nil || accepted != 0 || s.Edition.Version != 0 || len(u.Asked()) != 1 {
		t.Errorf("no keys document was ever seen: version %d, %v after %v", s.Edition.Version, err, u.Asked())
	}
	u = answerMissing(keysUpstream(nil), page)
	s, accepted, err := rotate(seen, u)
	if !errors.As(err, new(*manifests.PageError)) || !errors.Is(err, manifests.ErrUnreachable) || accepted != 0 || s.Edition.Version != 1 || len(u.Asked()) != 1 {
		t.Errorf("a keys document was seen: version %d, %v after %v", s.Edition.Version, err, u.Asked())
	}

	// A page instead of its signatures must not hide a keys document.
	u = keysUpstream(map[string]signedKeys{"keys.toml": {one.data, []byte(page)}})
	if s, _, err := rotate(fresh, u); !errors.As(err, new(*manifests.PageError)) || s.Edition.Version != 0 {
		t.Errorf("a page for signatures: version %d, %v", s.Edition.Version, err)
	}

	// Some hosts send a page for every missing file. Rotate stops at the first one.
	all := map[string]signedKeys{"keys.toml": three, "keys/1.toml": one, "keys/2.toml": two}
	u = answerMissing(keysUpstream(all), page)
	if s, _, err := rotate(fresh, u); err != nil || s.Edition.Version != 3 || len(u.Asked()) > 7 {
		t.Errorf("rotated from the user's keys to version %d, %v after %v", s.Edition.Version, err, u.Asked())
	}
	if s, _, err := rotate(seen, answerMissing(keysUpstream(all), page)); err != nil || s.Edition.Version != 3 {
		t.Errorf("rotated from version 1 to %d, %v", s.Edition.Version, err)
	}
	delete(all, "keys/2.toml")
	u = answerMissing(keysUpstream(all), page)
	if s, _, err := rotate(seen, u); !errors.As(err, new(*manifests.PageError)) || s.Edition.Version != 1 || len(u.Asked()) > 6 {
		t.Errorf("a step is a page: version %d, %v after %v", s.Edition.Version, err, u.Asked())
	}
}

// TestSameTextForEveryFile checks that a server that sends the same text for every
// file has no keys document if none was seen before, and is not asked for every
// version.
func TestSameTextForEveryFile(t *testing.T) {
	p := newPeople(t, "abc")
	for _, text := range []string{"", `{"error": "not found"}`, "ok", "Not found: keys.toml\n", strings.Repeat("\x00", 100)} {
		u := answerMissing(keysUpstream(nil), text)
		if next, _, err := rotate(p.user(t, "a", 1), u); err != nil || next.Edition.Version != 0 || len(u.Asked()) > 2 {
			t.Errorf("none was seen, %q: version %d, %v after %v", text, next.Edition.Version, err, u.Asked())
		}
		u = answerMissing(keysUpstream(nil), text)
		if next, _, err := rotate(p.userAt(t, p.keysDocument(t, 1, "a", 1), "a"), u); !errors.Is(err, verify.ErrUntrusted) || next.Edition.Version != 1 || len(u.Asked()) > 3 {
			t.Errorf("one was seen, %q: version %d, %v after %v", text, next.Edition.Version, err, u.Asked())
		}
		// A keys document with such a text as its signatures is refused.
		u = answerMissing(keysUpstream(map[string]signedKeys{"keys.toml": {p.sign(t, p.keysDocument(t, 1, "a", 1), "a").data, []byte(text)}}), text)
		if _, _, err := rotate(p.user(t, "a", 1), u); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%q beside a keys document: %v", text, err)
		}
	}
	one := p.sign(t, p.keysDocument(t, 1, "a", 1), "a")
	u := answerMissing(keysUpstream(map[string]signedKeys{"keys.toml": one}), "ok")
	if s, _, err := rotate(p.user(t, "a", 1), u); err != nil || s.Edition.Version != 1 {
		t.Errorf("with a valid document: version %d, %v", s.Edition.Version, err)
	}
	u = answerMissing(keysUpstream(map[string]signedKeys{"keys.toml": p.sign(t, p.keysDocument(t, 3, "c", 1), "bc"), "keys/1.toml": one,
		"keys/2.toml": p.sign(t, p.keysDocument(t, 2, "b", 1), "ab")}), "ok")
	if s, _, err := rotate(p.user(t, "a", 1), u); err != nil || s.Edition.Version != 3 || slices.Contains(u.Asked(), base+"keys/4.toml") {
		t.Errorf("with valid documents and nonsense after them: version %d, %v after %v", s.Edition.Version, err, u.Asked())
	}
}
