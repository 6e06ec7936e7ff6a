package debian

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// Indices are large, and the tools use only a few hundred of some 70,000 packages.
// These are stored separately as an excerpt, which answers for a channel until one of
// its suites changes. The mark records the excerpt's digest next to those of the suites
// it was made from, so it is proved as they are.
//
// An excerpt has the syntax of an index. It begins with a stanza of its own; then comes
// each index it was made from, followed by stanzas copied unchanged:
//
//	Excerpt: 1
//	Roots: bindgen cargo clang …
//
//	Index: bookworm main/binary-amd64/Packages
//
//	Package: bindgen
//	…
//
// It is closed: everything that a package in it may depend on, by name or through a
// provider, is in it too. So a toolchain of these packages is the same whether it is
// computed from the excerpt or from the indices.

const (
	excerptFormat = "1"
	maxExcerpt    = 64 << 20 // bytes; trixie's has some 150,000
)

// roots returns, in order, the packages that q may build a tool from: those of every
// tool that the channel provides, and the requested components.
func (s Source) roots(q manifests.Query) (names []string) {
	for _, t := range s.tools() {
		names = append(names, t.Packages...)
	}
	names = slices.Concat(names, q.Components, q.AlsoComponents)
	slices.Sort(names)
	return slices.Compact(names)
}

// excerpt returns the excerpt of a for toolchains made of roots.
func (a *archive) excerpt(roots []string) ([]byte, error) {
	within, err := a.reach(roots)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("Excerpt: " + excerptFormat + "\nRoots: " + strings.Join(roots, " ") + "\n\n")
	for _, x := range a.indices {
		b.WriteString("Index: " + x.suite + " " + x.path + "\n\n")
		for _, name := range slices.Sorted(maps.Keys(within)) {
			if p := within[name]; p.index == x {
				b.Write(bytes.TrimRight(p.stanza, "\n"))
				b.WriteString("\n\n")
			}
		}
	}
	return b.Bytes(), nil
}

// reach returns those of roots that exist and everything they may depend on through any
// alternative.
func (a *archive) reach(roots []string) (map[string]*pkg, error) {
	within := map[string]*pkg{}
	var m meter
	var queue []*pkg
	enter := func(p *pkg) {
		if p != nil && within[p.name] == nil {
			within[p.name] = p
			queue = append(queue, p)
		}
	}
	for _, name := range roots {
		enter(a.packages[name])
	}
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		if err := a.readVersion(p); err != nil {
			return nil, err
		}
		d, err := a.details(p, &m)
		if err != nil {
			return nil, err
		}
		for _, r := range slices.Concat(d.depends...) {
			found, err := a.candidates(r, &m)
			if err != nil {
				return nil, err
			}
			for _, p := range found {
				enter(p)
			}
		}
	}
	return within, nil
}

// loadExcerpt reads the cached excerpt of these suites, whose mark is last. It returns
// nil if there is no excerpt that covers roots, or if the indices themselves, which the
// evidence of an installed toolchain needs, are no longer cached.
func loadExcerpt(ctx context.Context, suites []*fetcher, arch string, last verify.Mark, roots []string) *archive {
	cache := suites[0].Cache
	if cache == nil || last.Excerpt.IsZero() {
		return nil
	}
	d, err := last.Excerpted(cache.Load(last.Excerpt, maxExcerpt))
	if err != nil {
		return nil
	}
	a := newArchive(arch)
	rest, ok := a.readHead(d.View(), roots)
	for _, f := range suites {
		listings, err := f.listings(arch)
		for _, l := range listings {
			if !ok || !cache.Has(l.packed.digest, l.packed.size) {
				return nil
			}
			x := f.newIndex(l, f.document.EvidenceOf(l.name(), l.packed.digest, func() ([]byte, error) {
				published, err := f.published(ctx, l)
				return published.View(), err
			}))
			rest, ok = a.restore(x, rest)
		}
		ok = ok && err == nil
	}
	if !ok || len(rest) > 0 {
		return nil
	}
	return a
}

// readHead reads the first stanza of an excerpt, and reports whether the excerpt covers
// roots.
func (a *archive) readHead(data []byte, roots []string) (rest []byte, ok bool) {
	head, rest := stanza(data)
	var format, covered []byte
	err := fields(head, wanted{"Excerpt", &format}, wanted{"Roots", &covered})
	if err != nil || string(format) != excerptFormat || checkBytes(data) != nil {
		return nil, false
	}
	names := strings.Fields(string(covered))
	return rest, !slices.ContainsFunc(roots, func(name string) bool { return !slices.Contains(names, name) })
}

// restore adds x and its stanzas, at the start of data, to a.
func (a *archive) restore(x *index, data []byte) (rest []byte, ok bool) {
	head, data := stanza(data)
	if string(head) != "Index: "+x.suite+" "+x.path+"\n" {
		return nil, false
	}
	a.indices = append(a.indices, x)
	for len(data) > 0 && !bytes.HasPrefix(data, []byte("Index: ")) {
		var s []byte
		s, data = stanza(data)
		if err := a.addStanza(x, s); err != nil {
			return nil, false
		}
	}
	return data, true
}
