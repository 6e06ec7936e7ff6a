package upstreams

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// origins is the Source of an upstream with several origins.
type origins struct {
	Channel string
	List    []namedOrigin            // in the order in which they are tried
	Notify  func(line, cause string) // see Machine
}

// A namedOrigin is one origin and its name.
type namedOrigin struct {
	Name   string
	Source manifests.Source
}

// Fetch tries each origin in turn, and returns the first proved answer. It returns
// every error other than "unreachable" and "not found", such as a failed proof, at
// once. If no origin has an answer, it returns the last "no such version" error; if
// there is none either, the error names each origin and matches
// manifests.ErrUnreachable, or manifests.ErrNotFound if every origin was reached.
func (o origins) Fetch(ctx context.Context, t manifests.Transport, q manifests.Query) (manifests.Catalog, error) {
	var unknown error
	failed := &originsError{channel: o.Channel}
	for i, origin := range o.List {
		if q.Origin != "" && q.Origin != origin.Name {
			continue
		}
		catalog, err := origin.Source.Fetch(ctx, t, q)
		switch {
		case err == nil:
			return fromOrigin{keepMark(catalog, q.Last), origin.Name}, nil
		case ctx.Err() != nil || !mayTryNext(err):
			return nil, fmt.Errorf("%s: %w", origin.Name, err)
		case manifests.IsUnknown(err):
			unknown = err
		default:
			failed.add(origin.Name, err)
			if next := i + 1; next < len(o.List) && q.Origin == "" && o.Notify != nil && !errors.Is(err, manifests.ErrOffline) {
				trouble := "does not have it"
				if errors.Is(err, manifests.ErrUnreachable) {
					trouble = "can't be reached"
				}
				o.Notify(fmt.Sprintf("%s %s; using %s", origin.Name, trouble, o.List[next].Name), oneLine(err))
			}
		}
	}
	if unknown != nil {
		return nil, unknown
	}
	if len(failed.failures) == 0 {
		return nil, fmt.Errorf("channel %s: %w: it has no origin %q", o.Channel, manifests.ErrNotFound, q.Origin)
	}
	return nil, failed
}

// Names returns the names of the first origin that implements manifests.Named.
func (o origins) Names() []string {
	for _, origin := range o.List {
		if named, ok := origin.Source.(manifests.Named); ok {
			return named.Names()
		}
	}
	return nil
}

// mayTryNext reports whether the next origin may be tried after err, which means that
// there was nothing to prove.
func mayTryNext(err error) bool {
	if errors.Is(err, verify.ErrUntrusted) || errors.Is(err, verify.ErrStale) {
		return false
	}
	return errors.Is(err, manifests.ErrUnreachable) || errors.Is(err, manifests.ErrNotFound) || manifests.IsUnknown(err)
}

// keepMark makes a catalog without a mark keep the channel's mark: it is another
// origin's, and must not be lost.
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

// fromOrigin is the catalog of one of several origins. Its releases name the origin.
type fromOrigin struct {
	manifests.Catalog
	name string
}

func (f fromOrigin) Resolve(q manifests.Request) (manifests.Release, error) {
	r, err := f.Catalog.Resolve(q)
	r.Origin = f.name
	return r, err
}

// originsError is returned when no origin has an answer.
type originsError struct {
	channel     string
	failures    []string
	unreachable []error
	missing     []error
}

func (e *originsError) add(name string, err error) {
	e.failures = append(e.failures, name+": "+oneLine(err))
	if errors.Is(err, manifests.ErrUnreachable) {
		e.unreachable = append(e.unreachable, err)
	} else {
		e.missing = append(e.missing, err)
	}
}

func (e *originsError) Error() string {
	return fmt.Sprintf("channel %s: no origin has an answer: %s", e.channel, strings.Join(e.failures, "; "))
}

// Unwrap returns the unreachable errors if there are any: "not found" from one origin
// means nothing while another could not be reached.
func (e *originsError) Unwrap() []error {
	if len(e.unreachable) > 0 {
		return e.unreachable
	}
	return e.missing
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
