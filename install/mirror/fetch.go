package mirror

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

// A fetched artifact is in the store.
type fetched struct {
	entry
	ref   string // the URL that entry.Path stands for
	bytes int64  // that came from the origin or were read again; 0: it is unchanged
}

// fetchArtifacts fetches the artifacts that the store lacks, several at a time, and
// returns their entries. After the first failure it begins no other download.
func (c *collector) fetchArtifacts(ctx context.Context) ([]fetched, error) {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	cache := c.m.cache(c.store, c.m.Transport)
	known := map[string]entry{} // what the current snapshot holds, by key
	for _, e := range c.old {
		if e.Key != "" {
			known[e.Key] = e
		}
	}
	all, errs := make([]fetched, len(c.artifacts)), make([]error, len(c.artifacts))
	slots := make(chan struct{}, max(c.m.Jobs, 1))
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
func (c *collector) fetchArtifact(ctx context.Context, cache download.Cache, known map[string]entry, a wantedArtifact) (fetched, error) {
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
	return fetched{}, missing
}

// fetchOne returns the entry of a. It fetches a unless the store has it.
func (c *collector) fetchOne(ctx context.Context, cache download.Cache, known map[string]entry, a wantedArtifact) (fetched, error) {
	key, err := download.Key(a.Artifact)
	if err != nil {
		return fetched{}, err
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
		if info, err := c.store.Lstat(download.BlobFile(e.Digest)); err == nil && e.isUnchanged(info) {
			e.Path = name
			return fetched{e, ref, 0}, nil
		}
	}
	log := &refLog{from: cache.Transport}
	cache.Transport = log
	stream, err := cache.Stream(ctx, a.Artifact)
	if err != nil {
		return fetched{}, err
	}
	blob, err := stream.Blob()
	if err = errors.Join(err, stream.Close()); err != nil {
		return fetched{}, err
	}
	ref, err := c.findRef(ctx, a, blob, log)
	if err != nil {
		return fetched{}, err
	}
	name, err := Name(ref)
	if err != nil {
		return fetched{}, err
	}
	file := download.BlobFile(blob.Digest)
	if err := c.store.Chmod(file, fileMode); err != nil {
		return fetched{}, err
	}
	info, err := c.store.Lstat(file)
	if err != nil {
		return fetched{}, err
	}
	return fetched{entry{name, blob.Digest, blob.Size, info.ModTime().UnixNano(), key, manifests.Validators{}}, ref, blob.Size}, nil
}
