package trust

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

// rotate returns b with the newest keys that its channel publishes; news is false
// if b has those already. Keys accepted before an error are returned with it.
// Nothing is stored.
func (d *Desk) rotate(ctx context.Context, t manifests.Transport, b Binding) (next Binding, news bool, err error) {
	source, ok := b.Source.(native.Source)
	if !ok {
		return b, false, nil
	}
	found, accepted, err := source.Rotate(ctx, t, d.Now)
	if len(accepted) == 0 {
		return b, false, err
	}
	c := *b.Settings
	counted, _ := c.Trusted()
	var retired []verify.Fingerprint
	if c.Rotation != nil {
		retired = slices.Clone(c.Rotation.Retired)
	}
	for _, k := range accepted {
		ring, unread := k.Keyring()
		if unread != nil {
			return b, false, unread
		}
		counted = slices.Concat(counted, ring.Pins())
	}
	pins := found.Policy.Keys.Pins()
	for _, pin := range counted {
		if !Pinned(pins, pin.Primary) {
			retired = append(retired, pin.Primary)
		}
	}
	retired = slices.DeleteFunc(retired, func(f verify.Fingerprint) bool { return Pinned(pins, f) })
	slices.Sort(retired)
	c.Rotation = &channels.Rotation{
		Edition: found.Edition, Taken: d.Now, Threshold: found.Policy.Threshold, Pins: pins, Retired: slices.Compact(retired),
	}
	if invalid := c.Validate(); invalid != nil { // before anything of it is stored
		return b, false, fmt.Errorf("channel %s: version %d of its keys: %w: %w", b.Name, c.Rotation.Version, verify.ErrUntrusted, invalid)
	}
	next, refused := d.bind(c, found.Policy.Keys)
	if refused != nil {
		return b, false, refused
	}
	return next, true, err
}

// Pinned reports whether pins contain a primary key.
func Pinned(pins []verify.Pin, primary verify.Fingerprint) bool {
	return slices.ContainsFunc(pins, func(p verify.Pin) bool { return p.Primary == primary })
}

// rekey returns b with the newest keys that its channel publishes, and stores new
// ones, the mark first: before anything that they signed is verified, and even if
// they have expired, so that a mirror that withholds them later is detected.
func (d *Desk) rekey(ctx context.Context, t manifests.Transport, b Binding) (Binding, error) {
	next, news, err := d.rotate(ctx, t, b)
	if !news {
		return b, err
	}
	if first, unread := d.isFirstUse(b); first || unread != nil {
		next.Added = false // it has no mark yet
		return next, errors.Join(err, unread)
	}
	d.notifyOfKeys(next)
	if d.DryRun {
		return next, err
	}
	if unstored := d.State.Rekey(ctx, b.Channel, next.Settings.Rotation.KeysMark); unstored != nil {
		return b, unstored
	}
	next, unstored := d.storeKeys(ctx, b, next)
	if unstored != nil {
		return b, unstored
	}
	d.KeysStored()
	next.bare = b.bare
	return next, err
}

// isFirstUse reports whether b is kist's own channel, and nothing of it was ever proved.
// Then, as for a channel that is being added, its keys cannot be stored yet, since there is
// no mark to record them: the proof that follows makes one, which names their version.
func (d *Desk) isFirstUse(b Binding) (bool, error) {
	if b.Name != upstreams.OwnChannel || b.Added {
		return false, nil
	}
	mark, err := d.State.Mark(b.Channel)
	return err == nil && mark.IsZero(), err
}

// storeKeys stores the keys of next, unless the channel was changed or removed
// since b was read. It returns next with the keys as stored: merged with other
// copies, so that a revocation once seen still counts.
func (d *Desk) storeKeys(ctx context.Context, b, next Binding) (Binding, error) {
	err := d.change(ctx, func(st channels.Store) error {
		have, err := st.Get(b.Name)
		if b.Name == upstreams.OwnChannel {
			have, _, err = d.ownSettings()
		}
		if err != nil {
			return err
		}
		if !have.Equal(*b.Settings) {
			return &TakenError{b.Name}
		}
		return st.Put(*next.Settings, next.Keys)
	})
	if err != nil {
		return b, err
	}
	return d.Bind(*next.Settings)
}

// notifyOfKeys tells which keys a channel now trusts.
func (d *Desk) notifyOfKeys(b Binding) {
	r := b.Settings.Rotation
	var who []string
	for _, pin := range r.Pins {
		who = append(who, pin.Primary.Spaced())
	}
	d.Notify(fmt.Sprintf("channel %s: version %d of its keys: %d of %s", b.Name, r.Version, r.Threshold, strings.Join(who, ", ")), "")
	d.warnOfKeys(verify.LintWithin(b.Keys, d.Now, keyNotice))
}

// OriginalKeys returns the source of a native channel with the keys that the user named
// when adding it, and the version of the keys that are in force. ok is false for a
// channel whose keys never changed, or of another format.
func (d *Desk) OriginalKeys(b Binding) (source native.Source, version uint64, ok bool, err error) {
	if _, isNative := b.Source.(native.Source); !isNative || b.Settings == nil || b.Name == upstreams.OwnChannel {
		return source, 0, false, nil
	}
	c, err := d.Added(b.Name) // the channel may have published newer keys since b was bound
	if err != nil || c.Rotation == nil {
		return source, 0, false, err
	}
	version = c.Rotation.Version
	c.Rotation = nil
	original, err := d.Bind(c)
	if err != nil {
		return source, 0, false, err
	}
	return original.Source.(native.Source), version, true, nil
}
