package upstreams_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

// An origin answers with a catalog or an error, and counts its requests.
type origin struct {
	err   error
	mark  verify.Mark
	asked int
}

func (o *origin) Fetch(context.Context, manifests.Transport, manifests.Query) (manifests.Catalog, error) {
	o.asked++
	if o.err != nil {
		return nil, o.err
	}
	return manifests.SingleRelease{Release: manifests.Release{Tool: "go"}, Newest: o.mark}, nil
}

var (
	unreachable = fmt.Errorf("https://a.example: no route\nto host: %w", manifests.ErrUnreachable)
	missing     = fmt.Errorf("https://a.example/x: %w", manifests.ErrNotFound)
	unknown     = &manifests.UnknownVersionError{Channel: "go", Tool: "go", Version: "1.99"}
	unknownNear = &manifests.UnknownVersionError{Channel: "go", Tool: "go", Version: "1.99", Near: []string{"1.9"}}
	unsupported = &manifests.UnsupportedPlatformError{Tool: "go", Version: "1.25"}
	forged      = &verify.SignatureError{Name: "x"}
	forgedFar   = fmt.Errorf("%w: %w", manifests.ErrUnreachable, forged) // a failed proof, though also unreachable
	fork        = &verify.ForkError{Database: "sum.example.org"}
	tooLarge    = &manifests.TooLargeError{Name: "x", Limit: 1}
)

func TestOriginsAreTriedInOrder(t *testing.T) {
	for _, test := range []struct {
		name          string
		first, second error // nil: an answer
		want          error // nil: an answer
		asks, tells   bool  // the second is tried; the user is told that the first has no answer
	}{
		{"the first answers", nil, nil, nil, false, false},
		{"unreachable, then an answer", unreachable, nil, nil, true, true},
		{"missing, then an answer", missing, nil, nil, true, true},
		{"unknown, then an answer", unknown, nil, nil, true, false},
		{"a failed proof ends the search", forged, nil, verify.ErrUntrusted, false, false},
		{"a failed proof that is also unreachable", forgedFar, nil, verify.ErrUntrusted, false, false},
		{"a fork ends the search", fork, nil, verify.ErrStale, false, false},
		{"an answer over its ceiling", tooLarge, nil, verify.ErrUntrusted, false, false},
		{"an error of another kind", errDisk, nil, errDisk, false, false},
		{"a failed proof in the second", unreachable, forged, verify.ErrUntrusted, true, true},
		{"both unreachable", unreachable, unreachable, manifests.ErrUnreachable, true, true},
		{"unreachable, unknown", unreachable, unknownNear, unknownNear, true, true},
		{"unknown, unreachable", unknown, unreachable, unknown, true, false},
		{"both unknown: the last suggests near names", unknown, unknownNear, unknownNear, true, false},
		{"both unsupported", unsupported, unsupported, unsupported, true, false},
		{"missing, unreachable", missing, unreachable, manifests.ErrUnreachable, true, true},
		{"both missing", missing, missing, manifests.ErrNotFound, true, true},
		{"both offline", manifests.ErrOffline, manifests.ErrOffline, manifests.ErrOffline, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			first, second := &origin{err: test.first}, &origin{err: test.second}
			var told []string
			source := upstreams.Origins{Channel: "go", Notify: func(line, cause string) { told = append(told, line+": "+cause) },
				List: []upstreams.Named{{Name: "go.dev", Source: first}, {Name: "the module proxy", Source: second}}}
			catalog, err := source.Fetch(t.Context(), nil, manifests.Query{Now: now})
			if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) || (err == nil) != (catalog != nil) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if (second.asked > 0) != test.asks || first.asked != 1 || second.asked > 1 {
				t.Errorf("asked %d and %d times", first.asked, second.asked)
			}
			if (len(told) > 0) != test.tells || len(told) > 1 || len(told) == 1 && strings.Contains(told[0], "\n") {
				t.Errorf("told %q", told)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			if test.want == manifests.ErrUnreachable && (errors.Is(err, manifests.ErrNotFound) ||
				!strings.Contains(err.Error(), "go.dev") || !strings.Contains(err.Error(), "the module proxy")) {
				t.Errorf("it does not name each origin, or says more than is known: %v", err)
			}
		})
	}
}

var errDisk = errors.New("input/output error")

func TestOriginsStopWhenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	first, second := &origin{err: fmt.Errorf("%w: %w", manifests.ErrUnreachable, context.Canceled)}, &origin{}
	source := upstreams.Origins{Channel: "go", List: []upstreams.Named{{Name: "a", Source: first}, {Name: "b", Source: second}}}
	if _, err := source.Fetch(ctx, nil, manifests.Query{}); !errors.Is(err, context.Canceled) || second.asked != 0 {
		t.Errorf("%v, asked %d times", err, second.asked)
	}
}

// TestMarkSurvivesOriginWithoutOne checks that the mark of one origin is not lost when
// another, which has none, answers in between.
func TestMarkSurvivesOriginWithoutOne(t *testing.T) {
	last := verify.Mark{Channel: "go", Serial: 42}
	newer := verify.Mark{Channel: "go", Serial: 43}
	for _, test := range []struct{ last, origin, want verify.Mark }{
		{verify.Mark{}, verify.Mark{}, verify.Mark{}}, {last, verify.Mark{}, last}, {last, newer, newer}, {verify.Mark{}, newer, newer},
	} {
		source := upstreams.Origins{Channel: "go", List: []upstreams.Named{{Name: "a", Source: &origin{mark: test.origin}}}}
		catalog, err := source.Fetch(t.Context(), nil, manifests.Query{Last: test.last})
		if err != nil || catalog.Mark().Serial != test.want.Serial {
			t.Errorf("after %d, an origin at %d: %+v, %v", test.last.Serial, test.origin.Serial, catalog.Mark(), err)
		}
		if _, err := catalog.Resolve(manifests.Request{Tool: "go"}); err != nil {
			t.Error(err)
		}
	}
}
