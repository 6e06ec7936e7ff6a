package manifests_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// An indexTransport serves an index, or fails with err.
type indexTransport struct {
	text string
	err  error
}

func (x indexTransport) Open(context.Context, string, int64) (io.ReadCloser, int64, error) {
	return io.NopCloser(strings.NewReader(x.text)), int64(len(x.text)), x.err
}

func TestIndexChoosesTheReleaseToProve(t *testing.T) {
	index := manifests.Index{Channel: "go", Tool: "go", Ref: "https://me:secret@go.example/index", Numbering: manifests.GoNumbering(), Parse: func(data []byte) (manifests.VersionIndex, error) {
		if string(data) != "the index" {
			return nil, errors.New("no index")
		}
		return goHint(), nil
	}}
	valid := indexTransport{text: "the index"}
	broken := errors.New("the proof is broken")
	for name, test := range map[string]struct {
		from    indexTransport
		tool    string
		version string
		proof   error  // returned by prove
		proved  string // the version passed to prove, "" for none
		spare   bool
		want    error // nil: a release
	}{
		"the newest":                              {from: valid, proved: "1.26.0"},
		"by the tool's name":                      {from: valid, tool: "go", proved: "1.26.0"},
		"another tool":                            {from: valid, tool: "node", want: &manifests.UnknownToolError{}},
		"the beginning of a version":              {from: valid, version: "1.25", proved: "1.25.14"},
		"a beginning that is not listed":          {from: valid, version: "1.28", want: &manifests.UnknownVersionError{}},
		"exact, and not listed":                   {from: valid, version: "1.25.15", proved: "1.25.15"},
		"exact, neither listed nor found":         {from: valid, version: "1.25.15", proved: "1.25.15", proof: manifests.ErrNotFound, want: &manifests.UnknownVersionError{}},
		"listed, but not found":                   {from: valid, version: "1.25.14", proved: "1.25.14", proof: manifests.ErrNotFound, want: manifests.ErrNotFound},
		"a release that fails verification":       {from: valid, proved: "1.26.0", proof: broken, want: broken},
		"no index, and no exact version":          {from: indexTransport{err: manifests.ErrNotFound}, version: "1.25", want: manifests.ErrNotFound},
		"no index, and an exact version":          {from: indexTransport{err: manifests.ErrNotFound}, version: "1.25.14", proved: "1.25.14"},
		"an unreachable index, no exact version":  {from: indexTransport{err: manifests.ErrUnreachable}, spare: true, want: manifests.ErrUnreachable},
		"an unreachable index, an exact version":  {from: indexTransport{err: manifests.ErrUnreachable}, spare: true, version: "go1.25.14", proved: "1.25.14"},
		"an unreachable index without Spare":      {from: indexTransport{err: manifests.ErrUnreachable}, version: "go1.25.14", want: manifests.ErrUnreachable},
		"a broken index, no exact version":        {from: indexTransport{text: "an error page"}, version: "1.25", want: verify.ErrUntrusted},
		"a broken index, an exact version":        {from: indexTransport{text: "an error page"}, version: "1.25.14", proved: "1.25.14"},
		"a page, no exact version":                {from: indexTransport{text: "<html>"}, version: "1.25", want: &manifests.PageError{}},
		"a page, an exact version":                {from: indexTransport{text: "<html>"}, version: "1.25.14", proved: "1.25.14"},
		"an empty index, an exact version":        {from: indexTransport{}, version: "1.25.14", proved: "1.25.14"},
		"an empty index, and not found":           {from: indexTransport{}, version: "1.25.14", proved: "1.25.14", proof: manifests.ErrNotFound, want: &manifests.UnknownVersionError{}},
		"a bad index does not excuse a bad proof": {from: indexTransport{text: "an error page"}, version: "1.25.14", proved: "1.25.14", proof: verify.ErrUntrusted, want: verify.ErrUntrusted},
	} {
		index.Spare = test.spare
		var proved manifests.Match
		catalog, err := index.Fetch(t.Context(), test.from, manifests.Query{Request: manifests.Request{Tool: test.tool, Version: test.version, Platform: linux}},
			func(q manifests.Query, c manifests.Match) (manifests.Release, error) {
				proved = c
				return manifests.Release{Channel: "go", Tool: q.Tool, Version: c.Version, Platform: q.Platform}, test.proof
			})
		if proved.Version != test.proved {
			t.Errorf("%s: prove was called for %q, want %q", name, proved.Version, test.proved)
		}
		if test.want != nil {
			if fmt.Sprintf("%T", err) != fmt.Sprintf("%T", test.want) && !errors.Is(err, test.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v, want %v", name, err, test.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := catalog.(manifests.SingleRelease).Release
		if noted := slices.Contains(got.Evidence.Notes, manifests.Unsigned); got.Tool != "go" || got.Version != test.proved || noted != proved.Listed {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// An interrupt must not be treated as an unreachable index.
func TestIndexFetchEndsWhenInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	index := manifests.Index{Channel: "go", Tool: "go", Numbering: manifests.GoNumbering(), Spare: true}
	_, err := index.Fetch(ctx, indexTransport{err: manifests.ErrUnreachable}, manifests.Query{Request: manifests.Request{Version: "1.25.14", Platform: linux}},
		func(manifests.Query, manifests.Match) (manifests.Release, error) {
			t.Error("prove was called")
			return manifests.Release{}, nil
		})
	if !errors.Is(err, manifests.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}
