package verifytest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"
)

// ChecksumDB is a checksum database in memory with its own key, for tests of code
// that reads one. It answers "/lookup/…", "/latest" and "/tile/…".
type ChecksumDB struct {
	Key     string // the verifier key
	signer  string
	log     *sumdb.TestServer
	records map[module.Version]string
	heads   []string // the keys that sign tree heads
}

// NewChecksumDB returns an empty database with a new key.
func NewChecksumDB(tb testing.TB, name string) *ChecksumDB {
	tb.Helper()
	signer, verifier, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		tb.Fatal(err)
	}
	return newChecksumDB(signer, verifier)
}

// Fork returns an empty database that signs with the key of db. With it, tests
// simulate a database that shows different histories to different users.
func (db *ChecksumDB) Fork() *ChecksumDB { return newChecksumDB(db.signer, db.Key) }

func newChecksumDB(signer, verifier string) *ChecksumDB {
	db := &ChecksumDB{Key: verifier, signer: signer, records: make(map[module.Version]string), heads: []string{signer}}
	db.log = sumdb.NewTestServer(signer, func(path, version string) ([]byte, error) {
		text, ok := db.records[module.Version{Path: path, Version: version}]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return []byte(text), nil
	})
	return db
}

// SignedBy returns the same log with tree heads that the keys of others sign instead
// of its own key. Without others the tree heads are unsigned.
func (db *ChecksumDB) SignedBy(others ...*ChecksumDB) *ChecksumDB {
	view := *db
	view.heads = nil
	for _, other := range others {
		view.heads = append(view.heads, other.signer)
	}
	return &view
}

// signedOps serves the log of db with tree heads signed by db.heads.
type signedOps struct {
	*sumdb.TestServer
	db *ChecksumDB
}

func (o signedOps) Signed(ctx context.Context) ([]byte, error) {
	head, err := o.TestServer.Signed(ctx)
	if err != nil {
		return nil, err
	}
	text, _, _ := bytes.Cut(head, []byte("\n\n"))
	if len(o.db.heads) == 0 {
		return append(text, '\n'), nil
	}
	var signers []note.Signer
	for _, key := range o.db.heads {
		signer, err := note.NewSigner(key)
		if err != nil {
			return nil, err
		}
		signers = append(signers, signer)
	}
	return note.Sign(&note.Note{Text: string(text) + "\n"}, signers...)
}

// Add appends a record with h1 as the hash of path at version.
func (db *ChecksumDB) Add(tb testing.TB, path, version, h1 string) {
	tb.Helper()
	m := module.Version{Path: path, Version: version}
	db.records[m] = fmt.Sprintf("%s %s %s\n%s %s/go.mod %s\n", path, version, h1, path, version, h1)
	if _, err := db.log.Lookup(context.Background(), m); err != nil {
		tb.Fatal(err)
	}
}

// Fill appends n records of another module.
func (db *ChecksumDB) Fill(tb testing.TB, n int) {
	tb.Helper()
	start := len(db.records)
	for i := range n {
		db.Add(tb, "example.com/filler", fmt.Sprintf("v0.0.%d", start+i), "h1:"+strings.Repeat("A", 43)+"=")
	}
}

// ServeHTTP implements the HTTP protocol of a checksum database.
func (db *ChecksumDB) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sumdb.NewServer(signedOps{db.log, db}).ServeHTTP(w, r)
}

// Read returns what ServeHTTP answers for path. A missing path is fs.ErrNotExist.
func (db *ChecksumDB) Read(_ context.Context, path string, _ int64) ([]byte, error) {
	answer := httptest.NewRecorder()
	db.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	switch answer.Code {
	case http.StatusOK:
		return answer.Body.Bytes(), nil
	case http.StatusNotFound:
		return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	return nil, fmt.Errorf("%s: status %d", path, answer.Code)
}
