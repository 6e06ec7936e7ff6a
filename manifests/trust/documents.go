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
)

// Fetch downloads and proves a catalog, and caches the documents that proved it.
func (d *Desk) Fetch(ctx context.Context, b Binding, q manifests.Request) (cat manifests.Catalog, err error) {
	err = d.ask(ctx, b, q, func(t manifests.Transport, ch manifests.Channel) (err error) {
		cat, err = d.State.Catalog(ctx, t, ch, q)
		return err
	})
	return cat, err
}

// Resolve is like Fetch, but returns the release that answers q.
func (d *Desk) Resolve(ctx context.Context, b Binding, q manifests.Request) (r manifests.Release, err error) {
	err = d.ask(ctx, b, q, func(t manifests.Transport, ch manifests.Channel) (err error) {
		r, err = d.State.Resolve(ctx, t, ch, q)
		return err
	})
	return r, err
}

// ask calls prove with a transport for the documents of b and with its newest keys, and
// caches the documents if they are proved.
func (d *Desk) ask(ctx context.Context, b Binding, q manifests.Request, prove func(manifests.Transport, manifests.Channel) error) error {
	t, keep, err := d.documents(b, q)
	if err != nil {
		return err
	}
	newest, err := d.rekey(ctx, t, b)
	if err != nil {
		return err
	}
	if err := prove(t, newest.Channel); err != nil {
		return b.Explain(err)
	}
	return keep()
}

// Cached proves a catalog again from the cached documents, without the network. Without
// any, the error matches manifests.ErrOffline.
func (d *Desk) Cached(ctx context.Context, b Binding, q manifests.Request) (manifests.Catalog, error) {
	t, err := d.replay(b, q)
	if err != nil {
		return nil, err
	}
	return d.State.Catalog(ctx, t, b.Channel, q)
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

// documents returns a transport for the documents that prove a channel, and keep,
// which caches what came through it. Offline, the transport reads the cache.
func (d *Desk) documents(b Binding, q manifests.Request) (t manifests.Transport, keep func() error, err error) {
	nothing := func() error { return nil }
	if d.Offline {
		t, err := d.replay(b, q)
		return transport.Fallback{From: d.Transport, Then: t}, nothing, err
	}
	if d.DryRun {
		return d.Transport, nothing, nil
	}
	recorder := &transport.Recorder{From: d.Transport}
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

// replay returns a transport that reads the cached documents of b; without a cache,
// every request fails as offline.
func (d *Desk) replay(b Binding, q manifests.Request) (manifests.Transport, error) {
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
	if b.Settings != nil && b.Settings.Format == "native" || b.indices != nil {
		return path.Join(manifests.DocumentsDir, b.Name)
	}
	if q.List { // a list proves nothing, so it must not replace what does
		return path.Join(manifests.DocumentsDir, b.Name+"~"+q.Tool+"~list")
	}
	version, _ := manifests.ExactVersion(q.Version)
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
