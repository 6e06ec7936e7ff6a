package trust

import (
	"context"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/upstreams"
)

// This file lists what channels offer without network access: from the built-in table
// and the cached catalogs. What cannot be read is left out.

// An Offer is a tool or a set that one channel offers.
type Offer struct {
	Tool    string `json:"tool"` // of a set: "@" and its name
	Channel string `json:"channel"`
	Version string `json:"version,omitempty"` // the newest known without network access
	About   string `json:"about,omitempty"`
}

// offers lists every tool and every set of every channel, by name; those of built-in
// channels come before others of the same name, those of distributions after them.
func (d *Desk) offers(ctx context.Context) ([]Offer, error) {
	var builtin, distros []Offer
	for _, name := range upstreams.Names() {
		u, _ := upstreams.Lookup(name)
		for _, tool := range u.Tools() {
			if u.IsDistro() { // its cached indices take seconds to read
				distros = append(distros, Offer{tool, name, "", upstreams.About(tool)})
				continue
			}
			builtin = append(builtin, Offer{tool, name, newestOf(d.CachedVersions(ctx, Ref{Channel: name, Name: tool})), upstreams.About(tool)})
		}
	}
	added, err := d.listChannels()
	if err != nil {
		return nil, err
	}
	list := builtin
	for _, c := range added {
		list = append(append(list, d.OffersOf(ctx, c)...), d.setOffers(ctx, c)...)
	}
	list = append(list, distros...)
	slices.SortStableFunc(list, func(a, b Offer) int { return strings.Compare(a.Tool, b.Tool) })
	return list, nil
}

// OffersOf lists the tools of an added channel: those of its cached catalog, else
// those that it was granted by name.
func (d *Desk) OffersOf(ctx context.Context, c channels.Channel) (list []Offer) {
	versions := map[string][]manifests.Version{}
	if b, err := d.Bind(c); err == nil && d.HasDocuments(c.Name) {
		for _, v := range d.cachedList(ctx, b, d.Request(Ref{})) {
			versions[v.Tool] = append(versions[v.Tool], v)
		}
	}
	for tool, all := range versions {
		list = append(list, Offer{tool, c.Name, newestOf(all), upstreams.About(tool)})
	}
	for _, tool := range c.Tools {
		if manifests.ValidName(tool) == nil && versions[tool] == nil {
			version := newestOf(d.CachedVersions(ctx, Ref{Channel: c.Name, Name: tool}))
			list = append(list, Offer{tool, c.Name, version, upstreams.About(tool)})
		}
	}
	return list
}

// ToolsOf returns the names of the tools that one channel offers.
func (d *Desk) ToolsOf(ctx context.Context, channel string) (tools []string) {
	if u, ok := upstreams.Lookup(channel); ok {
		return u.Tools()
	}
	if c, err := d.Added(channel); err == nil {
		for _, o := range d.OffersOf(ctx, c) {
			tools = append(tools, o.Tool)
		}
	}
	return tools
}

// near returns the tools in the cached catalog of b whose names are similar to name.
func (d *Desk) near(ctx context.Context, b Binding, name string) []string {
	var tools []string
	for _, v := range d.cachedList(ctx, b, d.Request(Ref{})) {
		tools = append(tools, v.Tool)
	}
	return manifests.Near(name, slices.Compact(tools))
}

// CachedVersions lists the versions of ref in cached documents, newest first.
func (d *Desk) CachedVersions(ctx context.Context, ref Ref) []manifests.Version {
	name := ref.Channel
	if name == "" {
		name, _ = BuiltinChannel(ref.Name)
	}
	if name != "" && !d.HasDocuments(name) {
		return nil
	}
	list, err := d.candidates(ctx, Ref{Channel: name, Name: ref.Name})
	if err != nil {
		return nil
	}
	for _, b := range list {
		q := d.Request(Ref{Name: ref.Name})
		for _, q.List = range []bool{true, false} {
			if versions := d.cachedList(ctx, b, q); len(versions) > 0 {
				return versions
			}
		}
	}
	return nil
}

// cachedList lists the versions in a cached catalog of b that answer q, newest first. It
// is nil if nothing is cached, or the cached documents no longer verify.
func (d *Desk) cachedList(ctx context.Context, b Binding, q manifests.Request) []manifests.Version {
	cat, err := d.Cached(ctx, b, q)
	if err != nil {
		return nil
	}
	return cat.Versions(q.Tool)
}

// newestOf returns the version in list that a bare name means, or "" if there is none.
func newestOf(list []manifests.Version) string {
	for _, v := range list {
		if slices.Contains(v.Labels, manifests.Stable) {
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

// Search returns the offers with word in their name or description, in the order of
// offers; never nil.
func (d *Desk) Search(ctx context.Context, word string) ([]Offer, error) {
	all, err := d.offers(ctx)
	if err != nil {
		return nil, err
	}
	word = strings.ToLower(word)
	alias, _ := upstreams.Alias(word)
	found := []Offer{}
	for _, o := range all {
		text := strings.ToLower(o.Channel + "/" + o.Tool + "\n" + o.About)
		if strings.Contains(text, word) || o.Tool == alias {
			found = append(found, o)
		}
	}
	return found, nil
}

// Available returns the channel that offers ref, and its versions that ref means, newest
// first.
func (d *Desk) Available(ctx context.Context, ref Ref) (b Binding, list []manifests.Version, err error) {
	if b, err = d.Pick(ctx, ref); err != nil {
		return b, nil, err
	}
	all, err := d.versions(ctx, b, ref)
	if err != nil {
		return b, nil, err
	}
	var names []string
	for _, v := range all {
		names = append(append(names, v.Version), v.Labels...)
		if ref.Version == "" || manifests.MatchesVersion(ref.Version, v.Version) || slices.Contains(v.Labels, ref.Version) {
			list = append(list, v)
		}
	}
	switch {
	case len(list) > 0:
		return b, list, nil
	case ref.Version != "":
		return b, nil, &manifests.UnknownVersionError{Channel: b.Name, Tool: ref.Name, Version: ref.Version, Near: manifests.NearVersions(ref.Version, names)}
	}
	return b, nil, b.Explain(&manifests.UnknownToolError{Channel: b.Name, Tool: ref.Name, Near: d.near(ctx, b, ref.Name)})
}
