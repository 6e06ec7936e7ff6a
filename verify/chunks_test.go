package verify

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

func chunksOf(data []byte, step int) Chunks {
	c := NewChunker()
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
		{0, 0}, {1, 0}, {ChunkSize, 0}, {ChunkSize + 1, 2}, {2 * ChunkSize, 2}, {2*ChunkSize + 1, 3}, {len(data), 3},
	} {
		file := data[:test.size]
		c := chunksOf(file, 1<<20-7)
		if c.Len() != test.chunks {
			t.Fatalf("%d bytes: %d chunks, want %d", test.size, c.Len(), test.chunks)
		}
		for _, step := range []int{ChunkSize - 1, ChunkSize, ChunkSize + 1, len(data)} {
			if chunksOf(file, step) != c {
				t.Errorf("%d bytes, %d at once: other chunks", test.size, step)
			}
		}
		for i := range c.Len() {
			if want := DigestOf(file[i*ChunkSize : min((i+1)*ChunkSize, len(file))]); c.Digest(i) != want {
				t.Errorf("%d bytes: chunk %d is %s, want %s", test.size, i, c.Digest(i), want)
			}
		}
		again, err := ParseChunks(c.String(), int64(test.size))
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
		"two":                      {two, ChunkSize + 1, true},
		"two, filled":              {two, 2 * ChunkSize, true},
		"one too few":              {two, 2*ChunkSize + 1, false},
		"one too many":             {two, ChunkSize, false},
		"no size":                  {two, 0, false},
		"negative size":            {two, -1, false},
		"empty":                    {"", ChunkSize + 1, false},
		"no padding":               {strings.TrimRight(two, "="), ChunkSize + 1, false},
		"loose bits":               {two[:len(two)-3] + "B==", ChunkSize + 1, false},
		"line end":                 {two[:40] + "\n" + two[40:], ChunkSize + 1, false},
		"line end after it":        {two + "\r\n", ChunkSize + 1, false},
		"space":                    {two + " ", ChunkSize + 1, false},
		"the other alphabet":       {strings.Replace(two, "AAAA", "-_AA", 1), ChunkSize + 1, false},
		"hexadecimal":              {strings.Repeat("0", 128), ChunkSize + 1, false},
		"half a digest":            {base64.StdEncoding.EncodeToString(make([]byte, 80)), ChunkSize + 1, false},
		"size that would overflow": {two, 1<<63 - 1, false},
	} {
		c, err := ParseChunks(test.text, test.size)
		if test.ok != (err == nil) || err == nil && c.String() != test.text || err != nil && c.Len() != 0 {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}

func TestCheckChunks(t *testing.T) {
	data := make([]byte, 3*ChunkSize)
	want := chunksOf(data, len(data))
	if err := want.Check("file", chunksOf(data, 1<<20)); err != nil {
		t.Error(err)
	}
	data[ChunkSize] = 1
	var wrong *DigestError
	if err := want.Check("file", chunksOf(data, 1<<20)); !errors.As(err, &wrong) || wrong.Name != "file, chunk 2" || wrong.Want != want.Digest(1) {
		t.Errorf("a chunk that differs: %v", err)
	}
	for _, size := range []int{0, ChunkSize + 1, 2 * ChunkSize} {
		if err := want.Check("file", chunksOf(make([]byte, size), 1<<20)); !errors.Is(err, ErrUntrusted) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func FuzzParseChunks(f *testing.F) {
	f.Add(base64.StdEncoding.EncodeToString(make([]byte, 64)), int64(ChunkSize+1))
	f.Fuzz(func(t *testing.T, text string, size int64) {
		c, err := ParseChunks(text, size)
		if err != nil {
			return
		}
		if c.String() != text || int64(c.Len()-1)*ChunkSize >= size || int64(c.Len())*ChunkSize < size || c.Len() < 2 {
			t.Errorf("%q for %d bytes: %d chunks, %q", text, size, c.Len(), c)
		}
	})
}
