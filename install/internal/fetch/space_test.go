package fetch_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/install/internal/fetch"
	"github.com/kist-tools/kist/manifests"
)

func TestNeedIsCheckedAgainstFreeSpace(t *testing.T) {
	for name, test := range map[string]struct {
		need fetch.Need
		want *download.SpaceError
	}{
		"it fits":         {fetch.Need{Path: "data", Bytes: 100, Inodes: 10}, nil},
		"too many bytes":  {fetch.Need{Path: "data", Bytes: 101, Inodes: 1}, &download.SpaceError{Path: "data", Need: 101, Free: 100}},
		"too many inodes": {fetch.Need{Path: "data", Bytes: 1, Inodes: 11}, &download.SpaceError{Path: "data", Need: 11, Free: 10, Files: true}},
	} {
		err := test.need.Check(100, 10)
		space, ok := errors.AsType[*download.SpaceError](err)
		if ok != (test.want != nil) || ok && *space != *test.want {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if ok && strings.Contains(space.Error(), "files") != space.Files {
			t.Errorf("%s: it reads %q", name, space)
		}
	}
}

// The needs of directories on one file system are added up.
func TestNeedsOnOneFileSystemAreAddedUp(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	half := fetch.Need{Path: "data", Root: root, Bytes: 1 << 61}
	other := fetch.Need{Path: "cache", Root: root, Bytes: 1 << 61}
	space, ok := errors.AsType[*download.SpaceError](fetch.CheckSpace(half, other))
	if !ok || space.Path != "data and cache" || space.Need != 1<<62 {
		t.Errorf("got %v", space)
	}
	if err := fetch.CheckSpace(fetch.Need{Path: "data", Root: root, Bytes: 1}, fetch.Need{Path: "cache", Root: root, Bytes: 1}); err != nil {
		t.Errorf("two bytes: %v", err)
	}
}

// The least that an artifact takes is the minimum over its archives. Where no document
// states a size, the announced one counts; for an archive in the cache none is requested.
func TestLeastBytes(t *testing.T) {
	archive := func(name string, size, unpacked int64) manifests.Artifact {
		return manifests.Artifact{Name: name, Refs: []string{"https://example.org/" + name}, Size: size, Unpacked: unpacked}
	}
	for name, test := range map[string]struct {
		archives                 []manifests.Artifact
		announced                int64
		fetched, unpacked, asked int64
	}{
		"one":                   {[]manifests.Artifact{archive("a", 10, 50)}, 0, 10, 50, 0},
		"unpacked not stated":   {[]manifests.Artifact{archive("a", 10, 0)}, 0, 10, 10, 0},
		"the smaller":           {[]manifests.Artifact{archive("a", 10, 0), archive("b", 8, 0)}, 0, 8, 8, 0},
		"only one is known":     {[]manifests.Artifact{archive("a", 0, 0), archive("b", 8, 0)}, -1, 8, 8, 1},
		"nothing is known":      {[]manifests.Artifact{archive("a", 0, 0)}, -1, 0, 0, 1},
		"announced":             {[]manifests.Artifact{archive("a", 0, 0)}, 76, 76, 76, 1},
		"announced, and stated": {[]manifests.Artifact{archive("a", 0, 240)}, 76, 76, 240, 1},
		"impossible":            {[]manifests.Artifact{archive("a", 0, 0)}, manifests.MaxArtifact + 1, 0, 0, 1},
	} {
		w := newWorld(t)
		w.says = map[string]int64{"https://example.org/a": test.announced, "https://example.org/b": test.announced}
		a := test.archives[0]
		a.Alternatives = slices.Clone(test.archives[1:])
		fetched, unpacked := w.prepare(a).LeastBytes()
		if fetched != test.fetched || unpacked != test.unpacked || int64(len(w.asked)) != test.asked {
			t.Errorf("%s: %d and %d after %d requests, want %d and %d after %d", name, fetched, unpacked, len(w.asked), test.fetched, test.unpacked, test.asked)
		}
	}
}

// Bytes that the cache holds need not be fetched.
func TestLeastBytesLeavesOutTheCache(t *testing.T) {
	w := newWorld(t)
	a := w.artifact("one", "tar", 1000)
	s, err := w.cache.Stream(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Blob(); err != nil {
		t.Fatal(err)
	}
	if fetched, unpacked := w.prepare(a).LeastBytes(); fetched != 0 || unpacked != 1000 {
		t.Errorf("%d and %d, want 0 and 1000", fetched, unpacked)
	}
}
