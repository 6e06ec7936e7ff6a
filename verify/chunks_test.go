package verify_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/kist-tools/kist/verify"
)

func chunksOf(data []byte, step int) verify.Chunks {
	c := verify.NewChunker()
	for len(data) > 0 {
		n := min(step, len(data))
		c.Write(data[:n])
		data = data[n:]
	}
	return c.Chunks()
}

func TestChunks(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcde"), 600_000) // 9 000 000: two full chunks and a part
	for _, test := range []struct{ size, chunks int }{
		{0, 0}, {1, 0}, {verify.ChunkSize, 0}, {verify.ChunkSize + 1, 2}, {2 * verify.ChunkSize, 2}, {2*verify.ChunkSize + 1, 3}, {len(data), 3},
	} {
		file := data[:test.size]
		c := chunksOf(file, 1<<20-7)
		if c.Len() != test.chunks {
			t.Fatalf("%d bytes: %d chunks, want %d", test.size, c.Len(), test.chunks)
		}
		for _, step := range []int{verify.ChunkSize - 1, verify.ChunkSize, verify.ChunkSize + 1, len(data)} {
			if chunksOf(file, step) != c {
				t.Errorf("%d bytes, %d at once: other chunks", test.size, step)
			}
		}
		for i := range c.Len() {
			if want := verify.DigestOf(file[i*verify.ChunkSize : min((i+1)*verify.ChunkSize, len(file))]); c.Digest(i) != want {
				t.Errorf("%d bytes: chunk %d is %s, want %s", test.size, i, c.Digest(i), want)
			}
		}
		again, err := verify.ParseChunks(c.String(), int64(test.size))
		if (err == nil) != (test.chunks > 0) || err == nil && again != c {
			t.Errorf("%d bytes: read again: %v, %v", test.size, again, err)
		}
	}
}

func TestParseChunks(t *testing.T) {
	two := base64.StdEncoding.EncodeToString(make([]byte, 64))
	for name, test := range map[string]struct {
		text string
		size int64
		ok   bool
	}{
		"two":                      {two, verify.ChunkSize + 1, true},
		"two, filled":              {two, 2 * verify.ChunkSize, true},
		"one too few":              {two, 2*verify.ChunkSize + 1, false},
		"one too many":             {two, verify.ChunkSize, false},
		"no size":                  {two, 0, false},
		"negative size":            {two, -1, false},
		"empty":                    {"", verify.ChunkSize + 1, false},
		"no padding":               {strings.TrimRight(two, "="), verify.ChunkSize + 1, false},
		"loose bits":               {two[:len(two)-3] + "B==", verify.ChunkSize + 1, false},
		"line end":                 {two[:40] + "\n" + two[40:], verify.ChunkSize + 1, false},
		"line end after it":        {two + "\r\n", verify.ChunkSize + 1, false},
		"space":                    {two + " ", verify.ChunkSize + 1, false},
		"the other alphabet":       {strings.Replace(two, "AAAA", "-_AA", 1), verify.ChunkSize + 1, false},
		"hexadecimal":              {strings.Repeat("0", 128), verify.ChunkSize + 1, false},
		"half a digest":            {base64.StdEncoding.EncodeToString(make([]byte, 80)), verify.ChunkSize + 1, false},
		"size that would overflow": {two, 1<<63 - 1, false},
	} {
		c, err := verify.ParseChunks(test.text, test.size)
		if test.ok != (err == nil) || err == nil && c.String() != test.text || err != nil && c.Len() != 0 {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}

func TestCheckChunks(t *testing.T) {
	data := make([]byte, 3*verify.ChunkSize)
	want := chunksOf(data, len(data))
	if err := want.Check("file", chunksOf(data, 1<<20)); err != nil {
		t.Error(err)
	}
	data[verify.ChunkSize] = 1
	var wrong *verify.DigestError
	if err := want.Check("file", chunksOf(data, 1<<20)); !errors.As(err, &wrong) || wrong.Name != "file, chunk 2" || wrong.Want != want.Digest(1) {
		t.Errorf("a chunk that differs: %v", err)
	}
	for _, size := range []int{0, verify.ChunkSize + 1, 2 * verify.ChunkSize} {
		if err := want.Check("file", chunksOf(make([]byte, size), 1<<20)); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func FuzzParseChunks(f *testing.F) {
	f.Add(base64.StdEncoding.EncodeToString(make([]byte, 64)), int64(verify.ChunkSize+1))
	f.Fuzz(func(t *testing.T, text string, size int64) {
		c, err := verify.ParseChunks(text, size)
		if err != nil {
			return
		}
		if c.String() != text || int64(c.Len()-1)*verify.ChunkSize >= size || int64(c.Len())*verify.ChunkSize < size || c.Len() < 2 {
			t.Errorf("%q for %d bytes: %d chunks, %q", text, size, c.Len(), c)
		}
	})
}
