package record_test

import (
	"testing"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

// The digest of a tree depends on names, contents, links and executable bits, and on
// nothing that differs between users.
func TestTreeDigest(t *testing.T) {
	tree := func() record.Receipt {
		return record.Receipt{Entries: []record.Entry{
			{Path: "bin", Type: record.Dir, Mode: 0o755},
			{Path: "bin/go", Type: record.File, Mode: 0o755, Size: 2, Digest: verify.DigestOf([]byte("go"))},
			{Path: "bin/gofmt", Type: record.Link, Target: "go"},
			{Path: "VERSION", Type: record.File, Mode: 0o644, Size: 1, Digest: verify.DigestOf([]byte("1"))},
		}}
	}
	want := tree().TreeDigest()
	if text := want.Hex(); text != "3afea8d257fd82150793b22c82af82d0121e7f8d394ea61b3991ffd32070ea65" {
		t.Errorf("the digest of the example became %s: every lock would change", text)
	}
	for name, edit := range map[string]func(r *record.Receipt){
		"a strict umask": func(r *record.Receipt) { r.Entries[0].Mode, r.Entries[1].Mode, r.Entries[3].Mode = 0o700, 0o700, 0o600 },
		"another order":  func(r *record.Receipt) { r.Entries[0], r.Entries[3] = r.Entries[3], r.Entries[0] },
		"another place":  func(r *record.Receipt) { r.Prefix = "/elsewhere" },
		"other stamps":   func(r *record.Receipt) { r.Entries[1].Stamp = record.Stamp{} },
	} {
		r := tree()
		edit(&r)
		if got := r.TreeDigest(); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	for name, edit := range map[string]func(e []record.Entry) []record.Entry{
		"other content":      func(e []record.Entry) []record.Entry { e[1].Digest = verify.DigestOf([]byte("x")); return e },
		"another name":       func(e []record.Entry) []record.Entry { e[1].Path = "bin/gp"; return e },
		"another target":     func(e []record.Entry) []record.Entry { e[2].Target = "x"; return e },
		"not executable":     func(e []record.Entry) []record.Entry { e[1].Mode = 0o644; return e },
		"executable":         func(e []record.Entry) []record.Entry { e[3].Mode = 0o755; return e },
		"a file fewer":       func(e []record.Entry) []record.Entry { return e[:3] },
		"an empty directory": func(e []record.Entry) []record.Entry { return append(e, record.Entry{Path: "x", Type: record.Dir}) },
		"a link, not a file": func(e []record.Entry) []record.Entry {
			e[3] = record.Entry{Path: "VERSION", Type: record.Link, Target: e[3].Digest.Hex()}
			return e
		},
	} {
		r := tree()
		r.Entries = edit(r.Entries)
		if r.TreeDigest() == want {
			t.Errorf("%s: the same digest", name)
		}
	}
}
