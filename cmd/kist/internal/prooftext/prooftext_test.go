package prooftext_test

import (
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/prooftext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/evidence"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

var (
	day    = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	signed = verify.Evidence{
		Name: "channel.toml", Kind: verify.ByDetached,
		Signers: []verify.Signer{{UserID: "Alice"}, {UserID: "Bob"}},
		Mark:    &verify.Mark{Serial: 7, Issued: day, Expires: day.AddDate(0, 0, 30)},
	}
)

func TestFreshness(t *testing.T) {
	for want, mark := range map[string]verify.Mark{
		"":                                 {},
		"manifest 2026-11-22":              {Issued: day},
		"serial 7":                         {Serial: 7, Issued: day},
		"serial 7, fresh until 2026-12-22": *signed.Mark,
	} {
		if got := prooftext.Freshness(mark); got != want {
			t.Errorf("%+v: %q, want %q", mark, got, want)
		}
	}
}

// TestLines checks that a release is said to be signed only after it was proved, and that
// names of keys that were used are details.
func TestLines(t *testing.T) {
	keys := []evidence.Key{{UserID: "Alice"}, {UserID: "Bob"}}
	for _, test := range []struct {
		name    string
		proof   prooftext.Proof
		details bool
		has     string
		lacks   string
	}{
		{"proved", prooftext.Proof{Evidence: signed}, false, "signed by ", "Alice"},
		{"proved, in full", prooftext.Proof{Evidence: signed}, true, "  Alice", "to be signed"},
		{"planned", prooftext.Proof{Planned: true, Keys: keys}, false, "to be signed by ", "and by "},
		{"planned from a proved document", prooftext.Proof{Evidence: signed, Planned: true, Keys: keys}, false, "and by ", "to be signed"},
	} {
		text := strings.Join(test.proof.Lines(test.details), "\n")
		if !strings.Contains(text, test.has) || strings.Contains(text, test.lacks) {
			t.Errorf("%s: %q", test.name, text)
		}
	}
}

// TestWriteNamesEverySigner checks that the text of evidence names all signers, and those
// of its parents.
func TestWriteNamesEverySigner(t *testing.T) {
	var p term.Page
	prooftext.Write(&p, verify.Evidence{Name: "zig.tar.xz", Kind: verify.ByDigest, Parent: &signed})
	for _, want := range []string{"zig.tar.xz", "channel.toml", "Alice", "Bob", "fresh until"} {
		if !strings.Contains(p.String(), want) {
			t.Errorf("%q is not in:\n%s", want, p.String())
		}
	}
}

// TestWriteChannelNamesWeakKeys checks that a key whose own signatures are too weak is
// printed with a note, and another key without.
func TestWriteChannelNamesWeakKeys(t *testing.T) {
	for _, weak := range []bool{true, false} {
		var p term.Page
		prooftext.WriteChannel(&p, trust.Description{Keys: []trust.KeyShown{{UserID: "Alice", Weak: weak}}})
		if got := strings.Contains(p.String(), "SHA-1"); got != weak || !strings.Contains(p.String(), "Alice") {
			t.Errorf("weak %v:\n%s", weak, p.String())
		}
	}
}
