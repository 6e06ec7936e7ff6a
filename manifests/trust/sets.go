package trust

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
)

// A SetRef is SET of the command line: channel/@name.
type SetRef struct{ Channel, Name string }

// ParseSetRef parses SET. ok is false if s names no set: then it may be a TOOL, or a path
// such as ./a/@b. Errors match manifests.ErrInput.
func ParseSetRef(s string) (r SetRef, ok bool, err error) {
	channel, name, ok := strings.Cut(s, "@")
	channel, named := strings.CutSuffix(channel, "/")
	switch {
	case !ok || channel != "" && !named || channel == "" && named || strings.ContainsAny(channel, `/\`) || strings.HasPrefix(channel, "."):
		return SetRef{}, false, nil
	case channel == "":
		return SetRef{}, true, manifests.Invalid("%q names no channel; a set is CHANNEL/@NAME", s)
	}
	if err := manifests.ValidName(channel); err != nil {
		return SetRef{}, true, manifests.Invalid("%q is not a set: channel %v", s, err)
	}
	if err := manifests.ValidName(name); err != nil {
		return SetRef{}, true, manifests.Invalid("%q is not a set: name %v", s, err)
	}
	return SetRef{channel, name}, true, nil
}

func (r SetRef) String() string { return r.Channel + "/@" + r.Name }

// A SetChannelError reports that a set names a tool of a channel that the user has not
// added. A set never adds one.
type SetChannelError struct {
	Set     SetRef
	Tool    string // channel/tool
	Channel string
}

func (e *SetChannelError) Error() string {
	return fmt.Sprintf("set %s names %s, and no channel %q was added", e.Set, e.Tool, e.Channel)
}
func (*SetChannelError) Kind() string { return "unknown" }

// Set fetches and proves the manifest of a channel, and returns its set. Each channel that
// the set names must be built in or added, and allowed by the policy files: a set adds no
// channel and grants no tools. Errors include *manifests.UnknownSetError, *SetChannelError
// and those of Named and Fetch.
func (d *Desk) Set(ctx context.Context, ref SetRef) (manifests.Set, error) {
	b, err := d.Named(ctx, ref.Channel)
	if err != nil {
		return manifests.Set{}, err
	}
	if !b.isNative() {
		return manifests.Set{}, &manifests.UnknownSetError{Channel: ref.Channel, Set: ref.Name}
	}
	cat, err := d.Fetch(ctx, b, d.Request(Ref{}))
	if err != nil {
		return manifests.Set{}, err
	}
	var names []string
	for _, s := range setsOf(cat) {
		if s.Name == ref.Name {
			return s, d.checkChannels(ctx, ref, s)
		}
		names = append(names, s.Name)
	}
	return manifests.Set{}, &manifests.UnknownSetError{Channel: ref.Channel, Set: ref.Name, Near: manifests.Near(ref.Name, names)}
}

// checkChannels returns an error unless the user trusts every channel that s names.
func (d *Desk) checkChannels(ctx context.Context, ref SetRef, s manifests.Set) error {
	known := map[string]bool{}
	for _, t := range s.Tools {
		if known[t.Channel] {
			continue
		}
		known[t.Channel] = true
		_, err := d.Named(ctx, t.Channel)
		if _, unknown := errors.AsType[*channels.UnknownChannelError](err); unknown {
			return &SetChannelError{Set: ref, Tool: t.Channel + "/" + t.Tool, Channel: t.Channel}
		}
		if err != nil {
			return fmt.Errorf("set %s names %s: %w", ref, t.Ref(), err)
		}
	}
	return nil
}

// setsOf returns the sets of a catalog.
func setsOf(cat manifests.Catalog) []manifests.Set {
	if c, ok := cat.(manifests.SetCatalog); ok {
		return c.Sets()
	}
	return nil
}

// SetsOf returns the sets in the cached manifest of an added channel.
func (d *Desk) SetsOf(ctx context.Context, c channels.Channel) []manifests.Set {
	if c.Format != "native" || !d.HasDocuments(c.Name) {
		return nil
	}
	b, err := d.Bind(c)
	if err != nil {
		return nil
	}
	cat, err := d.Cached(ctx, b, d.Request(Ref{}))
	if err != nil {
		return nil
	}
	return setsOf(cat)
}

// setOffers lists the sets of an added channel as offers, whose tool is "@" and the name of
// the set.
func (d *Desk) setOffers(ctx context.Context, c channels.Channel) (list []Offer) {
	for _, s := range d.SetsOf(ctx, c) {
		var tools []string
		for _, t := range s.Tools {
			tools = append(tools, t.Ref())
		}
		list = append(list, Offer{Tool: "@" + s.Name, Channel: c.Name, About: "a set: " + strings.Join(tools, ", ")})
	}
	return list
}
