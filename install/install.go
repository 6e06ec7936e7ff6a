// Package install changes what is installed, safely: it plans, fetches, proves,
// unpacks, records, switches and removes.
//
// The parties are the user's own directories (Dirs) and what a channel's source
// and a transport hand in; install imports neither a source nor a transport.
//
// Guarantees:
//   - Nothing outside <base>/kist and kist's own links in the bin directory is
//     ever written or removed; bases that belong to the system are refused
//     before anything is created (roots.go).
//   - What decodes an archive runs in a child that can do nothing but fill the
//     stage of its prefix, as far as the system can see to that, and what it
//     says it did is compared with the disk (internal/sandbox). The receipt says
//     how far that was.
//   - A prefix is complete or absent: it is filled in a locked stage, proved by
//     its witness, recorded in a receipt, and published by one rename that
//     never replaces. It is never edited afterwards.
//   - What is in force changes in one step, the renaming of the link "current"
//     (store.Switch). What a crash leaves before or after it is put right by
//     the next writer (repair.go), by the same idempotent steps.
//   - Removal goes by the receipt alone, keeps what was changed or is not
//     recorded, and never deletes recursively (remove.go).
//
// A change is three calls:
//
//	i, err := install.Open(ctx, options)
//	p, err := i.Plan(plan.Change{Install: []manifests.Release{release}})
//	result, err := i.Apply(ctx, p)
//
// Readers (State, Verify) take no lock and repair nothing.
package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/kist-tools/kist/install/download"
	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/internal/sandbox"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

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
	Random    io.Reader           // for ids: crypto/rand.Reader
	LockWait  time.Duration       // how long to wait for another kist
	Command   string              // what this kist was called to do, for another that waits: "kist install"
	Child     Child               // what unpacks archives; zero: this process does
	Jobs      int                 // how many downloads are made at once; 0: 4
	Rate      func() float64      // bytes a second that have been coming over Transport, 0: not known yet. Nil: where there is a choice of archives, the first is taken
	Progress  func(Progress)      // may be nil; calls, of Chosen too, do not overlap
	Chosen    func(Choice)        // may be nil
	Warn      func(string)        // may be nil
	// Linking is told what is in force and what will be, before anything of that is
	// published. May be nil.
	Linking func(now, next record.Generation)
	Stages  *Stages // where what is being unpacked is listed; may be nil
	DryRun  bool    // nothing is stored, not even marks
	// Documents and Settings tell which files this package does not write are kist's,
	// by what they hold: below documents/ of the cache directory, and in the settings
	// directory. Nil: none.
	Documents func(cache *os.Root, name string) (bool, error)
	Settings  func(config *os.Root) (owns func(name string) (bool, error), err error)
	// Retire takes the channels in the settings directory out of use, before all that is
	// kist's there is removed. Nil: nothing is to be done.
	Retire func(config *os.Root) error
	// Checkpoint, nil but in tests, is told each step of a change that was done:
	// a process may be killed there, and the next one goes on.
	Checkpoint func(step string)
}

// A Child is the command line by which kist starts itself to unpack archives
// behind a wall, where they can do no harm (package sandbox). Such a process must
// do nothing but end with the code that ServeChild returns.
type Child = sandbox.Command

// A ChildError says that a Child ended before its work was done: it crashed, or
// was killed, perhaps for its use of memory.
type ChildError = sandbox.CrashError

// A NoProcError says that no Child can be started, since /proc is not mounted.
type NoProcError = sandbox.NoProcError

// ServeChild is the work of a Child.
func ServeChild() int { return sandbox.Serve() }

// Progress is one step of a long job. Total is -1 where it is not known.
type Progress struct {
	Stage       Stage
	Name        string // of the artifact: tells steps apart
	Label       string // what is installed, for people: "go 1.27.4", or "rust 1.95.0 (cargo)" of several artifacts
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
type Installer struct {
	o         Options
	roots     *roots
	unfit     error  // why nothing may be changed in the directories
	movedFrom string // kist's own data directory before its home was moved; "" if it was not
	reporting sync.Mutex
	ctx       context.Context // of Open: ends the waits of methods that take none
	turns     download.Turns
}

// Open judges every directory of o (roots.go) and opens those that exist. The end
// of ctx ends every wait of the Installer for another kist. It
// creates nothing and takes no lock: readers need no more. Errors are
// *SystemPrefixError, *UnsafeDirError, *SeparatorError and, where the directories do not belong
// together, *OtherPlaceError.
func Open(ctx context.Context, o Options) (*Installer, error) {
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Chosen == nil {
		o.Chosen = func(Choice) {}
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	if o.Linking == nil {
		o.Linking = func(record.Generation, record.Generation) {}
	}
	if o.Checkpoint == nil {
		o.Checkpoint = func(string) {}
	}
	r, err := openRoots(o.Dirs, o.Host, o.Warn)
	if err != nil {
		return nil, err
	}
	i := &Installer{o: o, roots: r, ctx: ctx}
	if _, err := i.belong(); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return i, ctx.Err()
}

// MayChange returns why nothing may be changed in kist's directories, such as a
// *BecameLinkError: for a verb that changes something, before it begins. Whatever
// changes something checks it again.
func (i *Installer) MayChange() error { return i.unfit }

// report tells of progress: the parts of a job that run at the same time take turns.
func (i *Installer) report(p Progress) {
	i.reporting.Lock()
	defer i.reporting.Unlock()
	i.o.Progress(p)
}

// Close releases what Open opened.
func (i *Installer) Close() error { return i.roots.close() }

func (i *Installer) store() store.Store {
	return store.Store{Data: i.roots.open(dataDir), State: i.roots.open(stateDir), Checkpoint: i.o.Checkpoint}
}

func (i *Installer) reached(step string) { i.o.Checkpoint(step) }

// State reads what is installed. Of the bin directory, which is not kist's, it
// says nothing: only a plan depends on that. Commands and links whose names no
// command may have, of an earlier kist, are left out, so that the next change
// takes such links away.
func (i *Installer) State() (plan.State, error) {
	s := plan.State{Bin: i.o.Dirs.Bin}
	var err error
	var current uint64
	if s.Generations, current, err = i.store().Generations(); err != nil {
		return plan.State{}, err
	}
	for n, g := range s.Generations {
		g.Links = plan.UsableLinks(g.Links)
		s.Generations[n] = g
	}
	s.Current = s.Generations[current]
	s.Receipts, s.Damaged, err = i.store().Receipts()
	for id, r := range s.Receipts {
		r.Commands = plan.UsableCommands(r.Commands)
		s.Receipts[id] = r
	}
	return s, err
}

// stateToChange is State for who goes by it to change things.
func (i *Installer) stateToChange() (plan.State, error) {
	s, err := i.State()
	if unread := Unread(s); unread != nil {
		return s, unread
	}
	return s, err
}

// Unread is a *ReceiptError where the system kept a receipt of s from being read,
// for want of descriptors or by an error of the disk. What is damaged is left alone,
// and this may not be: who asks for a change by s would ask for another.
func Unread(s plan.State) error {
	for _, id := range slices.Sorted(maps.Keys(s.Damaged)) {
		if _, ok := errors.AsType[syscall.Errno](s.Damaged[id]); ok {
			return &ReceiptError{id, s.Damaged[id]}
		}
	}
	return nil
}

// planNow is plan.Make for what is installed now, which it returns besides.
func (i *Installer) planNow(c plan.Change) (plan.Plan, plan.State, error) {
	s, err := i.stateToChange()
	if err != nil {
		return plan.Plan{}, s, err
	}
	if s.Foreign, err = i.inBin(); err != nil {
		return plan.Plan{}, s, err
	}
	s.Gone = i.gone(s.Receipts)
	for _, id := range slices.Concat(c.Remove, c.Default) {
		if err := s.Damaged[id]; err != nil {
			return plan.Plan{}, s, &ReceiptError{id, err}
		}
	}
	p, err := plan.Make(s, c)
	return p, s, err
}

// A GenerationError says that the record of what is in force is damaged.
// RemoveAll, which goes by the receipts, works all the same.
type GenerationError = store.GenerationError

// Plan computes what c means now. Errors are those of package plan.
func (i *Installer) Plan(c plan.Change) (plan.Plan, error) {
	if c.Empty() {
		return plan.Plan{Change: c}, nil
	}
	p, _, err := i.planNow(c)
	return p, err
}

// Prefix is the absolute path of an installed prefix.
func (i *Installer) Prefix(id record.ID) string {
	return filepath.Join(i.o.Dirs.Data, "kist", store.Prefixes, string(id))
}

// Config is the opened settings directory, <config>/kist; nil while it does not
// exist and create is false. Where this user may not read it, the error says so.
func (i *Installer) Config(create bool) (*os.Root, error) {
	if !create {
		return i.roots.open(configDir), i.roots.closed[configDir]
	}
	return i.create(configDir)
}

// Cache is the opened cache directory, <cache>/kist; nil while it does not
// exist and create is false. Where this user may not read it, the error says so.
func (i *Installer) Cache(create bool) (*os.Root, error) {
	if !create {
		return i.roots.open(cacheDir), i.roots.closed[cacheDir]
	}
	return i.create(cacheDir)
}

// CacheForDocuments is Cache(true), with the directory for proved documents in it.
func (i *Installer) CacheForDocuments() (*os.Root, error) {
	cache, err := i.create(cacheDir)
	if err == nil {
		_, err = rootfs.MkdirAllUnsynced(cache, documentsDir, 0o700)
	}
	return cache, err
}

// create opens the directory of a role, making what is missing, and remembers
// what it makes for the day kist itself is uninstalled.
func (i *Installer) create(which role) (*os.Root, error) {
	if i.unfit != nil {
		return nil, i.unfit
	}
	if root := i.roots.open(which); root != nil {
		return root, nil
	}
	if which == stateDir { // made first: killed before it can remember that, kist leaves it, empty
		root, made, err := i.roots.create(which)
		if root == nil {
			return nil, err
		}
		i.reached("state directory made")
		return root, errors.Join(err, i.remember(made))
	}
	if _, err := i.create(stateDir); err != nil {
		return nil, err
	}
	if which != dataDir {
		if _, err := i.create(dataDir); err != nil {
			return nil, err
		}
	}
	missing, err := i.roots.missing(which)
	if err != nil {
		return nil, err
	}
	if err := i.remember(missing); err != nil {
		return nil, err
	}
	root, _, err := i.roots.create(which)
	if err != nil {
		return nil, err
	}
	i.reached("directory made")
	return root, i.enroll(false)
}

// A BusyError says that another kist holds the lock, and what it is doing.
type BusyError = rootfs.BusyError

// A NoLocksError refuses a file system on which kists cannot be kept apart.
type NoLocksError = rootfs.NoLocksError

// An ObstacleError refuses to go on where something else has the name of one of kist's
// directories.
type ObstacleError = rootfs.ObstacleError

// A ForeignLockError refuses to write to a file that has the name of a lock.
type ForeignLockError = rootfs.ForeignLockError

// about tells those who wait for the lock what this kist is doing.
func (i *Installer) about() string {
	return i.o.Command + ", since " + i.o.Now.Format(time.TimeOnly)
}

// waiting tells whom this kist waits for. Parts of a job may do so at the same time.
func (i *Installer) waiting(busy *rootfs.BusyError) {
	i.reporting.Lock()
	defer i.reporting.Unlock()
	i.o.Warn("waiting: " + busy.Error())
}

// locks are the two that a change holds: that of the data directory, and that of the
// state directory where that is another one.
type locks []*rootfs.Lock

// Unlock gives the locks back.
func (ls locks) Unlock() (err error) {
	for _, l := range slices.Backward(ls) {
		err = errors.Join(err, l.Unlock())
	}
	return err
}

// lock takes kist's locks, waiting for another kist as long as Options allow, and records
// where the directories are.
func (i *Installer) lock(ctx context.Context) (locks, error) {
	for again := false; ; again = true {
		_, err := i.create(dataDir)
		if err == nil {
			_, err = i.create(stateDir)
		}
		if err != nil {
			return nil, err
		}
		held, err := i.lockBoth(ctx, i.o.LockWait)
		if again || !errors.Is(err, fs.ErrNotExist) {
			return held, err
		}
		// Another kist uninstalled itself meanwhile, the directory with it.
		if err := i.roots.close(); err != nil {
			return nil, err
		}
	}
}

// lockBoth locks the data and then the state directory, which exist: nobody who changes
// either can miss it. Then it finds that they belong together, and records it.
func (i *Installer) lockBoth(ctx context.Context, wait time.Duration) (held locks, err error) {
	if i.unfit != nil {
		return nil, i.unfit
	}
	which := []role{dataDir}
	if !samePath(i.roots.real[dataDir], i.roots.real[stateDir]) {
		which = append(which, stateDir)
	}
	for _, which := range which {
		lock, err := rootfs.WaitLock(ctx, i.roots.open(which), store.LockFile, i.about(), wait, i.waiting)
		if err != nil {
			return nil, errors.Join(err, held.Unlock())
		}
		held = append(held, lock)
	}
	if err := i.enroll(true); err != nil {
		return nil, errors.Join(err, held.Unlock())
	}
	return held, nil
}

// Lock keeps every other kist from changing anything until unlock is called:
// for the settings, which this package does not write itself. Changes by this
// Installer must wait for unlock, too.
func (i *Installer) Lock(ctx context.Context) (unlock func() error, err error) {
	held, err := i.lock(ctx)
	if err != nil {
		return nil, err
	}
	return held.Unlock, nil
}

// Drift is a recorded path that no longer matches its receipt, or what was
// found beside the recorded ones when they were removed.
type Drift struct {
	ID     record.ID `json:"id"`
	Path   string    `json:"path"`   // absolute
	Reason string    `json:"reason"` // "changed", "missing", "not recorded", …
}

// Verify compares an installed prefix with its receipt, path by path, and
// returns how many paths it compared and what differs, ordered as in the receipt.
func (i *Installer) Verify(ctx context.Context, id record.ID) (paths int, drifts []Drift, err error) {
	r, err := i.Receipt(id)
	if err != nil {
		return 0, nil, err
	}
	add := func(p, reason string) {
		drifts = append(drifts, Drift{r.ID, filepath.Join(i.Prefix(r.ID), filepath.FromSlash(p)), reason})
	}
	t, err := i.openTree(r)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			add("", missing)
			return len(r.Entries), drifts, nil
		}
		return 0, nil, err
	}
	defer t.close()
	var total, done int64
	for _, e := range r.Entries {
		total += e.Size
	}
	for _, e := range r.Entries {
		if err := ctx.Err(); err != nil {
			return 0, nil, err
		}
		reason, err := t.differs(e, true)
		if err != nil {
			return 0, nil, fmt.Errorf("%s: %w", e.Path, err)
		}
		if reason != "" {
			add(e.Path, reason)
		}
		done += e.Size
		i.report(Progress{Verify, r.Ref(), r.Tool + " " + r.Version, done, total})
	}
	return len(r.Entries), drifts, nil
}

// defaultJobs is what Options.Jobs is where it is 0.
const defaultJobs = 4
