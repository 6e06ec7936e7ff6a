package install

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

var errConstruction = errors.New("install: under construction")

// Dirs are the five base directories, absolute, as the user's environment gives
// them: $XDG_DATA_HOME and so on. kist's own are always <base>/kist; Bin is shared.
type Dirs struct{ Data, State, Cache, Config, Bin string }

// Options is everything an Installer is given.
type Options struct {
	Dirs      Dirs
	Host      Host                // who runs kist, for the judgement of Dirs
	Transport manifests.Transport // how artifacts come
	Now       time.Time           // the operation's one clock reading
	Version   string              // of kist, for receipts
	Random    io.Reader           // for ids; crypto/rand.Reader
	LockWait  time.Duration       // how long to wait for another kist
	Progress  func(Progress)      // may be nil
	Warn      func(string)        // may be nil; told once each
}

// Progress is one step of a long job. Total is -1 where it is not known.
type Progress struct {
	Stage       Stage
	Name        string // of the artifact
	Done, Total int64  // bytes
}

// Stage is a part of an install that takes long enough to show.
type Stage string

// The stages, in the order in which an artifact passes them.
const (
	Download Stage = "download"
	Verify   Stage = "verify"
	Unpack   Stage = "unpack"
)

// An Installer is the one way to what is installed. It is not safe for
// concurrent use; processes are kept apart by a lock.
type Installer struct{ o Options }

// Open judges every directory of o (see roots.go) and opens those that exist.
// It creates nothing and takes no lock: readers need no more. Errors are
// *SystemPrefixError and *UnsafeDirError.
func Open(ctx context.Context, o Options) (*Installer, error) { return nil, errConstruction }

// Close releases what Open opened.
func (i *Installer) Close() error { return nil }

// State reads what is installed.
func (i *Installer) State() (plan.State, error) { return plan.State{}, errConstruction }

// Channel is a Source with the name its marks and receipts carry.
type Channel struct {
	Name   string
	Source manifests.Source
	// Added says that the user added the channel, which wrote its first mark:
	// from then on a missing mark is lost, not first use. For a built-in
	// channel the receipts tell.
	Added bool
}

// Catalog fetches and proves what answers q, judges its freshness against the
// stored mark, and stores the new mark durably before it returns. This is the
// only place where freshness is judged.
func (i *Installer) Catalog(ctx context.Context, t manifests.Transport, ch Channel, q manifests.Request) (manifests.Catalog, error) {
	return nil, errConstruction
}

// Renew is Catalog for a channel whose mark is lost, damaged or not yet made:
// whatever is proved and fresh by itself becomes the mark. was is the mark
// that still counted, if it could be read.
func (i *Installer) Renew(ctx context.Context, t manifests.Transport, ch Channel) (cat manifests.Catalog, was verify.Mark, err error) {
	return nil, verify.Mark{}, errConstruction
}

// DropMark forgets the mark of a channel that the user removed.
func (i *Installer) DropMark(channel string) error { return errConstruction }

// Resolve is Catalog, then the release that answers q, validated.
func (i *Installer) Resolve(ctx context.Context, t manifests.Transport, ch Channel, q manifests.Request) (manifests.Release, error) {
	return manifests.Release{}, errConstruction
}

// Plan computes what c means now. Errors are those of package plan.
func (i *Installer) Plan(c plan.Change) (plan.Plan, error) { return plan.Plan{}, errConstruction }

// Apply does p: all of it, or (but for downloads kept in the cache) nothing.
func (i *Installer) Apply(ctx context.Context, p plan.Plan) (Result, error) {
	return Result{}, errConstruction
}

// Result is what Apply did.
type Result struct {
	Generation record.Generation
	Installed  []record.Receipt
	Removed    []record.Receipt
	Kept       []Drift  // what removal left in place because it had changed
	Linked     []string // commands that now lead somewhere new, by name
}

// Drift is a recorded path that no longer matches its receipt.
type Drift struct {
	ID     record.ID `json:"id"`
	Path   string    `json:"path"`   // absolute
	Reason string    `json:"reason"` // "changed", "missing", "not a link", …
}

// Verify compares an installed prefix with its receipt.
func (i *Installer) Verify(ctx context.Context, id record.ID) ([]Drift, error) {
	return nil, errConstruction
}

// Prefix is the absolute path of an installed prefix.
func (i *Installer) Prefix(id record.ID) string { return "" }

// RemoveAll uninstalls everything; with self also the cache, marks, settings
// and the parent directories that kist made. Interrupted, it can be run again.
func (i *Installer) RemoveAll(ctx context.Context, self bool) (Result, error) {
	return Result{}, errConstruction
}
