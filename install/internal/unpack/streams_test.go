package unpack_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// skippable returns a skippable zstd frame.
func skippable(data string) string {
	b := binary.LittleEndian.AppendUint32(nil, 0x184d2a5f)
	return string(binary.LittleEndian.AppendUint32(b, uint32(len(data)))) + data
}

// emptyStream returns a stream without content.
func emptyStream(format string) []byte {
	switch format {
	case "tar.gz":
		return gz(nil)
	case "tar.xz":
		return xzBlocks(nil)
	case "tar.zst":
		return zst(nil, zstd.WithZeroFrames(true))
	}
	return []byte("BZh9\x17\x72\x45\x38\x50\x90\x00\x00\x00\x00")
}

// A file of several streams is read as one stream of their contents.
func TestSeveralStreams(t *testing.T) {
	tree := tarOf(file("a", strings.Repeat("0123456789abcdef", 5000)), file("b", "y\n"))
	split := func(pack func([]byte) []byte, between string, cuts ...int) []byte {
		var out []byte
		for i, last := 0, 0; i <= len(cuts); i++ {
			end := len(tree)
			if i < len(cuts) {
				end = cuts[i]
			}
			if i > 0 {
				out = append(out, between...)
			}
			out = append(out, pack(tree[last:end])...)
			last = end
		}
		return out
	}
	plain := func(b []byte) []byte { return zst(b) }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	zeros := make([]byte, 512)
	for name, c := range map[string]struct {
		format string
		data   []byte
	}{
		"gzip":                          {"tar.gz", split(gz, "", 1000, 1001, 60_000)},
		"gzip, empty ones":              {"tar.gz", join(gz(nil), gz(nil), gz(tree), gz(nil))},
		"gzip, as bgzip ends it":        {"tar.gz", join(split(gz, "", 5000), []byte("\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff\x06\x00BC\x02\x00\x1b\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"))},
		"gzip, zeros at the end":        {"tar.gz", join(split(gz, "", 5000), zeros[:1])},
		"xz":                            {"tar.xz", split(xz, "", 1000, 1001, 60_000)},
		"xz, empty ones":                {"tar.xz", join(xzBlocks(nil), xz(nil), xz(tree), xzBlocks(nil))},
		"xz, padded":                    {"tar.xz", join(split(xz, "\x00\x00\x00\x00", 1000, 60_000), zeros)},
		"xz, of several blocks":         {"tar.xz", join(xzBlocks([]byte{8, 8}, tree[:1000], tree[1000:2001]), xzBlocks([]byte{8, 10}, tree[2001:2002], tree[2002:]))},
		"xz, a larger dictionary later": {"tar.xz", join(xzBlocks([]byte{8}, tree[:1000]), xzBlocks([]byte{22}, tree[1000:]))},
		"xz, a smaller one later":       {"tar.xz", join(xzBlocks([]byte{22}, tree[:1000]), xzBlocks([]byte{8}, tree[1000:]))},
		"zstd":                          {"tar.zst", split(plain, "", 1000, 1001, 60_000)},
		"zstd, empty ones":              {"tar.zst", join(emptyStream("tar.zst"), zst(tree), emptyStream("tar.zst"))},
		"zstd, skippable frames":        {"tar.zst", join([]byte(skippable("")+skippable("x")), split(plain, skippable(strings.Repeat("x", 300_000)), 1000, 60_000), []byte(skippable("end")))},
		"zstd, zeros at the end":        {"tar.zst", join(split(plain, "", 1000), zeros)},
		"zstd, a larger window later": {"tar.zst", join(zst(tree[:1000], zstd.WithWindowSize(1<<10), zstd.WithSingleSegment(false)),
			zst(tree[1000:], zstd.WithWindowSize(32<<20), zstd.WithSingleSegment(false)))},
		"bzip2":                   {"tar.bz2", fixture(t, "two.tar.bz2")},
		"bzip2, empty ones":       {"tar.bz2", join(emptyStream("tar.bz2"), fixture(t, "two.tar.bz2"), emptyStream("tar.bz2"), emptyStream("tar.bz2"))},
		"bzip2, zeros at the end": {"tar.bz2", join(fixture(t, "two.tar.bz2"), zeros)},
	} {
		t.Run(name, func(t *testing.T) {
			for way, unpackOne := range bothWays(t) {
				entries, err := unpackOne(t, c.data, manifests.Layout{Format: c.format}, unpack.DefaultLimits())
				if err != nil || list(entries) != "a b" || entries[1].Digest != verify.DigestOf([]byte("y\n")) {
					t.Errorf("%s: %q, %v", way, list(entries), err)
				}
			}
			for _, cut := range []int{1, 2, len(c.data) / 2} {
				_, err := unpackAll(t, c.data[:len(c.data)-cut], manifests.Layout{Format: c.format}, unpack.DefaultLimits())
				if !strings.Contains(name, "zeros at the end") && !strings.Contains(name, "padded") && !errors.Is(err, verify.ErrUntrusted) {
					t.Errorf("without its last %d bytes: %v", cut, err)
				}
			}
		})
	}
}

// The limits of one stream hold for all streams of a file in total.
func TestSeveralStreamsShareTheCeilings(t *testing.T) {
	half := func(n int) []byte { return make([]byte, n) }
	head := tarEntry{name: "zeros", size: fmt.Sprintf("%011o\x00", 4<<20)}.bytes()
	for format, pack := range map[string]func([]byte) []byte{"tar.gz": gz, "tar.zst": func(b []byte) []byte { return zst(b) }} {
		var data []byte
		for _, part := range [][]byte{head, half(1 << 20), half(1 << 20), half(1 << 20), half(1 << 20), []byte(tarEnd)} {
			data = append(data, pack(part)...)
		}
		limits := unpack.DefaultLimits()
		limits.Ratio, limits.Free = 1, 4<<20+4096
		if _, err := unpackAll(t, data, manifests.Layout{Format: format}, limits); err != nil {
			t.Errorf("%s, at the limit: %v", format, err)
		}
		limits.Free = 3 << 20 // more than any stream unpacks to
		wantRefused(t, data, manifests.Layout{Format: format}, limits, unpack.RuleCeiling)
	}
	tree := tarOf(file("a", "x"))
	frame := func(log byte) string { return string([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, 1, 0, 0}) } // no content, a window of 2^log bytes
	wantRefused(t, append([]byte(frame(10)+frame(28)), zst(tree)...), manifests.Layout{Format: "tar.zst"}, unpack.DefaultLimits(), unpack.RuleCeiling)
	wantRefused(t, append(xz(nil), xzBlocks([]byte{31}, tree)...), manifests.Layout{Format: "tar.xz"}, unpack.DefaultLimits(), unpack.RuleCeiling)
}

// Concurrent archives whose streams need larger and larger windows share the memory without
// deadlock.
func TestSeveralStreamsShareTheMemory(t *testing.T) {
	limits := unpack.DefaultLimits()
	limits.Memory = 32 << 20
	s := newStage(t, limits)
	var all sync.WaitGroup
	for n := range 4 {
		tree := tarOf(file(fmt.Sprint("file", n), strings.Repeat("x", 5000)))
		var data []byte
		for i := range 6 { // dictionaries of 1 to 32 MiB
			data = append(data, xzBlocks([]byte{byte(16 + 2*i)}, tree[i*1000:min((i+1)*1000, len(tree))])...)
		}
		data = append(data, xzBlocks([]byte{8}, tree[6000:])...)
		src := source(t, data)
		all.Go(func() {
			err := s.prefix.Add(t.Context(), src, unpack.Archive{Name: fmt.Sprint(n), Component: "part", Layout: manifests.Layout{Format: "tar.xz"}})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	entries, err := s.prefix.Finish(t.Context())
	if s.check(t, entries, err); err != nil || list(entries) != "file0 file1 file2 file3" {
		t.Errorf("%q, %v", list(entries), err)
	}
}

// The cost of a file of very many streams depends on its size, without a window for each.
func TestManyStreams(t *testing.T) {
	tree := tarOf(file("a", "x"))
	for format, last := range map[string][]byte{"tar.gz": gz(tree), "tar.xz": xz(tree), "tar.zst": zst(tree), "tar.bz2": fixture(t, "a.tar.bz2")} {
		empty := emptyStream(format)
		if format == "tar.zst" {
			empty = []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 17 << 3, 1, 0, 0} // with a window of 128 MiB
		}
		data := append(bytes.Repeat(empty, 1<<20/len(empty)), last...)
		began := time.Now()
		if _, err := unpackAll(t, data, manifests.Layout{Format: format}, unpack.DefaultLimits()); err != nil {
			t.Errorf("%s: %v", format, err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%s: a mebibyte of empty streams took %v", format, took)
		} else {
			t.Logf("%s: %v", format, took)
		}
	}
}
