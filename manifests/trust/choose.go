package trust

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/system"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

// A Binding is a channel, bound to this machine and ready to be asked.
type Binding struct {
	manifests.Channel
	Settings *channels.Channel // of a channel that the user added, or of kist's own; nil for another built-in one
	Keys     *verify.Keyring   // with Settings: the keys before the rules limit them
	tool     string            // of a built-in channel; "" for a distribution
	indices  *transport.Pool   // of a distribution
	bare     bool              // it was found by a bare tool name
}

// Explain returns err, which b returned for a tool, as it is printed. If a bare name was
// asked for, an unknown tool means that no channel has it, not just this one.
func (b Binding) Explain(err error) error {
	e, ok := errors.AsType[*manifests.UnknownToolError](err)
	if !ok || !b.bare {
		return err
	}
	var near []string
	for _, name := range e.Near {
		near = append(near, b.Name+"/"+name)
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

// List returns the channels that the user added. It leaves out those with damaged
// settings, and returns a *channels.SettingsError with the others.
func (d *Desk) List() ([]channels.Channel, error) {
	st, err := d.store()
	if err != nil {
		return nil, err
	}
	list, err := st.List()
	return slices.DeleteFunc(list, func(c channels.Channel) bool { return c.Name == upstreams.OwnChannel }), err
}

// listChannels is List with a warning about damaged settings.
func (d *Desk) listChannels() ([]channels.Channel, error) {
	list, err := d.List()
	if list != nil && err != nil {
		d.Warn(err.Error())
		err = nil
	}
	return list, err
}

// Added returns the settings of the channel called name that the user added. Its errors
// include *BuiltinError and *channels.UnknownChannelError.
func (d *Desk) Added(name string) (channels.Channel, error) {
	if IsBuiltinChannel(name) {
		return channels.Channel{}, &BuiltinError{name}
	}
	if err := manifests.ValidName(name); err != nil {
		return channels.Channel{}, manifests.Invalid("channel: name %v", err)
	}
	st, err := d.store()
	if err != nil {
		return channels.Channel{}, err
	}
	return st.Get(name)
}

// Bind binds c, which the user added, to its stored keys.
func (d *Desk) Bind(c channels.Channel) (Binding, error) {
	st, err := d.store()
	if err != nil {
		return Binding{}, err
	}
	ring, err := st.Keyring(c)
	if err != nil {
		return Binding{}, err
	}
	return d.bind(c, ring)
}

// candidates returns the channels that may answer ref: the named one, else the built-in
// one of that tool, else every added channel that was granted the tool.
func (d *Desk) candidates(ctx context.Context, ref Ref) ([]Binding, error) {
	if ref.isOwn() {
		return nil, &OwnToolError{}
	}
	if ref.Channel == system.Channel {
		return nil, &SystemError{ref.Name}
	}
	if ref.Channel != "" {
		b, err := d.Named(ctx, ref.Channel)
		return []Binding{b}, err
	}
	if name, ok := BuiltinChannel(ref.Name); ok {
		b, err := d.bindBuiltin(ctx, name, nil)
		return []Binding{b}, err
	}
	added, err := d.listChannels()
	if err != nil {
		return nil, err
	}
	var list []Binding
	for _, c := range added {
		if c.Grants(ref.Name, IsBuiltin) {
			b, err := d.Bind(c)
			if err != nil {
				return nil, err
			}
			b.bare = true
			list = append(list, b)
		}
	}
	if len(list) == 0 {
		return nil, unknownEverywhere(ref.Name)
	}
	return list, nil
}

// Named returns the built-in or added channel called name.
func (d *Desk) Named(ctx context.Context, name string) (Binding, error) {
	if name == upstreams.OwnChannel {
		return d.Own()
	}
	if IsBuiltinChannel(name) {
		return d.bindBuiltin(ctx, name, nil)
	}
	c, err := d.Added(name)
	if unknown, ok := errors.AsType[*channels.UnknownChannelError](err); ok && len(unknown.Near) == 0 {
		unknown.Near = manifests.Near(name, append(upstreams.Names(), upstreams.OwnChannel))
	}
	if err != nil {
		return Binding{}, err
	}
	return d.Bind(c)
}

// Pick returns the one channel that offers ref. If several may, it looks in their
// cached catalogs, and fetches new ones only if none of those has the tool. Its errors
// include *SeveralChannelsError and *SystemError.
func (d *Desk) Pick(ctx context.Context, ref Ref) (Binding, error) {
	list, err := d.candidates(ctx, ref)
	if err != nil {
		return Binding{}, err
	}
	if len(list) == 1 {
		return list[0], nil
	}
	offering := d.offering(ctx, list, ref, d.Cached)
	if len(offering) == 0 && !d.CacheOnly {
		offering = d.offering(ctx, list, ref, d.Fetch)
	}
	switch len(offering) {
	case 0:
		return Binding{}, unknownEverywhere(ref.Name)
	case 1:
		return offering[0], nil
	}
	e := &SeveralChannelsError{Tool: ref.Name}
	for _, b := range offering {
		e.Channels = append(e.Channels, b.Name)
	}
	return Binding{}, e
}

// offering returns the channels of list whose catalog has the tool. It leaves out a
// channel whose catalog it cannot get, with a warning unless the reason is --offline.
func (d *Desk) offering(ctx context.Context, list []Binding, ref Ref,
	catalog func(context.Context, Binding, manifests.Request) (manifests.Catalog, error)) (offering []Binding) {
	for _, b := range list {
		cat, err := catalog(ctx, b, d.Request(ref))
		if err != nil {
			if !errors.Is(err, manifests.ErrOffline) {
				d.Warn(fmt.Sprintf("channel %s is left out: %v", b.Name, err))
			}
			continue
		}
		if len(cat.Versions(ref.Name)) > 0 {
			offering = append(offering, b)
		}
	}
	return offering
}

// Request returns the request that asks a channel for ref on this machine.
func (d *Desk) Request(ref Ref) manifests.Request {
	return manifests.Request{Tool: ref.Name, Version: ref.Version, Platform: d.Platform, Distro: d.Distro(), Glibc: d.Glibc()}
}
