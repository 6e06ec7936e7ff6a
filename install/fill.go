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

// Limits on the number of artifacts that are processed at once.
const (
	maxDecoders = 4  // being unpacked; never more than there are cores
	maxAhead    = 32 // fetched or being fetched, including those that wait to be unpacked
)

// decoders returns how many archives are unpacked at once.
func decoders() int { return min(maxDecoders, runtime.GOMAXPROCS(0)) }

// fill fetches and unpacks the artifacts of q into the stage of s, copies those that
// from already holds, and returns the receipt of the release. For skipped see
// Result.Skipped.
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
	copied, err := from.copyArtifacts(ctx, prefix, r.Artifacts)
	if err != nil {
		return receipt, nil, err
	}
	fetched, err := i.fetchAll(ctx, cache, q, &syncingUnpacker{unpacker: prefix, startSync: stage.SyncAhead}, &decodeGate{free: decoders()})
	if err != nil {
		return receipt, nil, err
	}
	fetched = append(copied, fetched...)
	for _, b := range fetched {
		receipt.Artifacts = append(receipt.Artifacts, b.record)
	}
	for _, f := range r.Files {
		if err := prefix.AddFile(ctx, receipt.Ref(), f); err != nil {
			return receipt, nil, err
		}
	}
	for _, l := range r.Listings {
		if err := prefix.AddFile(ctx, receipt.Ref(), manifests.File{Path: l.Path, Data: l.Text(r.Components)}); err != nil {
			return receipt, nil, err
		}
	}
	if len(in.Without) > 0 {
		if err := from.copyRest(ctx, prefix); err != nil {
			return receipt, nil, err
		}
	}
	if receipt.Entries, err = prefix.Finish(ctx, plan.Named(r.Commands)...); err != nil {
		return receipt, nil, err
	}
	receipt.StampsReadAt = prefix.Sealed().UTC()
	receipt.Sandbox = prefix.Level().String()
	receipt.FilesProved = from == nil || from.FilesProved
	for _, b := range fetched {
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

// decoderMemory returns how many bytes of the machine's memory the windows of
// decoders may take: a quarter, and at most as much as two of the largest need, so
// that other programs and the rest of kist have room.
func decoderMemory(machine int64) int64 {
	return min(machine/4, unpack.DefaultLimits().Memory)
}

// archiveMemory returns the memory budget for archives that were proved and wait to be
// unpacked: an eighth of the machine's memory, and at most 512 MiB.
func archiveMemory() *private.Budget { return private.NewBudget(min(memory()/8, 512<<20)) }

// An unpacker fills one prefix. Archives may be added concurrently.
type unpacker interface {
	Add(context.Context, *os.File, unpack.Archive) error
	AddStream(context.Context, io.Reader, int64, unpack.Archive) error
}

// A syncingUnpacker starts to sync unpacked files to disk early if there are many bytes.
type syncingUnpacker struct {
	unpacker
	startSync    func()       // starts the sync in the background
	archiveBytes atomic.Int64 // bytes of archives so far
}

// syncThreshold is the number of archive bytes from which unpacked files are synced in
// the background: a sync at the end would take noticeable time.
const syncThreshold = 16 << 20

func (e *syncingUnpacker) count(size int64) {
	if sum := e.archiveBytes.Add(size); sum >= syncThreshold && sum-size < syncThreshold {
		e.startSync()
	}
}

func (e *syncingUnpacker) Add(ctx context.Context, src *os.File, a unpack.Archive) error {
	if info, err := src.Stat(); err == nil {
		e.count(info.Size())
	}
	return e.unpacker.Add(ctx, src, a)
}

func (e *syncingUnpacker) AddStream(ctx context.Context, r io.Reader, size int64, a unpack.Archive) error {
	e.count(size)
	return e.unpacker.AddStream(ctx, r, size, a)
}

// A fetchedArtifact is an artifact that was unpacked, and how it was proved.
type fetchedArtifact struct {
	manifests.Artifact
	record record.Artifact
}

// fetchAll fetches and unpacks the artifacts of q, several at a time, as decoding
// admits them: of the fetched ones the longest to decode first. The first failure
// stops the others; of several failures it returns the one of firstCause.
func (i *Installer) fetchAll(ctx context.Context, cache download.Cache, q *queue, prefix unpacker, decoding *decodeGate) ([]fetchedArtifact, error) {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	all := make([]fetchedArtifact, len(q.parts))
	errs := make([]error, len(q.parts))
	ahead, downloadSlots := make(chan struct{}, maxAhead), make(chan struct{}, i.jobs())
	var work sync.WaitGroup
	for {
		ahead <- struct{}{}
		downloadSlots <- struct{}{}
		n, ok := q.next(within)
		if !ok {
			break
		}
		work.Go(func() {
			defer func() { <-ahead }()
			s, err := q.fetch(within, cache, n)
			<-downloadSlots
			if err == nil {
				all[n], err = i.unpack(within, decoding, prefix, n, s, q.labels[s.Artifact.Name])
				err = errors.Join(err, s.Close())
			}
			q.setState(n, unpacked)
			if errs[n] = err; err != nil && !isConsequence(err) {
				cancel()
			}
		})
	}
	work.Wait()
	return all, firstCause(ctx, errs)
}

// unpack adds one artifact to the prefix once decoding admits it. An archive that is
// not complete by then is unpacked while it downloads, if its format allows.
func (i *Installer) unpack(ctx context.Context, decoding *decodeGate, prefix unpacker, order int, s *archiveDownload, label string) (fetchedArtifact, error) {
	a := s.Artifact
	size := a.Size
	if !streams(a) {
		blob, err := s.Blob()
		if err != nil {
			return fetchedArtifact{}, err
		}
		size = blob.Size
	}
	if err := decoding.enter(ctx, decodeTime(a.Layout.Format, size)); err != nil {
		return fetchedArtifact{}, fmt.Errorf("%s: %w", a.Name, err)
	}
	defer decoding.leave()
	archive := unpack.Archive{Name: a.Name, Component: a.Component, Layout: a.Layout, Order: order,
		Progress: func(done int64) { i.report(Progress{Unpack, a.Name, label, done, size}) }}
	if err := add(ctx, prefix, s, size, archive); err != nil {
		return fetchedArtifact{}, err
	}
	blob, err := s.Blob()
	if err != nil {
		return fetchedArtifact{}, err
	}
	return fetchedArtifact{a, record.Artifact{Name: a.Name, Component: a.Component, Size: blob.Size, Digest: blob.Digest,
		Evidence: blob.Evidence, Layout: a.Layout}}, nil
}

// add gives an archive to the prefix: as a stream if its format allows and it is not
// complete yet, else as a file.
func add(ctx context.Context, prefix unpacker, s *archiveDownload, size int64, archive unpack.Archive) error {
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

// A decodeGate admits a limited number of goroutines at a time: of those that wait,
// the one with the most work first.
type decodeGate struct {
	mu      sync.Mutex
	free    int
	waiting []*waiter
}

type waiter struct {
	work int64
	turn chan struct{}
}

// enter blocks until a slot is free or ctx is done. After it returns nil, the caller
// must call leave.
func (l *decodeGate) enter(ctx context.Context, work int64) error {
	w := &waiter{work, make(chan struct{})}
	l.mu.Lock()
	l.waiting = append(l.waiting, w)
	l.admit()
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
		return nil // it was admitted in the meantime
	}
}

func (l *decodeGate) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free++
	l.admit()
}

// admit lets waiters in while slots are free. The caller holds l.mu.
func (l *decodeGate) admit() {
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
