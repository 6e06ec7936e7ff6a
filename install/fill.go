package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/kist-tools/kist/install/download"
	"github.com/kist-tools/kist/install/internal/private"
	"github.com/kist-tools/kist/install/internal/sandbox"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/unpack"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// How many artifacts are at work at one time.
const (
	maxDecoders = 4  // being unpacked, and no more than there are cores
	maxAhead    = 32 // all, those that wait for it included
)

// decoders is how many archives are unpacked at once.
func decoders() int { return min(maxDecoders, runtime.GOMAXPROCS(0)) }

// fill fetches and unpacks the artifacts of q into stage, copies those that from
// holds already, and returns what the receipt of the release will say. skipped are
// the files that the release's patterns match and whose names no command may have.
func (i *Installer) fill(ctx context.Context, cache download.Cache, q *queue, s *stagedRelease, in plan.Install, from *base) (receipt record.Receipt, skipped []string, err error) {
	stage := s.stage
	r := in.Release
	receipt, err = i.newReceipt(r)
	if err != nil {
		return receipt, nil, err
	}
	limits := unpack.DefaultLimits()
	limits.Memory = decoderMemory(memory())
	prefix, err := sandbox.Start(i.o.Child, stage.Root(), limits)
	if err != nil {
		return receipt, nil, err
	}
	defer prefix.Close()
	s.listed.fill(prefix.Close)
	copied, err := from.copies(ctx, prefix, r.Artifacts)
	if err != nil {
		return receipt, nil, err
	}
	brought, err := i.bring(ctx, cache, q, &eager{unpacker: prefix, ahead: stage.SyncAhead}, &line{free: decoders()})
	if err != nil {
		return receipt, nil, err
	}
	brought = append(copied, brought...)
	for _, b := range brought {
		receipt.Artifacts = append(receipt.Artifacts, b.record)
	}
	for _, f := range r.Files {
		if err := prefix.Write(ctx, receipt.Ref(), f); err != nil {
			return receipt, nil, err
		}
	}
	for _, l := range r.Listings {
		if err := prefix.Write(ctx, receipt.Ref(), manifests.File{Path: l.Path, Data: l.Text(r.Components)}); err != nil {
			return receipt, nil, err
		}
	}
	if len(in.Without) > 0 {
		if err := from.takeRest(ctx, prefix); err != nil {
			return receipt, nil, err
		}
	}
	if receipt.Entries, err = prefix.Finish(ctx, plan.Named(r.Commands)...); err != nil {
		return receipt, nil, err
	}
	receipt.Sealed = prefix.Sealed().UTC()
	receipt.Sandbox = prefix.Level().String()
	receipt.FilesProved = from == nil || from.FilesProved
	for _, b := range brought {
		if err := Confirm(stage.Root(), b.Artifact); err != nil {
			return receipt, nil, err
		}
	}
	if len(in.Without) > 0 {
		receipt.Commands = plan.Remaining(from.Commands, receipt.Entries)
		return receipt, nil, nil
	}
	commands, skipped, err := plan.Commands(r.Commands, receipt.Entries)
	if err != nil {
		return receipt, nil, fmt.Errorf("%s: %w", receipt.Ref(), err)
	}
	receipt.Commands = commands
	return receipt, skipped, nil
}

// decoderMemory is how much of a machine's memory the windows of decoders may
// take: a quarter, and no more than two of the largest need, so that what others
// do, and a prefix's other half, has room.
func decoderMemory(machine int64) int64 {
	return min(machine/4, unpack.DefaultLimits().Memory)
}

// archiveMemory is how much of the machine's memory may hold archives that were proved
// and are to be unpacked: an eighth, and no more than 512 MiB.
func archiveMemory() *private.Budget { return private.NewBudget(min(memory()/8, 512<<20)) }

// An unpacker fills one prefix. Archives may be added at the same time.
type unpacker interface {
	Add(context.Context, *os.File, unpack.Archive) error
	AddStream(context.Context, io.Reader, int64, unpack.Archive) error
}

// An eager unpacker has what it unpacks made durable meanwhile, where it is much.
type eager struct {
	unpacker
	ahead  func()       // begins to
	packed atomic.Int64 // bytes of archives, so far
}

// muchToSync is how many bytes of archives unpack to more than can be made durable
// in no time.
const muchToSync = 16 << 20

func (e *eager) count(size int64) {
	if sum := e.packed.Add(size); sum >= muchToSync && sum-size < muchToSync {
		e.ahead()
	}
}

func (e *eager) Add(ctx context.Context, src *os.File, a unpack.Archive) error {
	if info, err := src.Stat(); err == nil {
		e.count(info.Size())
	}
	return e.unpacker.Add(ctx, src, a)
}

func (e *eager) AddStream(ctx context.Context, r io.Reader, size int64, a unpack.Archive) error {
	e.count(size)
	return e.unpacker.AddStream(ctx, r, size, a)
}

// brought is an artifact that was unpacked, and how it was proved.
type brought struct {
	manifests.Artifact
	record record.Artifact
}

// bring fetches and unpacks the artifacts of q, several at a time, as decoding
// lets them through: of those at hand the longest to decode first. The first
// failure ends the others' work; of several at once the first in the artifacts'
// order is told.
func (i *Installer) bring(ctx context.Context, cache download.Cache, q *queue, prefix unpacker, decoding *line) ([]brought, error) {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	all := make([]brought, len(q.parts))
	errs := make([]error, len(q.parts))
	ahead, fetching := make(chan struct{}, maxAhead), make(chan struct{}, i.jobs())
	var work sync.WaitGroup
	for {
		ahead <- struct{}{}
		fetching <- struct{}{}
		n, ok := q.next(within)
		if !ok {
			break
		}
		work.Go(func() {
			defer func() { <-ahead }()
			s, err := q.fetch(within, cache, n)
			<-fetching
			if err == nil {
				all[n], err = i.unpack(within, decoding, prefix, n, s, q.labels[s.Artifact.Name])
				err = errors.Join(err, s.Close())
			}
			q.is(n, unpacked)
			if errs[n] = err; err != nil && !isConsequence(err) {
				cancel()
			}
		})
	}
	work.Wait()
	return all, firstCause(ctx, errs)
}

// unpack adds one artifact to the prefix when its turn has come: what has not all
// come by then is unpacked while it comes, as far as it can be.
func (i *Installer) unpack(ctx context.Context, decoding *line, prefix unpacker, order int, s *supply, label string) (brought, error) {
	a := s.Artifact
	size := a.Size
	if !streams(a) {
		blob, err := s.Blob()
		if err != nil {
			return brought{}, err
		}
		size = blob.Size
	}
	if err := decoding.enter(ctx, decodeTime(a.Layout.Format, size)); err != nil {
		return brought{}, fmt.Errorf("%s: %w", a.Name, err)
	}
	defer decoding.leave()
	archive := unpack.Archive{Name: a.Name, Component: a.Component, Layout: a.Layout, Order: order,
		Progress: func(done int64) { i.report(Progress{Unpack, a.Name, label, done, size}) }}
	if err := add(ctx, prefix, s, size, archive); err != nil {
		return brought{}, err
	}
	blob, err := s.Blob()
	if err != nil {
		return brought{}, err
	}
	return brought{a, record.Artifact{Name: a.Name, Component: a.Component, Size: blob.Size, Digest: blob.Digest,
		Evidence: blob.Evidence, Layout: a.Layout}}, nil
}

// add gives an archive to the prefix: as it comes, where it can be unpacked so
// and is not all there.
func add(ctx context.Context, prefix unpacker, s *supply, size int64, archive unpack.Archive) error {
	if streams(s.Artifact) && !s.Whole() {
		return prefix.AddStream(ctx, s, size, archive)
	}
	blob, err := s.Blob()
	if err != nil {
		return err
	}
	return prefix.Add(ctx, blob.File, archive)
}

// firstCause returns the error of errs that the user must hear of: a failed proof first,
// whatever else happened, then the end of ctx, then whatever did not follow from another
// error. Of several it is the first in order.
func firstCause(ctx context.Context, errs []error) error {
	var cause, consequence error
	for _, err := range errs {
		switch {
		case err == nil:
		case errors.Is(err, verify.ErrUntrusted):
			return err
		case isConsequence(err):
			consequence = cmp.Or(consequence, err)
		default:
			cause = cmp.Or(cause, err)
		}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case cause == nil && consequence != nil:
		// Nothing should end the others' work without an error of its own. It is not
		// reported as an interrupt, which only the user can cause.
		return fmt.Errorf("work ended without a cause: %v", consequence)
	}
	return cause
}

// isConsequence reports whether err only says that something else ended the work.
func isConsequence(err error) bool {
	return !errors.Is(err, verify.ErrUntrusted) && (errors.Is(err, context.Canceled) || errors.Is(err, unpack.ErrEnded))
}

// A line lets a few through at one time: of those who wait, the one with the
// most to do.
type line struct {
	mu      sync.Mutex
	free    int
	waiting []*waiter
}

type waiter struct {
	work int64
	turn chan struct{}
}

// enter waits for its turn. Who has had it leaves.
func (l *line) enter(ctx context.Context, work int64) error {
	w := &waiter{work, make(chan struct{})}
	l.mu.Lock()
	l.waiting = append(l.waiting, w)
	l.call()
	l.mu.Unlock()
	select {
	case <-w.turn:
		return nil
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		if n := slices.Index(l.waiting, w); n >= 0 {
			l.waiting = slices.Delete(l.waiting, n, n+1)
			return ctx.Err()
		}
		return nil // it was called in the meantime
	}
}

func (l *line) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free++
	l.call()
}

// call lets through whom it can.
func (l *line) call() {
	for l.free > 0 && len(l.waiting) > 0 {
		next := 0
		for n, w := range l.waiting {
			if w.work > l.waiting[next].work {
				next = n
			}
		}
		close(l.waiting[next].turn)
		l.waiting = slices.Delete(l.waiting, next, next+1)
		l.free--
	}
}
