package toolset

import (
	"context"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/manifests/trust"
)

// SetWants returns the tools of a channel's set, as wants. It asks the channel for its
// manifest. Errors are those of [trust.Desk.Set].
func (s *Set) SetWants(ctx context.Context, ref trust.SetRef) (wants []Want, err error) {
	s.Detail("asking channel %s for %s", ref.Channel, ref)
	set, err := s.Desk.Set(ctx, ref)
	if err != nil {
		return nil, err
	}
	for _, t := range set.Tools {
		wants = append(wants, Want{
			Ref:   trust.Ref{Channel: t.Channel, Name: t.Tool, Version: t.Version},
			Parts: plan.Parts{Components: t.Components, Targets: t.Targets, Profile: t.Profile},
		})
	}
	return wants, nil
}
