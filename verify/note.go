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

// GoChecksumKey is the verifier key of Go's public checksum database, the one
// that is built into the go command. No setting of the go command (GOSUMDB,
// GONOSUMDB, GONOSUMCHECK, GOINSECURE, GOFLAGS) is ever read here.
const GoChecksumKey = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"

// Ceilings on what a checksum database may answer, in bytes.
const (
	maxLookup = 64 << 10 // one record and a signed tree head
	maxTile   = 256 * tlog.HashSize
)

// A ChecksumDB is a transparency log of module hashes, known by the key that
// signs its tree heads: the policy beside OpenPGP's. Every answer must be
// included in a signed tree, and every signed tree must continue the one seen
// before it, so that the log can neither forge a hash for one user nor take one
// back. Protocol: golang.org/design/25530-sumdb; the proofs are those of RFC 6962.
type ChecksumDB struct{ key, name string }

// NewChecksumDB reads a verifier key, "<name>+<hash>+<key data>".
func NewChecksumDB(key string) (ChecksumDB, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return ChecksumDB{}, fmt.Errorf("checksum database: %w", err)
	}
	return ChecksumDB{key, verifier.Name()}, nil
}

// Name is the database's name, as its key states it.
func (db ChecksumDB) Name() string { return db.name }

// A Remote reads path ("/lookup/…" or "/tile/…") of a checksum database, of
// which limit bytes at most are of use. It must be safe for concurrent use.
type Remote func(ctx context.Context, path string, limit int64) ([]byte, error)

// A TreeProof is what a checksum database was proved to say of a module.
type TreeProof struct {
	H1       string   // "h1:<base64>", the hash of the module's zip, see HashZip
	Evidence Evidence // Kind ByTree
	// Mark is the newest tree head known after the lookup: Serial is its
	// size, Digest its root hash, Head the signed note. Where the answer came
	// with an older tree than last, that tree was proved to be part of
	// last, and last stays the Mark.
	Mark Mark
}

// Lookup asks for the hash of module at version and proves the answer: by the
// signature on the tree head, by inclusion of the record in the tree, and by
// consistency of the tree with last, the Mark of an earlier lookup (zero: none).
//
// A failed proof is a *TreeError; two signed trees of which neither continues
// the other are a *ForkError; a last that holds no tree head of this database
// is a *MarkError. An error of remote is wrapped, and is then the only thing
// that failed.
func (db ChecksumDB) Lookup(ctx context.Context, remote Remote, last Mark, path, version string) (TreeProof, error) {
	if db.name == "" {
		return TreeProof{}, fmt.Errorf("%s@%s: %w: no checksum database key", path, version, ErrUntrusted)
	}
	if err := db.checkMark(last); err != nil {
		return TreeProof{}, &MarkError{Channel: last.Channel, Err: err}
	}
	ops := &lookupOps{ctx: ctx, remote: remote, db: db, head: last.Head, asked: make(map[string][]byte), saved: make(map[string][]byte)}
	lines, err := sumdb.NewClient(ops).Lookup(path, version)
	if err != nil {
		return TreeProof{}, ops.explain(err, path+"@"+version)
	}
	proof, err := ops.proof(lines, path, version)
	if err != nil {
		return TreeProof{}, &TreeError{Database: db.name, Module: path + "@" + version, Rule: err.Error()}
	}
	proof.Mark.Channel = last.Channel
	return proof, nil
}

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

// openHead reads a signed tree head.
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

// lookupOps is the memory of one lookup, for sumdb.Client. Nothing touches a disk.
type lookupOps struct {
	ctx    context.Context
	remote Remote
	db     ChecksumDB

	mu     sync.Mutex
	asked  map[string][]byte // what remote answered
	head   []byte            // the newest signed tree head
	saved  map[string][]byte // what the client proved
	failed error             // the first failure of remote; every later read fails with it too
	fork   string            // the client's report of a fork
}

// ReadRemote implements sumdb.ClientOps. The client hides the cause of its
// errors, so the first failure is kept and lasts: once a read has failed, no
// proof can succeed or fail any more, and that failure is the whole story.
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

// read reads path, or the start of the full tile where path is a partial tile
// that the full one has replaced.
func (o *lookupOps) read(path string) ([]byte, error) {
	tile, err := tlog.ParseTilePath(strings.TrimPrefix(path, "/"))
	if err != nil {
		return o.bounded(path, maxLookup)
	}
	data, err := o.bounded(path, maxTile)
	full := tile
	full.W = 1 << tile.H
	if err == nil || tile == full {
		return data, err
	}
	whole, fullErr := o.bounded("/"+full.Path(), maxTile)
	if fullErr != nil || len(whole) != full.W*tlog.HashSize {
		return nil, err
	}
	return whole[:tile.W*tlog.HashSize], nil
}

func (o *lookupOps) bounded(path string, limit int64) ([]byte, error) {
	data, err := o.remote(o.ctx, path, limit)
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: %w: larger than the limit of %d bytes", path, ErrUntrusted, limit)
	}
	if err == nil {
		o.mu.Lock()
		o.asked[path] = data
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
	o.saved[file] = data
}

func (o *lookupOps) Log(string) {}

func (o *lookupOps) SecurityError(report string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fork = report
}

// explain gives the client's error its cause and its type.
func (o *lookupOps) explain(err error, what string) error {
	switch {
	case o.fork != "":
		return &ForkError{Database: o.db.name, Report: o.fork}
	case o.failed != nil:
		return fmt.Errorf("checksum database %s: %s: %w", o.db.name, what, o.failed)
	}
	rule, _, _ := strings.Cut(err.Error(), "\n")
	return &TreeError{Database: o.db.name, Module: what, Rule: strings.TrimPrefix(rule, what+": ")}
}

// proof puts together what the client proved.
func (o *lookupOps) proof(lines []string, path, version string) (TreeProof, error) {
	h1, err := onlyH1(lines)
	if err != nil {
		return TreeProof{}, err
	}
	record, err := o.record(path, version)
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
	kept, err := json.Marshal(keptAnswers{o.head, o.asked})
	if err != nil {
		return TreeProof{}, err
	}
	e := Evidence{Kind: ByTree, Name: path + "@" + version,
		Tree: &Tree{Name: o.db.name, Size: tree.N, Root: tree.Hash.String(), Record: record, H1: h1}}
	e.Proof = e.keep(kept)
	return TreeProof{
		H1: h1, Evidence: e,
		Mark: Mark{Serial: uint64(tree.N), Digest: SHA256(tree.Hash), Head: bytes.Clone(o.head)},
	}, nil
}

// record returns the number of the record that the client proved.
func (o *lookupOps) record(path, version string) (int64, error) {
	escapedPath, err := module.EscapePath(path)
	if err != nil {
		return 0, err
	}
	escapedVersion, err := module.EscapeVersion(version)
	if err != nil {
		return 0, err
	}
	answer := o.saved[o.db.name+"/lookup/"+escapedPath+"@"+escapedVersion]
	id, _, _, err := tlog.ParseRecord(answer)
	return id, err
}

// onlyH1 returns the one h1 hash that the go.sum lines of a record state.
func onlyH1(lines []string) (string, error) {
	var found string
	for _, line := range lines {
		field := strings.Fields(line)
		digits, ok := strings.CutPrefix(field[len(field)-1], "h1:")
		if !ok {
			continue // a newer kind of hash beside it
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

// A TreeError says that what a checksum database answered is not proved.
type TreeError struct {
	Database string
	Module   string // path@version
	Rule     string // which proof failed
}

func (e *TreeError) Error() string {
	return fmt.Sprintf("checksum database %s: %s: %s", e.Database, e.Module, e.Rule)
}

func (e *TreeError) Is(target error) bool { return target == ErrUntrusted }

// A ForkError says that a checksum database signed two trees of which neither
// continues the other: the log equivocates, to this user or to others. It
// matches ErrStale, as other equivocation does.
type ForkError struct {
	Database string
	Report   string // both signed trees and the proof against them, many lines, for publication
}

func (e *ForkError) Error() string {
	return fmt.Sprintf("checksum database %s signed two histories that contradict each other", e.Database)
}

func (e *ForkError) Is(target error) bool { return target == ErrStale }
