package unpack_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Writers of archives in which any field can be set to a wrong value.

// A tarEntry holds the fields of one header, and its data.
type tarEntry struct {
	name, link, prefix string
	flag               byte   // zero is '0'
	mode, size, sum    string // as written; empty for the right value
	magic              string // empty for ustar's
	data               string
	edit               func(block []byte) // before the checksum
}

func (e tarEntry) bytes() []byte {
	b := make([]byte, 512)
	put := func(at int, s, or string) {
		if s == "" {
			s = or
		}
		copy(b[at:], s)
	}
	put(0, e.name, "")
	put(100, e.mode, "0000644\x00")
	copy(b[108:], "0000000\x000000000\x00")
	put(124, e.size, fmt.Sprintf("%011o\x00", len(e.data)))
	copy(b[136:], "00000000000\x00")
	b[156] = max(e.flag, '0')
	put(157, e.link, "")
	put(257, e.magic, "ustar\x0000")
	put(345, e.prefix, "")
	if e.edit != nil {
		e.edit(b)
	}
	copy(b[148:156], "        ")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
	copy(b[148:156], e.sum)
	b = append(b, e.data...)
	return append(b, make([]byte, (512-len(e.data)%512)%512)...)
}

var tarEnd = string(make([]byte, 1024))

func tarOf(entries ...tarEntry) []byte {
	var b []byte
	for _, e := range entries {
		b = append(b, e.bytes()...)
	}
	return append(b, tarEnd...)
}

func file(name, data string) tarEntry { return tarEntry{name: name, data: data} }
func dir(name string) tarEntry        { return tarEntry{name: name, flag: '5', mode: "0000755\x00"} }
func link(name, to string) tarEntry   { return tarEntry{name: name, flag: '2', link: to} }
func hard(name, to string) tarEntry   { return tarEntry{name: name, flag: '1', link: to} }

// pax returns an extended header of "key=value" records.
func pax(records ...string) tarEntry {
	var b strings.Builder
	for _, r := range records {
		b.WriteString(paxRecord(r))
	}
	return tarEntry{name: "PaxHeaders/x", flag: 'x', data: b.String()}
}

func paxRecord(r string) string {
	n := len(r) + 3
	for len(fmt.Sprint(n))+len(r)+2 != n {
		n++
	}
	return fmt.Sprintf("%d %s\n", n, r)
}

func global(records ...string) tarEntry {
	e := pax(records...)
	e.flag = 'g'
	return e
}

// long returns a GNU long name: flag is 'L' for a name, 'K' for a target.
func long(flag byte, name string) tarEntry {
	return tarEntry{name: "././@LongLink", flag: flag, magic: gnuMagic, data: name + "\x00"}
}

const gnuMagic = "ustar  \x00"

// A zipFile is one entry of a zip. local and central change one of its
// headers.
type zipFile struct {
	name, data     string
	mode           uint32 // of Unix; zero: made by MS-DOS
	deflate        bool
	descriptor     int // length of the data descriptor: 0, 12, 16, 20, 24
	gap            string
	local, central func(*zipHeader)
	after          func(descriptor []byte)
}

type zipHeader struct {
	made, flags, method uint16
	crc, packed, size   uint32
	name                string
	extra               []byte
	disk                uint16
	external, offset    uint32
	content             []byte
}

// A zipball is a whole zip.
type zipball struct {
	files                     []zipFile
	prefix, between, zip64    string
	comment, suffix           string
	end                       func(e *zipEnd)
	zip64End                  func(e *zip64End)
	wantZip64                 bool
	order                     []int // of the central directory
	noCentral, duplicateInDir int   // counted from 1: a file left out of the directory, a file twice in it
}

type zipEnd struct {
	disk, first, here, all uint16
	size, off              uint32
	comment                uint16
}

type zip64End struct {
	length       uint64
	disk, first  uint32
	here, all    uint64
	size, off    uint64
	locator      uint64
	locatorDisks uint32
}

func zipOf(files ...zipFile) []byte { return zipball{files: files}.bytes() }

func zfile(name, data string) zipFile { return zipFile{name: name, data: data, mode: 0o100644} }
func zdir(name string) zipFile        { return zipFile{name: name, mode: 0o040755} }
func zlink(name, to string) zipFile   { return zipFile{name: name, data: to, mode: 0o120777} }

func (z zipball) bytes() []byte {
	le := binary.LittleEndian
	b := []byte(z.prefix)
	var headers []zipHeader
	for _, f := range z.files {
		b = append(b, f.gap...)
		h := zipHeader{name: f.name, crc: crc32.ChecksumIEEE([]byte(f.data)), size: uint32(len(f.data)),
			content: []byte(f.data), offset: uint32(len(b)), external: f.mode << 16}
		if f.mode != 0 {
			h.made = 3 << 8
		}
		if f.deflate {
			h.method, h.content = 8, deflated(f.data)
		}
		h.packed = uint32(len(h.content))
		if f.descriptor > 0 {
			h.flags |= 1 << 3
		}
		l := h
		if f.descriptor > 0 {
			l.crc, l.packed, l.size = 0, 0, 0
		}
		if f.local != nil {
			f.local(&l)
		}
		b = le.AppendUint32(b, 0x04034b50)
		for _, v := range []uint16{20, l.flags, l.method, 0, 0x21} {
			b = le.AppendUint16(b, v)
		}
		for _, v := range []uint32{l.crc, l.packed, l.size} {
			b = le.AppendUint32(b, v)
		}
		b = le.AppendUint16(b, uint16(len(l.name)))
		b = le.AppendUint16(b, uint16(len(l.extra)))
		b = append(append(append(b, l.name...), l.extra...), l.content...)
		b = append(b, descriptor(f, h)...)
		if f.central != nil {
			f.central(&h)
		}
		headers = append(headers, h)
	}
	b = append(b, z.between...)
	off := len(b)
	listed := headers
	if z.order != nil {
		listed = nil
		for _, i := range z.order {
			listed = append(listed, headers[i])
		}
	}
	if z.noCentral > 0 {
		listed = slices.Delete(slices.Clone(listed), z.noCentral-1, z.noCentral)
	}
	if z.duplicateInDir > 0 {
		listed = append(slices.Clone(listed), listed[z.duplicateInDir-1])
	}
	for _, h := range listed {
		b = le.AppendUint32(b, 0x02014b50)
		for _, v := range []uint16{h.made | 20, 20, h.flags, h.method, 0, 0x21} {
			b = le.AppendUint16(b, v)
		}
		for _, v := range []uint32{h.crc, h.packed, h.size} {
			b = le.AppendUint32(b, v)
		}
		for _, v := range []uint16{uint16(len(h.name)), uint16(len(h.extra)), 0, h.disk, 0} {
			b = le.AppendUint16(b, v)
		}
		b = le.AppendUint32(b, h.external)
		b = le.AppendUint32(b, h.offset)
		b = append(append(b, h.name...), h.extra...)
	}
	n := uint16(len(listed))
	e := zipEnd{here: n, all: n, size: uint32(len(b) - off), off: uint32(off), comment: uint16(len(z.comment))}
	if z.wantZip64 {
		e64 := zip64End{length: 44, here: uint64(n), all: uint64(n), size: uint64(len(b) - off), off: uint64(off),
			locator: uint64(len(b)), locatorDisks: 1}
		if z.zip64End != nil {
			z.zip64End(&e64)
		}
		b = le.AppendUint32(b, 0x06064b50)
		b = le.AppendUint64(b, e64.length)
		b = le.AppendUint32(b, 45<<16|45)
		b = le.AppendUint32(b, e64.disk)
		b = le.AppendUint32(b, e64.first)
		for _, v := range []uint64{e64.here, e64.all, e64.size, e64.off} {
			b = le.AppendUint64(b, v)
		}
		b = append(b, z.zip64...)
		b = le.AppendUint32(b, 0x07064b50)
		b = le.AppendUint32(b, 0)
		b = le.AppendUint64(b, e64.locator)
		b = le.AppendUint32(b, e64.locatorDisks)
		e.here, e.all, e.size, e.off = 0xffff, 0xffff, 0xffffffff, 0xffffffff
	}
	if z.end != nil {
		z.end(&e)
	}
	b = le.AppendUint32(b, 0x06054b50)
	for _, v := range []uint16{e.disk, e.first, e.here, e.all} {
		b = le.AppendUint16(b, v)
	}
	b = le.AppendUint32(b, e.size)
	b = le.AppendUint32(b, e.off)
	b = le.AppendUint16(b, e.comment)
	return append(append(b, z.comment...), z.suffix...)
}

func descriptor(f zipFile, h zipHeader) (d []byte) {
	le := binary.LittleEndian
	if f.descriptor == 16 || f.descriptor == 24 {
		d = le.AppendUint32(d, 0x08074b50)
	}
	switch f.descriptor {
	case 12, 16:
		d = le.AppendUint32(d, h.crc)
		d = le.AppendUint32(d, h.packed)
		d = le.AppendUint32(d, h.size)
	case 20, 24:
		d = le.AppendUint32(d, h.crc)
		d = le.AppendUint64(d, uint64(h.packed))
		d = le.AppendUint64(d, uint64(h.size))
	}
	if f.after != nil {
		f.after(d)
	}
	return d
}

// extra returns an extra field.
func extra(id uint16, data string) []byte {
	b := binary.LittleEndian.AppendUint16(nil, id)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

// number returns v in eight bytes, as in zip64.
func number(v uint64) string { return string(binary.LittleEndian.AppendUint64(nil, v)) }

func deflated(s string) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	w.Write([]byte(s))
	w.Close()
	return b.Bytes()
}

func gz(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func zst(data []byte, opts ...zstd.EOption) []byte {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, opts...)
	if err != nil {
		panic(err)
	}
	w.Write(data)
	w.Close()
	return b.Bytes()
}

// xz returns data in one block, with a dictionary of 64 KiB.
func xz(data []byte) []byte { return xzBlocks([]byte{8}, data) }

// xzBlocks returns a stream with a block of uncompressed LZMA2 chunks for each part,
// with the dictionary size of its property byte, and a CRC-32 (The .xz File Format,
// sections 2 and 3).
func xzBlocks(dictionaries []byte, parts ...[]byte) []byte {
	le := binary.LittleEndian
	crc := func(b []byte) uint32 { return crc32.ChecksumIEEE(b) }
	flags := []byte{0, 1}
	out := append([]byte("\xfd7zXZ\x00"), flags...)
	out = le.AppendUint32(out, crc(flags))
	index := []byte{0, byte(len(parts))}
	for i, data := range parts {
		start := len(out)
		head := []byte{2, 0, 0x21, 1, dictionaries[i], 0, 0, 0} // twelve bytes, with its checksum
		out = append(out, head...)
		out = le.AppendUint32(out, crc(head))
		for chunk := range slices.Chunk(data, 1<<16) {
			out = append(out, 1, byte((len(chunk)-1)>>8), byte(len(chunk)-1))
			out = append(out, chunk...)
		}
		out = append(out, 0)
		unpadded := len(out) - start + 4
		for (len(out)-start)%4 != 0 {
			out = append(out, 0)
		}
		out = le.AppendUint32(out, crc(data))
		index = binary.AppendUvarint(binary.AppendUvarint(index, uint64(unpadded)), uint64(len(data)))
	}
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = le.AppendUint32(index, crc(index))
	out = append(out, index...)
	tail := append(le.AppendUint32(nil, uint32(len(index)/4-1)), flags...)
	out = le.AppendUint32(out, crc(tail))
	return append(append(out, tail...), "YZ"...)
}

// An arMember is one file of an ar archive.
type arMember struct{ name, size, data, magic, pad string }

func arOf(members ...arMember) []byte {
	b := []byte("!<arch>\n")
	for _, m := range members {
		if m.size == "" {
			m.size = fmt.Sprint(len(m.data))
		}
		if m.magic == "" {
			m.magic = "`\n"
		}
		if m.pad == "" {
			m.pad = "\n"
		}
		b = append(b, fmt.Sprintf("%-16s%-12s%-6s%-6s%-8s%-10s%s%s", m.name, "0", "0", "0", "100644", m.size, m.magic, m.data)...)
		if len(m.data)%2 == 1 {
			b = append(b, m.pad...)
		}
	}
	return b
}

var debVersion = arMember{name: "debian-binary", data: "2.0\n"}
var debControl = arMember{name: "control.tar.gz", data: string(gz(tarOf(file("./postinst", "#!/bin/sh\ntouch /tmp/ran\n"))))}

func debOf(entries ...tarEntry) []byte {
	return arOf(debVersion, debControl, arMember{name: "data.tar.gz", data: string(gz(tarOf(entries...)))})
}

func crc32Of(b []byte) uint32 { return crc32.ChecksumIEEE(b) }
