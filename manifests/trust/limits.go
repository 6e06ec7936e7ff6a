package trust

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/limits"
	"github.com/kist-tools/kist/verify"
)

// This file chooses the release that answers a request. It is the only place where a
// release that the limits of this machine refuse is passed over for an older one.

// maxPassedOver is how many releases a choice passes over before it gives up.
const maxPassedOver = 32

// Limits returns the limits of this machine: those of the policy files, and MinimumAge.
func (d *Desk) Limits() (limits.Limits, error) {
	rules, err := d.Rules()
	return limits.Limits{Now: d.Now, Rules: rules, AtLeast: d.MinimumAge}, err
}

// A Choice says how Choose chooses.
type Choice struct {
	// Resolve returns the release of a catalog that answers a request; nil: State.Release.
	Resolve func(manifests.Catalog, manifests.Request) (manifests.Release, error)
	// Installed is a version that is accepted at any age, because it is installed.
	Installed string
}

// Resolve is Choose without the catalog.
func (d *Desk) Resolve(ctx context.Context, b Binding, q manifests.Request) (manifests.Release, error) {
	r, _, err := d.Choose(ctx, b, q, Choice{})
	return r, err
}

// Choose asks b for the release that answers q. If the limits of this machine refuse it,
// and q does not name exactly it, Choose takes the newest older one that they allow and that
// q means too, and notifies the user. If there is none, the error is the first
// limits.Refusal. It also returns the catalog that was asked last, unless fetching it failed.
func (d *Desk) Choose(ctx context.Context, b Binding, q manifests.Request, how Choice) (manifests.Release, manifests.Catalog, error) {
	resolve := how.Resolve
	if resolve == nil {
		resolve = func(cat manifests.Catalog, q manifests.Request) (manifests.Release, error) {
			return d.State.Release(cat, b.Channel, q)
		}
	}
	var refusal error
	var cat manifests.Catalog
	for range maxPassedOver {
		var err error
		cat, err = d.Fetch(ctx, b, q)
		var r manifests.Release
		if err == nil {
			r, err = resolve(cat, q)
			err = b.Explain(err)
		}
		if err != nil && refusal != nil && manifests.IsUnknown(err) {
			return manifests.Release{}, cat, refusal
		}
		if err != nil {
			return r, cat, err
		}
		refused := d.judge(ctx, b, cat, &r, how.Installed)
		if refused == nil {
			if refusal != nil {
				d.Notify(fmt.Sprintf("%v; taking %s", refusal, r.Version), "")
			}
			return r, cat, nil
		}
		if !isRefusal(refused) {
			return r, cat, refused
		}
		if refusal == nil {
			refusal = refused
		}
		if version, exact := manifests.ExactVersion(q.Version); exact || version == r.Version {
			break
		}
		if q.Below, err = d.passOver(b, cat, r, refused); err != nil {
			return r, cat, err
		}
	}
	return manifests.Release{}, cat, refusal
}

// isRefusal reports whether err refuses one release, so that another may do.
func isRefusal(err error) bool {
	_, ok := errors.AsType[limits.Refusal](err)
	return ok
}

// passOver returns the lowest version from r, which was refused, downward that is certain to
// be refused too, by what the catalog says of its versions: those below it are the next
// candidates. Where nothing signed dates r, nothing dates its older versions either, so only
// those that this machine has seen are candidates.
func (d *Desk) passOver(b Binding, cat manifests.Catalog, r manifests.Release, refused error) (below string, err error) {
	l, err := d.Limits()
	if err != nil {
		return "", err
	}
	var seen map[string]time.Time
	too, undated := errors.AsType[*limits.YoungError](refused)
	if undated = undated && too.Since.By == limits.Seen; undated {
		m, err := d.State.Mark(b.Channel)
		if err != nil {
			return "", err
		}
		seen = m.Sights
	}
	below = r.Version
	withdrawn := manifests.WithdrawalsOf(cat)
	for _, v := range cat.Versions(r.Tool) {
		if !manifests.Ordered(v.Version) || manifests.CompareVersions(v.Version, below) >= 0 {
			continue
		}
		c := limits.Candidate{Channel: b.Name, Tool: v.Tool, Version: v.Version, Withdrawn: withdrawn}
		young := !v.Unsigned && !v.Date.IsZero() && l.TooYoung(c, limits.Date{At: v.Date, By: limits.Stated}) != nil
		_, known := seen[v.Tool+"@"+v.Version]
		if l.Forbids(c) == nil && !young && (!undated || known) {
			break
		}
		below = v.Version
	}
	return below, nil
}

// judge returns a limits.Refusal if the limits of this machine refuse r. Otherwise, if a
// minimum age is in force, it adds to the evidence of r what its age was judged by. A mirror
// copies what its upstream offers: limits are for those who install from it.
func (d *Desk) judge(ctx context.Context, b Binding, cat manifests.Catalog, r *manifests.Release, installed string) error {
	if d.Uncached {
		return nil
	}
	l, err := d.Limits()
	if err != nil {
		return err
	}
	c := limits.Of(*r, manifests.WithdrawalsOf(cat))
	if err := l.Forbids(c); err != nil {
		return err
	}
	if age, _ := l.MinimumAge(); age == 0 || installed != "" && r.Version == installed {
		return nil
	}
	since := limits.SignedDate(*r)
	if since.By != limits.Stated && (since.At.IsZero() || l.TooYoung(c, since) != nil) {
		seen, err := d.State.FirstSeen(ctx, b.Channel, *r)
		if err != nil {
			return err
		}
		since = since.Earlier(limits.Date{At: seen, By: limits.Seen})
	}
	if err := l.TooYoung(c, since); err != nil {
		return err
	}
	r.Evidence = noted(r.Evidence, "old enough: "+since.String())
	return nil
}

// noted returns e with one more note, on the signed document that it ends in. It changes
// nothing that other releases share.
func noted(e verify.Evidence, note string) verify.Evidence {
	if e.Parent != nil {
		parent := noted(*e.Parent, note)
		e.Parent = &parent
		return e
	}
	e.Notes = append(slices.Clip(e.Notes), note)
	return e
}

// JudgeListed returns a function that returns the limits.Refusal of a version that b lists,
// as far as the list and what is stored on this machine tell; nil if installing it would at
// least begin.
func (d *Desk) JudgeListed(b Binding) (func(manifests.Version) error, error) {
	l, err := d.Limits()
	if err != nil {
		return nil, err
	}
	m, err := d.State.Mark(b.Channel)
	if err != nil {
		return nil, err
	}
	return func(v manifests.Version) error {
		c := limits.Candidate{Channel: b.Name, Tool: v.Tool, Version: v.Version, Debian: b.indices != nil, Withdrawn: m.Withdrawn}
		if err := l.Forbids(c); err != nil {
			return err
		}
		switch seen, ok := m.Sights[v.Tool+"@"+v.Version]; {
		case !v.Unsigned && !v.Date.IsZero():
			return l.TooYoung(c, limits.Date{At: v.Date, By: limits.Stated}.Earlier(limits.Date{At: seen, By: limits.Seen}))
		case ok:
			return l.TooYoung(c, limits.Date{At: seen, By: limits.Seen})
		}
		return nil
	}, nil
}

// JudgeInstalled returns the *limits.WithdrawnError or *limits.DeniedError of an installed
// release, by the policy files and by what its channel withdrew when its manifest was last
// proved; nil if there is none. It uses no network, and does not read c.Withdrawn. Any other
// error means that one of these could not be read.
func (d *Desk) JudgeInstalled(c limits.Candidate) (err error) {
	l, err := d.Limits()
	if err != nil {
		return err
	}
	c.Withdrawn = nil
	if !IsBuiltinChannel(c.Channel) { // upstreams withdraw nothing
		if c.Withdrawn, err = d.State.Withdrawn(c.Channel); err != nil {
			return err
		}
	}
	return l.Forbids(c)
}
