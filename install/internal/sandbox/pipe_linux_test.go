package sandbox

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
)

// through copies r into a pipe, and returns what comes out of it.
func through(t *testing.T, r io.Reader) (got []byte, n int64, err error) {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	read := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(out)
		read <- all
	}()
	n, err = io.Copy(pipeWriter{in}, r)
	in.Close()
	return <-read, n, err
}

func TestPipeWriter(t *testing.T) {
	data := make([]byte, 3<<20+5) // more than any pipe holds
	rand.NewChaCha8([32]byte{}).Read(data)
	file := opened(t, data)
	begun := io.NewSectionReader(file, 1000, 2<<20)
	if _, err := begun.Seek(500, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		r    io.Reader
		want []byte
	}{
		"a part of a file":                {io.NewSectionReader(file, 1, 3<<20), data[1 : 1+3<<20]},
		"the rest of a part":              {begun, data[1500 : 1000+2<<20]},
		"a part of nothing":               {io.NewSectionReader(file, 7, 0), nil},
		"a part of memory":                {io.NewSectionReader(bytes.NewReader(data), 1, 2<<20), data[1 : 1+2<<20]},
		"a part of a part":                {io.NewSectionReader(io.NewSectionReader(file, 10, 2<<20), 10, 1<<20), data[20 : 20+1<<20]},
		"what cannot be read in parts":    {io.LimitReader(bytes.NewReader(data), 2<<20), data[:2<<20]},
		"what writes itself (as strings)": {strings.NewReader("abc"), []byte("abc")},
	} {
		got, n, err := through(t, c.r)
		if err != nil || n != int64(len(c.want)) || !bytes.Equal(got, c.want) {
			t.Errorf("%s: wrote %d bytes, read %d, %v", name, n, len(got), err)
		}
		if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
			t.Errorf("%s: %d bytes are left of it, %v", name, len(rest), err)
		}
	}
}

func TestPipeWriterOfTruncatedFile(t *testing.T) {
	file := opened(t, []byte("abc"))
	got, n, err := through(t, io.NewSectionReader(file, 1, 100))
	if string(got) != "bc" || n != 2 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %d bytes, %v", got, n, err)
	}
}

func TestPipeWriterWithoutReader(t *testing.T) {
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out.Close()
	file := opened(t, []byte("abc"))
	if n, err := io.Copy(pipeWriter{in}, io.NewSectionReader(file, 0, 3)); n != 0 || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// Not every file can be spliced: no system can splice a file into a file.
func TestPipeWriterWithoutSplice(t *testing.T) {
	from := opened(t, []byte("abcdef"))
	to, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if _, err := splice(to, from, 0, 3); !errors.Is(err, errors.ErrUnsupported) {
		t.Fatalf("spliced: %v", err)
	}
	n, err := io.Copy(pipeWriter{to}, io.NewSectionReader(from, 1, 4))
	if err != nil || n != 4 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if got, err := os.ReadFile(to.Name()); err != nil || string(got) != "bcde" {
		t.Errorf("%q, %v", got, err)
	}
}
