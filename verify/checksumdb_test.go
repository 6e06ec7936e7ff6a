package verify_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

const (
	toolchain = "golang.org/toolchain"
	go1244    = "v0.0.1-go1.24.4.linux-amd64"
	h1244     = "h1:nm4Il5pypT+vEB1UPY4e+r1p/0HoRr/2jjj+dwb8KhA="
)

// filledDB returns a database with go1244 as record 300 of 600, so that a proof needs
// tiles of two levels, full ones and partial ones.
func filledDB(t *testing.T) *verifytest.ChecksumDB {
	db := verifytest.NewChecksumDB(t, "sum.example.org")
	db.Fill(t, 300)
	db.Add(t, toolchain, go1244, h1244)
	db.Fill(t, 299)
	return db
}

func treePolicy(t *testing.T, db *verifytest.ChecksumDB) verify.ChecksumDB {
	t.Helper()
	p, err := verify.NewChecksumDB(db.Key)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestChecksumDBProvesARecord(t *testing.T) {
	db := filledDB(t)
	proof, err := treePolicy(t, db).Lookup(t.Context(), db.Read, verify.Mark{Channel: "go"}, toolchain, go1244)
	if err != nil {
		t.Fatal(err)
	}
	tree := proof.Evidence.Tree
	if proof.H1 != h1244 || proof.Evidence.Kind != verify.ByTree || tree == nil || tree.H1 != h1244 {
		t.Fatalf("proved %+v", proof)
	}
	if tree.Name != "sum.example.org" || tree.Size != 600 || tree.Record != 300 || tree.Root == "" {
		t.Errorf("tree %+v", tree)
	}
	if m := proof.Mark; m.Serial != 600 || m.Channel != "go" || m.Digest.IsZero() || !bytes.Contains(m.Head, []byte(tree.Root)) {
		t.Errorf("mark %+v", m)
	}
}

func TestChecksumDBFollowsAGrowingTree(t *testing.T) {
	db := filledDB(t)
	p := treePolicy(t, db)
	old, err := p.Lookup(t.Context(), db.Read, verify.Mark{}, toolchain, go1244)
	if err != nil {
		t.Fatal(err)
	}
	oldAnswer, _ := db.Read(t.Context(), "/lookup/"+toolchain+"@"+go1244, 0)

	db.Fill(t, 500)
	grown, err := p.Lookup(t.Context(), db.Read, old.Mark, toolchain, go1244)
	if err != nil {
		t.Fatal(err)
	}
	if grown.Mark.Serial != 1100 {
		t.Fatalf("mark %d, want the grown tree", grown.Mark.Serial)
	}
	if err := grown.Mark.Supersedes(old.Mark, time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)); err != nil {
		t.Error(err)
	}

	// A cache may answer with an old tree. It is proved to be part of the newer one,
	// and the mark does not change.
	cached := func(ctx context.Context, path string, limit int64) ([]byte, error) {
		if strings.HasPrefix(path, "/lookup/") {
			return oldAnswer, nil
		}
		return db.Read(ctx, path, limit)
	}
	again, err := p.Lookup(t.Context(), cached, grown.Mark, toolchain, go1244)
	if err != nil {
		t.Fatal(err)
	}
	if again.Mark.Serial != 1100 || !bytes.Equal(again.Mark.Head, grown.Mark.Head) || again.Evidence.Tree.Size != 1100 {
		t.Errorf("an older, proved tree moved the mark to %+v", again.Mark)
	}
	if err := again.Mark.Supersedes(grown.Mark, time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)); err != nil {
		t.Error(err)
	}
}

func TestChecksumDBReadsAFullTileForAPartialOne(t *testing.T) {
	db := filledDB(t)
	p := treePolicy(t, db)
	answer, _ := db.Read(t.Context(), "/lookup/"+toolchain+"@"+go1244, 0)
	db.Fill(t, 1000) // every tile of the old answer is full now
	partials := 0
	remote := func(ctx context.Context, path string, limit int64) ([]byte, error) {
		switch {
		case strings.HasPrefix(path, "/lookup/"):
			return answer, nil
		case strings.HasPrefix(path, "/tile/8/0/") && strings.Contains(path, ".p/"):
			partials++
			return nil, fs.ErrNotExist
		}
		return db.Read(ctx, path, limit)
	}
	proof, err := p.Lookup(t.Context(), remote, verify.Mark{}, toolchain, go1244)
	if err != nil || proof.H1 != h1244 || partials == 0 {
		t.Fatalf("%v, %v, %d partial tiles requested", proof.H1, err, partials)
	}
}

// The tree sizes are around the boundaries of tiles, with one level and with two.
func TestChecksumDBProvesAtTileBoundaries(t *testing.T) {
	db := verifytest.NewChecksumDB(t, "sum.example.org")
	db.Add(t, toolchain, go1244, h1244)
	p, last, size := treePolicy(t, db), verify.Mark{}, 1
	for _, grow := range []int{1, 2, 3, 255, 256, 257, 511, 512, 513, 1024} {
		db.Fill(t, grow-size)
		size = grow
		proof, err := p.Lookup(t.Context(), db.Read, last, toolchain, go1244)
		if err != nil || proof.H1 != h1244 || proof.Mark.Serial != uint64(size) || proof.Evidence.Tree.Record != 0 {
			t.Fatalf("a tree of %d after one of %d: %+v, %v", size, last.Serial, proof, err)
		}
		last = proof.Mark
	}
}

// Each case is a false answer of a database, or of an attacker between it and kist.
// The honest twin of each is TestChecksumDBProvesARecord.
func TestChecksumDBRefusesFalseAnswers(t *testing.T) {
	forged := "h1:" + strings.Repeat("B", 43) + "="
	for _, test := range []struct {
		name string
		lie  func(db *verifytest.ChecksumDB, path string, honest []byte) ([]byte, error)
		want error
		text string
	}{
		{"forged hash", func(_ *verifytest.ChecksumDB, _ string, b []byte) ([]byte, error) {
			return bytes.ReplaceAll(b, []byte(h1244), []byte(forged)), nil
		}, verify.ErrUntrusted, "cannot authenticate record"},
		{"another record's number", func(_ *verifytest.ChecksumDB, path string, b []byte) ([]byte, error) {
			return bytes.Replace(b, []byte("300\n"), []byte("301\n"), 1), nil
		}, verify.ErrUntrusted, "cannot authenticate record"},
		{"record beyond the tree", func(_ *verifytest.ChecksumDB, path string, b []byte) ([]byte, error) {
			return bytes.Replace(b, []byte("300\n"), []byte("600\n"), 1), nil
		}, verify.ErrUntrusted, "cannot validate record 600"},
		{"negative record", func(_ *verifytest.ChecksumDB, path string, b []byte) ([]byte, error) {
			return bytes.Replace(b, []byte("300\n"), []byte("-5\n"), 1), nil
		}, verify.ErrUntrusted, ""},
		{"another version's record", func(db *verifytest.ChecksumDB, path string, b []byte) ([]byte, error) {
			if strings.HasPrefix(path, "/lookup/") {
				return db.Read(context.Background(), "/lookup/example.com/filler@v0.0.7", 0)
			}
			return b, nil
		}, verify.ErrUntrusted, "states no h1 hash of this version"},
		{"tree head changed", func(_ *verifytest.ChecksumDB, _ string, b []byte) ([]byte, error) {
			return bytes.Replace(b, []byte("\n600\n"), []byte("\n599\n"), 1), nil
		}, verify.ErrUntrusted, "invalid signature"},
		{"tree head signed by another key", func(_ *verifytest.ChecksumDB, path string, b []byte) ([]byte, error) {
			if !strings.HasPrefix(path, "/lookup/") {
				return b, nil
			}
			stranger := filledDB(t)
			return stranger.Read(context.Background(), path, 0)
		}, verify.ErrUntrusted, "no verifiable signatures"},
		{"tree head unsigned", func(_ *verifytest.ChecksumDB, _ string, b []byte) ([]byte, error) {
			before, _, _ := bytes.Cut(b, []byte("\u2014"))
			return before, nil
		}, verify.ErrUntrusted, "malformed note"},
		{"no tree head", func(_ *verifytest.ChecksumDB, path string, b []byte) ([]byte, error) {
			if strings.HasPrefix(path, "/lookup/") {
				b = b[:bytes.Index(b, []byte("\n\n"))+2]
			}
			return b, nil
		}, verify.ErrUntrusted, ""},
		{"empty lookup", func(_ *verifytest.ChecksumDB, path string, b []byte) ([]byte, error) {
			if strings.HasPrefix(path, "/lookup/") {
				return nil, nil
			}
			return b, nil
		}, verify.ErrUntrusted, "malformed record"},
		{"page in place of the lookup", func(_ *verifytest.ChecksumDB, path string, b []byte) ([]byte, error) {
			if strings.HasPrefix(path, "/lookup/") {
				return []byte("<!DOCTYPE html><title>Welcome to the hotel</title>"), nil
			}
			return b, nil
		}, verify.ErrUntrusted, "malformed record"},
		{"cut tile", func(_ *verifytest.ChecksumDB, path string, b []byte) ([]byte, error) {
			if strings.HasPrefix(path, "/tile/") {
				b = b[:len(b)-1]
			}
			return b, nil
		}, verify.ErrUntrusted, "len="},
		{"empty tile", func(_ *verifytest.ChecksumDB, path string, b []byte) ([]byte, error) {
			if strings.HasPrefix(path, "/tile/") {
				return nil, nil
			}
			return b, nil
		}, verify.ErrUntrusted, "len="},
		{"changed tile", func(_ *verifytest.ChecksumDB, path string, b []byte) ([]byte, error) {
			if strings.HasPrefix(path, "/tile/8/0/") {
				b = bytes.Clone(b)
				b[0] ^= 1
			}
			return b, nil
		}, verify.ErrUntrusted, "inconsistent tile"},
		{"endless tile", func(_ *verifytest.ChecksumDB, path string, b []byte) ([]byte, error) {
			if strings.HasPrefix(path, "/tile/") {
				return make([]byte, 1<<20), nil
			}
			return b, nil
		}, verify.ErrUntrusted, "larger than the limit"},
		{"endless lookup", func(_ *verifytest.ChecksumDB, path string, b []byte) ([]byte, error) {
			return append(b, make([]byte, 1<<20)...), nil
		}, verify.ErrUntrusted, "larger than the limit"},
		{"tile gone", func(_ *verifytest.ChecksumDB, path string, b []byte) ([]byte, error) {
			if strings.HasPrefix(path, "/tile/") {
				return nil, fs.ErrNotExist
			}
			return b, nil
		}, fs.ErrNotExist, ""},
		{"record gone", func(_ *verifytest.ChecksumDB, path string, b []byte) ([]byte, error) {
			return nil, fs.ErrNotExist
		}, fs.ErrNotExist, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			db := filledDB(t)
			remote := func(ctx context.Context, path string, limit int64) ([]byte, error) {
				honest, err := db.Read(ctx, path, limit)
				if err != nil {
					return nil, err
				}
				return test.lie(db, path, honest)
			}
			proof, err := treePolicy(t, db).Lookup(t.Context(), remote, verify.Mark{}, toolchain, go1244)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
				t.Fatalf("got %+v, %v; want %v with %q", proof, err, test.want, test.text)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			if errors.Is(err, verify.ErrUntrusted) == errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a failed proof and a missing answer must be distinguishable: %v", err)
			}
		})
	}
}

func TestChecksumDBRefusesAFork(t *testing.T) {
	db := filledDB(t) // 600 records
	p := treePolicy(t, db)
	seen, err := p.Lookup(t.Context(), db.Read, verify.Mark{Channel: "go"}, toolchain, go1244)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{200, 600, 900} {
		forked := db.Fork()
		forked.Add(t, toolchain, go1244, "h1:"+strings.Repeat("C", 42)+"A=")
		forked.Fill(t, size-1)
		first, err := p.Lookup(t.Context(), forked.Read, verify.Mark{}, toolchain, go1244)
		if err != nil || first.Mark.Serial != uint64(size) {
			t.Fatalf("the first lookup, without a mark: %v, %v", first.Mark.Serial, err)
		}
		// A log that does not serve its old tree cannot prove consistency with it.
		if _, err := p.Lookup(t.Context(), forked.Read, seen.Mark, toolchain, go1244); !errors.Is(err, verify.ErrUntrusted) && !errors.Is(err, verify.ErrStale) {
			t.Errorf("tree of %d after another of 600: %v", size, err)
		}
		// If it serves both trees, they prove the fork.
		both := func(ctx context.Context, path string, limit int64) ([]byte, error) {
			ofSeen := strings.HasSuffix(path, "/tile/8/1/000.p/2") || strings.HasSuffix(path, "/tile/8/0/002.p/88")
			if strings.HasPrefix(path, "/tile/") && (size <= 600 || ofSeen) {
				return db.Read(ctx, path, limit)
			}
			return forked.Read(ctx, path, limit)
		}
		_, err = p.Lookup(t.Context(), both, seen.Mark, toolchain, go1244)
		var fork *verify.ForkError
		if !errors.As(err, &fork) || !errors.Is(err, verify.ErrStale) || !strings.Contains(fork.Report, "proof of misbehavior") {
			t.Errorf("tree of %d after another of 600: %v, want a *ForkError", size, err)
		}
	}
}

func TestChecksumDBRefusesForeignMarks(t *testing.T) {
	db, other := filledDB(t), filledDB(t)
	p := treePolicy(t, db)
	good, err := p.Lookup(t.Context(), db.Read, verify.Mark{}, toolchain, go1244)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := treePolicy(t, other).Lookup(t.Context(), other.Read, verify.Mark{}, toolchain, go1244)
	if err != nil {
		t.Fatal(err)
	}
	wrongSize := good.Mark
	wrongSize.Serial = 5
	noHead := good.Mark
	noHead.Head = nil
	for name, mark := range map[string]verify.Mark{
		"another database's head": foreign.Mark, "another size": wrongSize, "no head": noHead,
		"garbage": {Channel: "go", Serial: 600, Head: []byte("600")},
	} {
		mark.Channel = "go"
		_, err := p.Lookup(t.Context(), db.Read, mark, toolchain, go1244)
		var lost *verify.MarkError
		if !errors.As(err, &lost) || lost.Channel != "go" {
			t.Errorf("%s: %v, want a *MarkError", name, err)
		}
	}
}

// The settings that turn off the go command's check have no effect.
func TestChecksumDBIgnoresGoSettings(t *testing.T) {
	for name, value := range map[string]string{
		"GOSUMDB": "off", "GONOSUMDB": "*", "GONOSUMCHECK": "1", "GOINSECURE": "*", "GOPRIVATE": "*",
		"GOFLAGS": "-insecure -modcacherw", "GONOPROXY": "*",
	} {
		t.Setenv(name, value)
	}
	db := filledDB(t)
	if _, err := treePolicy(t, db).Lookup(t.Context(), db.Read, verify.Mark{}, toolchain, go1244); err != nil {
		t.Fatal(err)
	}
	forge := func(ctx context.Context, path string, limit int64) ([]byte, error) {
		b, err := db.Read(ctx, path, limit)
		return bytes.ReplaceAll(b, []byte("h1:nm4"), []byte("h1:nm5")), err
	}
	if _, err := treePolicy(t, db).Lookup(t.Context(), forge, verify.Mark{}, toolchain, go1244); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("forged: %v", err)
	}
}

func TestChecksumDBNeedsAKey(t *testing.T) {
	if _, err := verify.NewChecksumDB("sum.golang.org+00000000+AAAA"); err == nil {
		t.Error("an invalid key was accepted")
	}
	db, err := verify.NewChecksumDB(verify.GoChecksumKey)
	if err != nil || db.Name() != "sum.golang.org" {
		t.Errorf("the built-in key: %v, %v", db.Name(), err)
	}
	test := filledDB(t)
	if _, err := (verify.ChecksumDB{}).Lookup(t.Context(), test.Read, verify.Mark{}, toolchain, go1244); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a policy without a key: %v", err)
	}
}

// Whatever the answer, only a record signed by the log's key is accepted.
func FuzzChecksumDBLookup(f *testing.F) {
	db := verifytest.NewChecksumDB(f, "sum.example.org")
	db.Add(f, toolchain, go1244, h1244)
	db.Fill(f, 9)
	p, err := verify.NewChecksumDB(db.Key)
	if err != nil {
		f.Fatal(err)
	}
	honest, err := db.Read(f.Context(), "/lookup/"+toolchain+"@"+go1244, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(honest)
	f.Add([]byte("0\n" + toolchain + " " + go1244 + " " + h1244 + "\n\ngo.sum database tree\n1\nAAAA\n"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		remote := func(ctx context.Context, path string, limit int64) ([]byte, error) {
			if strings.HasPrefix(path, "/lookup/") {
				return answer, nil
			}
			return db.Read(ctx, path, limit)
		}
		proof, err := p.Lookup(t.Context(), remote, verify.Mark{}, toolchain, go1244)
		switch {
		case err == nil && (proof.H1 != h1244 || proof.Evidence.Tree.Record != 0 || proof.Mark.Serial != 10):
			t.Errorf("accepted %+v", proof)
		case err != nil && !errors.Is(err, verify.ErrUntrusted):
			t.Errorf("got %v", err)
		}
	})
}
