package install

import (
	"context"
	"errors"

	"github.com/kist-tools/kist/install/download"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// An archiveDownload is an archive whose download has begun. The caller that receives
// one must close it.
type archiveDownload struct {
	manifests.Artifact
	*download.Stream
	cancel context.CancelCauseFunc
}

func (s *archiveDownload) Close() error {
	defer s.cancel(nil)
	return s.Stream.Close()
}

// errArchiveSwitched stops the download of an archive because another one is better.
var errArchiveSwitched = errors.New("another archive will arrive sooner")

// fetch fetches artifact n: from the chosen archive, or from the first other one that is
// available. After a failed proof it tries no other archive. If none is available, it
// returns the error of an archive whose host was not reached, if there is one.
func (q *queue) fetch(ctx context.Context, cache download.Cache, n int) (*archiveDownload, error) {
	var absent error
	for order := q.order(n); len(order) > 0; {
		a := q.setArchive(n, order[0])
		order = order[1:]
		s, err := q.attempt(ctx, cache, n, a)
		missing := errors.Is(err, manifests.ErrNotFound)
		switch {
		case err == nil:
			if s.Whole() {
				q.setState(n, fetched)
			}
			return s, nil
		case errors.Is(err, errArchiveSwitched):
			if err := cache.DropPartial(a); err != nil {
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

// attempt fetches one archive of part n until it can be unpacked, or returns
// errArchiveSwitched if another archive is better.
func (q *queue) attempt(caller context.Context, cache download.Cache, n int, a manifests.Artifact) (*archiveDownload, error) {
	ctx, cancel := context.WithCancelCause(caller)
	report := cache.Progress
	cache.Progress = func(stage, name string, done, total int64) {
		if report != nil {
			report(stage, name, done, total)
		}
		if stage == string(Download) && q.arrived(n, done) {
			cancel(errArchiveSwitched)
		}
	}
	s, err := cache.Stream(ctx, a)
	if err == nil {
		err = s.Begin()
		q.fixArchive(n)
		if gone := context.Cause(ctx); err == nil && gone != errArchiveSwitched {
			return &archiveDownload{a, s, cancel}, nil
		}
		err = errors.Join(err, s.Close())
	}
	if caller.Err() == nil && context.Cause(ctx) == errArchiveSwitched {
		err = errArchiveSwitched
	}
	cancel(nil)
	return nil, err
}
