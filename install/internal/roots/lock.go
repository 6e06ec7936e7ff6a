package roots

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// Locks are the locks that a change holds: that of the data directory, and that of
// the state directory if it is another directory.
type Locks []*rootfs.Lock

// Unlock releases the locks, the last one first.
func (ls Locks) Unlock() (err error) {
	for _, l := range slices.Backward(ls) {
		err = errors.Join(err, l.Unlock())
	}
	return err
}

// Lock creates the data and the state directory and locks them, waiting for another kist
// up to Options.LockWait. It records where the directories are.
func (r *Roots) Lock(ctx context.Context) (Locks, error) {
	for again := false; ; again = true {
		for _, which := range []Role{Data, State} {
			if _, err := r.Create(which); err != nil {
				return nil, err
			}
		}
		held, err := r.lockBoth(ctx, r.o.LockWait)
		if again || !errors.Is(err, fs.ErrNotExist) {
			return held, err
		}
		// Another kist uninstalled itself meanwhile, and removed the directory.
		if err := r.Close(); err != nil {
			return nil, err
		}
	}
}

// LockExisting is Lock if both directories exist, without waiting: the error is then a
// *rootfs.BusyError. Otherwise it returns nil.
func (r *Roots) LockExisting(ctx context.Context) (Locks, error) {
	if r.dirs[Data] == nil || r.dirs[State] == nil {
		return nil, nil
	}
	return r.lockBoth(ctx, 0)
}

// lockBoth locks the data and then the state directory, which exist, so that every
// process that changes either of them meets a lock. Then it checks that the two belong
// together, and records it.
func (r *Roots) lockBoth(ctx context.Context, wait time.Duration) (held Locks, err error) {
	if r.unfit != nil {
		return nil, r.unfit
	}
	which := []Role{Data}
	if !r.Same(Data, State) {
		which = append(which, State)
	}
	for _, which := range which {
		lock, err := rootfs.WaitLock(ctx, r.dirs[which], store.LockFile, r.o.About, wait, r.o.Waiting)
		if err != nil {
			return nil, errors.Join(err, held.Unlock())
		}
		held = append(held, lock)
	}
	if err := r.recordPlaces(true); err != nil {
		return nil, errors.Join(err, held.Unlock())
	}
	return held, nil
}
