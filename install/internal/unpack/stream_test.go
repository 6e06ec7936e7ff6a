package unpack_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// fixture reads an archive that another program made; each holds the file "a" with "x\n".
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// small returns one small archive of each format.
func small(t testing.TB) map[string][]byte {
	tree := tarOf(file("a", "x\n"))
	return map[string][]byte{
		"tar":     tree,
		"tar.gz":  gz(tree),
		"tar.xz":  fixture(t, "a.tar.xz"),
		"tar.zst": zst(tree),
		"tar.bz2": fixture(t, "a.tar.bz2"),
		"zip":     zipOf(zipFile{name: "a", data: "x\n", deflate: true}),
		"deb":     debOf(file("a", "x\n")),
	}
}

func TestEveryFormat(t *testing.T) {
	archives := small(t)
	archives["file"] = []byte("x\n")
	for _, format := range manifests.Formats() {
		data, ok := archives[format]
		if !ok {
			t.Errorf("no archive of format %s", format)
			continue
		}
		into := ""
		if format == "file" {
			into = "a"
		}
		entries, err := unpackAll(t, data, manifests.Layout{Format: format, Into: into}, unpack.DefaultLimits())
		if err != nil || len(entries) != 1 || entries[0].Path != "a" || entries[0].Digest != verify.DigestOf([]byte("x\n")) || entries[0].Size != 2 {
			t.Errorf("%s: %v, %v", format, entries, err)
		}
	}
}

// everyByte returns the step of the tests that try an archive at every byte: 1, or with
// -short 31, which is coprime to the block sizes of the formats.
func everyByte(t *testing.T) int { return short.Step(t, 31) }

// An archive that is truncated at any byte is refused.
func TestTruncationAtEveryByteIsRefused(t *testing.T) {
	for format, data := range small(t) {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			src, dir, step := source(t, data), t.TempDir(), everyByte(t)
			for n := len(data) - 1; n >= 0; n -= step {
				if err := src.Truncate(int64(n)); err != nil {
					t.Fatal(err)
				}
				name := filepath.Join(dir, fmt.Sprint(n))
				if err := os.Mkdir(name, 0o700); err != nil {
					t.Fatal(err)
				}
				root, err := os.OpenRoot(name)
				if err != nil {
					t.Fatal(err)
				}
				err = unpack.New(root, unpack.DefaultLimits()).Add(context.Background(), src, unpack.Archive{Name: "the-archive", Layout: manifests.Layout{Format: format}})
				root.Close()
				if !errors.Is(err, verify.ErrUntrusted) {
					t.Fatalf("cut to %d of %d bytes: %v", n, len(data), err)
				}
			}
		})
	}
}

func TestNothingFollowsAStream(t *testing.T) {
	tree := tarOf(file("a", "x\n"))
	streams := map[string][]byte{"tar.gz": gz(tree), "tar.xz": xz(tree), "tar.zst": zst(tree), "tar.bz2": fixture(t, "a.tar.bz2")}
	for format, one := range streams {
		layout, empty := manifests.Layout{Format: format}, emptyStream(format)
		after := func(more ...string) []byte { return append(bytes.Clone(one), strings.Join(more, "")...) }
		for what, more := range map[string]string{
			"a byte": "x", "garbage": strings.Repeat("garbage!", 40_000), "a stream that is cut": string(empty[:len(empty)-1]),
			"the magic number alone": string(one[:3]), "zeros and a byte": strings.Repeat("\x00", 512) + "x",
			"zeros and a stream that is cut": strings.Repeat("\x00", 512) + string(empty[:len(empty)-1]),
		} {
			t.Run(format+"/"+what, func(t *testing.T) { wantRefused(t, after(more), layout, unpack.DefaultLimits(), unpack.RuleStream) })
		}
		for other, stream := range streams {
			if other != format {
				t.Run(format+"/"+other, func(t *testing.T) {
					wantRefused(t, after(string(stream)), layout, unpack.DefaultLimits(), unpack.RuleStream)
				})
			}
		}
		if format != "tar.zst" {
			t.Run(format+"/a skippable frame", func(t *testing.T) {
				wantRefused(t, after(skippable("skip")), layout, unpack.DefaultLimits(), unpack.RuleStream)
			})
		}
		if format != "tar.xz" { // other programs disagree about the second stream
			t.Run(format+"/zeros between streams", func(t *testing.T) {
				wantRefused(t, after(strings.Repeat("\x00", 512), string(emptyStream(format))), layout, unpack.DefaultLimits(), unpack.RuleStream)
			})
		}
		t.Run(format+"/itself again", func(t *testing.T) {
			wantRefused(t, after(string(one)), layout, unpack.DefaultLimits(), unpack.RuleEnd)
		})
		for what, data := range map[string][]byte{"nothing": one, "zeros": after(strings.Repeat("\x00", 512)), "many zeros": after(strings.Repeat("\x00", 1<<20))} {
			if _, err := unpackAll(t, data, layout, unpack.DefaultLimits()); err != nil {
				t.Errorf("%s, with %s after it: %v", format, what, err)
			}
		}
	}
	for format, more := range map[string]string{"tar.xz": "\x00\x00\x00\x00\x00\x00", "tar.bz2": "\x00"} {
		t.Run(format+"/zeros of the wrong number", func(t *testing.T) {
			wantRefused(t, append(bytes.Clone(streams[format]), more...), manifests.Layout{Format: format}, unpack.DefaultLimits(), unpack.RuleStream)
		})
	}
}

// If any byte of a stream changes, the archive is refused or, if the byte has no meaning
// for the content (a time, a name, an operating system), unpacks to the same file.
func TestDamageAtEveryByte(t *testing.T) {
	for format, data := range small(t) {
		if format == "tar" || format == "deb" {
			continue // only their headers have checksums
		}
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			step := everyByte(t)
			for i := 0; i < len(data); i += step {
				damaged := bytes.Clone(data)
				damaged[i] ^= 0x04
				entries, err := unpackAll(t, damaged, manifests.Layout{Format: format}, unpack.DefaultLimits())
				if err == nil && (len(entries) != 1 || entries[0].Digest != verify.DigestOf([]byte("x\n"))) {
					t.Fatalf("byte %d: unpacks to %v", i, entries)
				}
				if err != nil && !errors.Is(err, verify.ErrUntrusted) {
					t.Fatalf("byte %d: %v", i, err)
				}
			}
		})
	}
}

func TestZstdFrames(t *testing.T) {
	tree := tarOf(file("a", string(bytes.Repeat([]byte("0123456789abcdef"), 40_000))))
	dictionary := zst(tree)
	dictionary[4] |= 1 // states a dictionary ID of one byte
	window := func(log, eighths byte) []byte {
		// A frame of one empty block with a window of 2^log bytes and some eighths.
		return []byte{0x28, 0xb5, 0x2f, 0xfd, 0, (log-10)<<3 | eighths, 1, 0, 0}
	}
	segment := func(size uint64) []byte {
		// The same, with a window as large as its stated content.
		frame := binary.LittleEndian.AppendUint64([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0}, size)
		return append(frame, 1, 0, 0)
	}
	reserved := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0, 7, 0, 0}
	for name, c := range map[string]struct {
		data []byte
		rule unpack.Rule // empty if accepted
	}{
		"fastest":                     {zst(tree, zstd.WithEncoderLevel(zstd.SpeedFastest)), ""},
		"best, with a checksum":       {zst(tree, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderCRC(true)), ""},
		"without a checksum":          {zst(tree, zstd.WithEncoderCRC(false)), ""},
		"one segment":                 {zst(tree, zstd.WithSingleSegment(true)), ""},
		"a window of 8 KiB":           {zst(tree, zstd.WithWindowSize(8<<10)), ""},
		"a window of 128 MiB":         {zst(tree, zstd.WithWindowSize(128<<20)), ""},
		"a window of 144 MiB":         {window(27, 1), unpack.RuleCeiling},
		"a window of 256 MiB":         {zst(tree, zstd.WithWindowSize(256<<20), zstd.WithSingleSegment(false)), unpack.RuleCeiling},
		"a window of 512 MiB":         {window(29, 0), unpack.RuleCeiling},
		"a window of 3.75 TiB":        {window(41, 7), unpack.RuleCeiling},
		"one segment of 128 MiB":      {segment(128 << 20), unpack.RuleStream},
		"one segment of a byte more":  {segment(128<<20 + 1), unpack.RuleCeiling},
		"one segment of 2^64 bytes":   {segment(1<<64 - 1), unpack.RuleCeiling},
		"a dictionary":                {dictionary, unpack.RuleStream},
		"a dictionary, cut in its ID": {[]byte("\x28\xb5\x2f\xfd\x22\x00"), unpack.RuleStream},
		"a reserved kind of block":    {reserved, unpack.RuleStream},
		"a skippable frame before":    {append([]byte(skippable("")), zst(tree)...), ""},
		"a skippable frame alone":     {[]byte(skippable("skip")), unpack.RuleStream},
		"a skippable frame, cut":      {append(zst(tree), skippable("skip")[:10]...), unpack.RuleStream},
		"a skippable frame of 4 GiB":  {append(zst(tree), "\x50\x2a\x4d\x18\xff\xff\xff\xff"...), unpack.RuleStream},
		"the magic of a legacy frame": {[]byte("\x27\xb5\x2f\xfd\x00\x00\x01\x00\x00"), unpack.RuleStream},
	} {
		t.Run(name, func(t *testing.T) {
			if c.rule != "" {
				wantRefused(t, c.data, manifests.Layout{Format: "tar.zst"}, unpack.DefaultLimits(), c.rule)
				return
			}
			for way, unpackOne := range bothWays(t) {
				if _, err := unpackOne(t, c.data, manifests.Layout{Format: "tar.zst"}, unpack.DefaultLimits()); err != nil {
					t.Errorf("%s: %v", way, err)
				}
			}
		})
	}
}

func TestXZDictionaryLimit(t *testing.T) {
	for size, ok := range map[byte]bool{30: true, 31: false} { // 128 and 192 MiB
		data := xz(tarOf(file("a", "x")))
		const header = 12
		data[header+4] = size
		binary.LittleEndian.PutUint32(data[header+8:], crc32Of(data[header:header+8]))
		if !ok {
			wantRefused(t, data, manifests.Layout{Format: "tar.xz"}, unpack.DefaultLimits(), unpack.RuleCeiling)
			continue
		}
		for way, unpackOne := range bothWays(t) {
			if _, err := unpackOne(t, data, manifests.Layout{Format: "tar.xz"}, unpack.DefaultLimits()); err != nil {
				t.Errorf("128 MiB, %s: %v", way, err)
			}
		}
	}
}

// A block with a larger dictionary than the first block, whose size was reserved, is
// refused; one with a smaller dictionary is accepted.
func TestXZLaterDictionaries(t *testing.T) {
	tree := tarOf(file("a", strings.Repeat("x", 2048)), file("b", "x"))
	for name, c := range map[string]struct {
		second byte
		ok     bool
	}{"the same": {20, true}, "a smaller one": {8, true}, "a larger one": {22, false}} { // 4 MiB; 64 KiB; 8 MiB
		t.Run(name, func(t *testing.T) {
			data := xzBlocks([]byte{20, c.second}, tree[:1024], tree[1024:])
			if !c.ok {
				wantRefused(t, data, manifests.Layout{Format: "tar.xz"}, unpack.DefaultLimits(), unpack.RuleStream)
			} else if _, err := unpackAll(t, data, manifests.Layout{Format: "tar.xz"}, unpack.DefaultLimits()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Faults of the disk are not reported as EntryErrors.
func TestFaultsAreNotEntryErrors(t *testing.T) {
	for format, data := range small(t) {
		s := newStage(t, unpack.DefaultLimits())
		src := source(t, data)
		src.Close()
		err := s.prefix.Add(context.Background(), src, unpack.Archive{Name: "the-archive", Layout: manifests.Layout{Format: format}})
		if !errors.Is(err, fs.ErrClosed) || errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s, from a closed file: %v", format, err)
		}
		readable := newStage(t, unpack.DefaultLimits())
		unreadable, err := os.OpenFile(source(t, data).Name(), os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		err = readable.prefix.Add(context.Background(), unreadable, unpack.Archive{Name: "the-archive", Layout: manifests.Layout{Format: format}})
		unreadable.Close()
		if err == nil || errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s, from a file that cannot be read: %v", format, err)
		}
	}
}

func TestCancel(t *testing.T) {
	stop := errors.New("stop")
	tree := tarOf(file("a", string(make([]byte, 8<<20))), file("b", "x"))
	for format, data := range map[string][]byte{"tar": tree, "tar.gz": gz(tree), "tar.zst": zst(tree), "tar.xz": xz(tree),
		"zip": zipOf(zfile("a", string(make([]byte, 8<<20)))), "deb": debOf(file("a", "x")), "file": tree} {
		ctx, cancel := context.WithCancelCause(context.Background())
		s := newStage(t, unpack.DefaultLimits())
		calls := 0
		err := s.prefix.Add(ctx, source(t, data), unpack.Archive{Name: "the-archive", Layout: manifests.Layout{Format: format, Into: "x"},
			Progress: func(done int64) { calls++; cancel(stop) }})
		if !errors.Is(err, context.Canceled) || errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s: %v", format, err)
		}
		if calls > 2 {
			t.Errorf("%s: %d more reads after the interrupt", format, calls-1)
		}
		if _, err := s.prefix.Finish(context.Background()); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: finished nevertheless: %v", format, err)
		}
	}
}

func TestProgress(t *testing.T) {
	for format, data := range small(t) {
		s := newStage(t, unpack.DefaultLimits())
		var last int64
		err := s.prefix.Add(context.Background(), source(t, data), unpack.Archive{Name: "the-archive", Layout: manifests.Layout{Format: format},
			Progress: func(done int64) {
				if done < last || done > int64(len(data)) {
					t.Errorf("%s: %d after %d of %d", format, done, last, len(data))
				}
				last = done
			}})
		if err != nil {
			t.Errorf("%s: %v", format, err)
		}
		if last != int64(len(data)) && format != "zip" && format != "deb" {
			t.Errorf("%s: progress ends at %d of %d", format, last, len(data))
		}
	}
}

func TestBombsAreRefused(t *testing.T) {
	bomb := func(files, size int) []byte { // files of zeros, compressed
		var b bytes.Buffer
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		zeros := make([]byte, size)
		for i := range files {
			w.Write(tarEntry{name: fmt.Sprint("f", i), size: fmt.Sprintf("%011o\x00", size)}.bytes())
			w.Write(zeros)
		}
		w.Write([]byte(tarEnd))
		w.Close()
		return b.Bytes()
	}
	limits := unpack.DefaultLimits()
	limits.Free = 4 << 20
	layout := manifests.Layout{Format: "tar.zst"}
	zeros := tarOf(tarEntry{name: "zeros", data: strings.Repeat("\x00", 16<<20)})
	for name, data := range map[string][]byte{"one file": bomb(1, 64<<20), "many files": bomb(64, 1<<20),
		"bzip2": fixture(t, "zeros.tar.bz2"), "xz": fixture(t, "zeros.tar.xz"), "gzip": gz(zeros), "zip": zipOf(zipFile{name: "zeros", data: string(zeros), deflate: true})} {
		t.Run(name, func(t *testing.T) {
			layout := manifests.Layout{Format: map[string]string{"bzip2": "tar.bz2", "xz": "tar.xz", "gzip": "tar.gz", "zip": "zip"}[name]}
			if layout.Format == "" {
				layout.Format = "tar.zst"
			}
			s := newStage(t, limits)
			err := s.add(t, data, layout)
			wantRule(t, err, unpack.RuleCeiling)
			var written int64
			for _, e := range onDisk(t, s.inner) {
				written += e.Size
			}
			if written > 4<<20 {
				t.Errorf("%d bytes were written before it was stopped", written)
			}
			wantRefused(t, data, layout, limits, unpack.RuleCeiling)
		})
	}
	if entries, err := unpackAll(t, bomb(3, 1<<20), layout, limits); err != nil || len(entries) != 3 {
		t.Errorf("honest twin: %d entries, %v", len(entries), err)
	}
}
