package install

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// Catalog fetches and proves the documents that answer q, checks their freshness
// against the stored mark, and stores the new mark durably before it returns.
// Freshness is checked nowhere else. Errors that match verify.ErrStale:
// *verify.ExpiredError, *verify.DowngradeError, *verify.MarkError.
func (i *Installer) Catalog(ctx context.Context, t manifests.Transport, ch manifests.Channel, q manifests.Request) (manifests.Catalog, error) {
	last, err := i.Mark(ch)
	if err != nil {
		return nil, err
	}
	return i.prove(ctx, t, ch, q, last, false)
}

// Renew is Catalog for a channel that is being added or whose mark is lost or
// damaged: documents that are proved and fresh by themselves set the new mark. A
// mark that can still be read is enforced as usual, except for lines that no longer
// exist; was is that mark, for the line that was proved.
func (i *Installer) Renew(ctx context.Context, t manifests.Transport, ch manifests.Channel, q manifests.Request) (cat manifests.Catalog, was verify.Mark, err error) {
	have, err := i.Mark(ch)
	var lost *verify.MarkError
	if err != nil && !errors.As(err, &lost) {
		return nil, have, err
	}
	cat, err = i.prove(ctx, t, ch, q, have, true)
	if err != nil {
		return nil, have, err
	}
	return cat, have.LineMark(cat.Mark().Line), nil
}

// Resolve is Catalog, then Release.
func (i *Installer) Resolve(ctx context.Context, t manifests.Transport, ch manifests.Channel, q manifests.Request) (manifests.Release, error) {
	cat, err := i.Catalog(ctx, t, ch, q)
	if err != nil {
		return manifests.Release{}, err
	}
	return i.Release(cat, ch, q)
}

// Release returns the validated release of cat that answers q. It also requests
// the components of an installed copy of the same version, so that adding one
// component does not drop another.
func (i *Installer) Release(cat manifests.Catalog, ch manifests.Channel, q manifests.Request) (manifests.Release, error) {
	r, err := cat.Resolve(q)
	if err != nil {
		return manifests.Release{}, err
	}
	s, err := i.installed()
	if err != nil {
		return manifests.Release{}, err
	}
	for _, have := range s.Installed() {
		if have.Key() == ch.Name+"/"+q.Tool && have.Version == r.Version {
			q.Components, q.Profile = union(q.Components, have.Components), cmp.Or(q.Profile, have.Profile)
			if r, err = cat.Resolve(q); err != nil {
				return manifests.Release{}, err
			}
		}
	}
	r.Channel, r.Requested = ch.Name, q.Version
	if m := cat.Mark(); !m.IsZero() && r.Evidence.Mark == nil {
		m = m.Renamed(ch.Name)
		r.Evidence.Mark = &m
	}
	if m := cat.Mark(); !m.IsZero() {
		_, r.Expired = i.lapse(m.Renamed(ch.Name), i.o.Now)
	}
	return r, r.Validate()
}

func (i *Installer) prove(ctx context.Context, t manifests.Transport, ch manifests.Channel, q manifests.Request, have verify.Mark, renew bool) (manifests.Catalog, error) {
	now := i.o.Now
	if now.Before(have.Issued) {
		now = have.Issued
	}
	s, err := i.installed()
	if err != nil {
		return nil, err
	}
	check := func(m verify.Mark) error { return i.checkFresh(m.Renamed(ch.Name), have, now, renew) }
	query := manifests.Query{Request: q, Now: now, Last: have, CheckMark: check}
	for _, r := range s.Installed() {
		if r.Channel == ch.Name {
			query.AlsoComponents = union(query.AlsoComponents, r.Components)
		}
	}
	cat, err := ch.Source.Fetch(ctx, t, query)
	if err != nil {
		return nil, err
	}
	m := cat.Mark()
	if m.IsZero() {
		return cat, nil // no mark: another origin, or an upstream without marks
	}
	if err := check(m); err != nil {
		return nil, err
	}
	m = m.Renamed(ch.Name)
	m.Withdrawn = manifests.WithdrawalsOf(cat)
	if i.o.DryRun || m.Fixed || m.Same(have.LineMark(m.Line)) && m.Excerpt == have.LineMark(m.Line).Excerpt {
		return cat, nil
	}
	return cat, i.putMark(ctx, m, renew)
}

// checkFresh checks m against the mark that is stored; for a renewal only against the
// lines that m still has.
func (i *Installer) checkFresh(m, have verify.Mark, now time.Time, renew bool) error {
	last := have.LineMark(m.Line)
	if renew {
		last = last.OnlyLinesOf(m)
	}
	m, _ = i.lapse(m, now)
	return m.Supersedes(last, now)
}

// lapse is Lapse for the manifests that Options.Locked names.
func (i *Installer) lapse(m verify.Mark, now time.Time) (lapsed verify.Mark, expired time.Time) {
	if i.o.Locked == nil {
		return m, time.Time{}
	}
	return m.Lapse(now, func(d verify.Digest) bool { return i.o.Locked(m.Channel, d) })
}

// putMark stores m, unless another kist has stored a newer mark meanwhile: then m
// is stale.
func (i *Installer) putMark(ctx context.Context, m verify.Mark, renew bool) error {
	lock, err := i.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	have, err := i.store().Mark(m.Channel) // lost or damaged: m takes its place
	if err == nil && len(have.Head) == 0 {
		if err := i.checkFresh(m, have, i.o.Now, renew); err != nil {
			return err
		}
	} else if err == nil && have.Serial > m.Serial {
		return nil // a larger tree of the same log, proved meanwhile
	}
	return i.store().PutMark(have.WithLine(m))
}

// FirstSeen returns when this machine first met r, which states no date: when the same
// version was installed, or when FirstSeen was first called for it. It stores that in the
// channel's mark, unless nothing may be stored. The clock counts as never earlier than the
// newest accepted manifest and the signatures that name r: if it has lost the date, what is
// new would otherwise look old for ever after.
func (i *Installer) FirstSeen(ctx context.Context, ch manifests.Channel, r manifests.Release) (time.Time, error) {
	have, err := i.Mark(ch)
	if err != nil {
		return time.Time{}, err
	}
	s, err := i.installed()
	if err != nil {
		return time.Time{}, err
	}
	name, first := r.Tool+"@"+r.Version, i.o.Now
	for _, at := range append(signedAt(r.Evidence), have.Issued) {
		if first.Before(at) {
			first = at
		}
	}
	seen, known := have.Sights[name]
	if known && seen.Before(first) {
		first = seen
	}
	for _, one := range s.Installed() {
		if one.Channel == ch.Name && one.Tool == r.Tool && one.Version == r.Version && one.Installed.Before(first) {
			first = one.Installed
		}
	}
	if known || i.o.DryRun || i.MayChange() != nil {
		return first, nil
	}
	lock, err := i.lock(ctx)
	if err != nil {
		return time.Time{}, err
	}
	defer lock.Unlock()
	if have, err = i.Mark(ch); err != nil { // another kist may have changed it meanwhile
		return time.Time{}, err
	}
	have.Channel = ch.Name
	return first, i.store().PutMark(have.WithSight(name, first))
}

// signedAt returns when the signatures over the document that e ends in were made.
func signedAt(e verify.Evidence) (all []time.Time) {
	for _, s := range e.Root().Signers {
		all = append(all, s.Created)
	}
	return all
}

// Withdrawn returns what a channel withdrew when its manifest was last proved: nothing if
// none ever was. If its mark is damaged, the error is a *verify.MarkError.
func (i *Installer) Withdrawn(channel string) ([]verify.Withdrawal, error) {
	m, err := i.store().Mark(channel)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &verify.MarkError{Channel: channel, Err: err}
	}
	return m.Withdrawn, nil
}

// Rekey durably stores the keys of k as the keys of an added channel, before
// anything that they signed is checked.
func (i *Installer) Rekey(ctx context.Context, ch manifests.Channel, k verify.KeysMark) error {
	lock, err := i.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	have, err := i.Mark(ch)
	if err != nil {
		return err
	}
	if have.Keys.Version > k.Version {
		return &verify.RotationError{Channel: ch.Name, Have: have.Keys.Version, Got: k.Version}
	}
	return i.store().PutMark(have.Rekeyed(k))
}

// installed is State for resolving releases. It reads the state once until this process
// changes something, because a command may resolve hundreds of releases. A plan is
// compared with what is installed by then.
func (i *Installer) installed() (plan.State, error) {
	if i.o.Elsewhere {
		return plan.State{}, nil
	}
	i.resolving.Lock()
	defer i.resolving.Unlock()
	if i.resolved == nil {
		s, err := i.State()
		if err != nil {
			return s, err
		}
		i.resolved = &s
	}
	return *i.resolved, nil
}

// lock takes kist's lock, before a change.
func (i *Installer) lock(ctx context.Context) (roots.Locks, error) {
	i.forgetInstalled()
	return i.roots.Lock(ctx)
}

// forgetInstalled makes installed read the state again.
func (i *Installer) forgetInstalled() {
	i.resolving.Lock()
	defer i.resolving.Unlock()
	i.resolved = nil
}

// Mark reads the mark of ch with all of its lines. It returns the zero Mark on
// first use, and a *verify.MarkError if the mark is lost or damaged.
func (i *Installer) Mark(ch manifests.Channel) (verify.Mark, error) {
	m, err := i.store().Mark(ch.Name)
	switch {
	case err == nil:
		return m, nil
	case !errors.Is(err, fs.ErrNotExist):
		return verify.Mark{}, &verify.MarkError{Channel: ch.Name, Err: err}
	case ch.Added:
		return verify.Mark{}, &verify.MarkError{Channel: ch.Name}
	}
	receipts, _, err := i.store().Receipts()
	if err != nil {
		return verify.Mark{}, err
	}
	for _, r := range receipts {
		if r.Channel == ch.Name && marked(r) {
			return verify.Mark{}, &verify.MarkError{Channel: ch.Name}
		}
	}
	return verify.Mark{}, nil
}

// marked reports whether installing r stored a mark.
func marked(r record.Head) bool { return r.Evidence.Mark != nil && !r.Evidence.Mark.Fixed }

// UndoMark removes the mark of a channel that could not be added, unless the channel had
// the mark before.
func (i *Installer) UndoMark(ctx context.Context, ch manifests.Channel, before verify.Mark) error {
	if now, err := i.Mark(ch); err != nil || now.IsZero() || !before.IsZero() {
		return nil
	}
	_, err := i.DropMark(ctx, ch.Name)
	return err
}

// DropMark removes the mark of a channel that the user removed. A file that has the name
// of the mark but cannot be parsed is kept, and returned.
func (i *Installer) DropMark(ctx context.Context, channel string) ([]Drift, error) {
	lock, err := i.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	kept, err := i.store().DropMark(channel)
	return i.keptMark(channel, kept), err
}

// StoredMark returns what DropMark would keep. It changes nothing.
func (i *Installer) StoredMark(channel string) ([]Drift, error) {
	kept, err := i.store().KeepsMark(channel)
	return i.keptMark(channel, kept), err
}

func (i *Installer) keptMark(channel string, kept bool) []Drift {
	if !kept {
		return nil
	}
	return []Drift{i.foreign(roots.State, store.MarkName(channel))}
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
