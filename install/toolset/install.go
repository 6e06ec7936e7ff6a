package toolset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/limits"
	"github.com/kist-tools/kist/manifests/lockfile"
	"github.com/kist-tools/kist/manifests/project"
	"github.com/kist-tools/kist/manifests/trust"
)

// A Want is a tool to install, with its parts.
type Want struct {
	trust.Ref
	plan.Parts
	// Range, with an empty Version, narrows the versions; see project.Ask.
	Range string
	// Optional is the path of the file that asks for the tool, if the tool is to be left
	// out, with a warning, when no channel offers it.
	Optional string
	// Locked is the entry of the lock at LockPath that the release must match. May be nil.
	Locked   *lockfile.Tool
	LockPath string
}

// inRange reports whether version is in the Range of w, if it has one.
func (w Want) inRange(version string) bool {
	return w.Range == "" || project.Ask{Range: w.Range}.Allows(version, nil)
}

// Means reports whether w asks for the release r, whether that is in force or not.
func (w Want) Means(r record.Head) bool {
	ref := w.Ref
	if ref.Channel == "" {
		ref.Channel, _ = trust.BuiltinChannel(ref.Name)
	}
	return Means(ref, r) && w.inRange(r.Version)
}

// Installation returns the change that installs wants. It asks the channels of those that
// are not installed with all of their parts, or whose files are missing. already holds
// the releases that are installed and need nothing.
func (s *Set) Installation(ctx context.Context, wants []Want, links plan.Links) (c plan.Change, already []record.Head, err error) {
	c = plan.Change{Links: links, Follow: map[record.ID]string{}}
	keep := func(have record.Head, w Want) {
		already = append(already, have)
		// A lock and a range say nothing about what update should follow.
		if w.Locked == nil && w.Range == "" && s.LayerOf(have.ID) == nil && s.MayChange() == nil && plan.Follows(have, w.Version) {
			c.Follow[have.ID] = w.Version
		}
	}
	for _, w := range wants {
		ref, want := w.Ref, w.Parts
		have, satisfied := s.satisfying(w)
		if have.ID != "" {
			missing := s.Missing(have)
			if missing != nil && !missing.Gone() {
				return c, nil, missing
			}
			if missing != nil {
				s.Warn("%v; installing it again", missing)
				satisfied, want = false, want.WithThoseOf(have)
			} else if s.LayerOf(have.ID) != nil { // the user's own copy has no less than the layer's
				want = want.WithThoseOf(have)
			}
		}
		if satisfied {
			if err := s.checkLocked(w, have); err != nil {
				return c, nil, err
			}
			s.WarnOfRefused(have)
			keep(have, w)
			c = s.addDefault(c, have, links)
			continue
		}
		if err := s.MayChange(); err != nil {
			return c, nil, err
		}
		if w.Range != "" && have.ID == "" {
			ref, err = s.newestInRange(ctx, w)
		}
		var r manifests.Release
		if err == nil {
			r, err = s.release(ctx, w, ref, have, want)
		}
		if unknown, ok := errors.AsType[*manifests.UnknownToolError](err); ok && w.Optional != "" {
			s.Warn("%s asks for %s, which is left out: %v", w.Optional, w.Name, unknown)
			err = nil
			continue
		}
		if err != nil {
			return c, nil, err
		}
		if have, ok := s.holding(r); ok && s.Missing(have) == nil { // r turned out to be installed
			if err := s.checkLocked(w, have); err != nil {
				return c, nil, err
			}
			keep(have, w)
			if s.LayerOf(have.ID) != nil {
				c = s.addDefault(c, have, links)
				continue
			}
		}
		c.Install = append(c.Install, r)
	}
	return c, already, nil
}

// addDefault returns c, which also makes have the default of its tool if links says so.
func (s *Set) addDefault(c plan.Change, have record.Head, links plan.Links) plan.Change {
	if links == plan.AlwaysDefault {
		made := s.ToDefault(have)
		c.Default, c.Outside = append(c.Default, made.Default...), append(c.Outside, made.Outside...)
	}
	return c
}

// release asks the channel of ref for the release to install. have is the installed
// release that ref means, but that lacks some of want or some of its files; or it is
// empty.
func (s *Set) release(ctx context.Context, w Want, ref trust.Ref, have record.Head, want plan.Parts) (manifests.Release, error) {
	if have.ID != "" {
		ref = trust.Ref{Channel: have.Channel, Name: have.Tool, Version: "=" + have.Version}
	}
	b, err := s.Desk.Pick(ctx, ref)
	if err != nil {
		return manifests.Release{}, err
	}
	q := s.Desk.Request(ref)
	q.Components, q.Targets, q.Profile = want.Components, want.Targets, want.Profile
	if w.Locked != nil {
		q.Origin = w.Locked.Origin
		r, err := s.resolve(ctx, b, q)
		if err == nil {
			err = w.Locked.Check(w.LockPath, r, have.Components)
		}
		if isUnknownVersion(err) {
			err = fmt.Errorf("%s names %s@%s: %w", lockfile.Name, w.Locked.Key(), w.Locked.Version, err)
		}
		if p, _ := w.Locked.On(s.Desk.Platform); err == nil && hasOnly(p, r) {
			r.Tree = p.Tree
		}
		return r, err
	}
	r, err := s.resolve(ctx, b, q)
	if have.ID == "" || have.Requested == have.Version || !errors.Is(err, manifests.ErrOffline) && !isUnknownVersion(err) {
		return r, err
	}
	// A mirror may have only the manifest of the label that have was installed by. It
	// counts while the label still means that version.
	q.Version = have.Requested
	if same, failed := s.resolve(ctx, b, q); failed == nil && same.Version == have.Version {
		return same, nil
	}
	return r, err
}

// Cached returns the release that ref means, by the documents of its channel that are
// cached. If there are none, it returns a *[NotInstalledError].
func (s *Set) Cached(ctx context.Context, ref trust.Ref) (manifests.Release, error) {
	b, err := s.Desk.Pick(ctx, ref)
	if err != nil {
		return manifests.Release{}, err
	}
	q := s.Desk.Request(ref)
	catalog, err := s.Desk.Cached(ctx, b, q)
	if errors.Is(err, manifests.ErrOffline) { // nothing is cached
		return manifests.Release{}, &NotInstalledError{Ref: ref}
	}
	if err != nil {
		return manifests.Release{}, err
	}
	r, err := catalog.Resolve(q)
	return r, b.Explain(err)
}

// resolve asks b for the release that answers q.
func (s *Set) resolve(ctx context.Context, b trust.Binding, q manifests.Request) (manifests.Release, error) {
	s.Detail("asking channel %s for %s", b.Name, trust.Ref{Name: q.Tool, Version: q.Version})
	return s.Desk.Resolve(ctx, b, q)
}

func isUnknownVersion(err error) bool {
	_, ok := errors.AsType[*manifests.UnknownVersionError](err)
	return ok
}

// newestInRange returns the newest release in the Range of w that its channel offers and
// that the limits of this machine allow: a stable one if there is one.
func (s *Set) newestInRange(ctx context.Context, w Want) (trust.Ref, error) {
	b, list, err := s.Desk.Available(ctx, w.Ref)
	if err != nil {
		return w.Ref, err
	}
	list = slices.DeleteFunc(list, func(v manifests.Version) bool { return !w.inRange(v.Version) })
	judge, err := s.Desk.JudgeListed(b)
	if err != nil {
		return w.Ref, err
	}
	var refusal error
	for range maxInRange {
		if len(list) == 0 {
			break
		}
		newest := newestOf(list)
		w.Version = "=" + list[newest].Version
		refused := judge(list[newest])
		if refused == nil {
			if refused = s.allowed(ctx, b, w.Ref); refused == nil {
				return w.Ref, nil
			}
		}
		if _, ok := errors.AsType[limits.Refusal](refused); !ok {
			return w.Ref, refused
		}
		refusal = cmp.Or(refusal, refused)
		list = slices.Delete(list, newest, newest+1)
	}
	if refusal != nil {
		return w.Ref, refusal
	}
	return w.Ref, &manifests.UnknownVersionError{Channel: b.Name, Tool: w.Name, Version: w.Range}
}

// maxInRange is how many releases of a range are tried.
const maxInRange = 32

// allowed returns the limits.Refusal of a release that its channel must prove before its age
// is known. Without a minimum age there is nothing to prove yet.
func (s *Set) allowed(ctx context.Context, b trust.Binding, ref trust.Ref) error {
	l, err := s.Desk.Limits()
	if err != nil {
		return err
	}
	if age, _ := l.MinimumAge(); age > 0 {
		_, err = s.resolve(ctx, b, s.Desk.Request(ref))
	}
	return err
}

// newestOf returns the index of the version in list, newest first, that a bare name means.
func newestOf(list []manifests.Version) int {
	if i := slices.IndexFunc(list, func(v manifests.Version) bool { return slices.Contains(v.Labels, manifests.Stable) }); i >= 0 {
		return i
	}
	versions := make([]string, len(list))
	for i, v := range list {
		versions[i] = v.Version
	}
	return manifests.NewestRelease(versions)
}

// Satisfying returns the installed release that has all of w, if there is one.
func (s *Set) Satisfying(w Want) (record.Head, bool) {
	have, all := s.satisfying(w)
	return have, all && s.Missing(have) == nil
}

// satisfying finds an installed release that w means: one with all of its parts, or else
// one that only lacks components. A bare name means the tool's built-in channel, if it
// has one, and in it a version that was installed by a bare name or labelled stable, not
// any version.
func (s *Set) satisfying(w Want) (have record.Head, all bool) {
	ref := w.Ref
	if ref.Channel == "" {
		ref.Channel, _ = trust.BuiltinChannel(ref.Name)
	}
	found, err := s.Matching(ref)
	if err != nil {
		return record.Head{}, false
	}
	if w.Range != "" {
		found = slices.DeleteFunc(found, func(r record.Head) bool { return !w.inRange(r.Version) })
	} else if ref.Version == "" {
		found = slices.DeleteFunc(found, func(r record.Head) bool {
			return r.Requested != "" && !slices.Contains(r.Labels, manifests.Stable)
		})
	}
	if len(found) == 0 {
		return record.Head{}, false
	}
	s.defaultsFirst(found)
	if i := slices.IndexFunc(found, w.IsIn); i >= 0 {
		return found[i], true
	}
	return found[0], false
}
