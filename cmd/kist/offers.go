package main

import (
	"context"
	"io/fs"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/upstreams"
)

// This file lists what channels offer without network access: from the built-in
// table, the installed releases, and the cached catalogs.

// An offer is a tool that one channel offers.
type offer struct {
	Tool    string `json:"tool"`
	Channel string `json:"channel"`
	Version string `json:"version,omitempty"` // the newest known without network access
	About   string `json:"about,omitempty"`
}

// offers lists every tool of every channel, by name; those of built-in channels
// come before others of the same name, those of distributions after them.
func (a *app) offers(ctx context.Context, s *session) ([]offer, error) {
	known := s.cachedChannels()
	var list []offer
	for _, name := range upstreams.Names() {
		u, _ := upstreams.Lookup(name)
		for _, tool := range u.Tools() {
			version := ""
			if !isDistro(u) && known.of(name) { // cached indices of distributions take seconds to read
				version = newestOf(a.cachedVersions(ctx, s, toolRef{Channel: name, Name: tool}))
			}
			list = append(list, offer{tool, name, version, upstreams.About(tool)})
		}
	}
	added, err := a.channels(s)
	if err != nil {
		return nil, err
	}
	for _, c := range added {
		list = append(list, a.offersOf(ctx, s, c, known)...)
	}
	rank := func(o offer) int {
		u, builtin := upstreams.Lookup(o.Channel)
		switch {
		case !builtin:
			return 1
		case isDistro(u):
			return 2
		}
		return 0
	}
	slices.SortStableFunc(list, func(a, b offer) int {
		if a.Tool != b.Tool {
			return strings.Compare(a.Tool, b.Tool)
		}
		return rank(a) - rank(b)
	})
	return list, nil
}

// offersOf lists the tools of an added channel: those of its cached catalog, else
// those that it was granted by name.
func (a *app) offersOf(ctx context.Context, s *session, c channels.Channel, known cachedChannels) (list []offer) {
	versions := map[string][]manifests.Version{}
	for _, v := range a.cachedCatalog(ctx, s, c, known) {
		versions[v.Tool] = append(versions[v.Tool], v)
	}
	for tool, all := range versions {
		list = append(list, offer{tool, c.Name, newestOf(all), upstreams.About(tool)})
	}
	for _, tool := range c.Tools {
		if manifests.ValidName(tool) == nil && !slices.ContainsFunc(list, func(o offer) bool { return o.Tool == tool }) {
			version := newestOf(a.cachedVersions(ctx, s, toolRef{Channel: c.Name, Name: tool}))
			list = append(list, offer{tool, c.Name, version, upstreams.About(tool)})
		}
	}
	return list
}

// cachedCatalog lists the versions in the cached catalog of an added channel, newest
// first. It is nil if nothing is cached, or the cached documents no longer verify.
func (a *app) cachedCatalog(ctx context.Context, s *session, c channels.Channel, known cachedChannels) []manifests.Version {
	if !known.of(c.Name) {
		return nil
	}
	o, err := a.addedOrigin(s, c)
	if err != nil {
		return nil
	}
	cat, err := a.cached(ctx, s, o, a.request(toolRef{}))
	if err != nil {
		return nil
	}
	return cat.Versions("")
}

// nearIn returns the tools in the cached catalog of o whose names are similar to name.
func (a *app) nearIn(ctx context.Context, s *session, o origin, name string) []string {
	cat, err := a.cached(ctx, s, o, a.request(toolRef{}))
	if err != nil {
		return nil
	}
	var tools []string
	for _, v := range cat.Versions("") {
		tools = append(tools, v.Tool)
	}
	return manifests.Near(name, slices.Compact(tools))
}

// cachedVersions lists the versions of ref in cached documents, newest first.
func (a *app) cachedVersions(ctx context.Context, s *session, ref toolRef) []manifests.Version {
	known := s.cachedChannels()
	name, builtin := builtinChannel(ref.Name)
	if ref.Channel != "" {
		name = ref.Channel
	} else if !builtin {
		name = ""
	}
	if name != "" && !known.of(name) {
		return nil
	}
	list, err := a.origins(ctx, s, toolRef{Channel: name, Name: ref.Name})
	if err != nil {
		return nil
	}
	for _, o := range list {
		q := a.request(toolRef{Name: ref.Name})
		for _, q.List = range []bool{true, false} {
			if cat, err := a.cached(ctx, s, o, q); err == nil {
				if versions := cat.Versions(ref.Name); len(versions) > 0 {
					return versions
				}
			}
		}
	}
	return nil
}

// newestOf returns the version in list that a bare name means, or "" if there is none.
func newestOf(list []manifests.Version) string {
	for _, v := range list {
		if slices.Contains(v.Labels, "stable") {
			return v.Version
		}
	}
	versions := make([]string, len(list))
	for i, v := range list {
		versions[i] = v.Version
	}
	if i := manifests.NewestRelease(versions); i >= 0 {
		return versions[i]
	}
	return ""
}

// cachedChannels are the names of the directories of cached documents; see
// origin.cacheDir.
type cachedChannels []string

func (s *session) cachedChannels() (names cachedChannels) {
	cache, err := s.Cache(false)
	if cache == nil || err != nil {
		return nil
	}
	entries, err := fs.ReadDir(cache.FS(), documents)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// of reports whether any document of a channel is cached.
func (c cachedChannels) of(channel string) bool {
	return slices.ContainsFunc(c, func(dir string) bool { return dir == channel || strings.HasPrefix(dir, channel+"~") })
}

// peek calls read with the installed releases, without waiting for other kist
// processes. It does nothing if they cannot be read.
func (a *app) peek(read func(s *session, installed []record.Head)) {
	a.LockWait = 0
	s, err := a.open(context.Background())
	if err != nil {
		return
	}
	defer s.Close()
	read(s, s.state.Installed())
}
