package debian

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
)

// counting is a Cache that records what is loaded.
type counting struct {
	memory
	loaded []verify.Digest
}

func (c *counting) Load(d verify.Digest, limit int64) []byte {
	c.loaded = append(c.loaded, d)
	return c.memory.Load(d, limit)
}

// excerptWorld has a compiler with alternatives, a virtual package and a package that
// no tool needs.
func excerptWorld(t *testing.T) (world, Source, *counting) {
	w := whole(t)
	base := bookworm()
	for name, depends := range map[string]string{
		"cmake": "libc6, cmake-data | cmake-other, virtual-shell", "cmake-data": "", "cmake-other": "", "dash": "libc6", "bash": "libc6",
		"libunrelated": "libother", "libother": "", "libadded": "libother | libc6",
	} {
		d := manifesttest.Deb{Package: name, Version: "3.25.1-1", Fields: map[string]string{"Depends": depends}}
		if strings.HasSuffix(name, "ash") {
			d.Fields["Provides"] = "virtual-shell"
		}
		base.Packages = append(base.Packages, d)
	}
	w.publish(t, root, base)
	s, cache := w.source(t), &counting{memory: memory{}}
	s.Cache = cache
	return w, s, cache
}

// catalogOf fetches a catalog, given the mark of the previous run.
func catalogOf(t *testing.T, w world, s Source, last verify.Mark, r manifests.Request, extra ...string) *catalog {
	t.Helper()
	c, err := s.Fetch(t.Context(), w, manifests.Query{Request: r, Now: now, Last: last, AlsoComponents: extra})
	if err != nil {
		t.Fatal(err)
	}
	return c.(*catalog)
}

// outline returns a release without its evidence.
func outline(t *testing.T, c *catalog, r manifests.Request) string {
	t.Helper()
	release, err := c.Resolve(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal([]any{release, c.Versions("")})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestExcerptReplacesIndices checks that an excerpt answers while the suites are
// unchanged, without reading an index; that its answer is that of the indices; and that
// their evidence can still be stored.
func TestExcerptReplacesIndices(t *testing.T) {
	w, s, cache := excerptWorld(t)
	first := catalogOf(t, w, s, verify.Mark{}, ask("ninja"))
	last := first.Mark()
	if last.Excerpt.IsZero() || cache.memory[last.Excerpt] == nil || bytes.Contains(cache.memory[last.Excerpt], []byte("libunrelated")) {
		t.Fatalf("the excerpt is %s", cache.memory[last.Excerpt])
	}
	for ref := range w.Files {
		if IsIndex(ref) {
			w.Tell(ref, manifesttest.Unreachable)
		}
	}
	for _, tool := range []string{"ninja", "cmake"} {
		cache.loaded = nil
		c := catalogOf(t, w, s, last, ask(tool))
		if !slices.Equal(cache.loaded, []verify.Digest{last.Excerpt}) {
			t.Errorf("%s: read %v", tool, cache.loaded)
		}
		if got, want := outline(t, c, ask(tool)), outline(t, first, ask(tool)); got != want {
			t.Errorf("%s by the excerpt:\n%s\nby the indices:\n%s", tool, got, want)
		}
		if !c.Mark().Same(last) || c.Mark().Excerpt != last.Excerpt {
			t.Errorf("%s: the mark is %+v", tool, c.Mark())
		}
		r, err := c.Resolve(ask(tool))
		if err != nil {
			t.Fatal(err)
		}
		data, err := r.Evidence.Blobs[0].Bytes()
		if err != nil || verify.DigestOf(data) != r.Evidence.Digest {
			t.Errorf("%s: the index in the evidence: %v", tool, err)
		}
	}
}

// TestExcerptIsProved checks that an excerpt is ignored unless it has the digest in the
// mark.
func TestExcerptIsProved(t *testing.T) {
	w, s, cache := excerptWorld(t)
	first := catalogOf(t, w, s, verify.Mark{}, ask("cmake"))
	last := first.Mark()
	honest := cache.memory[last.Excerpt]
	want := outline(t, first, ask("cmake"))
	replaced := func(old, new string) []byte { return bytes.ReplaceAll(honest, []byte(old), []byte(new)) }
	for name, data := range map[string][]byte{
		"an older version": replaced("Version: 3.25.1-1", "Version: 3.24.0-1"),
		"another file":     replaced("pool/", "pond/"),
		"another digest":   replaced("SHA256: ", "SHA256: 0"),
		"another need":     replaced("virtual-shell", "libunrelated "),
		"one byte more":    append(bytes.Clone(honest), '\n'),
		"cut":              honest[:len(honest)/2],
		"empty":            {},
		"gone":             nil,
	} {
		if bytes.Equal(data, honest) {
			t.Fatalf("%s: nothing was changed", name)
		}
		cache.memory[last.Excerpt] = data
		c := catalogOf(t, w, s, last, ask("cmake"))
		if got := outline(t, c, ask("cmake")); got != want {
			t.Errorf("%s: %s", name, got)
		}
		if !bytes.Equal(cache.memory[last.Excerpt], honest) {
			t.Errorf("%s: the excerpt was not rebuilt", name)
		}
	}
	// An excerpt stored under another digest is not the remembered one.
	forged := replaced("Version: 3.25.1-1", "Version: 3.24.0-1")
	cache.memory[verify.DigestOf(forged)] = forged
	if got := outline(t, catalogOf(t, w, s, last, ask("cmake")), ask("cmake")); got != want {
		t.Errorf("with a forged excerpt: %s", got)
	}
}

// TestExcerptMustCoverRequest checks that the indices are read if the excerpt is of
// other suites or does not cover the request.
func TestExcerptMustCoverRequest(t *testing.T) {
	w, s, cache := excerptWorld(t)
	last := catalogOf(t, w, s, verify.Mark{}, ask("cmake")).Mark()
	added := ask("cmake")
	added.Components = []string{"libadded"}
	for name, test := range map[string]struct {
		change func()
		ask    manifests.Request
		extra  []string
		last   verify.Mark
		want   string // a package of the answer
	}{
		"a component":           {nil, added, nil, last, "libadded_3.25.1-1"},
		"an installed one":      {nil, added, []string{"libadded"}, last, "libadded_3.25.1-1"},
		"no mark":               {nil, ask("cmake"), nil, verify.Mark{}, "cmake_3.25.1-1"},
		"another architecture":  {nil, manifests.Request{Tool: "cmake", Platform: manifests.Platform{OS: "linux", Arch: "arm64"}}, nil, last, "cmake_3.25.1-1_arm64"},
		"an index that is gone": {cache.forgetIndices, ask("cmake"), nil, last, "cmake_3.25.1-1"},
		"a newer suite":         {func() { w.publish(t, security, securitySuite("1.11.1-2~deb12u3")) }, ask("ninja"), nil, last, "ninja-build_1.11.1-2~deb12u3"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.change != nil {
				test.change()
			}
			cache.loaded = nil
			c := catalogOf(t, w, s, test.last, test.ask, test.extra...)
			if len(cache.loaded) < 3 {
				t.Errorf("read %d files", len(cache.loaded))
			}
			r, err := c.Resolve(test.ask)
			if err != nil || !slices.ContainsFunc(r.Artifacts, func(a manifests.Artifact) bool { return strings.HasPrefix(a.Name, test.want) }) {
				t.Errorf("%v, %v", components(r), err)
			}
			// The next request is answered by the new excerpt.
			cache.loaded = nil
			if c := catalogOf(t, w, s, c.Mark(), test.ask, test.extra...); len(cache.loaded) != 1 {
				t.Errorf("again: read %d files, excerpt %v", len(cache.loaded), c.Mark().Excerpt)
			}
		})
	}
}

// forgetIndices removes the compressed documents from the cache.
func (c *counting) forgetIndices() {
	maps.DeleteFunc(c.memory, func(_ verify.Digest, data []byte) bool { return bytes.HasPrefix(data, []byte{0x1f, 0x8b}) })
}

// TestExcerptRefetchesLostIndex checks that an index behind an excerpt is fetched and
// proved again if the cache has lost or changed it.
func TestExcerptRefetchesLostIndex(t *testing.T) {
	w, s, cache := excerptWorld(t)
	last := catalogOf(t, w, s, verify.Mark{}, ask("ninja")).Mark()
	c := catalogOf(t, w, s, last, ask("ninja"))
	r, err := c.Resolve(ask("ninja"))
	if err != nil {
		t.Fatal(err)
	}
	kept := r.Evidence.Blobs[0]
	cache.memory[kept.Digest] = []byte("damaged")
	if data, err := kept.Bytes(); err != nil || verify.DigestOf(data) != kept.Digest {
		t.Errorf("a damaged index: %v", err)
	}
	cache.memory[kept.Digest] = []byte("damaged")
	for ref := range w.Files {
		if IsIndex(ref) {
			w.Tell(ref, manifesttest.Flipped(3))
		}
	}
	if _, err := kept.Bytes(); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("another index: %v", err)
	}
}

// TestExcerptIsClosed checks that an excerpt and the indices yield the same toolchain
// for every choice of roots in the excerpt.
func TestExcerptIsClosed(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(names []string) string { return names[random.IntN(len(names))] }
	for range 300 {
		var names []string
		for i := range 30 {
			names = append(names, fmt.Sprintf("pkg-%c%d", 'a'+i%26, i))
		}
		var text strings.Builder
		for _, name := range names[:26] { // the others do not exist, unless provided
			fmt.Fprintf(&text, "Package: %s\nVersion: %d\nArchitecture: amd64\nFilename: pool/%s.deb\nSize: 1\nSHA256: %064d\n", name, random.IntN(4), name, 1)
			var depends []string
			for range random.IntN(4) {
				depends = append(depends, pick(names)+pick([]string{"", "", " (>= 2)", " (<< 1)", ":any"})+pick([]string{"", " | " + pick(names), " | " + pick(names) + " (= 1)"}))
			}
			if len(depends) > 0 {
				text.WriteString("Depends: " + strings.Join(depends, ", ") + "\n")
			}
			if random.IntN(3) == 0 {
				text.WriteString("Provides: " + pick(names) + pick([]string{"", " (= 2)"}) + "\n")
			}
			text.WriteString("\n")
		}
		whole, excerpt := newArchive("amd64"), newArchive("amd64")
		x := &index{name: "index", root: root, suite: "suite", path: "path"}
		if rest, ok := whole.restore(x, []byte("Index: suite path\n\n"+text.String())); !ok || len(rest) > 0 {
			t.Fatalf("%q is left of\n%s", rest, text.String())
		}
		roots := []string{pick(names), pick(names), pick(names)}
		data, err := whole.excerpt(roots)
		if err != nil {
			t.Fatal(err)
		}
		rest, ok := excerpt.readHead(data, roots)
		if ok {
			rest, ok = excerpt.restore(x, rest)
		}
		if !ok || len(rest) > 0 {
			t.Fatalf("%q is left of\n%s", rest, data)
		}
		for _, names := range [][]string{roots, roots[:1], roots[1:2], roots[2:], {roots[2], roots[0]}} {
			want, wantErr := whole.closure(names, nil)
			got, gotErr := excerpt.closure(names, nil)
			if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) || !maps.EqualFunc(got, want, func(a, b details) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
				t.Fatalf("%v of the excerpt: %v, %v\nof all: %v, %v\n%s", names, got, gotErr, want, wantErr, text.String())
			}
		}
	}
}
