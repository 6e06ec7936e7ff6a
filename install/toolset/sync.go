package toolset

import (
	"context"
	"slices"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
)

// Syncing returns the change that makes this machine match wants: it installs what is
// missing, and makes each release the default of its tool. With prune, it also removes
// every other release of the user's own store; those of layers stay. already and the errors
// are those of [Set.Installation]; two wants for one tool are a *TwiceError.
func (s *Set) Syncing(ctx context.Context, wants []Want, prune bool) (c plan.Change, already []record.Head, err error) {
	c, already, err = s.Installation(ctx, wants, plan.AlwaysDefault)
	if err != nil {
		return c, nil, err
	}
	var keys, refs []string
	for _, have := range already {
		if !slices.Contains(refs, have.Ref()) {
			keys, refs = append(keys, have.Key()), append(refs, have.Ref())
		}
	}
	for _, r := range c.Install {
		key := r.Channel + "/" + r.Tool
		if ref := key + "@" + r.Version; !slices.Contains(refs, ref) {
			keys, refs = append(keys, key), append(refs, ref)
		}
	}
	slices.Sort(keys)
	for i := 1; i < len(keys); i++ {
		if keys[i] == keys[i-1] {
			return c, nil, &TwiceError{keys[i]}
		}
	}
	for _, have := range s.State.Installed() {
		if prune && !slices.Contains(refs, have.Ref()) {
			c.Remove = append(c.Remove, have.ID)
		}
	}
	return c, already, nil
}

// A TwiceError reports that two different releases of one tool are asked for, where only
// one can be the default.
type TwiceError struct{ Tool string } // channel/tool

func (e *TwiceError) Error() string { return e.Tool + " is asked for in two versions" }
func (*TwiceError) Kind() string    { return "usage" }
