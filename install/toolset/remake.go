package toolset

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/trust"
)

// A Drifted is a release in force that is not as its receipt says.
type Drifted struct {
	record.Head
	Drift []install.Drift
	// Err is why the release cannot be compared, or made again. Nil: it can be.
	Err error
}

// Drifted compares every release in force with its receipt, and returns those that differ,
// those that cannot be compared, and those whose receipts are damaged: of the last only the
// ID is known.
func (s *Set) Drifted(ctx context.Context) (list []Drifted, err error) {
	for _, have := range s.State.Installed() {
		_, drift, err := s.Verify(ctx, have.ID)
		if ctx.Err() != nil {
			return list, ctx.Err()
		}
		if err == nil && len(drift) == 0 {
			continue
		}
		if unread := slices.IndexFunc(drift, func(d install.Drift) bool { return d.Reason == install.Unreadable }); unread >= 0 {
			err = &UnreadError{drift[unread].Path}
		}
		list = append(list, Drifted{have, drift, err})
	}
	for _, id := range slices.Sorted(maps.Keys(s.State.Damaged)) {
		list = append(list, Drifted{Head: record.Head{ID: id}, Err: &install.ReceiptError{ID: id, Err: s.State.Damaged[id]}})
	}
	return list, nil
}

// An UnreadError reports that this user may not read a file of a release, so that it is not
// known whether the file changed.
type UnreadError struct{ Path string }

func (e *UnreadError) Error() string {
	return e.Path + " cannot be read, and so not compared"
}
func (*UnreadError) Kind() string { return "permission" }

// A ReissuedError reports that a release cannot be made again as it was installed, because
// its channel has other files under that version now. Nothing was changed.
type ReissuedError struct{ Release string }

func (e *ReissuedError) Error() string {
	return "its channel has other files under that version now"
}
func (*ReissuedError) Kind() string { return "drift" }

// Remaking returns the change that replaces have, a release in force whose files differ from
// its receipt, by the same release with the same files. It is proved by the documents of
// its channel that are cached, if they still prove it, and otherwise by those that the channel
// serves now. If both have other files, the change fails with an *install.TreeError. A
// release that the limits of this machine refuse today is not made again.
func (s *Set) Remaking(ctx context.Context, have record.Head) (plan.Change, error) {
	receipt, err := s.Receipt(have.ID)
	if err != nil {
		return plan.Change{}, err
	}
	if err := s.Refused(have); err != nil {
		return plan.Change{}, err
	}
	ref := trust.Ref{Channel: have.Channel, Name: have.Tool, Version: "=" + have.Version}
	want := plan.Parts{}.WithThoseOf(have)
	r, err := s.cachedWith(ctx, ref, want)
	if err != nil || !hasArtifacts(r, receipt.Artifacts) {
		r, err = s.release(ctx, Want{Ref: ref, Parts: want}, ref, have, want)
	}
	if err != nil {
		return plan.Change{}, err
	}
	r.Tree = receipt.TreeDigest()
	return plan.Change{Install: []manifests.Release{r}, Remake: []record.ID{have.ID}}, nil
}

// hasArtifacts reports whether r can consist of these artifacts, by their names and digests.
func hasArtifacts(r manifests.Release, installed []record.Artifact) bool {
	return !slices.ContainsFunc(installed, func(have record.Artifact) bool {
		is := func(a manifests.Artifact) bool {
			d := a.Integrity.Digest
			return a.Name == have.Name && (d == have.Digest || d.IsZero() || d.Algorithm() != have.Digest.Algorithm())
		}
		return !slices.ContainsFunc(r.Artifacts, func(a manifests.Artifact) bool { return is(a) || slices.ContainsFunc(a.Alternatives, is) })
	})
}

// cachedWith returns the release that ref means with these parts, by the documents of its
// channel that are cached.
func (s *Set) cachedWith(ctx context.Context, ref trust.Ref, want plan.Parts) (manifests.Release, error) {
	b, err := s.Desk.Pick(ctx, ref)
	if err != nil {
		return manifests.Release{}, err
	}
	q := s.Desk.Request(ref)
	q.Components, q.Targets, q.Profile = want.Components, want.Targets, want.Profile
	catalog, err := s.Desk.Cached(ctx, b, q)
	if err != nil {
		return manifests.Release{}, err
	}
	return s.Desk.State.Release(catalog, b.Channel, q)
}

// ExplainRemaking returns err, with which the change of Remaking failed, as it is reported.
func ExplainRemaking(have record.Head, err error) error {
	if _, other := errors.AsType[*install.TreeError](err); other {
		return &ReissuedError{have.Ref()}
	}
	return err
}
