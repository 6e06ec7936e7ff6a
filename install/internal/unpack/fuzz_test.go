package unpack_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// fuzzLimits returns limits that keep fuzzing fast.
func fuzzLimits() unpack.Limits {
	l := unpack.DefaultLimits()
	l.Entries, l.Bytes, l.Free = 100, 1<<20, 1<<20
	return l
}

// fuzzOne unpacks data and checks the invariants: the entries match the disk, nothing
// outside changed (both in unpackAll), every failure is an EntryError, and an accepted
// archive has the entries that another reader sees.
func fuzzOne(t *testing.T, data []byte, format string, others func([]byte) ([]string, error)) {
	if err := unpack.Read(format, data, fuzzLimits()); err != nil {
		if !errors.Is(err, verify.ErrUntrusted) {
			t.Fatal(err)
		}
		return // refused for its structure: no need to unpack it
	}
	entries, err := unpackAll(t, data, manifests.Layout{Format: format}, fuzzLimits())
	if err != nil {
		if !errors.Is(err, verify.ErrUntrusted) {
			t.Fatal(err)
		}
		return
	}
	names, err := others(data)
	if err != nil {
		return // the other reader accepts less, which is no difference
	}
	if got, want := listed(entries), withParents(names); !slices.Equal(got, want) {
		t.Fatalf("unpacked %q, another reader sees %q", got, want)
	}
}

func listed(entries []record.Entry) (names []string) {
	for _, e := range entries {
		names = append(names, e.Path)
	}
	return names
}

// withParents converts the names that another reader lists to the form of listed.
func withParents(names []string) []string {
	set := make(map[string]bool)
	for _, name := range names {
		name = strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/")
		for ; name != "" && name != "." && !set[name]; name = path.Dir(name) {
			set[name] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

func tarNames(data []byte) (names []string, err error) {
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeXGlobalHeader {
			names = append(names, h.Name)
		}
	}
}

func zipNames(data []byte) (names []string, err error) {
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	for _, f := range r.File {
		names = append(names, f.Name)
	}
	return names, nil
}

// repair corrects the checksums of a tar, so that the fuzzer gets past them.
func repair(data []byte) []byte {
	data = bytes.Clone(data)
	for rest := data; len(rest) >= 512; {
		block := rest[:512]
		rest = rest[512:]
		if len(bytes.Trim(block, "\x00")) == 0 {
			continue
		}
		copy(block[148:156], "        ")
		sum := 0
		for _, c := range block {
			sum += int(c)
		}
		copy(block[148:156], fmt.Sprintf("%06o\x00 ", sum))
		size, err := strconv.ParseUint(strings.Trim(string(block[124:136]), " \x00"), 8, 32)
		if n := (int(size) + 511) &^ 511; err == nil && n <= len(rest) {
			rest = rest[n:]
		}
	}
	return data
}

func FuzzTar(f *testing.F) {
	for _, seed := range [][]byte{
		tarOf(file("a", "x")), tarOf(dir("./"), dir("d/"), file("d/a", "hello"), link("d/l", "../d/a"), hard("h", "d/a")),
		tarOf(pax("path=long", "size=1", "mtime=1.5"), file("a", "x")), tarOf(global("comment=c"), file("a", "x")),
		tarOf(long('L', strings.Repeat("l", 120)), file("a", "x")), tarOf(long('K', "target"), link("a", "x")),
		tarOf(tarEntry{name: "a", prefix: "p", data: "x"}), tarOf(link("a", ".."), file("a/b", "x")),
		tarOf(tarEntry{name: "a", magic: gnuMagic, data: "x", size: "\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"}),
		tarOf(tarEntry{name: "a/", edit: func(b []byte) { b[156] = 0; clear(b[257:265]) }}),
		tarOf(file("a", "x"), file("a", "x"), link("l", "a"), hard("m", "l"), link("l", "a"), hard("a", "a")),
		tarOf(pax("KIST.x=1", "hdrcharset=BINARY", "SCHILY.release=x"), file("a", "x")), tarOf(pax("GNU.sparse.major=1", "GNU.sparse.minor=0"), file("a", "x")),
		tarOf(tarEntry{name: "a", data: "x", edit: func(b []byte) { copy(b[108:], "       \x00       \x00"); copy(b[329:], "                ") }}),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) { fuzzOne(t, repair(data), "tar", tarNames) })
}

func FuzzZip(f *testing.F) {
	for _, seed := range [][]byte{
		zipOf(zfile("a", "x")), zipOf(zdir("d/"), zfile("d/a", "x"), zlink("l", "d/a")),
		zipOf(zipFile{name: "a", data: "xxxxxxxxxxx", deflate: true, descriptor: 16}, zipFile{name: "b", data: "y", descriptor: 12}),
		zipball{files: []zipFile{zfile("a", "x")}, wantZip64: true}.bytes(),
		zipball{files: []zipFile{zfile("a", "x")}, comment: "comment"}.bytes(),
		zipOf(zipFile{name: "a", data: "x", central: func(h *zipHeader) { h.size, h.extra = 1<<32-1, extra(1, number(1)) }}),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) { fuzzOne(t, data, "zip", zipNames) })
}

func FuzzDeb(f *testing.F) {
	tree := string(tarOf(dir("./"), file("./a", "x"), link("./l", "/a")))
	for _, m := range []arMember{
		{name: "data.tar", data: tree}, {name: "data.tar.gz", data: string(gz([]byte(tree)))},
		{name: "data.tar.zst", data: string(zst([]byte(tree)))}, {name: "data.tar.xz/", data: string(xz([]byte(tree)))},
	} {
		f.Add(arOf(debVersion, debControl, m))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzzOne(t, data, "deb", func([]byte) ([]string, error) { return nil, errors.ErrUnsupported })
	})
}

// FuzzStream checks that every decoder terminates, and refuses or unpacks its input.
func FuzzStream(f *testing.F) {
	formats := []string{"tar.gz", "tar.xz", "tar.zst", "tar.bz2"}
	archives := small(f)
	for i, format := range formats {
		f.Add(byte(i), archives[format])
		f.Add(byte(i), append(append(emptyStream(format), archives[format]...), make([]byte, 8)...))
	}
	f.Add(byte(2), append([]byte(skippable("x")), archives["tar.zst"]...))
	f.Add(byte(1), append(append(xz(nil), 0, 0, 0, 0), archives["tar.xz"]...))
	f.Fuzz(func(t *testing.T, i byte, data []byte) {
		fuzzOne(t, data, formats[int(i)%len(formats)], func([]byte) ([]string, error) { return nil, errors.ErrUnsupported })
	})
}
