package unpack_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/unpack"
	"github.com/kist-tools/kist/manifests"
)

// At a ceiling is fine, one past it is refused.
func TestCeilings(t *testing.T) {
	path := func(bytes int) string { // elements of 99 bytes
		name := strings.Repeat(strings.Repeat("x", 99)+"/", bytes/100)
		return name + strings.Repeat("y", bytes-len(name))
	}
	named := func(name string) []byte { return tarOf(pax("path="+name), file("a", "x")) }
	files := func(n, size int) []byte {
		var entries []tarEntry
		for i := range n {
			entries = append(entries, file(fmt.Sprint("f", i), strings.Repeat("x", size)))
		}
		return tarOf(entries...)
	}
	zipped := func(n, size int) []byte {
		var entries []zipFile
		for i := range n {
			entries = append(entries, zfile(fmt.Sprint("f", i), strings.Repeat("x", size)))
		}
		return zipOf(entries...)
	}
	// A tar of exactly n bytes, and n/ratio bytes of gzip, padded by its header.
	packed := func(n, size int) []byte {
		tree := tarOf(file("a", ""))
		tree = append(tree, make([]byte, n-len(tree))...)
		data := gz(tree)
		data[3] |= 1 << 4 // a comment follows the header
		comment := append(bytes.Repeat([]byte("x"), size-len(data)-1), 0)
		return append(append(bytes.Clone(data[:10]), comment...), data[10:]...)
	}
	for _, c := range []struct {
		name     string
		set      func(*unpack.Limits)
		layout   manifests.Layout
		at, past []byte
	}{
		{"entries of a tar", func(l *unpack.Limits) { l.Entries = 3 }, manifests.Layout{Format: "tar"}, files(3, 1), files(4, 1)},
		{"entries of a zip", func(l *unpack.Limits) { l.Entries = 3 }, manifests.Layout{Format: "zip"}, zipped(3, 1), zipped(4, 1)},
		{"directories implied", func(l *unpack.Limits) { l.Entries = 3 }, manifests.Layout{Format: "tar"}, tarOf(file("a/b/c", "x")), tarOf(file("a/b/c/d", "x"))},
		{"directories repeated", func(l *unpack.Limits) { l.Entries = 3 }, manifests.Layout{Format: "tar"}, tarOf(dir("a"), dir("a"), dir("a")), tarOf(dir("a"), dir("a"), dir("a"), dir("a"))},
		{"copies", func(l *unpack.Limits) { l.Entries = 3 }, manifests.Layout{Format: "tar", Copies: map[string]string{"f0": "g"}}, files(2, 1), files(3, 1)},
		{"headers", func(l *unpack.Limits) { l.Entries = 1 }, manifests.Layout{Format: "tar"},
			tarOf(global(), global(), global(), file("a", "x")), tarOf(global(), global(), global(), global(), file("a", "x"))},
		{"bytes of a tar", func(l *unpack.Limits) { l.Bytes = 300 }, manifests.Layout{Format: "tar"}, files(3, 100), files(3, 101)},
		{"bytes of a zip", func(l *unpack.Limits) { l.Bytes = 300 }, manifests.Layout{Format: "zip"}, zipped(3, 100), zipped(3, 101)},
		{"bytes of a file", func(l *unpack.Limits) { l.Bytes = 300 }, manifests.Layout{Format: "file", Into: "f"}, make([]byte, 300), make([]byte, 301)},
		{"bytes of hard links", func(l *unpack.Limits) { l.Bytes = 20 }, manifests.Layout{Format: "tar"}, tarOf(file("a", "0123456789"), hard("b", "a")), tarOf(file("a", "0123456789"), hard("b", "a"), hard("c", "a"))},
		{"bytes of copies", func(l *unpack.Limits) { l.Bytes = 20 }, manifests.Layout{Format: "tar", Copies: map[string]string{"f0": "g"}}, files(1, 10), files(1, 11)},
		{"names", func(l *unpack.Limits) { l.Names = 2*8 + 2*8 + 10 }, manifests.Layout{Format: "tar"},
			tarOf(file("12345678", "x"), link("abcdefgh", "0123456789")), tarOf(file("12345678", "x"), link("abcdefgh", "0123456789-"))},
		{"ratio of hard links", func(l *unpack.Limits) { l.Free, l.Ratio = 20, 0 }, manifests.Layout{Format: "tar"},
			tarOf(file("a", "0123456789"), hard("b", "a")), tarOf(file("a", "0123456789"), hard("b", "a"), hard("c", "a"))},
		{"path", nil, manifests.Layout{Format: "tar"}, named(path(4096)), named(path(4097))},
		{"path below a directory", nil, manifests.Layout{Format: "tar", Into: "12345678"}, named(path(4087)), named(path(4088))},
		{"element", nil, manifests.Layout{Format: "tar"}, named(strings.Repeat("x", 255)), named(strings.Repeat("x", 256))},
		{"element of a copy", nil, manifests.Layout{Format: "tar", Copies: map[string]string{"a": strings.Repeat("x", 255), "b": strings.Repeat("x", 256)}}, tarOf(file("a", "x")), tarOf(file("b", "x"))},
		{"depth", nil, manifests.Layout{Format: "tar"}, named(strings.Repeat("d/", 63) + "f"), named(strings.Repeat("d/", 64) + "f")},
		{"depth below a directory", nil, manifests.Layout{Format: "tar", Into: "a/b"}, named(strings.Repeat("d/", 61) + "f"), named(strings.Repeat("d/", 62) + "f")},
		{"depth of a link's target", func(l *unpack.Limits) { l.Depth = 2 }, manifests.Layout{Format: "tar"}, tarOf(link("a", "b/c/d/e")), tarOf(link("a", "b/c/d/e/f"))},
		{"ratio", func(l *unpack.Limits) { l.Free, l.Ratio = 0, 20 }, manifests.Layout{Format: "tar.gz"}, packed(10240, 512), packed(10241-1+512, 512)},
		{"ratio, with bytes for free", func(l *unpack.Limits) { l.Free, l.Ratio = 10240, 1 }, manifests.Layout{Format: "tar.gz"}, packed(10240, 512), packed(10752, 512)},
		{"ratio of a zip", func(l *unpack.Limits) { l.Free, l.Ratio = 1000, 1 }, manifests.Layout{Format: "zip"},
			zipOf(zipFile{name: "a", data: strings.Repeat("x", 1000), deflate: true}), zipOf(zipFile{name: "a", data: strings.Repeat("x", 1001), deflate: true})},
	} {
		t.Run(c.name, func(t *testing.T) {
			limits := unpack.DefaultLimits()
			if c.set != nil {
				c.set(&limits)
			}
			if _, err := unpackAll(t, c.at, c.layout, limits); err != nil {
				t.Errorf("at the ceiling: %v", err)
			}
			wantRefused(t, c.past, c.layout, limits, unpack.RuleCeiling)
		})
	}
}

// Ceilings count over all archives of a prefix.
func TestCeilingsOfAPrefix(t *testing.T) {
	limits := unpack.DefaultLimits()
	limits.Entries, limits.Bytes = 3, 30
	for name, c := range map[string]struct {
		last []byte
		ok   bool
	}{
		"at the limit":     {tarOf(file("c", "0123456789")), true},
		"a byte more":      {tarOf(file("c", "0123456789-")), false},
		"an entry more":    {tarOf(file("c", "0"), file("d", "0")), false},
		"a directory more": {tarOf(file("d/c", "0")), false},
	} {
		s := newStage(t, limits)
		for _, first := range [][]byte{tarOf(file("a", "0123456789")), tarOf(file("b", "0123456789"))} {
			if err := s.add(t, first, manifests.Layout{Format: "tar"}); err != nil {
				t.Fatal(err)
			}
		}
		err := s.add(t, c.last, manifests.Layout{Format: "tar"})
		if c.ok {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			entries, err := s.prefix.Finish(context.Background())
			s.check(t, entries, err)
			continue
		}
		t.Run(name, func(t *testing.T) { wantRule(t, err, unpack.RuleCeiling) })
	}
}
