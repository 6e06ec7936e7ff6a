package toolset

import (
	"context"
	"slices"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
)

// PreviewPlan returns the releases that p would remove, and the paths that
// this would leave in place. A release that cannot be removed is an error if p removes
// it; if an earlier change left it, it is a warning.
func (s *Set) PreviewPlan(ctx context.Context, p plan.Plan) (removed []record.Head, kept []install.Drift, err error) {
	if kept, err = s.PreviewDropGenerations(s.State.Pruned(p)...); err != nil {
		return nil, nil, err
	}
	for _, id := range s.State.After(p).Unreferenced() {
		left, err := s.Preview(ctx, id)
		if err != nil && (ctx.Err() != nil || slices.Contains(p.Remove, id)) {
			return nil, nil, err
		}
		if err != nil {
			s.Warn("%v; left alone", err)
			continue
		}
		removed, kept = append(removed, s.State.Receipts[id]), append(kept, left...)
	}
	return removed, kept, nil
}
