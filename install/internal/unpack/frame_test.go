package unpack

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/therootcompany/xz"
)

// A frame returns its stream unchanged, and leaves the reader right after it.
func TestFramesEndWithTheirStreams(t *testing.T) {
	xzFile, err := os.ReadFile("testdata/a.tar.xz")
	if err != nil {
		t.Fatal(err)
	}
	zstdFile := "\x28\xb5\x2f\xfd\x24\x03\x19\x00\x00hi\n\x01\x02\x03\x04" // one segment, a raw block, a checksum
	for name, c := range map[string]struct {
		stream string
		open   func(*bufio.Reader) io.Reader
	}{
		"xz":   {string(xzFile), func(in *bufio.Reader) io.Reader { return newXZFrame(in) }},
		"zstd": {zstdFile, func(in *bufio.Reader) io.Reader { return newZstdFrame(in) }},
	} {
		for _, rest := range []string{"", "\x00", "rest", c.stream} {
			in := bufio.NewReaderSize(strings.NewReader(c.stream+rest), 16)
			got, err := io.ReadAll(iotest.OneByteReader(c.open(in)))
			left, _ := io.ReadAll(in)
			if err != nil || string(got) != c.stream || string(left) != rest {
				t.Errorf("%s: %d of %d bytes, %d of %d left, %v", name, len(got), len(c.stream), len(left), len(rest), err)
			}
		}
		for n := range len(c.stream) {
			if _, err := io.ReadAll(c.open(bufio.NewReader(strings.NewReader(c.stream[:n])))); err != errTruncated {
				t.Errorf("%s, cut after %d bytes: %v", name, n, err)
			}
		}
	}
}

// FuzzFrame checks that frames return their input unchanged, up to the end of the stream
// or the first error. If the library finds one valid xz stream, the frame does.
func FuzzFrame(f *testing.F) {
	xzFile, err := os.ReadFile("testdata/a.tar.xz")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(xzFile)
	f.Add([]byte("\xfd7zXZ\x00\x00\x01\x69\x22\xde\x36\x00\x00\x00\x00\x1c\xdf\x44\x21\x90\x42\x99\x0d\x00\x00\x00\x00\x01YZ"))
	f.Add([]byte("\x28\xb5\x2f\xfd\x24\x03\x19\x00\x00hi\n\x01\x02\x03\x04"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, open := range []func(*bufio.Reader) io.Reader{
			func(in *bufio.Reader) io.Reader { return newXZFrame(in) }, func(in *bufio.Reader) io.Reader { return newZstdFrame(in) },
		} {
			got, err := io.ReadAll(open(bufio.NewReaderSize(bytes.NewReader(data), 16)))
			again, second := io.ReadAll(iotest.OneByteReader(open(bufio.NewReader(bytes.NewReader(data)))))
			if !bytes.HasPrefix(data, got) || !bytes.Equal(got, again) || err != nil && second == nil || err == nil && second != nil {
				t.Fatalf("%d bytes, %v; byte by byte %d, %v", len(got), err, len(again), second)
			}
		}
		z, err := xz.NewReader(bytes.NewReader(data), smallWindow)
		if err != nil {
			return
		}
		z.Multistream(false)
		if n, err := io.Copy(io.Discard, io.LimitReader(z, 1<<20)); err != nil || n == 1<<20 || z.Reset(nil) != io.EOF {
			return
		}
		got, err := io.ReadAll(newXZFrame(bufio.NewReader(bytes.NewReader(data))))
		if rest := data[len(got):]; err != nil || len(bytes.Trim(rest, "\x00")) > 0 {
			t.Fatalf("the library reads one stream of %d bytes, the frame %d bytes, %v", len(data), len(got), err)
		}
	})
}
