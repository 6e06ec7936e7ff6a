package toolset

import (
	"context"
	"slices"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
)

// PreviewPlan returns the names of the releases that p would remove, and the paths that
// this would leave in place. A release that cannot be removed is an error if p removes
// it; if an earlier change left it, it is a warning.
func (s *Set) PreviewPlan(ctx context.Context, p plan.Plan) (removed []string, kept []install.Drift, err error) {
	if kept, err = s.PreviewDropGenerations(s.State.Pruned(p)...); err != nil {
		return nil, nil, err
	}
	var gone []record.Head
	for _, id := range s.State.After(p).Unreferenced() {
		left, err := s.Preview(ctx, id)
		if err != nil && (ctx.Err() != nil || slices.Contains(p.Remove, id)) {
			return nil, nil, err
		}
		if err != nil {
			s.Warn("%v; left alone", err)
			continue
		}
		gone, kept = append(gone, s.State.Receipts[id]), append(kept, left...)
	}
	return Refs(gone), kept, nil
}
