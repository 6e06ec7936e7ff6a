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

// Indices are large, and what tools are made of is a few hundred of some 70,000
// packages. These are kept apart: an excerpt, by which a channel answers until one
// of its suites changes. The mark remembers its digest beside those of the suites
// that it was made of; so it is proved as they are.
//
// An excerpt has the syntax of an index. It begins with a stanza of its own; then
// comes each index that it was made of, followed by stanzas as they are there:
//
//	Excerpt: 1
//	Roots: bindgen cargo clang …
//
//	Index: bookworm main/binary-amd64/Packages
//
//	Package: bindgen
//	…
//
// It is closed: whatever a package in it may depend on, by name or because another
// provides it, is in it too. So what a toolchain of such packages consists of is the
// same whether the excerpt is asked or the indices.

const (
	excerptFormat = "1"
	maxExcerpt    = 64 << 20 // bytes; that of trixie has some 150,000
)

// roots are the packages that q may have a tool made of, in order: those of every
// tool that the channel provides, and the components that are asked for.
func (s Source) roots(q manifests.Query) (names []string) {
	for _, t := range s.tools() {
		names = append(names, t.Packages...)
	}
	names = slices.Concat(names, q.Components, q.Besides)
	slices.Sort(names)
	return slices.Compact(names)
}

// excerpt is that of a for toolchains that are made of roots.
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

// reach are the packages called roots, as far as there are such, and all that
// they may depend on, whichever alternatives are taken.
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
		if err := a.judge(p); err != nil {
			return nil, err
		}
		d, err := a.details(p, &m)
		if err != nil {
			return nil, err
		}
		for _, r := range slices.Concat(d.depends...) {
			found, err := a.answers(r, &m)
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

// excerpted reads the excerpt that was kept of these suites, which are as the mark
// last says. It is nil where there is none that answers for roots, or where the
// indices themselves, which an installed toolchain's evidence needs, are gone.
func excerpted(ctx context.Context, suites []*fetcher, arch string, last verify.Mark, roots []string) *archive {
	cache := suites[0].Cache
	if cache == nil || last.Excerpt.IsZero() {
		return nil
	}
	d, err := last.Excerpted(cache.Load(last.Excerpt, maxExcerpt))
	if err != nil {
		return nil
	}
	a := newArchive(arch)
	rest, ok := a.covers(d.View(), roots)
	for _, f := range suites {
		listings, err := f.listings(arch)
		for _, l := range listings {
			if !ok || !cache.Has(l.packed.digest, l.packed.size) {
				return nil
			}
			x := f.index(l, f.document.Stated(l.name(), l.packed.digest, func() ([]byte, error) {
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

// covers reads the head of an excerpt, and reports whether it answers for roots.
func (a *archive) covers(data []byte, roots []string) (rest []byte, ok bool) {
	head, rest := stanza(data)
	var format, covered []byte
	err := fields(head, wanted{"Excerpt", &format}, wanted{"Roots", &covered})
	if err != nil || string(format) != excerptFormat || plain(data) != nil {
		return nil, false
	}
	names := strings.Fields(string(covered))
	return rest, !slices.ContainsFunc(roots, func(name string) bool { return !slices.Contains(names, name) })
}

// restore adds to a what an excerpt has of x, with which data begins.
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
