package upstreams

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// Origins is the Source of an upstream that publishes in several places.
type Origins struct {
	Channel string
	List    []Named      // in the order in which they are asked
	Tell    func(string) // see Machine
}

// A Named is one origin.
type Named struct {
	Name   string
	Source manifests.Source
}

// Fetch asks each origin in turn, and returns the first answer that is proved.
// A failed proof, like every error but "unreachable" and "not there", is
// returned at once. Where no origin has an answer, one that says there is no
// such version speaks for all, the last before the others; and where none even
// says that, the error names each origin and matches manifests.ErrUnreachable,
// or manifests.ErrNotFound if every one of them could be reached.
func (o Origins) Fetch(ctx context.Context, t manifests.Transport, q manifests.Query) (manifests.Catalog, error) {
	var unknown error
	failed := &originsError{channel: o.Channel}
	for i, origin := range o.List {
		catalog, err := origin.Source.Fetch(ctx, t, q)
		switch {
		case err == nil:
			return keepMark(catalog, q.Last), nil
		case ctx.Err() != nil || !passable(err):
			return nil, fmt.Errorf("%s: %w", origin.Name, err)
		case isUnknown(err):
			unknown = err
		default:
			failed.add(origin.Name, err)
			if next := i + 1; next < len(o.List) && o.Tell != nil && !errors.Is(err, manifests.ErrOffline) {
				o.Tell(fmt.Sprintf("%s has no answer (%s); asking %s", origin.Name, oneLine(err), o.List[next].Name))
			}
		}
	}
	if unknown != nil {
		return nil, unknown
	}
	return nil, failed
}

// Names are those of the first origin that has such.
func (o Origins) Names() []string {
	for _, origin := range o.List {
		if named, ok := origin.Source.(manifests.Named); ok {
			return named.Names()
		}
	}
	return nil
}

// passable reports whether the next origin may be asked after err: whether
// nothing was there that could have been proved.
func passable(err error) bool {
	if errors.Is(err, verify.ErrUntrusted) || errors.Is(err, verify.ErrStale) {
		return false
	}
	return errors.Is(err, manifests.ErrUnreachable) || errors.Is(err, manifests.ErrNotFound) || isUnknown(err)
}

func isUnknown(err error) bool {
	var version *manifests.UnknownVersionError
	var platform *manifests.UnsupportedPlatformError
	return errors.As(err, &version) || errors.As(err, &platform)
}

// keepMark has a catalog of an origin that publishes nothing to count by carry
// the channel's mark on: it is another origin's, and must not be forgotten.
func keepMark(c manifests.Catalog, last verify.Mark) manifests.Catalog {
	if !c.Mark().IsZero() || last.IsZero() {
		return c
	}
	return marked{c, last}
}

type marked struct {
	manifests.Catalog
	mark verify.Mark
}

func (m marked) Mark() verify.Mark { return m.mark }

// An originsError is how every origin failed to answer.
type originsError struct {
	channel     string
	said        []string
	unreachable []error
	missing     []error
}

func (e *originsError) add(name string, err error) {
	e.said = append(e.said, name+": "+oneLine(err))
	if errors.Is(err, manifests.ErrUnreachable) {
		e.unreachable = append(e.unreachable, err)
	} else {
		e.missing = append(e.missing, err)
	}
}

func (e *originsError) Error() string {
	return fmt.Sprintf("channel %s: no origin has an answer: %s", e.channel, strings.Join(e.said, "; "))
}

// Unwrap: that one origin has no such file says nothing while another could not be asked.
func (e *originsError) Unwrap() []error {
	if len(e.unreachable) > 0 {
		return e.unreachable
	}
	return e.missing
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
