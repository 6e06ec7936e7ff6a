package toolset

import (
	"context"
	"errors"
	"slices"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/limits"
	"github.com/kist-tools/kist/manifests/trust"
)

// A Survey asks the channels of installed releases for newer ones. A channel that fails
// does not stop the others: it is left out.
type Survey struct {
	*Set
	// OfChannel reports whether an error is a failure of one channel, not of this machine
	// or of the command line.
	OfChannel func(error) bool
	LeftOut   []LeftOut
	Asked     map[string]bool // by channel
}

// A LeftOut is a channel that was left out, and the reason.
type LeftOut struct {
	Channel string
	Tools   []string // that it should have provided
	Err     error
}

// An Answer is an installed release, compared with what its channel offers.
type Answer struct {
	Have    record.Head
	Missing *install.MissingError // its files that are missing from the disk
	Known   bool                  // its channel answered
	Next    manifests.Release     // Have itself, if nothing newer replaces it
}

// IsNewer reports whether the answer is another release than the installed one.
func (a Answer) IsNewer() bool { return a.Known && a.Next.Version != a.Have.Version }

// Ask asks for the releases that the label or version line of each installed one means
// now: for those that refs mean, or for all. Without refs, it only warns of a channel that
// the user removed. It fails with an error that would affect every channel.
func (v *Survey) Ask(ctx context.Context, refs []trust.Ref) (answers []Answer, err error) {
	list, err := v.SelectedOwn(refs)
	if err != nil {
		return nil, err
	}
	v.Asked = map[string]bool{}
	for _, have := range list {
		a := Answer{Have: have, Missing: v.Missing(have)}
		if len(refs) > 0 || !v.channelRemoved(have) {
			v.Asked[have.Channel] = true
			a.Next, err = v.newest(ctx, have)
			if err != nil && (ctx.Err() != nil || !v.OfChannel(err)) {
				return nil, err
			}
			if a.Known = err == nil; !a.Known {
				v.LeaveOut(have.Channel, have.Tool, err)
			}
		}
		if !a.IsNewer() {
			v.WarnOfRefused(have)
		}
		answers = append(answers, a)
	}
	return answers, nil
}

// channelRemoved warns if have cannot be updated because the user removed its channel,
// and reports whether that is so.
func (v *Survey) channelRemoved(have record.Head) bool {
	if plan.IsPinned(have) || trust.IsBuiltinChannel(have.Channel) {
		return false
	}
	_, err := v.Desk.Added(have.Channel)
	_, removed := errors.AsType[*channels.UnknownChannelError](err)
	if removed {
		v.Warn("%s is not updated: channel %s was removed", have.Ref(), have.Channel)
	}
	return removed
}

// newest returns the release that have's label or version line means now: have's own
// version if there is nothing newer.
func (v *Survey) newest(ctx context.Context, have record.Head) (manifests.Release, error) {
	same := manifests.Release{Channel: have.Channel, Tool: have.Tool, Version: have.Version}
	if plan.IsPinned(have) {
		return same, nil
	}
	b, err := v.Desk.Named(ctx, have.Channel)
	if err != nil {
		return same, err
	}
	ref := trust.Ref{Channel: have.Channel, Name: have.Tool, Version: have.Requested}
	q := v.Desk.Request(ref)
	q.Platform, q.Components, q.Profile = have.Platform, have.Components, have.Profile
	v.Detail("asking channel %s for %s", b.Name, ref)
	next, cat, err := v.Desk.Choose(ctx, b, q, trust.Choice{Installed: have.Version})
	if moved, to, failed := v.replacement(ctx, b, cat, q, have); moved || failed != nil {
		return to, failed
	}
	if isUnknownVersion(err) && have.Requested == have.Version { // the only one of its line, and removed
		return same, nil
	}
	if _, refused := errors.AsType[limits.Refusal](err); refused { // so is every older one
		v.Tell("%s stays: %v", have.Ref(), err)
		return same, nil
	}
	if err != nil {
		return same, err
	}
	if why := plan.HeldBack(have, next, cat.Versions(have.Tool)); why != "" {
		v.Warn("channel %s names %s %s, %s", have.Channel, next.Tool, next.Version, why)
		return same, nil
	}
	return next, nil
}

// replacement returns the release by which cat, of b, replaces have, if it withdrew have and
// names one, be it older or newer. q is the request that have follows. cat may be nil.
func (v *Survey) replacement(ctx context.Context, b trust.Binding, cat manifests.Catalog, q manifests.Request, have record.Head) (moved bool, to manifests.Release, err error) {
	w, ok := manifests.Withdrawn(manifests.WithdrawalsOf(cat), have.Tool, have.Version)
	if !ok || w.ReplacedBy == "" {
		return false, to, nil
	}
	q.Version = "=" + w.ReplacedBy
	to, _, err = v.Desk.Choose(ctx, b, q, trust.Choice{})
	if _, refused := errors.AsType[limits.Refusal](err); refused || isUnknownVersion(err) {
		v.Tell("%s is to be replaced by %s, which cannot be installed: %v", have.Ref(), w.ReplacedBy, err)
		return false, to, nil
	}
	to.Requested = have.Requested
	return err == nil, to, err
}

// LeaveOut records that channel, which should provide tool, is left out.
func (v *Survey) LeaveOut(channel, tool string, err error) {
	i := slices.IndexFunc(v.LeftOut, func(l LeftOut) bool { return l.Channel == channel && l.Err.Error() == err.Error() })
	switch {
	case i < 0:
		v.LeftOut = append(v.LeftOut, LeftOut{channel, []string{tool}, err})
	case !slices.Contains(v.LeftOut[i].Tools, tool):
		v.LeftOut[i].Tools = append(v.LeftOut[i].Tools, tool)
	}
}

// Updating returns the change that installs the newer releases of answers.
func (s *Set) Updating(answers []Answer) plan.Change {
	c := plan.Change{Follow: map[record.ID]string{}}
	for _, a := range answers {
		c.Update = append(c.Update, plan.Update{ID: a.Have.ID, Release: a.Next})
		// What is installed by its number already goes on for both.
		if held, ok := s.holding(a.Next); ok && held.Requested == held.Version && plan.Follows(held, a.Have.Requested) {
			c.Follow[held.ID] = a.Have.Requested
		}
	}
	return c
}
