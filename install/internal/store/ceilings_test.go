package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func newStore(t testing.TB) store.Store {
	t.Helper()
	open := func() *os.Root {
		root, err := os.OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { root.Close() })
		return root
	}
	return store.Store{Data: open(), State: open()}
}

// tooLarge reports whether err refuses a file that would be too long to be read back.
func tooLarge(err error) bool {
	_, ok := errors.AsType[*manifests.TooLargeError](err)
	return ok
}

// isMissing reports whether nothing was written at name.
func isMissing(root *os.Root, name string) bool {
	_, err := root.Lstat(name)
	return errors.Is(err, fs.ErrNotExist)
}

// TestMarksAreReadBackUnchanged writes marks of every kind and reads them back.
func TestMarksAreReadBackUnchanged(t *testing.T) {
	s := newStore(t)
	rapid.Check(t, func(t *rapid.T) {
		instant := rapid.Custom(func(t *rapid.T) time.Time { return time.Unix(rapid.Int64Range(1, 4e9).Draw(t, "seconds"), 0).UTC() })
		digest := rapid.Custom(func(t *rapid.T) verify.Digest {
			return verify.DigestOf([]byte{rapid.Byte().Draw(t, "text")})
		})
		one := func(line string) verify.Mark {
			return verify.Mark{Channel: "acme", Line: line, Serial: rapid.Uint64Min(1).Draw(t, "serial"), Issued: instant.Draw(t, "issued"),
				Expires: instant.Draw(t, "expires"), Digest: digest.Draw(t, "digest")}
		}
		m := one("")
		m.Head = rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "head")
		if len(m.Head) == 0 {
			m.Head = nil
		}
		if rapid.Bool().Draw(t, "keys") {
			m.Keys = verify.KeysMark{Version: 1, Digest: digest.Draw(t, "keys digest"), Restart: rapid.Uint64().Draw(t, "restart")}
		}
		for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z<>&é][a-z0-9.-]{0,10}`), 0, 5, rapid.ID).Draw(t, "lines") {
			if m.Lines == nil {
				m.Lines = map[string]verify.Mark{}
			}
			m.Lines[name] = one(name)
		}
		if err := s.PutMark(m); err != nil {
			t.Fatal(err)
		}
		if back, err := s.Mark("acme"); err != nil || !reflect.DeepEqual(back, m) {
			t.Fatalf("%v\ngot  %+v\nwant %+v", err, back, m)
		}
	})
}

// TestMarkAtItsCeiling writes the longest tree head with all other fields of a
// mark, and a line for each of 500 versions; a longer mark is not written, and
// the one before it stays.
func TestMarkAtItsCeiling(t *testing.T) {
	s := newStore(t)
	stamp := time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)
	full := verify.Mark{Channel: "acme", Serial: 1<<64 - 1, Issued: stamp, Expires: stamp, Digest: verify.DigestOf(nil), Excerpt: verify.DigestOf(nil),
		Head: bytes.Repeat([]byte{255}, 64<<10), Keys: verify.KeysMark{Version: 1<<64 - 1, Digest: verify.DigestOf(nil), Restart: 1<<64 - 1, Restarted: 1<<64 - 1}}
	lines := verify.JoinLines("acme")
	for i := range 500 {
		line := verify.Mark{Channel: "acme", Line: fmt.Sprintf("1.%d", i), Issued: stamp, Digest: verify.DigestOf(nil)}
		lines = lines.WithLine(line)
	}
	for _, m := range []verify.Mark{full, lines} {
		if err := s.PutMark(m); err != nil {
			t.Fatal(err)
		}
		if back, err := s.Mark("acme"); err != nil || !back.Same(m) {
			t.Errorf("%+v, %v", back, err)
		}
		over := m
		over.Head = bytes.Repeat([]byte{255}, store.MaxMark)
		if err := s.PutMark(over); !tooLarge(err) {
			t.Errorf("a mark over the ceiling: %v", err)
		}
		if back, err := s.Mark("acme"); err != nil || !back.Same(m) {
			t.Errorf("after a mark over the ceiling: %+v, %v", back, err)
		}
	}
}

func TestEvidenceAtItsCeiling(t *testing.T) {
	s := newStore(t)
	for _, size := range []int{store.MaxEvidence, store.MaxEvidence + 1} {
		data := make([]byte, size)
		digest := verify.DigestOf(data)
		err := s.PutEvidence([]verify.Blob{{Digest: digest, Data: data}})
		if over := size > store.MaxEvidence; tooLarge(err) != over || over != isMissing(s.State, store.EvidenceFile(digest)) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if back, err := s.Evidence(digest); size == store.MaxEvidence && (err != nil || len(back) != size) {
			t.Errorf("%d bytes, read back: %v", size, err)
		}
	}
}

// TestGenerationAtItsCeiling prepares a generation that can be read back, and one that
// is too long.
func TestGenerationAtItsCeiling(t *testing.T) {
	s := newStore(t)
	made := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for i, receipts := range []int{10_000, 200_000} {
		g := record.Generation{Number: uint64(i + 1), Made: made, Format: record.Format}
		for n := range receipts {
			g.Receipts = append(g.Receipts, record.NewID("acme", "hello", fmt.Sprintf("1.%060d", n), [4]byte{}))
		}
		err := s.Prepare(g, nil)
		if over := receipts > 10_000; tooLarge(err) != over || over != isMissing(s.Data, store.GenerationDir(g.Number)) {
			t.Errorf("%d receipts: %v", receipts, err)
		}
		if err == nil {
			if err := errors.Join(s.Switch(g.Number), s.Confirm(g.Number)); err != nil {
				t.Fatal(err)
			}
		}
		all, current, err := s.Generations()
		if err != nil || current != 1 || len(all[1].Receipts) != 10_000 {
			t.Errorf("%d receipts, read back: generation %d, %v", receipts, current, err)
		}
	}
}
