package store

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"sync"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// stageName is the number of random bytes in the name of a stage.
const stageName = 8

// A Stage is a directory that is being filled and will become a prefix. Its writer
// holds its lock, so that a sweep by another kist leaves it alone. The lock ends with
// the process.
type Stage struct {
	name string
	root *os.Root
	sync *rootfs.Syncer
	lock *rootfs.Lock
	data *os.Root

	mu   sync.Mutex
	gone bool   // published, discarded or revoked
	stop func() // stops what fills the stage; nil if nothing does
}

// ErrRevoked is returned when a stage was revoked before it could be published.
var ErrRevoked = errors.New("the stage was removed")

// NewStage makes an empty, locked stage, whose name it reads from random. Its mode is that
// of the prefix that it will become. Until then no other user can enter the directory of
// all stages.
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

// newName locks an unused name. A sweep may take the new lock file for the remains of a
// crash and lock it first; newName then tries another name.
func (s Store) newName(random io.Reader) (name string, lock *rootfs.Lock, err error) {
	const attempts = 100 // each fails only if a sweep comes at this very moment
	for range attempts {
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
			err = errors.Join(err, rootfs.IgnoreMissing(s.Data.Remove(name+rootfs.LockSuffix)))
		}
		return name, lock, err
	}
	return "", nil, err
}

// Root returns the stage's root, through which all its files are written.
func (g *Stage) Root() *os.Root { return g.root }

// SyncAhead starts to sync the stage in the background while it is filled.
func (g *Stage) SyncAhead() { g.sync.Ahead() }

// Discard removes the stage and everything in it. All of that is kist's: the stage was
// created empty, where no other user can enter, and this process has held its lock since.
func (g *Stage) Discard() error {
	g.sync.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone { // published, or revoked together with its lock
		return errors.Join(g.root.Close(), rootfs.IgnoreMissing(g.lock.Remove()))
	}
	g.gone = true
	errs := []error{g.root.Close()}
	if err := removeStage(g.data, g.name); err != nil {
		// The lock file stays, so that a sweep recognizes the rest as a stage.
		err = fmt.Errorf("%s cannot be removed: %w", filepath.Join(g.data.Name(), filepath.FromSlash(g.name)), err)
		return errors.Join(append(errs, err, g.lock.Unlock())...)
	}
	return errors.Join(append(errs, g.lock.Remove())...)
}

// FilledBy sets the function with which Revoke stops the filling of the stage, and calls
// it if the stage was revoked already.
func (g *Stage) FilledBy(stop func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stop = stop
	if g.gone {
		stop()
	}
}

// Revoke removes the stage even while another goroutine fills it, which then cannot
// publish it any more. It is for a process that is about to exit. Unlike the other
// methods it may be called at any time, from any goroutine.
func (g *Stage) Revoke() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone {
		return nil
	}
	g.gone = true
	if g.stop != nil {
		g.stop()
	}
	if err := removeStage(g.data, g.name); err != nil {
		return err // the lock file stays, so that a sweep recognizes the rest as a stage
	}
	return rootfs.IgnoreMissing(g.data.Remove(g.name + rootfs.LockSuffix))
}

// Abandon leaves the stage for a sweep to remove, as a killed process does.
func (g *Stage) Abandon() error {
	g.sync.Close()
	return errors.Join(g.root.Close(), g.lock.Unlock())
}

// Publish turns a filled stage into the prefix of r. It makes the stage durable, and
// the evidence with which r can be proved again, then writes the receipt, then renames
// the stage without replacing anything. The stage cannot be used afterwards. The
// directory of prefixes itself becomes durable with the generation that names this one.
func (s Store) Publish(g *Stage, r record.Receipt) error {
	durable := make(chan error, 1)
	go func() { durable <- g.sync.Sync() }()
	evidenceErr := s.putEvidence(r.EvidenceBlobs()) // while the stage is synced
	if err := <-durable; err != nil {
		return fmt.Errorf("make %s durable: %w", r.Ref(), err)
	}
	s.reached("stage durable")
	if evidenceErr != nil {
		return evidenceErr
	}
	if _, err := rootfs.MkdirAllUnsynced(s.Data, Prefixes, sharedDir); err != nil {
		return err
	}
	if err := s.PutReceipt(r); err != nil {
		return err
	}
	s.NoteUse(r.ID, r.Installed)
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

// rename moves the stage to the directory to.
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
