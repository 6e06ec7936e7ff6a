package manifesttest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// A member is one entry of an archive: a file, a directory, or a link with its target as
// text.
type member struct {
	name, text string
	mode       fs.FileMode
}

// printScript returns a program that prints a line.
func printScript(line string) string { return "#!/bin/sh\necho " + line + "\nexit\n" }

func tarball(tb testing.TB, members ...member) []byte {
	tb.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(tree(tb, members...))
	check(tb, err)
	check(tb, z.Close())
	return out.Bytes()
}

// tree returns a tar of members.
func tree(tb testing.TB, members ...member) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	var dirs []string
	for _, m := range members {
		top, _, _ := strings.Cut(m.name, "/")
		if !slices.Contains(dirs, top) {
			dirs = append(dirs, top)
			check(tb, w.WriteHeader(&tar.Header{Name: top + "/", Typeflag: tar.TypeDir, Mode: 0o755}))
		}
		h := &tar.Header{Name: m.name, Typeflag: tar.TypeReg, Mode: int64(m.mode.Perm()), Size: int64(len(m.text))}
		if m.mode.Type() == fs.ModeSymlink {
			h.Typeflag, h.Mode, h.Size, h.Linkname = tar.TypeSymlink, 0o777, 0, m.text
		}
		check(tb, w.WriteHeader(h))
		if h.Typeflag == tar.TypeReg {
			_, err := w.Write([]byte(m.text))
			check(tb, err)
		}
	}
	check(tb, w.Close())
	return out.Bytes()
}

func zipped(tb testing.TB, members ...member) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate}
		if m.mode.IsDir() {
			h.Method = zip.Store
		}
		h.SetMode(m.mode)
		f, err := w.CreateHeader(h)
		check(tb, err)
		_, err = f.Write([]byte(m.text))
		check(tb, err)
	}
	check(tb, w.Close())
	return out.Bytes()
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// xz returns data in the .xz format, in one block of uncompressed LZMA2 chunks, with a
// CRC-32. Source: The .xz File Format, sections 2 and 3.
func xz(data []byte) []byte {
	le := binary.LittleEndian
	flags := []byte{0, 1}
	out := append([]byte("\xfd7zXZ\x00"), flags...)
	out = le.AppendUint32(out, crc32.ChecksumIEEE(flags))
	start := len(out)
	head := []byte{2, 0, 0x21, 1, 8, 0, 0, 0} // twelve bytes; LZMA2 with a dictionary of 64 KiB
	out = append(out, head...)
	out = le.AppendUint32(out, crc32.ChecksumIEEE(head))
	for chunk := range slices.Chunk(data, 1<<16) {
		out = append(out, 1, byte((len(chunk)-1)>>8), byte(len(chunk)-1))
		out = append(out, chunk...)
	}
	out = append(out, 0)
	unpadded := len(out) - start + 4
	for (len(out)-start)%4 != 0 {
		out = append(out, 0)
	}
	out = le.AppendUint32(out, crc32.ChecksumIEEE(data))
	index := binary.AppendUvarint(binary.AppendUvarint([]byte{0, 1}, uint64(unpadded)), uint64(len(data)))
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = le.AppendUint32(index, crc32.ChecksumIEEE(index))
	out = append(out, index...)
	tail := append(le.AppendUint32(nil, uint32(len(index)/4-1)), flags...)
	out = le.AppendUint32(out, crc32.ChecksumIEEE(tail))
	return append(append(out, tail...), "YZ"...)
}
