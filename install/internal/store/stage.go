package store

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"sync"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/record"
)

// stageName is how many random bytes name a stage.
const stageName = 8

// A Stage is a directory that is being filled and will become a prefix. Its
// writer holds it locked, so that another kist's sweep leaves it alone; the
// lock goes with the process.
type Stage struct {
	name string
	root *os.Root
	sync *rootfs.Syncer
	lock *rootfs.Lock
	data *os.Root

	mu   sync.Mutex
	gone bool // published, discarded or revoked
}

// ErrRevoked says that a stage was revoked before it could be published.
var ErrRevoked = errors.New("the stage was removed")

// NewStage makes an empty, locked stage. random names it. Its mode is that of the prefix
// it will become; until then nobody else can enter the directory of all stages.
func (s Store) NewStage(random io.Reader) (*Stage, error) {
	if _, err := rootfs.MkdirAllUnsynced(s.Data, Stages, 0o700); err != nil {
		return nil, err
	}
	name, lock, err := s.newName(random)
	if err != nil {
		return nil, err
	}
	if err := s.Data.Mkdir(name, sharedDir); err != nil {
		return nil, errors.Join(err, lock.Remove())
	}
	root, err := s.Data.OpenRoot(name)
	if err != nil {
		return nil, errors.Join(err, s.Data.Remove(name), lock.Remove())
	}
	sync, err := rootfs.OpenSyncer(root)
	if err != nil {
		return nil, errors.Join(err, root.Close(), s.Data.Remove(name), lock.Remove())
	}
	s.reached("stage made")
	return &Stage{name: name, root: root, sync: sync, lock: lock, data: s.Data}, nil
}

// newName takes the lock of a name that no stage has. Before it is taken, the lock is
// a file that a sweep may hold for what a crash left: then that name is given up.
func (s Store) newName(random io.Reader) (name string, lock *rootfs.Lock, err error) {
	const most = 100 // sweeps, each of which would have to come at this very moment
	for range most {
		var b [stageName]byte
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return "", nil, err
		}
		name = path.Join(Stages, hex.EncodeToString(b[:]))
		lock, err = rootfs.TryLock(s.Data, name+rootfs.LockSuffix, "unpack")
		if _, swept := errors.AsType[*rootfs.BusyError](err); swept {
			continue
		}
		if err != nil {
			err = errors.Join(err, ignoreMissing(s.Data.Remove(name+rootfs.LockSuffix)))
		}
		return name, lock, err
	}
	return "", nil, err
}

// Root is the stage's own root: the only way anything gets into it.
func (g *Stage) Root() *os.Root { return g.root }

// SyncAhead begins to make durable what gets into the stage.
func (g *Stage) SyncAhead() { g.sync.Ahead() }

// Discard removes the stage and all in it. Nothing else can be there: it was
// made empty, mode 0700, and has been held by this process since.
func (g *Stage) Discard() error {
	g.sync.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone { // published, or revoked with its lock
		return errors.Join(g.root.Close(), ignoreMissing(g.lock.Remove()))
	}
	g.gone = true
	errs := []error{g.root.Close()}
	if err := removeStage(g.data, g.name); err != nil {
		// By its lock a sweep knows what is left of it.
		return errors.Join(append(errs, stuckAt(g.data, g.name, err), g.lock.Unlock())...)
	}
	return errors.Join(append(errs, g.lock.Remove())...)
}

// Revoke removes the stage from under whoever is at work in it, which cannot
// publish it any more: for a process that ends at once. Unlike the other methods
// it may be called at any time, from any goroutine.
func (g *Stage) Revoke() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone {
		return nil
	}
	g.gone = true
	if err := removeStage(g.data, g.name); err != nil {
		return err // its lock stays, by which a sweep knows what is left of it
	}
	return ignoreMissing(g.data.Remove(g.name + rootfs.LockSuffix))
}

// Abandon leaves the stage where it is, for a sweep: what a killed process does.
func (g *Stage) Abandon() error {
	g.sync.Close()
	return errors.Join(g.root.Close(), g.lock.Unlock())
}

// Publish turns a filled stage into the prefix of r: everything in it made
// durable, and what proves r again, then the receipt, then one rename that never
// replaces. The stage is used up. That there are prefixes at all is durable once a
// generation names this one.
func (s Store) Publish(g *Stage, r record.Receipt) error {
	durable := make(chan error, 1)
	go func() { durable <- g.sync.Sync() }()
	unproved := s.putEvidence(r.Kept()) // it need not wait for the toolchain
	if err := <-durable; err != nil {
		return fmt.Errorf("make %s durable: %w", r.Ref(), err)
	}
	s.reached("stage durable")
	if unproved != nil {
		return unproved
	}
	if _, err := rootfs.MkdirAllUnsynced(s.Data, Prefixes, sharedDir); err != nil {
		return err
	}
	if err := s.PutReceipt(r); err != nil {
		return err
	}
	if err := g.rename(path.Join(Prefixes, string(r.ID))); err != nil {
		return err
	}
	s.reached("prefix published")
	if err := errors.Join(rootfs.SyncDir(s.Data, Prefixes), rootfs.SyncDir(s.Data, Stages)); err != nil {
		return err
	}
	s.reached("prefix durable")
	return errors.Join(g.root.Close(), g.lock.Remove())
}

// rename makes the stage the directory to.
func (g *Stage) rename(to string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone {
		return ErrRevoked
	}
	err := rootfs.RenameNoReplace(g.data, g.name, to)
	g.gone = err == nil
	return err
}
