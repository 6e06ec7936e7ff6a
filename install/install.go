// Package install changes what is installed, safely: it plans, fetches, proves,
// unpacks, records, switches and removes.
//
// Its inputs are the user's own directories (Dirs) and the data of a channel's
// source and a transport; install imports neither a source nor a transport.
//
// Guarantees:
//   - Nothing outside <base>/kist and kist's own links in the bin directory is
//     ever written or removed; bases that belong to the system are refused
//     before anything is created (internal/roots).
//   - Archives are decoded in a child process that can only fill the stage of
//     its prefix, as far as the system can enforce that, and its report is
//     compared with the disk (internal/sandbox). The receipt records the level
//     of enforcement.
//   - A prefix is complete or absent: it is filled in a locked stage, proved by
//     its witness, recorded in a receipt, and published by one rename that
//     never replaces. It is never edited afterwards.
//   - The generation in force changes in one step, the renaming of the link
//     "current" (store.Switch). The next writer repairs what a crash leaves
//     before or after it (repair.go), by the same idempotent steps.
//   - Removal follows only the receipt, keeps files that were changed or are
//     not recorded, and never deletes recursively (remove.go, remove_all.go).
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
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/sandbox"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// Options are the inputs and settings of an Installer.
type Options struct {
	Dirs      Dirs
	Host      Host                // the user who runs kist, for the checks of Dirs
	Transport manifests.Transport // fetches artifacts
	Now       time.Time           // the operation's one clock reading
	Version   string              // of kist, for receipts
	Random    io.Reader           // for ids: crypto/rand.Reader
	LockWait  time.Duration       // how long to wait for another kist
	Command   string              // shown to other kists that wait: "kist install"
	Child     Child               // unpacks archives; zero: this process does
	Jobs      int                 // concurrent downloads; 0: 4
	Clock     func() time.Time    // measures how fast Transport is, to choose between archives; nil: the first is fetched
	Progress  func(Progress)      // may be nil; its calls do not overlap
	OnChoice  func(why string)    // reports which of several archives is fetched; may be nil
	Warn      func(string)        // may be nil
	// Linking is called with the generation in force and the next one, before
	// anything of the next one is published. May be nil.
	Linking func(now, next record.Generation)
	Stages  *Stages // lists the stages that are being filled; may be nil
	DryRun  bool    // store nothing, not even marks
	// Elsewhere says that what channels answer is not for this store: they are asked as if
	// nothing were installed.
	Elsewhere bool
	// Locked reports whether a lock names the manifest of a channel with this digest, and
	// the user accepts it although it has expired. Whatever else is checked stays as it
	// is. Nil: what has expired is refused.
	Locked func(channel string, manifest verify.Digest) bool
	// Documents and Settings report which of the files that this package does not
	// write are kist's, by their content: below documents/ of the cache directory,
	// and in the settings directory. Nil: none.
	Documents func(cache *os.Root, name string) (bool, error)
	Settings  func(config *os.Root) (owns func(name string) (bool, error), err error)
	// FindDocument returns the name of a file of documents/ with this digest. Evidence
	// becomes a hard link to it, where that is possible. Nil: evidence is written.
	FindDocument func(cache *os.Root, d verify.Digest) (name string, ok bool)
	// Retire takes the channels in the settings directory out of use, before kist's
	// files there are removed. Nil: there is nothing to do.
	Retire func(config *os.Root) error
	// Checkpoint, nil except in tests, is called after each step of a change. A
	// process may be killed there, and the next one continues.
	Checkpoint func(step string)
	readOnly   bool // see OpenReadOnly
	// Kist is the absolute path of kist, which launchers run when they do not know an
	// answer. ProjectFiles are the names of the files by which they recognize a project.
	Kist         string
	ProjectFiles []string
}

// A Child is the command line by which kist starts itself to unpack archives in a
// sandbox, where they can do no harm (package sandbox). Such a process must only
// call ServeChild and exit with the code that it returns.
type Child = sandbox.Command

// A ChildError reports that a Child ended before its work was done: it crashed, or
// was killed, perhaps because of its memory use.
type ChildError = sandbox.CrashError

// A NoProcError reports that no Child can be started because /proc is not mounted.
type NoProcError = sandbox.NoProcError

// An EntryError refuses an archive because of one of its entries or its structure.
type EntryError = unpack.EntryError

// A SpaceError reports, before anything was written, that there is not enough space.
type SpaceError = download.SpaceError

// Sandbox describes, for people, what would separate a Child that unpacks an archive from the
// rest of the machine, and what is lacking of the best that kist can use. The error is a
// *NoProcError if no Child can be started.
func Sandbox(c Child) (level string, lacks []string, err error) {
	got, lacks, err := sandbox.Available(c)
	return got.String(), lacks, err
}

// ServeChild is the work of a Child.
func ServeChild() int { return sandbox.Serve() }

// Progress is one step of a long job. Total is -1 if it is not known.
type Progress struct {
	Stage       Stage
	Name        string // of the artifact
	Label       string // for display: "go 1.27.4", or "rust 1.95.0 (cargo)" if there are several artifacts
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

// An Installer reads and changes what is installed. It is not safe for concurrent
// use; a lock keeps processes apart.
type Installer struct {
	o         Options
	roots     *roots.Roots
	reporting sync.Mutex
	turns     download.Turns

	resolving sync.Mutex
	noLinks   sync.Once   // the warning that this system has no links was given
	resolved  *plan.State // see installed
}

// Open checks every directory of o and opens those that exist. It creates nothing and
// takes no lock: that is enough for readers. When ctx is done, every wait of the
// Installer for another kist ends. Errors are *SystemPrefixError, *UnsafeDirError,
// *SeparatorError, *NoteError and, if the directories do not belong together,
// *OtherPlaceError.
func Open(ctx context.Context, o Options) (*Installer, error) {
	if o.Jobs <= 0 {
		o.Jobs = 4
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.OnChoice == nil {
		o.OnChoice = func(string) {}
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
	i := &Installer{o: o}
	var err error
	i.roots, err = roots.Open(ctx, roots.Options{Dirs: o.Dirs, Host: o.Host, Random: o.Random, LockWait: o.LockWait,
		About: i.about(), Waiting: i.waiting, Warn: o.Warn, Checkpoint: o.Checkpoint, ReadOnly: o.readOnly})
	if err != nil {
		return nil, err
	}
	return i, ctx.Err()
}

// MayChange returns why nothing may be changed in kist's directories, such as a
// *BecameLinkError, or nil. Verbs that change something call it before they begin;
// each change checks it again.
func (i *Installer) MayChange() error { return i.roots.MayChange() }

// Writable checks, before anything is stored, that settings can be written: in the
// settings directory and in the given directories below it that exist. If the settings
// directory is missing, it checks the nearest directory above it. It leaves nothing
// behind.
func (i *Installer) Writable(below ...string) error { return i.roots.Writable(below...) }

// report calls Options.Progress, one call at a time.
func (i *Installer) report(p Progress) {
	i.reporting.Lock()
	defer i.reporting.Unlock()
	i.o.Progress(p)
}

// Close releases what Open opened.
func (i *Installer) Close() error { return i.roots.Close() }

func (i *Installer) store() store.Store {
	return store.Store{Data: i.roots.Dir(roots.Data), State: i.roots.Dir(roots.State), FindCopy: i.findCopy, Checkpoint: i.o.Checkpoint}
}

func (i *Installer) reached(step string) { i.o.Checkpoint(step) }

// State reads what is installed. It does not read the bin directory, which is not
// kist's: only a plan depends on that. It leaves out commands and links of an
// earlier kist whose names are no longer allowed, so that the next change removes
// such links.
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

// stateToChange is State for a caller that changes things: it returns the error of
// UnreadReceipt, if any.
func (i *Installer) stateToChange() (plan.State, error) {
	s, err := i.State()
	if unread := UnreadReceipt(s); unread != nil {
		return s, unread
	}
	return s, err
}

// UnreadReceipt returns a *ReceiptError if the system could not read a receipt of s, for lack
// of file descriptors or because of a disk error. A change may ignore a damaged receipt,
// but not an unread one: with it, the change might be another.
func UnreadReceipt(s plan.State) error {
	for _, id := range slices.Sorted(maps.Keys(s.Damaged)) {
		if _, ok := errors.AsType[syscall.Errno](s.Damaged[id]); ok {
			return &ReceiptError{id, s.Damaged[id]}
		}
	}
	return nil
}

// planNow is plan.Make for what is installed now. It also returns that state.
func (i *Installer) planNow(c plan.Change) (plan.Plan, plan.State, error) {
	s, err := i.stateToChange()
	if err != nil {
		return plan.Plan{}, s, err
	}
	if s.Foreign, err = i.foreignInBin(); err != nil {
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

// A GenerationError reports that the record of the generation in force is damaged.
// RemoveAll still works, since it follows the receipts.
type GenerationError = store.GenerationError

// Plan computes what c means now. Errors are those of package plan.
func (i *Installer) Plan(c plan.Change) (plan.Plan, error) {
	if c.Empty() {
		return plan.Plan{Change: c}, nil
	}
	p, _, err := i.planNow(c)
	return p, err
}

// Prefix returns the absolute path of an installed prefix.
func (i *Installer) Prefix(id record.ID) string {
	return filepath.Join(i.o.Dirs.Data, "kist", store.Prefixes, string(id))
}

// realPrefix returns the path of an installed prefix with links resolved.
func (i *Installer) realPrefix(id record.ID) string {
	return filepath.Join(i.roots.Real(roots.Data), store.Prefixes, string(id))
}

// Config returns the opened settings directory, <config>/kist: nil if it does not
// exist and create is false, and an error if this user may not read it.
func (i *Installer) Config(create bool) (*os.Root, error) { return i.dir(roots.Config, create) }

// ownerAlone returns the owner of the store, for people, if this user may only read the
// store, and may not read the directory of a role at all; else "".
func (i *Installer) ownerAlone(which roots.Role) string {
	_, others := errors.AsType[*OwnerError](i.MayChange())
	_, layer := errors.AsType[*ReadOnlyError](i.MayChange())
	if (others || layer) && errors.Is(i.roots.Unreadable(which), fs.ErrPermission) {
		return i.Owner()
	}
	return ""
}

// SettingsOf returns the owner of the store, for people, if only that other user may read
// its settings; else "".
func (i *Installer) SettingsOf() string { return i.ownerAlone(roots.Config) }

// CacheOf is SettingsOf for the cache.
func (i *Installer) CacheOf() string { return i.ownerAlone(roots.Cache) }

// Cache is Config for the cache directory, <cache>/kist.
func (i *Installer) Cache(create bool) (*os.Root, error) { return i.dir(roots.Cache, create) }

func (i *Installer) dir(which roots.Role, create bool) (*os.Root, error) {
	if create {
		return i.roots.Create(which)
	}
	return i.roots.Dir(which), i.roots.Unreadable(which)
}

// CacheForDocuments is Cache(true), with the directory for proved documents in it.
func (i *Installer) CacheForDocuments() (*os.Root, error) {
	cache, err := i.roots.Create(roots.Cache)
	if err == nil {
		_, err = rootfs.MkdirAllUnsynced(cache, documentsDir, 0o700)
	}
	return cache, err
}

// A NoLocksError is returned for a file system that does not support locks.
type NoLocksError = rootfs.NoLocksError

// An ObstacleError is returned where something else has the name of one of kist's
// directories or locks.
type ObstacleError = rootfs.ObstacleError

// about describes what this kist is doing, for others that wait for the lock.
func (i *Installer) about() string {
	return i.o.Command + ", since " + i.o.Now.Format(time.TimeOnly)
}

// waiting warns that this kist waits for another one. It is safe for concurrent use.
func (i *Installer) waiting(busy *rootfs.BusyError) {
	i.reporting.Lock()
	defer i.reporting.Unlock()
	i.o.Warn("waiting: " + busy.Error())
}

// Lock keeps every other kist from changing anything until unlock is called. It is
// for changes of the settings, which this package does not write. Changes by this
// Installer must wait for unlock, too.
func (i *Installer) Lock(ctx context.Context) (unlock func() error, err error) {
	held, err := i.lock(ctx)
	if err != nil {
		return nil, err
	}
	return held.Unlock, nil
}
