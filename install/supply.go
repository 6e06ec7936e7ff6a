package install

import (
	"context"
	"errors"

	"github.com/kist-tools/kist/install/download"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A supply is an archive that has begun to come. Who is given one closes it.
type supply struct {
	manifests.Artifact
	*download.Stream
	cancel context.CancelCauseFunc
}

func (s *supply) Close() error {
	defer s.cancel(nil)
	return s.Stream.Close()
}

// errBetter ends the download of an archive for the sake of another.
var errBetter = errors.New("another archive will be there sooner")

// fetch brings artifact n: by the archive that is taken, or the first other one
// that is to be had. A proof that fails is the end: it is no reason to look
// elsewhere. Where none is to be had, the error is that of one whose host was not
// reached, if there is one.
func (q *queue) fetch(ctx context.Context, cache download.Cache, n int) (*supply, error) {
	var absent error
	for order := q.order(n); len(order) > 0; {
		a := q.take(n, order[0])
		order = order[1:]
		s, err := q.attempt(ctx, cache, n, a)
		missing := errors.Is(err, manifests.ErrNotFound)
		switch {
		case err == nil:
			if s.Whole() {
				q.is(n, came)
			}
			return s, nil
		case errors.Is(err, errBetter):
			if err := cache.Forget(a); err != nil {
				return nil, err
			}
			order = q.order(n)
		case ctx.Err() != nil || errors.Is(err, verify.ErrUntrusted) || !missing && !errors.Is(err, manifests.ErrUnreachable):
			return nil, err
		case absent == nil || !missing && errors.Is(absent, manifests.ErrNotFound):
			absent = err
		}
	}
	return nil, absent
}

// attempt fetches one archive of part n until it can be unpacked, or until
// another one is better.
func (q *queue) attempt(caller context.Context, cache download.Cache, n int, a manifests.Artifact) (*supply, error) {
	ctx, cancel := context.WithCancelCause(caller)
	report := cache.Progress
	cache.Progress = func(stage, name string, done, total int64) {
		if report != nil {
			report(stage, name, done, total)
		}
		if stage == string(Download) && q.arrived(n, done) {
			cancel(errBetter)
		}
	}
	s, err := cache.Stream(ctx, a)
	if err == nil {
		err = s.Begin()
		q.settle(n)
		if gone := context.Cause(ctx); err == nil && gone != errBetter {
			return &supply{a, s, cancel}, nil
		}
		err = errors.Join(err, s.Close())
	}
	if caller.Err() == nil && context.Cause(ctx) == errBetter {
		err = errBetter
	}
	cancel(nil)
	return nil, err
}
