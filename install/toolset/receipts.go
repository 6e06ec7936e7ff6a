package toolset

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/trust"
)

// EachReceipt calls f with the receipt of each installed release that refs mean; without
// refs, of all. One receipt at a time is in memory. Without refs, a receipt that cannot be
// read is an *install.ReceiptError: a list that lacks what is installed would be wrong.
func (s *Set) EachReceipt(ctx context.Context, refs []trust.Ref, f func(record.Receipt)) error {
	list, err := s.Selected(refs)
	if err != nil {
		return err
	}
	if len(refs) == 0 {
		damaged := maps.Clone(s.State.Damaged)
		for _, l := range s.Layers {
			if damaged == nil {
				damaged = map[record.ID]error{}
			}
			maps.Copy(damaged, l.State.Damaged)
		}
		for _, id := range slices.Sorted(maps.Keys(damaged)) {
			return &install.ReceiptError{ID: id, Err: damaged[id]}
		}
	}
	for _, have := range list {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r, err := s.Receipt(have.ID)
		if err != nil {
			return fmt.Errorf("%s: %w", have.Ref(), err)
		}
		f(r)
	}
	return nil
}

// Changed returns when what is installed last changed, in the user's own store and in those
// below it; the zero time if nothing was ever installed.
func (s *Set) Changed() time.Time {
	last := s.State.Current.Made
	for _, l := range s.Layers {
		if made := l.State.Current.Made; made.After(last) {
			last = made
		}
	}
	return last.UTC()
}
