package trust

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/rust"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

// NewChannel completes the settings of a channel to be added, of which the user gave
// name, format, threshold and tools. where is its URL, or a path relative to cwd. keys
// reads the keys that the user named; nil if there are none. NewChannel opens no
// directory of kist's and uses no network. Its errors include manifests.ErrInput, ErrFormat
// and *BuiltinError.
func NewChannel(c channels.Channel, where, cwd string, keys func() (*verify.Keyring, error), now time.Time) (channels.Channel, *verify.Keyring, error) {
	fail := func(err error) (channels.Channel, *verify.Keyring, error) { return c, nil, err }
	if err := manifests.ValidName(c.Name); err != nil {
		return fail(manifests.Invalid("name %v", err))
	}
	if IsBuiltinChannel(c.Name) || IsBuiltin(c.Name) {
		return fail(&BuiltinError{c.Name})
	}
	if err := locate(&c, where, cwd); err != nil {
		if !errors.Is(err, ErrFormat) {
			err = manifests.Invalid("%v", err)
		}
		return fail(err)
	}
	ring, known, err := builtinKeys(c)
	switch {
	case err != nil:
	case keys != nil:
		ring, err = keys()
	case !known:
		err = manifests.Invalid("name the keys that may sign with --key FILE")
	}
	if err != nil {
		return fail(err)
	}
	if err := ring.Distinct(); err != nil {
		return fail(manifests.Invalid("%v", err))
	}
	c.Pins, c.Added = ring.Pins(), now
	if err := c.Validate(); err != nil {
		return fail(manifests.Invalid("%v", err))
	}
	ring, err = verify.NewKeyring(c.Pins, ring.Export()...)
	return c, ring, err
}

// locate checks the format and the tools of a channel to be added, and sets its URL. where
// is what the user typed: a URL, or a path relative to cwd.
func locate(c *channels.Channel, where, cwd string) (err error) {
	if manifests.IsRegistryRef(where) && c.Format != "native" {
		return manifests.Invalid("%s: a registry holds channels of format native only", manifests.Redact(where))
	}
	switch c.Format {
	case "native":
		c.URL, err = manifests.Locate(where, cwd, "channel.toml")
		return err
	case "rust": // where is a manifest, or the directory of the stable one
		if len(c.Tools) == 0 {
			c.Tools = []string{rust.Tool}
		}
		if !c.Grants(rust.Tool, IsBuiltin) {
			return manifests.Invalid("a channel of format rust only offers %s", rust.Tool)
		}
		if c.URL, err = manifests.Locate(where, cwd, ""); err == nil && !rust.IsManifest(path.Base(c.URL)) {
			c.URL, err = manifests.Locate(where, cwd, rust.ManifestName)
		}
		return err
	case "debian": // where is the InRelease file of a suite, or its directory
		if len(c.Tools) == 0 {
			c.Tools = debian.Names()
		}
		if tool, ok := firstOther(c.Tools, debian.Names()); ok {
			return manifests.Invalid("kist makes no tool %q of packages, only %s", tool, strings.Join(debian.Names(), ", "))
		}
		if c.URL, err = manifests.Locate(where, cwd, debian.ReleaseFile); err == nil {
			_, _, err = debian.At(c.URL)
		}
		return err
	}
	if !slices.Contains(upstreams.MirrorFormats(), c.Format) {
		return verify.Errorf(ErrFormat, "channels of format %q cannot be added yet", c.Format)
	}
	known := upstreams.MirrorTools(c.Format)
	if len(c.Tools) == 0 {
		return manifests.Invalid("use --tools to name the upstream tool that it mirrors: %s", strings.Join(known, ", "))
	}
	if tool, ok := firstOther(c.Tools, known); ok {
		return manifests.Invalid("no upstream of format %s has a tool %q, only %s", c.Format, tool, strings.Join(known, ", "))
	}
	if c.URL, err = manifests.Locate(where, cwd, ""); err == nil && !strings.HasSuffix(c.URL, "/") {
		c.URL += "/"
	}
	return err
}

// firstOther returns the first of tools that is not known.
func firstOther(tools, known []string) (tool string, ok bool) {
	i := slices.IndexFunc(tools, func(t string) bool { return !slices.Contains(known, t) })
	if i < 0 {
		return "", false
	}
	return tools[i], true
}

// builtinKeys returns kist's own copies of the keys of the distribution that a channel of
// format debian mirrors. ok is false for any other channel.
func builtinKeys(c channels.Channel) (ring *verify.Keyring, ok bool, err error) {
	if c.Format != "debian" {
		return nil, false, nil
	}
	_, codename, err := debian.At(c.URL)
	if err != nil {
		return nil, false, err
	}
	return upstreams.DistroKeys(codename)
}

// Proved is a channel whose newest manifest has just been proved.
type Proved struct {
	Binding
	Mark verify.Mark // of that manifest

	Existed   bool // by Add and SetURL: the same channel exists already, and was not asked
	Recreated bool // by Refresh: the mark was lost or damaged
	NewKeys   bool // by Refresh: newer copies of keys were merged; by SetURL: it publishes newer keys
	Newer     bool // by Refresh: the manifest is newer than the last one
}

// Add proves what the channel c publishes by the keys in ring, and only then stores the
// channel. If another channel of its name exists, the error is a *TakenError.
func (d *Desk) Add(ctx context.Context, c channels.Channel, ring *verify.Keyring) (Proved, error) {
	have, err := d.Added(c.Name)
	if err == nil && have.Equal(c) {
		return Proved{Binding: Binding{Settings: &have}, Existed: true}, nil
	} else if err == nil {
		return Proved{}, &TakenError{c.Name}
	} else if _, unknown := errors.AsType[*channels.UnknownChannelError](err); !unknown {
		return Proved{}, err
	}
	b, err := d.bind(c, ring)
	if err != nil {
		return Proved{}, err
	}
	if d.DryRun {
		p, _, err := d.proveAdded(ctx, b)
		return p, err
	}
	if err := d.State.Writable(channels.Dirs()...); err != nil {
		return Proved{}, err
	}
	before, _ := d.State.Mark(b.Channel) // a damaged mark counts as none
	p, keep, err := d.proveAdded(ctx, b)
	if err == nil {
		err = d.change(ctx, func(st channels.Store) error { return st.Put(*p.Settings, p.Keys) })
	}
	if err != nil {
		return Proved{}, errors.Join(err, d.State.UndoMark(context.WithoutCancel(ctx), b.Channel, before))
	}
	d.keepAll(c.Name, keep)
	return p, nil
}

// proveAdded proves every line of a channel that is being added, and stores its mark. It
// returns the channel with the newest keys that it publishes, and functions that store the
// documents that proved it.
func (d *Desk) proveAdded(ctx context.Context, b Binding) (p Proved, keep []func() error, err error) {
	for _, q := range b.proofs(d.Request(Ref{})) {
		t, store, err := d.documents(d.Transport, b, q)
		if err != nil {
			return p, nil, err
		}
		if b, _, err = d.rotate(ctx, t, b); err != nil {
			return p, nil, err
		}
		cat, _, err := d.State.Renew(ctx, t, b.Channel, q)
		if err != nil {
			return p, nil, err
		}
		d.notifyOfOffers(b.Name, cat)
		keep, p = append(keep, store), Proved{Binding: b, Mark: cat.Mark()}
	}
	return p, keep, nil
}

// proofs returns the requests that a channel must answer to be proved. A built-in
// upstream proves one release. An added channel proves its manifest, or for each of its
// tools a signed list or, if each file is signed, a file for host with an acceptable
// signature.
func (b Binding) proofs(host manifests.Request) (requests []manifests.Request) {
	if b.Settings == nil {
		host.Tool = b.tool
		return []manifests.Request{host}
	}
	switch b.Settings.Format {
	case "native":
		return []manifests.Request{{}}
	case "rust":
		return []manifests.Request{{Tool: rust.Tool}}
	case "debian":
		return []manifests.Request{{Platform: host.Platform, List: true}}
	}
	for _, tool := range b.Settings.Tools {
		q := manifests.Request{Tool: tool}
		if b.Settings.Format == "detached" {
			q.Platform, q.Distro = host.Platform, host.Distro
		}
		requests = append(requests, q)
	}
	return requests
}

// notifyOfOffers tells which tools the channel offers, and warns if there are none.
func (d *Desk) notifyOfOffers(channel string, cat manifests.Catalog) {
	var tools []string
	for _, v := range cat.Versions("") {
		if !slices.Contains(tools, v.Tool) {
			tools = append(tools, v.Tool)
		}
	}
	if len(tools) == 0 {
		d.Warn(fmt.Sprintf("channel %s offers none of the tools that it may provide (--tools)", channel))
		return
	}
	const most = 12
	rest := ""
	if len(tools) > most {
		rest = fmt.Sprintf(" and %d more", len(tools)-most)
		tools = tools[:most]
	}
	d.Notify(fmt.Sprintf("channel %s offers %s%s", channel, strings.Join(tools, ", "), rest), "")
}

// Refresh proves the channel called name again. It recreates a mark that was lost or
// damaged, and merges newer copies of the keys, if keys is not nil. The pins never change:
// a new subkey must be bound by a signature that is strong enough by itself.
func (d *Desk) Refresh(ctx context.Context, name string, keys func() (*verify.Keyring, error)) (p Proved, err error) {
	b, err := d.Named(ctx, name)
	if err != nil {
		return p, err
	}
	var newer *verify.Keyring
	if keys != nil {
		if newer, err = keys(); err != nil {
			return p, err
		}
		if b, p.NewKeys, err = d.mergeKeys(ctx, b, newer); err != nil {
			return p, err
		}
	}
	_, err = d.State.Mark(b.Channel)
	if _, p.Recreated = errors.AsType[*verify.MarkError](err); err != nil && !p.Recreated {
		return p, err
	}
	changed := p.NewKeys
	for n, q := range b.proofs(d.Request(Ref{})) {
		t, keep, err := d.documents(d.Transport, b, q)
		if err != nil {
			return p, err
		}
		switch {
		case n > 0:
		case p.Recreated: // without a mark, nothing is stored before everything is proved
			var news bool
			b, news, err = d.rotate(ctx, t, b)
			changed = changed || news
		default:
			b, err = d.rekey(ctx, t, b)
		}
		if err != nil {
			return p, err
		}
		cat, was, err := d.State.Renew(ctx, t, b.Channel, q)
		if err != nil {
			return p, err
		}
		p.Binding, p.Mark = b, cat.Mark()
		p.Newer = p.Newer || !p.Recreated && !p.Mark.Same(was)
		if d.DryRun {
			continue
		}
		if err := keep(); err != nil {
			return p, err
		}
	}
	if d.DryRun || !changed {
		return p, nil
	}
	return p, d.change(ctx, func(st channels.Store) error {
		if b.Settings == nil {
			return st.Renew(newer)
		}
		return st.Put(*b.Settings, b.Keys)
	})
}

// mergeKeys returns b with newer copies of its keys; news is false if it had these
// already.
func (d *Desk) mergeKeys(ctx context.Context, b Binding, newer *verify.Keyring) (merged Binding, news bool, err error) {
	if b.Settings == nil {
		merged, err = d.renewBuiltin(ctx, b.Name, newer)
		return merged, true, err
	}
	ring, err := b.Keys.Merge(newer)
	if err != nil {
		return b, false, fmt.Errorf("channel %s: %w", b.Name, err)
	}
	if err := d.CheckKeys(ring); err != nil {
		return b, false, err
	}
	news = !slices.EqualFunc(b.Keys.Export(), ring.Export(), bytes.Equal)
	merged, err = d.bind(*b.Settings, ring)
	return merged, news, err
}

// Remove forgets an added channel: its settings, and the keys that only this channel
// names. It returns the files, below the settings directory, that have the name of a key
// and do not hold it; those stay.
func (d *Desk) Remove(ctx context.Context, name string) (kept []string, err error) {
	st, err := d.store()
	if err != nil {
		return nil, err
	}
	if kept, err = st.KeyFiles(name); err != nil || d.DryRun {
		return kept, err
	}
	err = d.change(ctx, func(st channels.Store) (err error) {
		kept, err = st.Remove(name)
		return err
	})
	return kept, err
}
