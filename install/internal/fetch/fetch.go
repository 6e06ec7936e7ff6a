// Package fetch brings the artifacts of a release: it chooses an archive of each,
// downloads several at a time, and gives each to an unpacker.
//
// Nothing is unpacked before package download has proved it. The sizes that a server
// announces, and the speed at which it sends, decide which archive is fetched, in which
// order, and whether there seems to be room for it. They never decide what is accepted.
// The package neither plans nor records anything.
package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// Limits on the number of artifacts that are processed at once.
const (
	maxDecoders = 4  // being unpacked; never more than there are cores
	maxAhead    = 32 // fetched or being fetched, including those that wait to be unpacked
)

// syncThreshold is the number of archive bytes from which unpacked files are synced in
// the background: a sync at the end would take noticeable time.
const syncThreshold = 16 << 20

// Options are the inputs and settings of a Batch.
type Options struct {
	Cache    download.Cache   // its Progress is also called with stage "unpack"
	Jobs     int              // concurrent downloads
	Clock    func() time.Time // measures the network; nil: the first of several archives is fetched
	OnChoice func(why string) // called once for each choice between archives
}

// A Batch is the artifacts of a release, with the archive to fetch of each.
type Batch struct {
	o        Options
	parts    []*part      // in the order of the artifacts
	unpacked atomic.Int64 // bytes of the archives that are unpacked or being unpacked
}

// An Unpacker fills one prefix. Archives may be added concurrently.
type Unpacker interface {
	Add(context.Context, *os.File, unpack.Archive) error
	AddStream(context.Context, io.Reader, int64, unpack.Archive) error
}

// An Artifact is an artifact that was unpacked, and how it was proved.
type Artifact struct {
	manifests.Artifact
	Record record.Artifact
}

// Unpack fetches the artifacts and adds them to prefix, several at a time. It calls
// startSync, once, when many bytes are going to be unpacked. The first failure stops
// everything. Of several failures it returns the one of FirstCause.
func (b *Batch) Unpack(ctx context.Context, prefix Unpacker, startSync func()) ([]Artifact, error) {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	all := make([]Artifact, len(b.parts))
	errs := make([]error, len(b.parts))
	ahead, downloads := make(chan struct{}, maxAhead), make(chan struct{}, max(b.o.Jobs, 1))
	decoders := make(chan struct{}, min(maxDecoders, runtime.GOMAXPROCS(0)))
	var work sync.WaitGroup
	for _, n := range b.order() {
		ahead <- struct{}{}
		downloads <- struct{}{}
		if within.Err() != nil {
			break
		}
		work.Go(func() {
			defer func() { <-ahead }()
			a, s, err := b.open(within, b.parts[n])
			<-downloads
			if err == nil {
				all[n], err = b.unpack(within, prefix, startSync, decoders, n, a, s)
				err = errors.Join(err, s.Close())
			}
			if errs[n] = err; err != nil && !IsConsequence(err) {
				cancel()
			}
		})
	}
	work.Wait()
	return all, FirstCause(ctx, errs)
}

// open starts to fetch p: from the chosen archive, or from the first other one that is
// available. After a failed proof it tries no other archive. If none is available, it
// returns the error of an archive whose host was not reached, if there is one. The
// caller closes the Stream.
func (b *Batch) open(ctx context.Context, p *part) (manifests.Artifact, *download.Stream, error) {
	var absent error
	for _, a := range p.archives {
		s, err := b.o.Cache.Stream(ctx, a.Artifact)
		if err == nil {
			if err = s.Begin(); err == nil {
				return a.Artifact, s, nil
			}
			err = errors.Join(err, s.Close())
		}
		missing := errors.Is(err, manifests.ErrNotFound)
		switch {
		case ctx.Err() != nil || errors.Is(err, verify.ErrUntrusted) || !missing && !errors.Is(err, manifests.ErrUnreachable):
			return manifests.Artifact{}, nil, err
		case absent == nil || !missing && errors.Is(absent, manifests.ErrNotFound):
			absent = err
		}
	}
	return manifests.Artifact{}, nil, absent
}

// unpack adds one artifact to the prefix once a decoder is free. An archive that is not
// complete by then is unpacked while it downloads, if its format allows.
func (b *Batch) unpack(ctx context.Context, prefix Unpacker, startSync func(), decoders chan struct{}, order int, a manifests.Artifact, s *download.Stream) (Artifact, error) {
	size := a.Size
	if !streams(a) {
		blob, err := s.Blob()
		if err != nil {
			return Artifact{}, err
		}
		size = blob.Size
	}
	select {
	case decoders <- struct{}{}:
		defer func() { <-decoders }()
	case <-ctx.Done():
		return Artifact{}, fmt.Errorf("%s: %w", a.Name, ctx.Err())
	}
	if sum := b.unpacked.Add(size); sum >= syncThreshold && sum-size < syncThreshold {
		startSync()
	}
	archive := unpack.Archive{Name: a.Name, Component: a.Component, Layout: a.Layout, Order: order, Progress: func(done int64) {
		if b.o.Cache.Progress != nil {
			b.o.Cache.Progress("unpack", a.Name, done, size)
		}
	}}
	if err := add(ctx, prefix, s, streams(a), size, archive); err != nil {
		return Artifact{}, err
	}
	blob, err := s.Blob()
	if err != nil {
		return Artifact{}, err
	}
	return Artifact{a, record.Artifact{Name: a.Name, Component: a.Component, Version: a.Version, URL: location(a), Size: blob.Size,
		Digest: blob.Digest, Evidence: blob.Evidence, Layout: a.Layout}}, nil
}

// location returns the first http or https URL of a, to be recorded: without a user and
// password. It is empty if there is none, and for a file that a checksum database proves:
// that states no location, and which module proxies are asked is a setting of the machine.
func location(a manifests.Artifact) string {
	if a.Integrity.Tree != nil {
		return ""
	}
	for _, ref := range a.Refs {
		if strings.HasPrefix(ref, "https://") || strings.HasPrefix(ref, "http://") {
			return manifests.Redact(ref)
		}
	}
	return ""
}

// add gives an archive to the prefix: as a stream if its format allows and it is not
// complete yet, else as a file.
func add(ctx context.Context, prefix Unpacker, s *download.Stream, streams bool, size int64, archive unpack.Archive) error {
	if streams && !s.Whole() {
		return prefix.AddStream(ctx, s, size, archive)
	}
	blob, err := s.Blob()
	if err != nil {
		return err
	}
	return prefix.Add(ctx, blob.File, archive)
}

// FirstCause returns the error of errs that the user must hear of: a failed proof first,
// whatever else happened, then the end of ctx, then whatever did not follow from another
// error. Of several it is the first in order.
func FirstCause(ctx context.Context, errs []error) error {
	var cause, consequence error
	for _, err := range errs {
		switch {
		case err == nil:
		case errors.Is(err, verify.ErrUntrusted):
			return err
		case IsConsequence(err):
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

// IsConsequence reports whether err only says that something else ended the work.
func IsConsequence(err error) bool {
	return !errors.Is(err, verify.ErrUntrusted) && (errors.Is(err, context.Canceled) || errors.Is(err, unpack.ErrEnded))
}
