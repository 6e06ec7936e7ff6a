package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// edition converts the rotation of a channel to the form that package native uses.
func edition(r *channels.Rotation) native.Edition {
	if r == nil {
		return native.Edition{}
	}
	return r.Edition
}

// rotate returns o with the newest keys that its channel publishes; news is false
// if o has those already. Keys accepted before an error are returned with it.
// Nothing is stored.
func (a *app) rotate(ctx context.Context, s *session, t manifests.Transport, o origin) (next origin, news bool, err error) {
	source, ok := o.Source.(native.Source)
	if !ok {
		return o, false, nil
	}
	found, taken, err := source.Rotate(ctx, t, a.now)
	if len(taken) == 0 {
		return o, false, err
	}
	c := *o.added
	counted, _ := c.Trusted()
	var retired []verify.Fingerprint
	if c.Rotation != nil {
		retired = slices.Clone(c.Rotation.Retired)
	}
	for _, k := range taken {
		ring, unread := k.Keyring()
		if unread != nil {
			return o, false, unread
		}
		counted = slices.Concat(counted, ring.Pins())
	}
	e, pins := found.Edition, found.Policy.Keys.Pins()
	for _, pin := range counted {
		if !pinned(pins, pin.Primary) {
			retired = append(retired, pin.Primary)
		}
	}
	retired = slices.DeleteFunc(retired, func(f verify.Fingerprint) bool { return pinned(pins, f) })
	slices.Sort(retired)
	c.Rotation = &channels.Rotation{
		Edition: e, Taken: a.now, Threshold: found.Policy.Threshold, Pins: pins, Retired: slices.Compact(retired),
	}
	if invalid := c.Validate(); invalid != nil { // before anything of it is stored
		return o, false, fmt.Errorf("channel %s: version %d of its keys: %w: %w", o.Name, e.Version, verify.ErrUntrusted, invalid)
	}
	next, refused := a.bind(s, c, found.Policy.Keys)
	if refused != nil {
		return o, false, refused
	}
	return next, true, err
}

func pinned(pins []verify.Pin, primary verify.Fingerprint) bool {
	return slices.ContainsFunc(pins, func(p verify.Pin) bool { return p.Primary == primary })
}

// rotated returns o with the newest keys that its channel publishes, and stores new
// ones, the mark first: before anything that they signed is verified, and even if
// they have expired, so that a mirror that withholds them later is detected.
func (a *app) rotated(ctx context.Context, s *session, t manifests.Transport, o origin) (origin, error) {
	next, news, err := a.rotate(ctx, s, t, o)
	if !news {
		return o, err
	}
	a.tellKeys(next)
	if a.flags.dryRun {
		return next, err
	}
	if unstored := s.Rekey(ctx, o.Channel, next.Source.(native.Source).Edition.KeysMark); unstored != nil {
		return o, unstored
	}
	next, unstored := a.storeKeys(ctx, s, o, next)
	if unstored != nil {
		return o, unstored
	}
	a.keysChanged = true
	return next, err
}

// storeKeys stores the keys of next, unless the channel was changed or removed
// since o was read. It returns next with the keys as stored: merged with other
// copies, so that a revocation once seen still counts.
func (a *app) storeKeys(ctx context.Context, s *session, o, next origin) (origin, error) {
	st, ok, err := s.store()
	if err != nil {
		return o, err
	}
	if !ok {
		return o, &channels.UnknownChannelError{Name: o.Name}
	}
	err = s.locked(ctx, func() error {
		have, err := st.Get(o.Name)
		if err != nil {
			return err
		}
		if !have.Equal(*o.added) {
			return &takenError{o.Name}
		}
		return st.Put(*next.added, next.keys)
	})
	if err != nil {
		return o, err
	}
	return a.addedOrigin(s, *next.added)
}

// tellKeys reports which keys a channel now trusts.
func (a *app) tellKeys(o origin) {
	r := o.added.Rotation
	var who []string
	for _, pin := range r.Pins {
		who = append(who, pin.Primary.Spaced())
	}
	a.say("channel %s: version %d of its keys: %d of %s", o.Name, r.Version, r.Threshold, strings.Join(who, ", "))
	a.warnOfKeys(verify.LintWithin(o.keys, a.now, userAhead))
}

// shownRotation describes how a channel's keys changed from those the user gave.
type shownRotation struct {
	Version uint64               `json:"version"`
	Issued  time.Time            `json:"issued"`
	Expires time.Time            `json:"expires"`
	Taken   time.Time            `json:"taken"` // when kist first saw it
	Joined  []verify.Fingerprint `json:"joined,omitempty"`
	Retired []verify.Fingerprint `json:"retired,omitempty"`
	Revoked []verify.Fingerprint `json:"revoked,omitempty"`
}

func showRotation(c channels.Channel) *shownRotation {
	r := c.Rotation
	if r == nil {
		return nil
	}
	shown := &shownRotation{Version: r.Version, Issued: r.Issued, Expires: r.Expires, Taken: r.Taken, Revoked: r.Revoked}
	for _, pin := range r.Pins {
		if !pinned(c.Pins, pin.Primary) {
			shown.Joined = append(shown.Joined, pin.Primary)
		}
	}
	revoked := map[verify.Fingerprint]bool{}
	for _, f := range r.Revoked {
		revoked[f] = true
	}
	for _, f := range r.Retired {
		if !revoked[f] {
			shown.Retired = append(shown.Retired, f)
		}
	}
	return shown
}

func (r shownRotation) text(p *page) {
	day := func(t time.Time) string { return t.UTC().Format(time.DateOnly) }
	field(p, "keys", fmt.Sprintf("version %d of %s, valid until %s, taken %s", r.Version, day(r.Issued), day(r.Expires), day(r.Taken)))
	for _, f := range r.Joined {
		field(p, "  joined", f.Spaced())
	}
	for _, f := range r.Retired {
		field(p, "  retired", f.Spaced())
	}
	for _, f := range r.Revoked {
		field(p, "  revoked", f.Spaced())
	}
}
