package unpack_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// A value at a limit is accepted, and one past it is refused.
func TestLimitsAreInclusive(t *testing.T) {
	path := func(bytes int) string { // elements of 99 bytes
		name := strings.Repeat(strings.Repeat("x", 99)+"/", bytes/100)
		return name + strings.Repeat("y", bytes-len(name))
	}
	named := func(name string) []byte { return tarOf(pax("path="+name), file("a", "x")) }
	versioned := func(size int) []byte {
		return installerOf("3"+strings.Repeat(" ", size-1), "part", "file:a", file("top/part/a", "x"))
	}
	files := func(n, size int) []byte {
		var entries []tarEntry
		for i := range n {
			entries = append(entries, file(fmt.Sprint("f", i), strings.Repeat("x", size)))
		}
		return tarOf(entries...)
	}
	// A tar whose extended header has size bytes.
	commented := func(n int) []byte {
		e := pax("comment=" + strings.Repeat("x", n-len("1000000 comment=\n")))
		if len(e.data) != n {
			t.Fatalf("a header of %d bytes, not %d", len(e.data), n)
		}
		return tarOf(e, file("a", "x"))
	}
	for _, c := range []struct {
		name     string
		set      func(*unpack.Limits)
		layout   manifests.Layout
		at, past []byte
	}{
		{"directories implied", func(l *unpack.Limits) { l.Entries = 3 }, manifests.Layout{Format: "tar"}, tarOf(file("a/b/c", "x")), tarOf(file("a/b/c/d", "x"))},
		{"directories repeated", func(l *unpack.Limits) { l.Entries = 3 }, manifests.Layout{Format: "tar"}, tarOf(dir("a"), dir("a"), dir("a")), tarOf(dir("a"), dir("a"), dir("a"), dir("a"))},
		{"directories listed", func(l *unpack.Limits) { l.Dirs = 3 }, manifests.Layout{Format: "tar"}, tarOf(dir("a"), dir("b"), dir("b"), dir("b/c"), file("b/c/d", "x")), tarOf(dir("a"), dir("b"), dir("b/c"), file("b/c/d", "x"), dir("e"))},
		{"directories that lead to a file", func(l *unpack.Limits) { l.Dirs = 3 }, manifests.Layout{Format: "tar"}, tarOf(file("a/b/c/d", "x")), tarOf(file("a/b/c/d/e", "x"))},
		{"copies", func(l *unpack.Limits) { l.Entries = 3 }, manifests.Layout{Format: "tar", Copies: map[string]string{"f0": "g"}}, files(2, 1), files(3, 1)},
		{"headers", func(l *unpack.Limits) { l.Entries = 1 }, manifests.Layout{Format: "tar"},
			tarOf(global(), global(), global(), file("a", "x")), tarOf(global(), global(), global(), global(), file("a", "x"))},
		{"bytes of a file", func(l *unpack.Limits) { l.Bytes = 300 }, manifests.Layout{Format: "file", Into: "f"}, make([]byte, 300), make([]byte, 301)},
		{"bytes of hard links", func(l *unpack.Limits) { l.Bytes = 20 }, manifests.Layout{Format: "tar"}, tarOf(file("a", "0123456789"), hard("b", "a")), tarOf(file("a", "0123456789"), hard("b", "a"), hard("c", "a"))},
		{"bytes of copies", func(l *unpack.Limits) { l.Bytes = 20 }, manifests.Layout{Format: "tar", Copies: map[string]string{"f0": "g"}}, files(1, 10), files(1, 11)},
		{"ratio of hard links", func(l *unpack.Limits) { l.Free, l.Ratio = 20, 0 }, manifests.Layout{Format: "tar"},
			tarOf(file("a", "0123456789"), hard("b", "a")), tarOf(file("a", "0123456789"), hard("b", "a"), hard("c", "a"))},
		{"path below a directory", nil, manifests.Layout{Format: "tar", Into: "12345678"}, named(path(4087)), named(path(4088))},
		{"element of a copy", nil, manifests.Layout{Format: "tar", Copies: map[string]string{"a": strings.Repeat("x", 255), "b": strings.Repeat("x", 256)}}, tarOf(file("a", "x")), tarOf(file("b", "x"))},
		{"depth below a directory", nil, manifests.Layout{Format: "tar", Into: "a/b"}, named(strings.Repeat("d/", 61) + "f"), named(strings.Repeat("d/", 62) + "f")},
		{"depth of a link's target", func(l *unpack.Limits) { l.Depth = 2 }, manifests.Layout{Format: "tar"}, tarOf(link("a", "b/c/d/e")), tarOf(link("a", "b/c/d/e/f"))},
		{"ways of links", func(l *unpack.Limits) { l.Steps = 14 }, manifests.Layout{Format: "tar"},
			tarOf(link("a", "x/y"), link("b", "a/z"), link("c", "b")), tarOf(link("a", "x/y"), link("b", "a/z"), link("c", "b/."))},
		{"names that links lead to", func(l *unpack.Limits) { l.Absent = 3 }, manifests.Layout{Format: "tar"},
			tarOf(link("a", "x/y/z"), link("b", "x/y/z")), tarOf(link("a", "x/y/z"), link("b", "x/y/zz"))},
		{"extended header", nil, manifests.Layout{Format: "tar"}, commented(1 << 20), commented(1<<20 + 1)},
		{"padding", nil, manifests.Layout{Format: "tar"}, append(files(1, 1), make([]byte, 1<<20)...), append(files(1, 1), make([]byte, 1<<20+512)...)},
		{"installer metadata", nil, component("part"), versioned(8 << 20), versioned(8<<20 + 1)},
		{"streams", func(l *unpack.Limits) { l.Streams = 3 }, manifests.Layout{Format: "tar.gz"}, slices.Concat(gz(nil), gz(nil), gz(files(1, 1))), slices.Concat(gz(nil), gz(nil), gz(nil), gz(files(1, 1)))},
		{"skippable frames", func(l *unpack.Limits) { l.Streams = 3 }, manifests.Layout{Format: "tar.zst"}, slices.Concat([]byte(skippable("")+skippable("")), zst(files(1, 1))), slices.Concat(zst(files(1, 1)), []byte(skippable("")+skippable("")+skippable("")))},
		{"ratio", func(l *unpack.Limits) { l.Free, l.Ratio = 0, 20 }, manifests.Layout{Format: "tar.gz"}, packed(10240, 512), packed(10241-1+512, 512)},
		{"ratio, with bytes for free", func(l *unpack.Limits) { l.Free, l.Ratio = 10240, 1 }, manifests.Layout{Format: "tar.gz"}, packed(10240, 512), packed(10752, 512)},
	} {
		t.Run(c.name, func(t *testing.T) {
			limits := unpack.DefaultLimits()
			if c.set != nil {
				c.set(&limits)
			}
			if _, err := unpackAll(t, c.at, c.layout, limits); err != nil {
				t.Errorf("at the limit: %v", err)
			}
			wantRefused(t, c.past, c.layout, limits, unpack.RuleCeiling)
		})
	}
}

// packed returns a tar of exactly n bytes, in size bytes of gzip with a padded header.
func packed(n, size int) []byte {
	tree := tarOf(file("a", ""))
	tree = append(tree, make([]byte, n-len(tree))...)
	data := gz(tree)
	data[3] |= 1 << 4 // a comment follows the header
	comment := append(bytes.Repeat([]byte("x"), size-len(data)-1), 0)
	return append(append(bytes.Clone(data[:10]), comment...), data[10:]...)
}

// The limits of each format, at the limit and one past it.
func TestLimitsOfEveryFormat(t *testing.T) {
	type content struct{ name, data string }
	asTar := func(files []content) []byte {
		var entries []tarEntry
		for _, f := range files {
			entries = append(entries, pax("path="+f.name), file("x", f.data))
		}
		return tarOf(entries...)
	}
	formats := map[string]func([]content) []byte{
		"tar":    asTar,
		"tar.gz": func(files []content) []byte { return gz(asTar(files)) },
		"zip": func(files []content) []byte {
			var entries []zipFile
			for _, f := range files {
				entries = append(entries, zfile(f.name, f.data))
			}
			return zipOf(entries...)
		},
		"deb": func(files []content) []byte {
			return arOf(debVersion, debControl, arMember{name: "data.tar", data: string(asTar(files))})
		},
	}
	one := func(name, data string) []content { return []content{{name, data}} }
	several := func(n, size int) (files []content) {
		for i := range n {
			files = append(files, content{fmt.Sprint("f", i), strings.Repeat("x", size)})
		}
		return files
	}
	path := func(bytes int) string { // elements of 99 bytes
		name := strings.Repeat(strings.Repeat("x", 99)+"/", bytes/100)
		return name + strings.Repeat("y", bytes-len(name))
	}
	for name, c := range map[string]struct {
		set      func(*unpack.Limits)
		at, past []content
	}{
		"entries":         {func(l *unpack.Limits) { l.Entries = 3 }, several(3, 1), several(4, 1)},
		"implied entries": {func(l *unpack.Limits) { l.Entries = 3 }, one("a/b/c", "x"), one("a/b/c/d", "x")},
		"directories":     {func(l *unpack.Limits) { l.Dirs = 2 }, one("a/b/c", "x"), one("a/b/c/d", "x")},
		"bytes":           {func(l *unpack.Limits) { l.Bytes = 300 }, several(3, 100), several(3, 101)},
		"bytes of one":    {func(l *unpack.Limits) { l.Bytes = 300 }, one("a", strings.Repeat("x", 300)), one("a", strings.Repeat("x", 301))},
		"free bytes":      {func(l *unpack.Limits) { l.Free, l.Ratio = 6000, 0 }, one("a", strings.Repeat("x", 3000)), one("a", strings.Repeat("x", 6001))},
		"names":           {func(l *unpack.Limits) { l.Names = 2 * 8 }, one("12345678", "x"), one("123456789", "x")},
		"path":            {nil, one(path(4096), "x"), one(path(4097), "x")},
		"element":         {nil, one("d/"+strings.Repeat("x", 255), "x"), one("d/"+strings.Repeat("x", 256), "x")},
		"depth":           {nil, one(strings.Repeat("d/", 63)+"f", "x"), one(strings.Repeat("d/", 64)+"f", "x")},
	} {
		for format, pack := range short.Rows(t, formats, 3) {
			t.Run(name+"/"+format, func(t *testing.T) {
				limits := unpack.DefaultLimits()
				if c.set != nil {
					c.set(&limits)
				}
				layout := manifests.Layout{Format: format}
				for way, unpackOne := range bothWays(t) {
					if _, err := unpackOne(t, pack(c.at), layout, limits); err != nil {
						t.Errorf("at the limit, %s: %v", way, err)
					}
				}
				wantRefused(t, pack(c.past), layout, limits, unpack.RuleCeiling)
			})
		}
	}
}

// An archive may unpack to Ratio times its size, and not a byte more.
func TestRatioLimitsUnpackedSize(t *testing.T) {
	zipped := func(size int) []byte { // 10,000 bytes of content in size bytes
		z := zipball{files: []zipFile{{name: "a", data: strings.Repeat("x", 10_000), deflate: true}}}
		z.comment = strings.Repeat("c", size-len(z.bytes()))
		return z.bytes()
	}
	debbed := func(n int) []byte {
		return arOf(debVersion, debControl, arMember{name: "data.tar.gz", data: string(packed(n, 512))})
	}
	for format, c := range map[string]struct{ at, past []byte }{
		"tar.gz": {packed(10240, 512), packed(10240+512, 512)},
		"zip":    {zipped(500), zipped(499)},
		"deb":    {debbed(10240), debbed(10240 + 512)},
	} {
		t.Run(format, func(t *testing.T) {
			limits := unpack.DefaultLimits()
			limits.Free, limits.Ratio = 0, 20
			layout := manifests.Layout{Format: format}
			for way, unpackOne := range bothWays(t) {
				if _, err := unpackOne(t, c.at, layout, limits); err != nil {
					t.Errorf("at the limit, %s: %v", way, err)
				}
			}
			wantRefused(t, c.past, layout, limits, unpack.RuleCeiling)
		})
	}
}

// The directory of a zip, which is kept in memory, is not read if it is over the limit.
func TestZipDirectoryLimit(t *testing.T) {
	const most = 128 << 20
	for size, rule := range map[uint32]unpack.Rule{most: unpack.RuleZip, most + 1: unpack.RuleCeiling} { // at the limit it is read, and consists of zeros
		end := zipball{end: func(e *zipEnd) { e.here, e.all, e.size, e.off = 1, 1, size, 0 }}.bytes()
		src := source(t, nil)
		if _, err := src.WriteAt(end, int64(size)); err != nil { // after a hole
			t.Fatal(err)
		}
		s := newStage(t, unpack.DefaultLimits())
		err := s.prefix.Add(t.Context(), src, unpack.Archive{Name: "the-archive", Layout: manifests.Layout{Format: "zip"}})
		wantRule(t, err, rule)
	}
}

// The window limit holds for a package's data as for a tar.
func TestDebWindowLimit(t *testing.T) {
	tree := tarOf(file("a", "x"))
	packed := func(codec string, data []byte) []byte {
		return arOf(debVersion, debControl, arMember{name: "data.tar." + codec, data: string(data)})
	}
	frame := func(eighths byte) []byte { // of one empty block, whose window is 128 MiB and some eighths
		return []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 17<<3 | eighths, 1, 0, 0}
	}
	layout := manifests.Layout{Format: "deb"}
	if _, err := unpackAll(t, packed("xz", xzBlocks([]byte{30}, tree)), layout, unpack.DefaultLimits()); err != nil {
		t.Errorf("a dictionary of 128 MiB: %v", err)
	}
	wantRefused(t, packed("xz", xzBlocks([]byte{31}, tree)), layout, unpack.DefaultLimits(), unpack.RuleCeiling)
	wantRefused(t, packed("zst", frame(0)), layout, unpack.DefaultLimits(), unpack.RuleEnd) // decoded, and found to be an empty tar
	wantRefused(t, packed("zst", frame(1)), layout, unpack.DefaultLimits(), unpack.RuleCeiling)
}

// Limits hold for all archives of a prefix in total.
func TestLimitsCountAllArchives(t *testing.T) {
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
