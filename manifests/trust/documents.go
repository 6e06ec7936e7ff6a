package trust

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/verify"
)

// Fetch downloads and proves a catalog, and caches the documents that proved it. It does
// so once per command for all requests that the same documents answer.
func (d *Desk) Fetch(ctx context.Context, b Binding, q manifests.Request) (manifests.Catalog, error) {
	get := func() (cat manifests.Catalog, err error) {
		err = d.ask(ctx, b, q, func(t manifests.Transport, ch manifests.Channel) (err error) {
			cat, err = d.State.Catalog(ctx, t, ch, q)
			return err
		})
		return cat, err
	}
	switch {
	case d.Uncached && d.Frozen && b.isNative():
		return d.frozen.of(b.Name).fetch(b, q, get)
	case d.Uncached:
		return get()
	}
	return d.catalogs.of(b.Name).fetch(b, q, get)
}

// ask calls prove with a transport for the documents of b and with its newest keys, and
// caches the documents if they are proved. The servers are asked only for what has changed
// since the documents were cached. If those and the answers are refused together, all of
// it is fetched: the cached ones may be damaged, or the server may be wrong about them.
func (d *Desk) ask(ctx context.Context, b Binding, q manifests.Request, prove func(manifests.Transport, manifests.Channel) error) error {
	if d.Uncached {
		_, err := d.askThrough(ctx, d.Transport, b, q, prove)
		return err
	}
	cached, err := d.State.Cache(false)
	if err != nil {
		return err
	}
	changes := &transport.Revalidating{From: d.Transport, Stored: transport.Replay{Root: cached, Dir: b.cacheDir(q)}}
	newest, err := d.askThrough(ctx, changes, b, q, prove)
	if changes.Reused() && isRefused(err) {
		if _, again := d.askThrough(ctx, d.Transport, newest, q, prove); again == nil || isRefused(again) {
			return again
		}
	}
	return err
}

// isRefused reports whether err refuses documents that were fetched.
func isRefused(err error) bool {
	return errors.Is(err, verify.ErrUntrusted) || errors.Is(err, verify.ErrStale)
}

// askThrough is ask by way of t. It returns b with its newest keys.
func (d *Desk) askThrough(ctx context.Context, from manifests.Transport, b Binding, q manifests.Request, prove func(manifests.Transport, manifests.Channel) error) (Binding, error) {
	t, keep, err := d.documents(from, b, q)
	if err != nil {
		return b, err
	}
	b, err = d.rekey(ctx, t, b)
	if err != nil {
		return b, err
	}
	if err := prove(t, b.Channel); err != nil {
		return b, b.Explain(err)
	}
	return b, keep()
}

// Cached proves a catalog again from the cached documents, without the network. Without
// any, the error matches manifests.ErrOffline.
func (d *Desk) Cached(ctx context.Context, b Binding, q manifests.Request) (manifests.Catalog, error) {
	return d.catalogs.of(b.Name).cached(b, q, func() (manifests.Catalog, error) {
		t, err := d.replay(b, q)
		if err != nil {
			return nil, err
		}
		return d.State.Catalog(ctx, t, b.Channel, q)
	})
}

// versions lists the versions of a tool that b offers. A source that verifies one
// label at a time is asked for the label of ref, or for each; a label without a
// release is left out.
func (d *Desk) versions(ctx context.Context, b Binding, ref Ref) (list []manifests.Version, err error) {
	names := []string{""}
	if named, ok := b.Source.(manifests.Named); ok && len(named.Names()) > 0 {
		names = named.Names()
		if ref.Version != "" {
			names = []string{ref.Version}
		}
	}
	for _, name := range names {
		q := d.Request(Ref{Name: ref.Name, Version: name})
		q.List = len(names) == 1
		cat, err := d.Fetch(ctx, b, q)
		if q.List && errors.Is(err, manifests.ErrOffline) { // never listed, but perhaps installed
			q.List = false
			cat, err = d.Fetch(ctx, b, q)
		}
		if _, unknown := errors.AsType[*manifests.UnknownVersionError](err); unknown && len(names) > 1 {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, cat.Versions(ref.Name)...)
	}
	return list, nil
}

// documents returns a transport for the documents that prove a channel, which asks from,
// and keep, which caches what came through it. Offline, the transport reads the cache.
func (d *Desk) documents(from manifests.Transport, b Binding, q manifests.Request) (t manifests.Transport, keep func() error, err error) {
	nothing := func() error { return nil }
	if d.Offline {
		t, err := d.replay(b, q)
		return transport.Fallback{From: from, Then: t}, nothing, err
	}
	if d.DryRun || d.Uncached {
		return from, nothing, nil
	}
	recorder := &transport.Recorder{From: from}
	if b.indices != nil {
		recorder.Skip = debian.IsIndex
	}
	return recorder, func() error {
		cache, err := d.State.CacheForDocuments()
		if err != nil {
			return err
		}
		if err := recorder.Save(cache, b.cacheDir(q)); err != nil || b.indices == nil {
			return err
		}
		return b.indices.Sweep()
	}, nil
}

// cachedIndices returns the cache of the package indices of one distribution's channel,
// and the excerpts of them. They are large, and only fetched again when they change.
func (d *Desk) cachedIndices(channel string) *transport.Pool {
	return &transport.Pool{
		Dir: path.Join(manifests.DocumentsDir, channel+"~indices"), ReadOnly: d.DryRun,
		Open: func(create bool) (*os.Root, error) {
			if create {
				return d.State.CacheForDocuments()
			}
			return d.State.Cache(false)
		},
		Failed: func(err error) {
			d.Warn(fmt.Sprintf("could not cache a package index, so it will be fetched again: %v", err))
		},
	}
}

// indexCache returns the cache of indices for the source of a distribution, and nil if
// there is none.
func (d *Desk) indexCache(pool *transport.Pool) debian.Cache {
	if d.Uncached {
		return d.Indices
	}
	return pool
}

// replay returns a transport that reads the cached documents of b; without a cache,
// every request fails as offline.
func (d *Desk) replay(b Binding, q manifests.Request) (manifests.Transport, error) {
	if d.Uncached {
		return transport.Offline(nil), nil
	}
	cache, err := d.State.Cache(false)
	if err != nil {
		return nil, err
	}
	if cache == nil {
		return transport.Offline(nil), nil
	}
	return transport.Replay{Root: cache, Dir: b.cacheDir(q)}, nil
}

// cacheDir returns the directory for the documents that proved the answer to q. The
// manifest of a native channel answers every request, as do the suites of a
// distribution; upstreams prove one version.
func (b Binding) cacheDir(q manifests.Request) string {
	if b.isNative() || b.indices != nil {
		return path.Join(manifests.DocumentsDir, b.Name)
	}
	if q.List { // a list proves nothing, so it must not replace what does
		return path.Join(manifests.DocumentsDir, b.Name+"~"+q.Tool+"~list")
	}
	version, _ := manifests.ExactVersion(q.Version)
	if q.Below != "" { // one request may be answered below several versions
		version += "~below~" + q.Below
	}
	return path.Join(manifests.DocumentsDir, b.Name+"~"+q.Tool+"@"+manifests.EscapeVersion(version))
}

// HasDocuments reports whether any document of a channel is cached.
func (d *Desk) HasDocuments(channel string) bool {
	cache, err := d.State.Cache(false)
	if cache == nil || err != nil {
		return false
	}
	entries, _ := fs.ReadDir(cache.FS(), manifests.DocumentsDir)
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return e.Name() == channel || strings.HasPrefix(e.Name(), channel+"~")
	})
}
