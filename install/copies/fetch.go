package copies

import (
	"context"
	"errors"
	"sync"

	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/install/internal/fetch"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/trust"
)

// A wantedArtifact is an artifact to fetch, and the channel that names it.
type wantedArtifact struct {
	manifests.Artifact
	from trust.Binding
}

// A Fetched artifact is in the store.
type Fetched struct {
	File
	Bytes int64  // that came from the origin or were read again; 0: it is unchanged
	First string // the first URL that the channel names for it
	Added bool   // the channel that names it was added by the user
}

// fetchArtifacts fetches the artifacts that the store lacks, several at a time, and
// returns their entries. After the first failure it begins no other download.
func (c *collector) fetchArtifacts(ctx context.Context) ([]Fetched, error) {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	cache := c.by.cache(c.store.Artifacts, c.by.Transport)
	known := map[string]File{} // what the current snapshot holds, by key
	for _, e := range c.old {
		if e.Key != "" {
			known[e.Key] = e
		}
	}
	all, errs := make([]Fetched, len(c.artifacts)), make([]error, len(c.artifacts))
	slots := make(chan struct{}, max(c.by.Jobs, 1))
	var work sync.WaitGroup
	for n, a := range c.artifacts {
		slots <- struct{}{}
		if within.Err() != nil {
			break
		}
		work.Go(func() {
			defer func() { <-slots }()
			if all[n], errs[n] = c.fetchArtifact(within, cache, known, a); errs[n] != nil && !fetch.IsConsequence(errs[n]) {
				cancel()
			}
		})
	}
	work.Wait()
	return all, fetch.FirstCause(ctx, errs)
}

// fetchArtifact fetches the artifact a, or else the first of its alternatives that exists.
func (c *collector) fetchArtifact(ctx context.Context, cache download.Cache, known map[string]File, a wantedArtifact) (Fetched, error) {
	var missing error
	for _, one := range append([]manifests.Artifact{a.Artifact}, a.Alternatives...) {
		got, err := c.fetchOne(ctx, cache, known, wantedArtifact{one, a.from})
		if !errors.Is(err, manifests.ErrNotFound) {
			return got, err
		}
		if missing == nil {
			missing = err
		}
	}
	return Fetched{}, missing
}

// fetchOne returns the entry of a. It fetches a unless the store has it.
func (c *collector) fetchOne(ctx context.Context, cache download.Cache, known map[string]File, a wantedArtifact) (Fetched, error) {
	key, err := download.Key(a.Artifact)
	if err != nil {
		return Fetched{}, err
	}
	for _, ref := range a.Refs {
		name, err := Name(ref)
		if err != nil {
			continue
		}
		e, ok := c.old[name]
		if !ok || e.Key != key {
			if e, ok = known[key]; !ok || !a.ownsRef(ref) {
				continue
			}
		}
		if info, err := c.store.Artifacts.Lstat(download.BlobFile(e.Digest)); err == nil && e.IsUnchanged(info) {
			e.Path, e.URL = name, ref
			return a.fetched(e, 0), nil
		}
	}
	log := &refLog{from: cache.Transport}
	cache.Transport = log
	stream, err := cache.Stream(ctx, a.Artifact)
	if err != nil {
		return Fetched{}, err
	}
	blob, err := stream.Blob()
	if err = errors.Join(err, stream.Close()); err != nil {
		return Fetched{}, err
	}
	ref, err := c.findRef(ctx, a, blob, log)
	if err != nil {
		return Fetched{}, err
	}
	name, err := Name(ref)
	if err != nil {
		return Fetched{}, err
	}
	file := download.BlobFile(blob.Digest)
	if c.store.Mode != 0 {
		if err := c.store.Artifacts.Chmod(file, c.store.Mode); err != nil {
			return Fetched{}, err
		}
	}
	info, err := c.store.Artifacts.Lstat(file)
	if err != nil {
		return Fetched{}, err
	}
	e := File{Path: name, Digest: blob.Digest, Size: blob.Size, Modified: info.ModTime().UnixNano(), Key: key, URL: ref}
	return a.fetched(e, blob.Size), nil
}

// fetched returns a, whose copy is f.
func (a wantedArtifact) fetched(f File, bytes int64) Fetched {
	return Fetched{f, bytes, a.Refs[0], a.from.Settings != nil}
}
