package verify

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// GoChecksumKey is the verifier key of Go's public checksum database, as built
// into the go command. This package ignores the settings of the go command
// (GOSUMDB, GONOSUMDB, GONOSUMCHECK, GOINSECURE, GOFLAGS).
const GoChecksumKey = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"

// Ceilings on the answers of a checksum database, in bytes.
const (
	maxLookup = 64 << 10 // one record and a signed tree head
	maxTile   = 256 * tlog.HashSize
)

// ChecksumDB is a transparency log of module hashes, identified by the key that
// signs its tree heads. Every answer must be included in a signed tree, and every
// signed tree must extend the one seen before it, so that the log can neither give
// one user a false hash nor withdraw one. Protocol: golang.org/design/25530-sumdb;
// the proofs are those of RFC 6962.
type ChecksumDB struct{ key, name string }

// NewChecksumDB reads a verifier key, "<name>+<hash>+<key data>".
func NewChecksumDB(key string) (ChecksumDB, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return ChecksumDB{}, fmt.Errorf("checksum database: %w", err)
	}
	return ChecksumDB{key, verifier.Name()}, nil
}

// Name returns the database's name, as its key states it.
func (db ChecksumDB) Name() string { return db.name }

// Remote reads path ("/lookup/…" or "/tile/…") of a checksum database. An answer
// of more than limit bytes is refused. Remote must be safe for concurrent use.
type Remote func(ctx context.Context, path string, limit int64) ([]byte, error)

// TreeProof is the proved answer of a checksum database for a module.
type TreeProof struct {
	H1       string   // "h1:<base64>", the hash of the module's zip, see HashZip
	Evidence Evidence // Kind ByTree
	// Mark is the newest tree head known after the lookup: Serial is the size of
	// the tree, Digest its root hash, Head the signed note. If the answer came with
	// an older tree than last, that tree was proved to be part of last, and Mark
	// is last.
	Mark Mark
}

// Lookup requests the hash of the module path at version and proves the answer: by
// the signature on the tree head, by inclusion of the record in the tree, and by
// consistency of the tree with last, the Mark of an earlier lookup (zero: none).
//
// A failed proof is a *TreeError. Two signed trees that contradict each other are a
// *ForkError. A last without a tree head of this database is a *MarkError. An error
// of remote is returned wrapped; it means that no proof failed.
func (db ChecksumDB) Lookup(ctx context.Context, remote Remote, last Mark, path, version string) (TreeProof, error) {
	if db.name == "" {
		return TreeProof{}, fmt.Errorf("%s@%s: %w: no checksum database key", path, version, ErrUntrusted)
	}
	if err := db.checkMark(last); err != nil {
		return TreeProof{}, &MarkError{Channel: last.Channel, Err: err}
	}
	ops := &lookupOps{ctx: ctx, remote: remote, db: db, head: last.Head, answers: make(map[string][]byte), proved: make(map[string][]byte)}
	lines, err := sumdb.NewClient(ops).Lookup(path, version)
	if err != nil {
		return TreeProof{}, ops.typedError(err, path+"@"+version)
	}
	proof, err := ops.buildProof(lines, path, version)
	if err != nil {
		return TreeProof{}, &TreeError{Database: db.name, Module: path + "@" + version, Rule: err.Error()}
	}
	proof.Mark.Channel = last.Channel
	return proof, nil
}

// checkMark checks that last is zero or holds a tree head of db.
func (db ChecksumDB) checkMark(last Mark) error {
	if last.Serial == 0 && len(last.Head) == 0 {
		return nil
	}
	tree, err := db.openHead(last.Head)
	if err != nil {
		return err
	}
	if uint64(tree.N) != last.Serial {
		return fmt.Errorf("its tree head is of size %d, not %d", tree.N, last.Serial)
	}
	return nil
}

// openHead verifies and reads a signed tree head.
func (db ChecksumDB) openHead(head []byte) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(db.key)
	if err != nil {
		return tlog.Tree{}, err
	}
	signed, err := note.Open(head, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("its tree head: %w", err)
	}
	return tlog.ParseTree([]byte(signed.Text))
}

// lookupOps is the state of one lookup, for sumdb.Client. It is held in memory only.
type lookupOps struct {
	ctx    context.Context
	remote Remote
	db     ChecksumDB

	mu      sync.Mutex
	answers map[string][]byte // what remote answered
	head    []byte            // the newest signed tree head
	proved  map[string][]byte // what the client proved
	failed  error             // the first failure of remote; every later read fails with it too
	fork    string            // the client's report of a fork
}

// ReadRemote implements sumdb.ClientOps. The client hides the cause of its errors,
// so ReadRemote stores the first failure and returns it from then on. After a
// failed read no proof can succeed or fail, so that failure is the error to report.
func (o *lookupOps) ReadRemote(path string) ([]byte, error) {
	o.mu.Lock()
	failed := o.failed
	o.mu.Unlock()
	if failed != nil {
		return nil, failed
	}
	data, err := o.read(path)
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.failed == nil {
			o.failed = err
		}
	}
	return data, err
}

// read reads path. If path is a partial tile that the full tile has replaced, it
// returns the start of the full tile.
func (o *lookupOps) read(path string) ([]byte, error) {
	tile, err := tlog.ParseTilePath(strings.TrimPrefix(path, "/"))
	if err != nil {
		return o.readBounded(path, maxLookup)
	}
	data, err := o.readBounded(path, maxTile)
	full := tile
	full.W = 1 << tile.H
	if err == nil || tile == full {
		return data, err
	}
	whole, fullErr := o.readBounded("/"+full.Path(), maxTile)
	if fullErr != nil || len(whole) != full.W*tlog.HashSize {
		return nil, err
	}
	return whole[:tile.W*tlog.HashSize], nil
}

// readBounded reads path and refuses more than limit bytes.
func (o *lookupOps) readBounded(path string, limit int64) ([]byte, error) {
	data, err := o.remote(o.ctx, path, limit)
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: %w: larger than the limit of %d bytes", path, ErrUntrusted, limit)
	}
	if err == nil {
		o.mu.Lock()
		o.answers[path] = data
		o.mu.Unlock()
	}
	return data, err
}

// ReadConfig, WriteConfig, ReadCache, WriteCache, Log and SecurityError
// implement sumdb.ClientOps.
func (o *lookupOps) ReadConfig(file string) ([]byte, error) {
	if file == "key" {
		return []byte(o.db.key), nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.head, nil
}

func (o *lookupOps) WriteConfig(_ string, old, head []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !bytes.Equal(old, o.head) {
		return sumdb.ErrWriteConflict
	}
	o.head = head
	return nil
}

func (o *lookupOps) ReadCache(string) ([]byte, error) { return nil, errors.New("nothing is cached") }

func (o *lookupOps) WriteCache(file string, data []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.proved[file] = data
}

func (o *lookupOps) Log(string) {}

func (o *lookupOps) SecurityError(report string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fork = report
}

// typedError returns the typed error, with its cause, for an error of the client.
// target is path@version.
func (o *lookupOps) typedError(err error, target string) error {
	switch {
	case o.fork != "":
		return &ForkError{Database: o.db.name, Report: o.fork}
	case o.failed != nil:
		return fmt.Errorf("checksum database %s: %s: %w", o.db.name, target, o.failed)
	}
	rule, _, _ := strings.Cut(err.Error(), "\n")
	return &TreeError{Database: o.db.name, Module: target, Rule: strings.TrimPrefix(rule, target+": ")}
}

// buildProof returns what the client proved as a TreeProof.
func (o *lookupOps) buildProof(lines []string, path, version string) (TreeProof, error) {
	h1, err := onlyH1(lines)
	if err != nil {
		return TreeProof{}, err
	}
	record, err := o.recordNumber(path, version)
	if err != nil {
		return TreeProof{}, err
	}
	tree, err := o.db.openHead(o.head)
	if err != nil {
		return TreeProof{}, err
	}
	if record < 0 || record >= tree.N {
		return TreeProof{}, fmt.Errorf("record %d is not in a tree of size %d", record, tree.N)
	}
	answers, err := json.Marshal(savedAnswers{o.head, o.answers})
	if err != nil {
		return TreeProof{}, err
	}
	e := Evidence{Kind: ByTree, Name: path + "@" + version,
		Tree: &Tree{Name: o.db.name, Size: tree.N, Root: tree.Hash.String(), Record: record, H1: h1}}
	e.Proof = e.addPieces(answers)
	return TreeProof{
		H1: h1, Evidence: e,
		Mark: Mark{Serial: uint64(tree.N), Digest: SHA256(tree.Hash), Head: bytes.Clone(o.head)},
	}, nil
}

// recordNumber returns the number of the record that the client proved.
func (o *lookupOps) recordNumber(path, version string) (int64, error) {
	escapedPath, err := module.EscapePath(path)
	if err != nil {
		return 0, err
	}
	escapedVersion, err := module.EscapeVersion(version)
	if err != nil {
		return 0, err
	}
	answer := o.proved[o.db.name+"/lookup/"+escapedPath+"@"+escapedVersion]
	id, _, _, err := tlog.ParseRecord(answer)
	return id, err
}

// onlyH1 returns the h1 hash that the go.sum lines of a record state. There must be
// exactly one.
func onlyH1(lines []string) (string, error) {
	var found string
	for _, line := range lines {
		field := strings.Fields(line)
		digits, ok := strings.CutPrefix(field[len(field)-1], "h1:")
		if !ok {
			continue // a newer kind of hash
		}
		sum, err := base64.StdEncoding.Strict().DecodeString(digits)
		if err != nil || len(sum) != tlog.HashSize || len(field) != 3 || found != "" {
			return "", fmt.Errorf("its record states no single h1 hash")
		}
		found = "h1:" + digits
	}
	if found == "" {
		return "", fmt.Errorf("its record states no h1 hash of this version")
	}
	return found, nil
}

// TreeError reports that an answer of a checksum database is not proved.
type TreeError struct {
	Database string
	Module   string // path@version
	Rule     string // which proof failed
}

func (e *TreeError) Error() string {
	return fmt.Sprintf("checksum database %s: %s: %s", e.Database, e.Module, e.Rule)
}

func (e *TreeError) Unwrap() error { return ErrUntrusted }

// ForkError reports that a checksum database signed two trees that contradict each
// other: neither extends the other, so the log has shown different histories. It
// matches ErrStale, as other equivocation does.
type ForkError struct {
	Database string
	Report   string // both signed trees and the proof that they conflict, several lines, for publication
}

func (e *ForkError) Error() string {
	return fmt.Sprintf("checksum database %s signed two histories that contradict each other", e.Database)
}

func (e *ForkError) Unwrap() error { return ErrStale }
