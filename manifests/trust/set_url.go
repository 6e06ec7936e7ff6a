package trust

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/debian"
)

// SetURL makes the channel called name, which the user added, fetch from another place.
// where is its URL, or a path relative to cwd. Keys, mark, tools and threshold stay. What
// the new place serves is first proved by these keys and against this mark, so it must be
// the same channel, and no older than what was seen. If it is not, the channel is not
// changed. Proved.Existed reports that the channel had that URL already; then nothing was
// asked.
//
// Its errors include manifests.ErrInput, *BuiltinError, *channels.UnknownChannelError,
// *channels.RuleError and those of a proof.
func (d *Desk) SetURL(ctx context.Context, name, where, cwd string) (Proved, error) {
	have, err := d.Added(name)
	if err != nil {
		return Proved{}, err
	}
	moved := have
	if err := changeURL(&moved, where, cwd); err != nil {
		return Proved{}, err
	}
	if moved.URL == have.URL {
		return Proved{Binding: Binding{Settings: &have}, Existed: true}, nil
	}
	b, err := d.Bind(moved)
	if err != nil {
		return Proved{}, err
	}
	if !d.DryRun {
		if err := d.State.Writable(channels.Dirs()...); err != nil {
			return Proved{}, err
		}
	}
	p, keep, err := d.proveMoved(ctx, b)
	if err != nil || d.DryRun {
		return p, err
	}
	if p.NewKeys { // in the mark, too, so that a later place cannot withhold them
		if err := d.State.Rekey(ctx, p.Channel, p.Settings.Rotation.KeysMark); err != nil {
			return Proved{}, err
		}
	}
	err = d.change(ctx, func(st channels.Store) error {
		now, err := st.Get(name)
		if err == nil && !reflect.DeepEqual(now, have) {
			err = &ChangedError{name}
		}
		if err != nil {
			return err
		}
		return st.Put(*p.Settings, p.Keys)
	})
	if err != nil {
		return Proved{}, err
	}
	d.keepAll(name, keep)
	return p, nil
}

// changeURL sets the URL of c to where, as locate does. A distribution's channel keeps its
// release.
func changeURL(c *channels.Channel, where, cwd string) error {
	old := c.URL
	err := locate(c, where, cwd)
	if err == nil && c.Format == "debian" {
		var was, is string
		if _, was, err = debian.At(old); err == nil {
			_, is, err = debian.At(c.URL)
		}
		if err == nil && is != was {
			err = fmt.Errorf("the channel is of %s, and that is the URL of %s", was, is)
		}
	}
	if err == nil {
		err = c.Validate()
	}
	if err != nil && !errors.Is(err, manifests.ErrInput) {
		err = manifests.Invalid("%v", err)
	}
	return err
}

// proveMoved proves every line of a channel against its mark, by the newest keys that the
// channel publishes. It returns functions that store the documents that proved it.
func (d *Desk) proveMoved(ctx context.Context, b Binding) (p Proved, keep []func() error, err error) {
	for _, q := range b.proofs(d.Request(Ref{})) {
		t, store, err := d.documents(d.Transport, b, q)
		if err != nil {
			return Proved{}, nil, err
		}
		var news bool
		if b, news, err = d.rotate(ctx, t, b); err != nil {
			return Proved{}, nil, err
		}
		cat, err := d.State.Catalog(ctx, t, b.Channel, q)
		if err != nil {
			return Proved{}, nil, err
		}
		keep = append(keep, store)
		p = Proved{Binding: b, Mark: cat.Mark(), NewKeys: p.NewKeys || news}
	}
	if p.NewKeys {
		d.notifyOfKeys(p.Binding)
	}
	return p, keep, nil
}

// keepAll caches the documents that proved a channel. A failure is only a warning.
func (d *Desk) keepAll(channel string, keep []func() error) {
	for _, store := range keep {
		if err := store(); err != nil {
			d.Warn(fmt.Sprintf("what proved channel %s is not kept for --offline: %v", channel, err))
		}
	}
}

// A ChangedError reports that another kist changed a channel while its new place was asked.
type ChangedError struct{ Name string }

func (e *ChangedError) Error() string {
	return fmt.Sprintf("channel %s was changed by another kist meanwhile", e.Name)
}
func (*ChangedError) Kind() string { return "busy" }
