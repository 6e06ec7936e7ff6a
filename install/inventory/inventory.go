// Package inventory lists what a machine has installed, for a table of many machines:
// tools, versions, and who signed them. It makes the list of one machine, reads those of
// others, and merges them. It has no effects.
//
// A list that was read proves nothing: it is what a file says, and a file may lie.
package inventory

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kist-tools/kist/install/bill"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// The ceilings on the list of one machine.
const (
	MaxFile       = 8 << 20 // bytes
	maxCommas     = 250_000 // before it is decoded: no list has more elements
	maxToolchains = 10_000
	maxSigners    = 64  // of one toolchain
	maxName       = 255 // bytes of the name of a machine
)

// A Machine is what one store of a machine holds, with the stores below it.
type Machine struct {
	Name       string             `json:"name,omitempty"` // as the user gave it
	ID         string             `json:"id,omitempty"`   // the same for every list of this store; see ID
	Platform   manifests.Platform `json:"platform"`
	Kist       string             `json:"kist"` // version of kist that made the list
	Made       time.Time          `json:"made"` // when it was made
	Toolchains []Toolchain        `json:"toolchains"`
}

// A Toolchain is one installed release.
type Toolchain struct {
	Channel    string               `json:"channel"`
	Tool       string               `json:"tool"`
	Version    string               `json:"version"`
	Platform   manifests.Platform   `json:"platform"`
	Components []string             `json:"components,omitempty"`
	Receipt    record.ID            `json:"receipt"`
	Proof      verify.Kind          `json:"proof"`             // of the signed document, or the database
	Signers    []verify.Fingerprint `json:"signers,omitempty"` // primary keys, sorted
	Tree       verify.Digest        `json:"tree"`              // digest of all files
	Default    bool                 `json:"default,omitempty"`
	Installed  time.Time            `json:"installed"`
}

// Of describes an installed release.
func Of(r record.Receipt, isDefault bool) Toolchain {
	t := Toolchain{Channel: r.Channel, Tool: r.Tool, Version: r.Version, Platform: r.Platform, Components: r.Components, Receipt: r.ID,
		Signers: bill.SignersOf(r.Head), Tree: r.TreeDigest(), Default: isDefault, Installed: r.Installed.UTC()}
	t.Proof = r.Evidence.Root().Kind
	if t.Proof == "" && len(r.Artifacts) > 0 {
		t.Proof = r.Artifacts[0].Evidence.Root().Kind
	}
	return t
}

// ID returns an identifier of the store in the directory dir of a machine: the same for
// all its lists, and of no use to recognise the machine elsewhere. machine is the machine's
// ID, which must not be published (machine-id(5)); without one the result is empty.
func ID(machine, dir string) string {
	if machine == "" {
		return ""
	}
	h := hmac.New(sha256.New, []byte(machine))
	h.Write([]byte("kist inventory 1\x00" + dir))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// A FormatError reports that a file is not the list of a machine.
type FormatError struct{ File, Problem string }

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s is not the output of kist inventory --json: %s", e.File, e.Problem)
}

// Kind returns the kind of the failure, for its exit code.
func (*FormatError) Kind() string { return "usage" }

// Read reads the output of kist inventory --json, of at most [MaxFile] bytes. Fields that
// this kist does not know are ignored, since a newer one may have written them. The error
// is a *[FormatError], with file as the name.
func Read(file string, data []byte) (Machine, error) {
	fail := func(format string, args ...any) (Machine, error) {
		return Machine{}, &FormatError{file, fmt.Sprintf(format, args...)}
	}
	var doc struct {
		Format int             `json:"format"`
		Verb   string          `json:"verb"`
		Error  json.RawMessage `json:"error"`
		Result *Machine        `json:"result"`
	}
	switch {
	case len(data) > MaxFile:
		return fail("it has more than %d bytes", MaxFile)
	case !utf8.Valid(data):
		return fail("it is not UTF-8")
	case bytes.Count(data, []byte(",")) > maxCommas:
		return fail("it has more than %d values", maxCommas)
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return fail("%v", err)
	}
	switch m := doc.Result; {
	case doc.Format != 1:
		return fail("its format is %d, want 1", doc.Format)
	case doc.Verb != "inventory" || m == nil:
		return fail("it is the output of another verb")
	case len(doc.Error) > 0:
		return fail("that kist failed")
	case m.Made.IsZero():
		return fail("it does not say when it was made")
	case len(m.Toolchains) > maxToolchains:
		return fail("it has more than %d toolchains", maxToolchains)
	default:
		if err := ValidName(m.Name); m.Name != "" && err != nil {
			return fail("%v", err)
		}
		if strings.Trim(m.ID, "0123456789abcdef") != "" || m.ID != "" && len(m.ID) != 32 {
			return fail("its id is malformed")
		}
		for n := range m.Toolchains {
			if err := m.Toolchains[n].normalize(); err != nil {
				return fail("toolchain %d: %v", n+1, err)
			}
		}
		return *m, nil
	}
}

// ValidName returns an error if name cannot be the name of a machine: a printable line.
func ValidName(name string) error {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.TrimSpace(name) != name || strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return fmt.Errorf("the name of a machine has 1 to %d bytes in one line", maxName)
	}
	return nil
}

// normalize checks t, and sorts its lists.
func (t *Toolchain) normalize() error {
	for _, err := range []error{manifests.ValidName(t.Channel), manifests.ValidName(t.Tool), manifests.ValidVersion(t.Version)} {
		if err != nil {
			return err
		}
	}
	switch {
	case !t.Receipt.Valid():
		return fmt.Errorf("malformed receipt %.100q", t.Receipt)
	case t.Tree.IsZero():
		return fmt.Errorf("it has no digest of its files")
	case len(t.Signers) > maxSigners:
		return fmt.Errorf("it has more than %d signers", maxSigners)
	}
	switch t.Proof {
	case verify.ByDetached, verify.ByClearsigned, verify.ByTree:
	default:
		return fmt.Errorf("unknown proof %.100q", t.Proof)
	}
	for i, s := range t.Signers {
		f, err := verify.ParseFingerprint(string(s))
		if err != nil {
			return err
		}
		t.Signers[i] = f
	}
	slices.Sort(t.Signers)
	t.Signers = slices.Compact(t.Signers)
	slices.Sort(t.Components)
	return nil
}
