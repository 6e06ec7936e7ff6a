package mirror

import (
	"context"
	"errors"
	"sync"

	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/install/internal/fetch"
	"github.com/kist-tools/kist/manifests"
)

// A fetched artifact is in the store.
type fetched struct {
	entry
	bytes int64 // that came from the origin or were read again; 0: it is unchanged
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
	all, errs := make([]fetched, len(c.order)), make([]error, len(c.order))
	slots := make(chan struct{}, max(c.m.Jobs, 1))
	var work sync.WaitGroup
	for n, name := range c.order {
		slots <- struct{}{}
		if within.Err() != nil {
			break
		}
		work.Go(func() {
			defer func() { <-slots }()
			if all[n], errs[n] = c.fetchArtifact(within, cache, known, name); errs[n] != nil && !fetch.IsConsequence(errs[n]) {
				cancel()
			}
		})
	}
	work.Wait()
	return all, fetch.FirstCause(ctx, errs)
}

// fetchArtifact fetches the artifact called name, or else the first of its alternatives
// that exists.
func (c *collector) fetchArtifact(ctx context.Context, cache download.Cache, known map[string]entry, name string) (fetched, error) {
	artifact := c.artifacts[name]
	var missing error
	for i, a := range append([]manifests.Artifact{artifact}, artifact.Alternatives...) {
		if i > 0 {
			var err error
			if name, err = Name(a.Refs[0]); err != nil {
				return fetched{}, err
			}
		}
		got, err := c.fetchOne(ctx, cache, known, name, a)
		if !errors.Is(err, manifests.ErrNotFound) {
			return got, err
		}
		if missing == nil {
			missing = err
		}
	}
	return fetched{}, missing
}

// fetchOne returns the entry of a, whose file is called name. It fetches a unless the
// store has it.
func (c *collector) fetchOne(ctx context.Context, cache download.Cache, known map[string]entry, name string, a manifests.Artifact) (fetched, error) {
	key, err := download.Key(a)
	if err != nil {
		return fetched{}, err
	}
	if e, ok := known[key]; ok {
		if info, err := c.store.Lstat(download.BlobFile(e.Digest)); err == nil && e.isUnchanged(info) {
			e.Path = name
			return fetched{e, 0}, nil
		}
	}
	stream, err := cache.Stream(ctx, a)
	if err != nil {
		return fetched{}, err
	}
	blob, err := stream.Blob()
	if err = errors.Join(err, stream.Close()); err != nil {
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
	return fetched{entry{name, blob.Digest, blob.Size, info.ModTime().UnixNano(), key, manifests.Validators{}}, blob.Size}, nil
}
