package main

import (
	"context"
	"errors"
	"path"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/system"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

// An origin is a channel, bound to this machine and ready to be asked.
type origin struct {
	install.Channel
	added   *channels.Channel // the user's channel; nil for a built-in one
	keys    *verify.Keyring   // of an added channel
	tool    string            // of a built-in channel; "" for a distribution
	indices *indices          // of a distribution
	bare    bool              // it was found by a bare tool name
}

// unknown returns err as it is printed. If a bare name was asked for, an unknown tool
// means that no channel has it, not just this one.
func (o origin) unknown(err error) error {
	e, ok := errors.AsType[*manifests.UnknownToolError](err)
	if !ok || !o.bare {
		return err
	}
	var near []string
	for _, name := range e.Near {
		near = append(near, o.Name+"/"+name)
	}
	everywhere := unknownEverywhere(e.Tool)
	everywhere.Near = append(near, everywhere.Near...)
	return everywhere
}

// unknownEverywhere returns the error for a bare tool name that no channel offers.
func unknownEverywhere(tool string) *manifests.UnknownToolError {
	e := &manifests.UnknownToolError{Tool: tool}
	if _, alias := upstreams.Alias(tool); !alias && len(upstreams.Distros(tool)) == 0 {
		e.Near = upstreams.Near(tool)
	}
	return e
}

// documents is the directory of cached proved manifests, below the cache directory.
const documents = "documents"

// cacheDir returns the directory for the documents that proved the answer to q. The
// manifest of a native channel answers every request, as do the suites of a
// distribution; upstreams prove one version.
func (o origin) cacheDir(q manifests.Request) string {
	if o.added != nil && o.added.Format == "native" || o.indices != nil {
		return path.Join(documents, o.Name)
	}
	if q.List { // a list proves nothing, so it must not replace what does
		return path.Join(documents, o.Name+"~"+q.Tool+"~list")
	}
	version, _ := manifests.ExactVersion(q.Version)
	return path.Join(documents, o.Name+"~"+q.Tool+"@"+record.EscapeVersion(version))
}

// store returns the store of the user's channels; ok is false if it does not exist.
func (s *session) store() (st channels.Store, ok bool, err error) {
	root, err := s.Config(false)
	return channels.Store{Root: root}, root != nil, err
}

// channels returns the channels that the user added. It warns about a channel with
// damaged settings, and leaves it out.
func (a *app) channels(s *session) ([]channels.Channel, error) {
	st, ok, err := s.store()
	if !ok || err != nil {
		return nil, err
	}
	list, err := st.List()
	if list == nil && err != nil {
		return nil, err
	}
	if err != nil {
		a.warn("%v", err)
	}
	return list, nil
}

// addedOrigin binds c to its stored keys.
func (a *app) addedOrigin(s *session, c channels.Channel) (origin, error) {
	st, ok, err := s.store()
	if err != nil {
		return origin{}, err
	}
	if !ok {
		return origin{}, &channels.UnknownChannelError{Name: c.Name}
	}
	ring, err := st.Keyring(c)
	if err != nil {
		return origin{}, err
	}
	return a.bind(s, c, ring)
}

// nativeOrigin binds a native channel to the keys in ring.
func nativeOrigin(c channels.Channel, ring *verify.Keyring) origin {
	_, threshold := c.Trusted()
	provided := upstreams.Provided() // once: a manifest may hold 70,000 releases
	builtin := func(tool string) bool {
		_, ok := provided[tool]
		return ok
	}
	source := native.Source{
		Channel: c.Name, URL: c.URL,
		Policy:  verify.Policy{Keys: ring, Threshold: threshold},
		Edition: edition(c.Rotation),
		Granted: func(tool string) bool { return c.Grants(tool, builtin) },
	}
	return origin{Channel: install.Channel{Name: c.Name, Source: source, Added: true}, added: &c, keys: ring}
}

// origins returns the channels that may answer ref: the named one, else the built-in
// one of that tool, else every added channel that was granted the tool.
func (a *app) origins(ctx context.Context, s *session, ref toolRef) ([]origin, error) {
	if ref.Channel == system.Channel {
		return nil, &systemChannelError{ref.Name}
	}
	if ref.Channel != "" {
		o, err := a.namedOrigin(ctx, s, ref.Channel)
		return []origin{o}, err
	}
	if name, ok := builtinChannel(ref.Name); ok {
		o, err := a.builtinOrigin(ctx, s, name, nil)
		return []origin{o}, err
	}
	added, err := a.channels(s)
	if err != nil {
		return nil, err
	}
	var list []origin
	for _, c := range added {
		if c.Grants(ref.Name, isBuiltin) {
			o, err := a.addedOrigin(s, c)
			if err != nil {
				return nil, err
			}
			o.bare = true
			list = append(list, o)
		}
	}
	if len(list) == 0 {
		return nil, unknownEverywhere(ref.Name)
	}
	return list, nil
}

// namedOrigin returns the built-in or added channel called name.
func (a *app) namedOrigin(ctx context.Context, s *session, name string) (origin, error) {
	if isBuiltinChannel(name) {
		return a.builtinOrigin(ctx, s, name, nil)
	}
	st, ok, err := s.store()
	if err != nil {
		return origin{}, err
	}
	if !ok {
		return origin{}, &channels.UnknownChannelError{Name: name, Near: manifests.Near(name, upstreams.Names())}
	}
	c, err := st.Get(name)
	if err != nil {
		return origin{}, err
	}
	return a.addedOrigin(s, c)
}

// pick returns the one channel that offers ref. If several may, it looks in their
// cached catalogs, and fetches new ones only if none of those has the tool.
func (a *app) pick(ctx context.Context, s *session, ref toolRef) (origin, error) {
	list, err := a.origins(ctx, s, ref)
	if err != nil {
		return origin{}, err
	}
	if len(list) == 1 {
		return list[0], nil
	}
	offering := a.offering(ctx, s, list, ref, a.cached)
	if len(offering) == 0 && !a.verb.local {
		offering = a.offering(ctx, s, list, ref, a.fetch)
	}
	switch len(offering) {
	case 0:
		return origin{}, unknownEverywhere(ref.Name)
	case 1:
		return offering[0], nil
	}
	e := &severalChannelsError{Tool: ref.Name}
	for _, o := range offering {
		e.Channels = append(e.Channels, o.Name)
	}
	return origin{}, e
}

// A catalogFunc returns the catalog of a channel, cached or fetched.
type catalogFunc func(context.Context, *session, origin, manifests.Request) (manifests.Catalog, error)

// offering returns the channels of list whose catalog has the tool. It leaves out a
// channel whose catalog it cannot get, with a warning unless the reason is --offline.
func (a *app) offering(ctx context.Context, s *session, list []origin, ref toolRef, catalog catalogFunc) (offering []origin) {
	for _, o := range list {
		cat, err := catalog(ctx, s, o, a.request(ref))
		if err != nil {
			if !errors.Is(err, manifests.ErrOffline) {
				a.warn("channel %s is left out: %v", o.Name, err)
			}
			continue
		}
		if len(cat.Versions(ref.Name)) > 0 {
			offering = append(offering, o)
		}
	}
	return offering
}

// request returns the request that asks a channel for ref on this machine.
func (a *app) request(ref toolRef) manifests.Request {
	return manifests.Request{Tool: ref.Name, Version: ref.Version, Platform: a.Platform, Distro: a.Distro(), Glibc: a.Glibc()}
}

// fetch downloads and proves a catalog, and caches the documents that proved it.
func (a *app) fetch(ctx context.Context, s *session, o origin, q manifests.Request) (manifests.Catalog, error) {
	t, keep, err := a.documents(s, o, q)
	if err != nil {
		return nil, err
	}
	asked := o
	if o, err = a.rotated(ctx, s, t, o); err != nil {
		return nil, err
	}
	cat, err := s.Catalog(ctx, t, o.Channel, q)
	if err != nil {
		return nil, asked.unknown(err)
	}
	return cat, keep()
}

// resolve is like fetch, but returns the release that answers q.
func (a *app) resolve(ctx context.Context, s *session, o origin, q manifests.Request) (manifests.Release, error) {
	t, keep, err := a.documents(s, o, q)
	if err != nil {
		return manifests.Release{}, err
	}
	asked := o
	if o, err = a.rotated(ctx, s, t, o); err != nil {
		return manifests.Release{}, err
	}
	r, err := s.Resolve(ctx, t, o.Channel, q)
	if err != nil {
		return r, asked.unknown(err)
	}
	return r, keep()
}

// cached proves a catalog again from the cached documents, without the network.
func (a *app) cached(ctx context.Context, s *session, o origin, q manifests.Request) (manifests.Catalog, error) {
	t, err := s.replay(o, q)
	if err != nil {
		return nil, err
	}
	return s.Catalog(ctx, t, o.Channel, q)
}

// documents returns a transport for the documents that prove a channel, and keep,
// which caches what came through it. Offline, the transport reads the cache.
func (a *app) documents(s *session, o origin, q manifests.Request) (t manifests.Transport, keep func() error, err error) {
	nothing := func() error { return nil }
	if a.flags.offline {
		t, err := s.replay(o, q)
		return transport.Mux{"https": t, "http": t, "file": a.Transport}, nothing, err
	}
	if a.flags.dryRun {
		return a.Transport, nothing, nil
	}
	recorder := &transport.Recorder{From: a.Transport}
	if o.indices != nil {
		recorder.Skip = debian.IsIndex
	}
	return recorder, func() error { return s.keep(recorder, o, q) }, nil
}

// keep caches the documents that r recorded.
func (s *session) keep(r *transport.Recorder, o origin, q manifests.Request) error {
	cache, err := s.CacheForDocuments()
	if err != nil {
		return err
	}
	if err := r.Save(cache, o.cacheDir(q)); err != nil || o.indices == nil {
		return err
	}
	return o.indices.sweep()
}

// replay returns a transport that reads the cached documents of o; without a cache,
// every request fails as offline.
func (s *session) replay(o origin, q manifests.Request) (manifests.Transport, error) {
	cache, err := s.Cache(false)
	if err != nil {
		return nil, err
	}
	if cache == nil {
		return transport.Offline{}, nil
	}
	return transport.Replay{Root: cache, Dir: o.cacheDir(q)}, nil
}
