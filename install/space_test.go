package install

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/download"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/manifests"
)

func TestCheckFits(t *testing.T) {
	one, other := volume{id: 1, free: 100, inodes: 10}, volume{id: 2, free: 100, inodes: 10}
	for name, test := range map[string]struct {
		data, cache need
		want        *download.SpaceError
	}{
		"both fit":          {need{"data", 100, 10, one}, need{"cache", 100, 10, other}, nil},
		"together they fit": {need{"data", 60, 6, one}, need{"cache", 40, 4, one}, nil},
		"data does not":     {need{"data", 101, 1, one}, need{"cache", 1, 1, other}, &download.SpaceError{Path: "data", Need: 101, Free: 100}},
		"the cache not":     {need{"data", 1, 1, one}, need{"cache", 101, 1, other}, &download.SpaceError{Path: "cache", Need: 101, Free: 100}},
		"not together": {need{"data", 60, 1, one}, need{"cache", 41, 1, one},
			&download.SpaceError{Path: "data and cache", Need: 101, Free: 100}},
		"too many files": {need{"data", 1, 11, one}, need{"cache", 1, 1, other},
			&download.SpaceError{Path: "data", Need: 11, Free: 10, Files: true}},
		"too many files together": {need{"data", 1, 6, one}, need{"cache", 1, 5, one},
			&download.SpaceError{Path: "data and cache", Need: 11, Free: 10, Files: true}},
	} {
		err := checkFits(test.data, test.cache)
		var space *download.SpaceError
		if errors.As(err, &space) != (test.want != nil) || space != nil && *space != *test.want {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if space != nil && (!strings.Contains(space.Error(), space.Path) || strings.Contains(space.Error(), "files") != space.Files) {
			t.Errorf("%s: it reads %q", name, space)
		}
	}
}

// leastBytes returns the minimum over the archives.
func TestLeastBytes(t *testing.T) {
	archive := func(size, unpacked, here int64) part {
		return part{archives: []manifests.Artifact{{Unpacked: unpacked}}, sizes: []int64{size}, here: []int64{here}}
	}
	join := func(all ...part) (p part) {
		for _, one := range all {
			p.archives, p.sizes, p.here = append(p.archives, one.archives...), append(p.sizes, one.sizes...), append(p.here, one.here...)
		}
		return p
	}
	for name, test := range map[string]struct {
		part              part
		fetched, unpacked int64
	}{
		"one":                {archive(10, 50, 0), 10, 50},
		"what is not stated": {archive(10, 0, 0), 10, 10},
		"half of it is here": {archive(10, 50, 5), 5, 50},
		"all of it is here":  {archive(10, 50, 10), 0, 50},
		"too much is here":   {archive(10, 50, 20), 0, 50},
		"the smaller":        {join(archive(10, 0, 0), archive(8, 0, 0)), 8, 8},
		"the nearer":         {join(archive(10, 60, 7), archive(8, 60, 0)), 3, 60},
		"only one is known":  {join(archive(0, 0, 0), archive(8, 0, 0)), 8, 8},
		"nothing is known":   {archive(0, 0, 0), 0, 0},
	} {
		if fetched, unpacked := test.part.leastBytes(); fetched != test.fetched || unpacked != test.unpacked {
			t.Errorf("%s: %d and %d, want %d and %d", name, fetched, unpacked, test.fetched, test.unpacked)
		}
	}
}

// Lack of space is found before anything is requested.
func TestNoSpaceIsFoundBeforeFetching(t *testing.T) {
	w := newWorld(t)
	r := w.release("zig", "1.0", "bin/zig")
	r.Artifacts[0].Unpacked = manifests.MaxUnpacked
	for range manifests.MaxArtifacts - 1 {
		r.Artifacts = append(r.Artifacts, r.Artifacts[0]) // 64 TiB in all
	}
	before := w.asked
	_, err := w.change(plan.Change{Install: []manifests.Release{r}})
	var space *download.SpaceError
	if !errors.As(err, &space) || space.Need < manifests.MaxArtifacts*manifests.MaxUnpacked || w.asked != before {
		t.Errorf("%v, after %d requests", err, w.asked-before)
	}
	if !strings.Contains(err.Error(), w.path(".local/share/kist")) {
		t.Errorf("it names no path: %v", err)
	}
}

// An announcer is a transport that announces the same size for every file, and has none.
type announcer struct {
	size  int64
	asked int
}

func (a *announcer) Open(context.Context, string, int64) (io.ReadCloser, int64, error) {
	return nil, 0, manifests.ErrUnreachable
}

func (a *announcer) OpenRange(context.Context, string, int64, int64) (io.ReadCloser, int64, error) {
	return nil, 0, manifests.ErrUnreachable
}

func (a *announcer) Size(context.Context, string) (int64, error) {
	a.asked++
	return a.size, nil
}

// For a single archive whose size no proved document states, the announced size counts;
// for an archive in the cache, no size is requested.
func TestAnnouncedSizesCountForSpace(t *testing.T) {
	one := manifests.Artifact{Name: "go.zip", Refs: []string{"https://example.org/go.zip"}}
	least := one
	least.Unpacked = 240
	for name, test := range map[string]struct {
		part                     part
		announced                int64
		fetched, unpacked, asked int64
	}{
		"announced":             {part{archives: []manifests.Artifact{one}, sizes: []int64{0}, here: []int64{0}}, 76, 76, 76, 1},
		"with its least":        {part{archives: []manifests.Artifact{least}, sizes: []int64{0}, here: []int64{0}}, 76, 76, 240, 1},
		"partly here":           {part{archives: []manifests.Artifact{one}, sizes: []int64{0}, here: []int64{70}}, 76, 6, 76, 1},
		"only its least":        {part{archives: []manifests.Artifact{least}, sizes: []int64{0}, here: []int64{0}}, -1, 0, 240, 1},
		"impossible":            {part{archives: []manifests.Artifact{one}, sizes: []int64{0}, here: []int64{0}}, manifests.MaxArtifact + 1, 0, 0, 1},
		"stated":                {part{archives: []manifests.Artifact{one}, sizes: []int64{9}, here: []int64{0}}, 76, 9, 9, 0},
		"in the cache":          {part{archives: []manifests.Artifact{one}, sizes: []int64{0}, here: []int64{0}, whole: true}, 76, 0, 0, 0},
		"there is a choice yet": {part{archives: []manifests.Artifact{one, one}, sizes: []int64{0, 0}, here: []int64{0, 0}}, 76, 0, 0, 0},
	} {
		from := &announcer{size: test.announced}
		q := &queue{parts: []*part{&test.part}}
		q.askSizes(t.Context(), from)
		if fetched, unpacked := test.part.leastBytes(); fetched != test.fetched || unpacked != test.unpacked || int64(from.asked) != test.asked {
			t.Errorf("%s: %d and %d after %d questions, want %d and %d after %d", name, fetched, unpacked, from.asked, test.fetched, test.unpacked, test.asked)
		}
	}
}
