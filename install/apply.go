package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/install/internal/fetch"
	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/sandbox"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// Result is what Apply did.
type Result struct {
	Generation record.Generation
	Installed  []record.Head
	Removed    []record.Head
	Leftovers  []Drift // what removal left in place: changed, or not recorded
	Freed      int64   // bytes of the files that were removed
	// Skipped holds, by release, the files that a command pattern of the release
	// matches but whose names are not allowed for commands.
	Skipped map[record.ID][]string
	// Unpacked holds, by release, what Installed takes up.
	Unpacked map[record.ID]Unpacked
}

// An Unpacked is the size of an installed release.
type Unpacked struct {
	Files int
	Bytes int64
}

func unpackedSize(entries []record.Entry) (u Unpacked) {
	for _, e := range entries {
		if e.Type == record.File {
			u.Files++
			u.Bytes += e.Size
		}
	}
	return u
}

// Apply carries out p: all of it or nothing, except that downloads stay in the
// cache. Fetching and unpacking need no lock; publishing, switching and removing
// happen under one lock. If another kist changed the state meanwhile, Apply makes
// the plan again from its Change.
func (i *Installer) Apply(ctx context.Context, p plan.Plan) (Result, error) {
	if p.Empty() {
		return i.repairOnly(ctx)
	}
	staged := stagedReleases{}
	defer func() {
		for _, s := range staged {
			i.discard(s)
		}
	}()
	for {
		for _, in := range p.Install {
			if staged.of(in.Release) == nil {
				s, err := i.stage(ctx, in)
				if err != nil {
					return Result{}, err
				}
				staged[s.receipt.ID] = s
			}
		}
		result, now, err := i.commit(ctx, p, staged)
		if now.InForce() && len(now.Follow) > 0 && cannotWrite(err) {
			i.o.Warn(fmt.Sprintf("the requested version could not be recorded: %v", err))
			return i.repairOnly(ctx)
		}
		if err == nil && !staged.cover(now) {
			p = now // another kist changed the state meanwhile
			continue
		}
		return result, err
	}
}

// stagedReleases are the releases that a change has staged, by the ID that they will have.
type stagedReleases map[record.ID]*stagedRelease

// of returns the staged release that is r, or nil.
func (all stagedReleases) of(r manifests.Release) *stagedRelease {
	for _, s := range all {
		have := s.receipt
		if have.Channel == r.Channel && have.Tool == r.Tool && have.Version == r.Version && slices.Equal(have.Components, r.Components) {
			return s
		}
	}
	return nil
}

// cover reports whether everything that p installs is staged.
func (all stagedReleases) cover(p plan.Plan) bool {
	return !slices.ContainsFunc(p.Install, func(in plan.Install) bool { return all.of(in.Release) == nil })
}

// A stagedRelease is unpacked, proved and recorded, but not yet published.
type stagedRelease struct {
	stage   *store.Stage
	receipt record.Receipt
	skipped []string // see Result.Skipped
}

// discard removes the stage of a release that will not be published. If that fails,
// discard warns, and the next change tries again.
func (i *Installer) discard(s *stagedRelease) {
	if s.stage == nil {
		return
	}
	if err := s.stage.Discard(); err != nil {
		i.o.Warn(err.Error() + "; left alone")
	}
	s.stage = nil
}

// stage fetches, proves and unpacks one release, and checks its witnesses.
// Components shared with an installed release are copied from it. If the installed
// copy was changed, they are fetched like the rest, if possible.
func (i *Installer) stage(ctx context.Context, in plan.Install) (*stagedRelease, error) {
	s, err := i.stageFrom(ctx, in)
	if changed, ok := errors.AsType[*ReuseError](err); ok && len(in.Without) == 0 {
		i.o.Warn(changed.Error() + "; nothing is copied from it")
		in.Base, in.Reuse = "", nil
		return i.stageFrom(ctx, in)
	}
	return s, err
}

func (i *Installer) stageFrom(ctx context.Context, in plan.Install) (*stagedRelease, error) {
	r := in.Release
	if len(in.Without) == 0 { // otherwise the release comes from a receipt, not from a source
		if err := r.Validate(); err != nil {
			return nil, err
		}
	}
	if err := sandbox.Ready(i.o.Child); err != nil {
		return nil, err
	}
	from, err := i.openBase(in)
	if err != nil {
		return nil, err
	}
	defer from.close()
	cacheRoot, err := i.roots.Create(roots.Cache)
	if err != nil {
		return nil, err
	}
	if _, err := i.roots.Create(roots.Data); err != nil {
		return nil, err
	}
	cache := i.cache(cacheRoot, r)
	batch := fetch.Prepare(ctx, fetch.Options{Cache: cache, Jobs: i.o.Jobs, Clock: i.o.Clock, OnChoice: i.o.OnChoice}, from.missing(r.Artifacts))
	if err := i.checkSpace(batch, r, cache.Memory); err != nil {
		return nil, err
	}
	stage, err := i.store().NewStage(i.o.Random)
	if err != nil {
		return nil, err
	}
	i.o.Stages.Add(stage.Revoke)
	s := &stagedRelease{stage: stage}
	if s.receipt, s.skipped, err = i.fill(ctx, batch, s, in, from); err != nil {
		i.discard(s)
		return nil, err
	}
	i.reached("stage filled")
	return s, nil
}

// cache returns the cache in root, for the artifacts of r.
func (i *Installer) cache(root *os.Root, r manifests.Release) download.Cache {
	return download.Cache{Root: root, Transport: i.o.Transport, Slots: make(chan struct{}, i.o.Jobs), Progress: i.progress(labels(r)), About: i.about(), Waiting: i.waiting, LockWait: i.o.LockWait, Turns: &i.turns,
		Memory: archiveMemory(),
		HashZip: func(ctx context.Context, name string, zip *os.File, size int64, progress func(int64)) (string, error) {
			return sandbox.HashZip(ctx, i.o.Child, name, zip, size, progress)
		}}
}

// FetchFile fetches an artifact of r and proves it, and unpacks nothing. use gets a file
// that holds exactly the bytes that were proved: a copy that no other process can change,
// open until use returns. Errors are those of download.Cache.Stream and of use.
func (i *Installer) FetchFile(ctx context.Context, r manifests.Release, a manifests.Artifact, use func(proved *os.File) error) error {
	root, err := i.roots.Create(roots.Cache)
	if err != nil {
		return err
	}
	s, err := i.cache(root, r).Stream(ctx, a)
	if err != nil {
		return err
	}
	defer s.Close()
	blob, err := s.Blob()
	if err != nil {
		return err
	}
	return use(blob.File)
}

func (i *Installer) newReceipt(r manifests.Release) (record.Receipt, error) {
	var random [4]byte
	if _, err := io.ReadFull(i.o.Random, random[:]); err != nil {
		return record.Receipt{}, err
	}
	id := record.NewID(r.Channel, r.Tool, r.Version, random)
	return record.Receipt{Head: record.Head{ID: id, Channel: r.Channel, Tool: r.Tool, Version: r.Version,
		Requested: r.Requested, Labels: r.Labels,
		Platform: r.Platform, Components: r.Components, Optional: r.Optional, Listings: r.Listings, Profile: r.Profile, Evidence: r.Evidence, Expired: r.Expired, Env: r.Env,
		Prefix: i.realPrefix(id), Installed: i.o.Now, Kist: i.o.Version}}, nil
}

// progress returns the progress callback of a cache. labels maps artifact names to labels.
func (i *Installer) progress(labels map[string]string) func(stage, name string, done, total int64) {
	return func(stage, name string, done, total int64) {
		i.report(Progress{Stage(stage), name, labels[name], done, total})
	}
}

// labels maps the name of every artifact of r to the label of its Progress: the
// tool and its version, and the component where r has several artifacts.
func labels(r manifests.Release) map[string]string {
	all := map[string]string{}
	for _, a := range r.Artifacts {
		label := r.Tool + " " + r.Version
		if len(r.Artifacts) > 1 && a.Component != "" && a.Component != r.Tool {
			label += " (" + a.Component + ")"
		}
		for _, one := range append([]manifests.Artifact{a}, a.Alternatives...) {
			all[one.Name] = label
		}
	}
	return all
}
