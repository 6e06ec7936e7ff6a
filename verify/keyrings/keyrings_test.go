package keyrings_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
)

func TestEveryKeyringLoads(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(keyrings.Pins)) {
		ring, err := keyrings.Lookup(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		certificates := ring.Certificates()
		if len(certificates) != len(keyrings.Pins[name]) {
			t.Errorf("%s: %d certificates for %d pins", name, len(certificates), len(keyrings.Pins[name]))
		}
		for _, c := range certificates {
			if c.UserID == "" || !c.Pinned || c.Distrusted != "" {
				t.Errorf("%s: %+v", name, c)
			}
			if !c.Signs && len(c.Subkeys) == 0 {
				t.Errorf("%s: nothing in %s can sign", name, c.Fingerprint)
			}
			for _, sub := range c.Subkeys {
				if !sub.Pinned {
					t.Errorf("%s: signing subkey %s is not pinned", name, sub.Fingerprint)
				}
			}
		}
	}
	if _, err := keyrings.Lookup("nobody"); err == nil || keyrings.Source("nobody", "") != "" || keyrings.Source("nodejs", keyrings.Pins["bun"][0].Primary) != "" {
		t.Error("an unknown upstream or key is built in")
	}
}

// A file without a pin would look trusted although it is unused. Each README must
// state where the keys come from.
func TestEveryFileIsPinnedAndExplained(t *testing.T) {
	found, err := fs.Glob(keyrings.Files, "*/*.asc")
	if err != nil {
		t.Fatal(err)
	}
	wanted := 0
	for _, list := range keyrings.Pins {
		wanted += len(list)
	}
	if len(found) != wanted {
		t.Errorf("%d files for %d pins", len(found), wanted)
	}
	for name, list := range keyrings.Pins {
		readme, err := os.ReadFile(name + "/README.md")
		if err != nil {
			t.Fatal(err)
		}
		for _, pin := range list {
			// The columns are key, name, algorithm, made, copied from, compared with.
			stated := ""
			for line := range strings.Lines(string(readme)) {
				if column := strings.Split(line, " | "); len(column) == 6 && column[0] == "| `"+string(pin.Primary)+"`" {
					stated = strings.TrimSpace(column[4])
				}
			}
			if from := keyrings.Source(name, pin.Primary); from == "" || from != stated {
				t.Errorf("%s: %s was copied from %q, but the README's table says %q", name, pin.Primary, from, stated)
			}
		}
	}
}

// Some key of each upstream must be able to sign at the time of writing.
func TestEveryUpstreamHasAUsableKey(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, name := range slices.Sorted(maps.Keys(keyrings.Pins)) {
		ring, err := keyrings.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		usable := 0
		refused := map[verify.Fingerprint]bool{}
		for _, finding := range verify.Lint(ring, now) {
			if finding.Refuse {
				refused[finding.Primary] = true
			}
		}
		for _, c := range ring.Certificates() {
			if !refused[c.Fingerprint] {
				usable++
			}
		}
		if usable == 0 {
			t.Errorf("%s: no key can sign on %s", name, now.Format(time.DateOnly))
		}
	}
}

func TestCompromisedKeyCannotBePinned(t *testing.T) {
	data, err := fs.ReadFile(keyrings.Files, "julia/64B779A570972FFF7BFC2B54EAD471E1A1F2C10A.asc")
	if err != nil {
		t.Fatal(err)
	}
	_, err = verify.NewKeyring([]verify.Pin{keyrings.Pin("3673DF529D9049477F76B37566E3C7DC03D6E495")}, data)
	if !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("got %v", err)
	}
}

// Placeholders are found in the keyring of kist alone, so that the test of a release
// build, which demands that there are none, can fail and can pass.
func TestPlaceholders(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(keyrings.Pins)) {
		ring, err := keyrings.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		if name == "kist" {
			want = len(keyrings.Pins[name])
		}
		if got := keyrings.Placeholders(ring); len(got) != want {
			t.Errorf("%s: placeholders %v, want %d", name, got, want)
		}
	}
}
