package debian

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
)

// TestRefusesBeforeFetching checks that a tool that cannot work and a distribution
// without a mirror are refused before anything is fetched.
func TestRefusesBeforeFetching(t *testing.T) {
	w := whole(t)
	if _, err := w.fetch(t, w.source(t), ask("nodejs")); !errors.Is(err, errRefusedTool) || len(w.Asked()) > 0 {
		t.Errorf("%v, asked for %q", err, w.Asked())
	}
	nowhere := w.source(t)
	nowhere.Suites = nil
	if _, err := w.fetch(t, nowhere, ask("ninja")); !isType[*NoMirrorError](err) || !errors.Is(err, manifests.ErrUnreachable) {
		t.Errorf("no mirror: %v", err)
	}
}

// TestUnpackedIndexMustMatch checks that an index is refused if its unpacked bytes
// differ from what InRelease states, even if the compressed ones match.
func TestUnpackedIndexMustMatch(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"longer": func(s string) string {
			return strings.ReplaceAll(s, " main/binary-amd64/Packages\n", "1 main/binary-amd64/Packages\n")
		},
		"another": func(s string) string { return swapDigest(s, "main/binary-amd64/Packages\n") },
		"unnamed": func(s string) string {
			return strings.ReplaceAll(s, " main/binary-amd64/Packages\n", " main/binary-amd64/Packages.bz2\n")
		},
	} {
		w := newWorld(t)
		s := bookworm()
		s.Sums = change
		w.publish(t, root, s)
		if _, err := w.resolve(t, w.source(t), ask("ninja"), verify.Mark{}); !isUntrusted(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// swapDigest changes the digest of a line.
func swapDigest(release, suffix string) string {
	i := strings.Index(release, suffix)
	start := strings.LastIndexByte(release[:i], '\n') + 2
	return release[:start] + strings.Repeat("0", 64) + release[start+64:]
}

// TestByHash checks that an index is fetched by its digest if the suite supports that,
// and by its name if the mirror lacks it there.
func TestByHash(t *testing.T) {
	w := whole(t)
	if _, err := w.resolve(t, w.source(t), ask("ninja"), verify.Mark{}); err != nil {
		t.Fatal(err)
	}
	asked := w.Asked()
	if slices.ContainsFunc(asked, func(ref string) bool { return strings.HasSuffix(ref, "/Packages.gz") }) || len(asked) != 6 {
		t.Errorf("asked for %q", asked)
	}
	for ref := range w.Files { // a mirror in the middle of an update: files by name are newer
		if strings.HasSuffix(ref, "/Packages.gz") {
			w.Tell(ref, manifesttest.Replaced([]byte("newer")))
		}
	}
	if _, err := w.resolve(t, w.source(t), ask("ninja"), verify.Mark{}); err != nil {
		t.Errorf("while its mirror is updated: %v", err)
	}
	for _, ref := range asked {
		if strings.Contains(ref, "by-hash") {
			w.Tell(ref, manifesttest.NotFound)
		}
	}
	if _, err := w.resolve(t, w.source(t), ask("ninja"), verify.Mark{}); !isUntrusted(err) {
		t.Errorf("with the newer ones alone: %v", err)
	}
	for ref := range w.Files {
		w.Tell(ref, nil)
	}
	for _, ref := range asked {
		if strings.Contains(ref, "by-hash") {
			w.Tell(ref, manifesttest.NotFound)
		}
	}
	if _, err := w.resolve(t, w.source(t), ask("ninja"), verify.Mark{}); err != nil {
		t.Errorf("a mirror without by-hash: %v", err)
	}
	for _, lie := range map[string]manifesttest.Lie{"cut": manifesttest.Cut, "endless": manifesttest.Endless, "huge": manifesttest.Oversized,
		"empty": manifesttest.Empty, "flipped": manifesttest.Flipped(40), "the arm64 one": manifesttest.Replaced(w.Files[root+"dists/bookworm/main/binary-arm64/Packages.gz"])} {
		for _, ref := range asked {
			if strings.Contains(ref, "by-hash") {
				w.Tell(ref, lie)
			}
		}
		before := w.Delivered()
		if _, err := w.resolve(t, w.source(t), ask("ninja"), verify.Mark{}); !isUntrusted(err) {
			t.Errorf("a lie under by-hash: %v", err)
		}
		if read := w.Delivered() - before; read > 1<<20 {
			t.Errorf("%d bytes of a false index were read", read)
		}
	}
}

// TestMissingSuites checks that a suite that the mirror lacks is left out and reported,
// and that an unreachable one is an error.
func TestMissingSuites(t *testing.T) {
	w := whole(t)
	updates := security + "dists/bookworm-security/InRelease"
	first, err := w.fetch(t, w.source(t), ask("ninja"))
	if err != nil {
		t.Fatal(err)
	}
	w.Tell(updates, manifesttest.NotFound)
	var told []string
	s := w.source(t)
	s.Tell = func(text string) { told = append(told, text) }
	release, err := w.resolve(t, s, ask("ninja"), verify.Mark{})
	if err != nil || release.Version != "1.11.1-2~deb12u1" || len(told) != 1 || !strings.Contains(told[0], "bookworm-security") ||
		!strings.Contains(fmt.Sprint(release.Evidence.Notes), "bookworm-security") {
		t.Errorf("without security updates: %s, %v, told %q, notes %q", release.Version, err, told, release.Evidence.Notes)
	}
	if _, err := w.resolve(t, s, ask("ninja"), first.Mark()); !isType[*verify.WithheldError](err) || !errors.Is(err, verify.ErrStale) {
		t.Errorf("withheld after it was seen: %v", err)
	}
	w.Tell(updates, manifesttest.Unreachable)
	if _, err := w.resolve(t, s, ask("ninja"), verify.Mark{}); !errors.Is(err, manifests.ErrUnreachable) {
		t.Errorf("unreachable: %v", err)
	}
	w.Tell(updates, nil)
	w.Tell(root+"dists/bookworm/InRelease", manifesttest.NotFound)
	if _, err := w.resolve(t, s, ask("ninja"), verify.Mark{}); !errors.Is(err, manifests.ErrNotFound) || isUntrusted(err) {
		t.Errorf("without the release itself: %v", err)
	}
}

// TestCache checks that cached data is proved again: a corrupt cache costs a download,
// no more.
func TestCache(t *testing.T) {
	w := whole(t)
	cache := memory{}
	s := w.source(t)
	s.Cache = cache
	truth, err := w.resolve(t, s, ask("ninja"), verify.Mark{})
	if err != nil || len(cache) != 4 { // three indices and an excerpt
		t.Fatalf("%d cached, %v", len(cache), err)
	}
	for ref := range w.Files {
		if IsIndex(ref) {
			w.Tell(ref, manifesttest.Unreachable)
		}
	}
	again, err := w.resolve(t, s, ask("ninja"), verify.Mark{})
	if err != nil || components(again) != components(truth) || len(again.Evidence.Blobs) != 1 {
		t.Errorf("from the cache: %v", err)
	}
	for d, data := range cache {
		cache[d] = append(bytes.Clone(data[:max(len(data)-1, 0)]), '?')
	}
	if _, err := w.resolve(t, s, ask("ninja"), verify.Mark{}); !errors.Is(err, manifests.ErrUnreachable) {
		t.Errorf("a damaged cache without a network: %v", err)
	}
	for ref := range w.Files {
		w.Tell(ref, nil)
	}
	if mended, err := w.resolve(t, s, ask("ninja"), verify.Mark{}); err != nil || components(mended) != components(truth) {
		t.Errorf("a damaged cache: %v", err)
	}
}

// TestStaleSuiteFetchesNoIndex checks that only InRelease files are fetched if the mark
// is newer than the mirror.
func TestStaleSuiteFetchesNoIndex(t *testing.T) {
	w := whole(t)
	newest, err := w.fetch(t, w.source(t), ask("ninja"))
	if err != nil {
		t.Fatal(err)
	}
	older := securitySuite("1.11.1-2~deb12u1")
	older.Issued = now.Add(-25 * time.Hour)
	for name, publish := range map[string]func(world){
		"an older suite":    func(w world) { w.publish(t, security, older) },
		"a suite withheld":  func(w world) { delete(w.Files, root+"dists/bookworm-updates/InRelease") },
		"the same suites":   func(world) {},
		"no mark to follow": func(w world) { w.publish(t, security, older) },
	} {
		t.Run(name, func(t *testing.T) {
			w := world{&manifesttest.Upstream{Files: maps.Clone(w.Files)}, w.key}
			publish(w)
			fresh := name == "the same suites" || name == "no mark to follow"
			q := manifests.Query{Request: ask("ninja"), Now: now, CheckMark: func(m verify.Mark) error { return m.Supersedes(newest.Mark(), now) }}
			if name == "no mark to follow" {
				q.CheckMark = nil
			}
			_, err := w.source(t).Fetch(t.Context(), w, q)
			if fresh && err != nil || !fresh && !errors.Is(err, verify.ErrStale) {
				t.Error(err)
			}
			indices := slices.ContainsFunc(w.Asked(), func(ref string) bool { return !strings.HasSuffix(ref, "/InRelease") })
			if indices != fresh {
				t.Errorf("asked for %q", w.Asked())
			}
		})
	}
}
