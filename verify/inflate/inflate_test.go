package inflate_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	kflate "github.com/klauspost/compress/flate"
	"pgregory.net/rapid"

	"github.com/kist-tools/kist/verify/inflate"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// decompress decompresses the stream that data begins with, and also returns the data
// after it.
func decompress(data []byte) (out, rest []byte, err error) {
	in := bufio.NewReaderSize(bytes.NewReader(data), 16)
	out, err = io.ReadAll(inflate.NewReader(in))
	rest, _ = io.ReadAll(in)
	return out, rest, err
}

// texts returns data that compresses in different ways.
func texts() map[string][]byte {
	random := make([]byte, 300_000)
	for i, x := 0, uint32(1); i < len(random); i++ {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		random[i] = byte(x)
	}
	var words strings.Builder
	for i, b := range random[:100_000] {
		words.WriteString([]string{"toolchain ", "kist ", "library", "\n", "0", "11"}[b%6])
		if i%1000 == 0 {
			fmt.Fprintf(&words, "%x", random[i:i+50])
		}
	}
	return map[string][]byte{
		"nothing":       {},
		"a byte":        {7},
		"zeros":         make([]byte, 1_000_000),
		"pairs":         bytes.Repeat([]byte("ab"), 200_000),
		"seventeens":    bytes.Repeat([]byte("abcdefghijklmnopq"), 20_000),
		"random":        random,
		"few symbols":   bytes.Map(func(r rune) rune { return 'a' + r%3 }, random[:100_000]),
		"words":         []byte(words.String()),
		"far":           append(append(bytes.Clone(random[:32768]), random[:32768]...), random[:40000]...),
		"all of it":     append(bytes.Clone(random), words.String()...),
		"once again":    bytes.Repeat(random[:32768], 20),
		"past a window": bytes.Repeat(random[:30001], 30),
	}
}

// compressors returns two compressors at several levels.
func compressors() map[string]func(io.Writer) io.WriteCloser {
	all := map[string]func(io.Writer) io.WriteCloser{}
	for _, level := range []int{-2, 0, 1, 6, 9} {
		all[fmt.Sprintf("Go, level %d", level)] = func(w io.Writer) io.WriteCloser { z, _ := flate.NewWriter(w, level); return z }
		all[fmt.Sprintf("klauspost, level %d", level)] = func(w io.Writer) io.WriteCloser { z, _ := kflate.NewWriter(w, level); return z }
	}
	return all
}

func pack(t rapid.TB, with func(io.Writer) io.WriteCloser, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := with(&out)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestInflateDecodesEachCompressor(t *testing.T) {
	for name, text := range short.Rows(t, texts(), 3) {
		for compressor, with := range compressors() {
			packed := append(pack(t, with, text), "more data"...)
			out, rest, err := decompress(packed)
			if err != nil || !bytes.Equal(out, text) || string(rest) != "more data" {
				t.Errorf("%s, by %s: %d bytes of %d, then %q: %v", name, compressor, len(out), len(text), rest, err)
			}
		}
	}
}

// The result does not depend on the sizes of the reads, of input or of output.
func TestInflateReadsInAnyPieces(t *testing.T) {
	text := texts()["all of it"]
	packed := pack(t, compressors()["Go, level 6"], text)
	for how, in := range map[string]io.Reader{
		"a byte at a time":    iotest.OneByteReader(bytes.NewReader(packed)),
		"half of it":          iotest.HalfReader(bytes.NewReader(packed)),
		"its end with a byte": iotest.DataErrReader(bytes.NewReader(packed)),
	} {
		if err := iotest.TestReader(inflate.NewReader(bufio.NewReaderSize(in, 16)), text); err != nil {
			t.Errorf("%s: %v", how, err)
		}
	}
}

func TestResetForgetsThePreviousStream(t *testing.T) {
	text := texts()["words"]
	packed := pack(t, compressors()["Go, level 6"], text)
	r := inflate.NewReader(bufio.NewReader(bytes.NewReader(packed[:len(packed)/2])))
	if _, err := io.ReadAll(r); err != io.ErrUnexpectedEOF {
		t.Fatal(err)
	}
	// A match must not reach into the previous stream.
	r.Reset(bufio.NewReader(bytes.NewReader(unhex(t, "0202"))))
	if _, err := io.ReadAll(r); err == nil {
		t.Error("a match reached into the previous stream")
	}
	r.Reset(bufio.NewReader(bytes.NewReader(packed)))
	if out, err := io.ReadAll(r); err != nil || !bytes.Equal(out, text) {
		t.Errorf("%d bytes: %v", len(out), err)
	}
}

// Every truncated stream gives io.ErrUnexpectedEOF.
func TestInflateReportsTruncatedStreams(t *testing.T) {
	step := short.Step(t, 13)
	for name, text := range map[string][]byte{"words": texts()["words"][:3000], "random": texts()["random"][:300], "zeros": make([]byte, 3000)} {
		for compressor, with := range compressors() {
			packed := pack(t, with, text)
			for n := 0; n < len(packed); n += step {
				out, _, err := decompress(packed[:n])
				if err != io.ErrUnexpectedEOF || !bytes.HasPrefix(text, out) {
					t.Fatalf("%s, by %s, %d bytes of %d: %d bytes of %d: %v", name, compressor, n, len(packed), len(out), len(text), err)
				}
			}
		}
	}
}

func TestInflateReturnsTheErrorOfItsInput(t *testing.T) {
	packed := pack(t, compressors()["Go, level 6"], texts()["words"])
	broken := errors.New("the disk is broken")
	in := io.MultiReader(bytes.NewReader(packed[:len(packed)/2]), iotest.ErrReader(broken))
	if _, err := io.ReadAll(inflate.NewReader(bufio.NewReader(in))); err != broken {
		t.Error(err)
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Each stream is refused by zlib, for a different reason; most are from its
// test/infcover.c. TestInflateDecodesEachCompressor is the honest twin.
func TestInflateRefusesCorruptStreams(t *testing.T) {
	for name, stream := range map[string]string{
		"stored length and complement differ": "00 00 00 00 00",
		"invalid block type":                  "06",
		"too many lengths":                    "fc 00 00",
		"oversubscribed code length code":     "04 00 fe ff",
		"repetition without a first length":   "04 00 24 49 00",
		"repetition beyond the end":           "04 00 24 e9 ff ff",
		"no end-of-block code":                "04 00 24 e9 ff 6d",
		"oversubscribed literal code":         "04 80 49 92 24 49 92 24 71 ff ff 93 11 00",
		"oversubscribed distance code":        "04 80 49 92 24 49 92 24 0f b4 ff ff c3 84",
		"unassigned distance code":            "04 c0 81 08 00 00 00 00 20 7f eb 0b 00 00",
		"invalid distance symbol":             "02 7e ff ff",
		"distance before the start":           "0c c0 81 00 00 00 00 00 90 ff 6b 04 00",
		"invalid length symbol":               "1b 03 00",
	} {
		data := unhex(t, stream)
		if _, _, err := decompress(append(bytes.Clone(data), make([]byte, 64)...)); err != inflate.ErrCorrupt {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := io.ReadAll(flate.NewReader(bytes.NewReader(data))); err == nil {
			t.Errorf("%s: the standard library accepts it", name)
		}
	}
}

// checkAgreement fails t unless the standard library accepts data if this package
// does, with the same result and the same end.
func checkAgreement(t testing.TB, data []byte) {
	in := bytes.NewReader(data)
	theirs, theirErr := io.ReadAll(io.LimitReader(flate.NewReader(in), 1<<20))
	theirRest := in.Len()
	buf := bufio.NewReaderSize(bytes.NewReader(data), 64)
	ours, err := io.ReadAll(io.LimitReader(inflate.NewReader(buf), 1<<20))
	switch {
	case err == nil && (theirErr != nil || !bytes.Equal(ours, theirs)):
		t.Fatalf("%x: %d bytes, theirs %d: %v", data, len(ours), len(theirs), theirErr)
	case err == nil && len(ours) < 1<<20:
		if rest, _ := io.ReadAll(buf); len(rest) != theirRest {
			t.Fatalf("%x: %d bytes follow, theirs %d", data, len(rest), theirRest)
		}
	case theirErr == io.ErrUnexpectedEOF && err != io.ErrUnexpectedEOF && err != inflate.ErrCorrupt:
		t.Fatalf("%x: %v, theirs %v", data, err, theirErr)
	}
}

func FuzzInflate(f *testing.F) {
	for _, text := range [][]byte{nil, []byte("kist kist kist"), texts()["words"][:500], texts()["random"][:100]} {
		for _, with := range compressors() {
			f.Add(pack(f, with, text))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkAgreement(t, data) })
}

// Flipping a bit in a stream produces many unusual codes.
func TestInflateAgreesWithGoOnFlippedBits(t *testing.T) {
	step := short.Step(t, 7)
	for name, text := range map[string][]byte{"words": texts()["words"][:2000], "few symbols": texts()["few symbols"][:2000]} {
		packed := pack(t, compressors()["Go, level 9"], text)
		for i := 0; i < len(packed); i += step {
			for bit := range 8 {
				flipped := bytes.Clone(packed)
				flipped[i] ^= 1 << bit
				checkAgreement(t, flipped)
			}
		}
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// Random texts, made of new pieces and repetitions of earlier ones, survive
// compression and decompression.
func TestInflateReversesCompression(t *testing.T) {
	all := compressors()
	rapid.Check(t, func(t *rapid.T) {
		var text []byte
		for range rapid.IntRange(0, 40).Draw(t, "pieces") {
			if n := len(text); n > 0 && rapid.Bool().Draw(t, "again") {
				back := rapid.IntRange(1, min(n, 40_000)).Draw(t, "distance")
				for range rapid.IntRange(1, 2000).Draw(t, "length") {
					text = append(text, text[len(text)-back])
				}
				continue
			}
			text = append(text, rapid.SliceOfN(rapid.Byte(), 0, 500).Draw(t, "new")...)
		}
		compressor := rapid.SampledFrom([]string{"Go, level -2", "Go, level 1", "Go, level 9", "klauspost, level 1", "klauspost, level 9"}).Draw(t, "compressor")
		out, rest, err := decompress(pack(t, all[compressor], text))
		if err != nil || len(rest) > 0 || !bytes.Equal(out, text) {
			t.Fatalf("%d bytes of %d: %v", len(out), len(text), err)
		}
	})
}

// gzipped returns text as a member whose header has every optional field except the
// checksum.
func gzipped(t *testing.T, text []byte) []byte {
	t.Helper()
	return pack(t, func(w io.Writer) io.WriteCloser {
		z := gzip.NewWriter(w)
		z.Name, z.Comment, z.Extra = "name", "comment", []byte("extra")
		return z
	}, text)
}

func gunzip(data []byte) (out, rest []byte, err error) {
	in := bufio.NewReaderSize(bytes.NewReader(data), 16)
	z, err := inflate.NewGzipReader(in)
	if err == nil {
		out, err = io.ReadAll(z)
	}
	rest, _ = io.ReadAll(in)
	return out, rest, err
}

func TestGzipDecodesAndChecksAMember(t *testing.T) {
	text := texts()["words"]
	whole := gzipped(t, text)
	out, rest, err := gunzip(append(bytes.Clone(whole), "more data"...))
	if err != nil || !bytes.Equal(out, text) || string(rest) != "more data" {
		t.Errorf("%d bytes, then %q: %v", len(out), rest, err)
	}
	for _, n := range []int{0, 1, 9, 10, 11, 16, 20, 30, len(whole) - 9, len(whole) - 8, len(whole) - 1} {
		if _, _, err := gunzip(whole[:n]); err != io.ErrUnexpectedEOF {
			t.Errorf("%d bytes of %d: %v", n, len(whole), err)
		}
	}
	for field, at := range map[string]int{"magic": 0, "magic, second": 1, "method": 2, "sum": len(whole) - 8, "size": len(whole) - 1} {
		broken := bytes.Clone(whole)
		broken[at] ^= 1
		if _, _, err := gunzip(broken); !errors.Is(err, inflate.ErrCorrupt) {
			t.Errorf("%s: %v", field, err)
		}
	}
	for length, want := range map[int]error{inflate.MaxText - 1: nil, inflate.MaxText: inflate.ErrCorrupt} {
		long := pack(t, func(w io.Writer) io.WriteCloser {
			z := gzip.NewWriter(w)
			z.Comment = strings.Repeat("x", length)
			return z
		}, text)
		if _, _, err := gunzip(long); !errors.Is(err, want) {
			t.Errorf("a comment of %d bytes: %v", length, err)
		}
	}
	reserved := bytes.Clone(whole)
	reserved[3] |= 0x20
	if _, _, err := gunzip(reserved); !errors.Is(err, inflate.ErrCorrupt) {
		t.Errorf("a reserved flag: %v", err)
	}
}

// Reset works after a complete member and after a truncated one.
func TestGzipResetForgetsThePreviousMember(t *testing.T) {
	one, other := gzipped(t, []byte("one")), gzipped(t, []byte("the other"))
	z, err := inflate.NewGzipReader(bufio.NewReader(bytes.NewReader(one)))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		data []byte
		want string
		ok   bool
	}{{one, "one", true}, {other, "the other", true}, {other[:len(other)-9], "", false}, {one, "one", true}, {[]byte("no header"), "", false}, {one[:5], "", false}, {other, "the other", true}} {
		if err := z.Reset(bufio.NewReader(bytes.NewReader(c.data))); (err == nil) != c.ok && len(c.data) < 18 {
			t.Fatalf("%d: %v", i, err)
		}
		got, err := io.ReadAll(z)
		if (err == nil) != c.ok || c.ok && string(got) != c.want {
			t.Errorf("%d: %q, %v", i, got, err)
		}
	}
}

// The header checksum covers all bytes of the header (RFC 1952, section 2.3.1). The
// sample was made with zlib's deflateSetHeader.
func TestGzipChecksTheHeaderChecksum(t *testing.T) {
	const header, body = "1f8b 08 02 00000000 00 03", "0300 00000000 00000000"
	sum := "a777"
	for _, test := range []struct {
		sum  string
		want error
	}{{sum, nil}, {"a677", inflate.ErrCorrupt}} {
		if _, _, err := gunzip(unhex(t, header+test.sum+body)); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", test.sum, err)
		}
	}
}

// BenchmarkInflate decompresses the test program itself.
func BenchmarkInflate(b *testing.B) {
	name, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	packed := pack(b, compressors()["Go, level 6"], text)
	for decoder, open := range map[string]func(*bufio.Reader) io.Reader{
		"kist":      func(in *bufio.Reader) io.Reader { return inflate.NewReader(in) },
		"klauspost": func(in *bufio.Reader) io.Reader { return kflate.NewReader(in) },
		"Go":        func(in *bufio.Reader) io.Reader { return flate.NewReader(in) },
	} {
		b.Run(decoder, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := io.Copy(io.Discard, open(bufio.NewReaderSize(bytes.NewReader(packed), 128<<10))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
