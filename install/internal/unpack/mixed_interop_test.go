//go:build interop

package unpack_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// tar draws a tar in the style of v7, POSIX or GNU.
func (m mixer) tar() []byte {
	style := one(m, "style", "ustar", "pax", "gnu", "v7")
	var out []byte
	if style == "pax" && rapid.Bool().Draw(m.T, "global header") {
		out = global(oddly(m, "global record", one(m, "honest global record", "comment=4567", "KIST.x=1", "SCHILY.release=star 1", "GNU.volume.label=x", "hdrcharset=BINARY"), "comment=0123", "path=b", "size=0", "mtime=1", "GNU.sparse.major=1", "linkpath=b", "hdrcharset=KOI8-R", "GNU.volume.offset=1", "SCHILY.realsize=1")).bytes()
	}
	var listed [][]byte
	for range rapid.IntRange(1, 6).Draw(m.T, "entries") {
		listed = append(listed, m.tarEntry(style))
		if one(m, "listed again", false, false, false, true) {
			listed = append(listed, m.again(one(m, "entry listed again", listed...)))
		}
	}
	out = append(out, slices.Concat(listed...)...)
	late := string(file("late", "x").bytes())
	end := oddly(m, "end", tarEnd, "", tarEnd[:512], tarEnd+tarEnd, tarEnd+late+tarEnd, tarEnd[:512]+late+tarEnd, tarEnd+"garbage", tarEnd+tarEnd[:100], late+tarEnd[:1023])
	return m.mangle(append(out, end...), 512, repair)
}

// again returns a second listing of an entry, in odd cases with a change.
func (m mixer) again(e []byte) []byte {
	e = bytes.Clone(e)
	if m.odd("another listing") {
		at := one(m, "changed at", 0, 104, 105, 124, 134, 157, len(e)-512, len(e)-1)
		e[at] ^= one[byte](m, "changed by", 1, 4, 0x20)
		return repair(e)
	}
	return e
}

// tarEntry draws one entry, with the headers that extend it.
func (m mixer) tarEntry(style string) []byte {
	e := tarEntry{mode: one(m, "mode", "0000644\x00", "0000755\x00", "0000600\x00", "0000444\x00", "0004755\x00", "0000777\x00", "0100644\x00", "    644 ", "0000644 ", "0000000\x00")}
	if style == "gnu" {
		e.magic = gnuMagic
	}
	earlier := append(m.all('0'), m.all('2')...)
	e.flag = one(m, "type", []byte("00251")[:min(4+len(earlier), 5)]...)
	e.name = m.name(e.flag)
	switch e.flag {
	case '0':
		e.data = m.data()
	case '1':
		e.link = oddly(m, "hard link", one(m, "earlier file", earlier...), "gone", "d", "/a", "../a", "./"+earlier[0], earlier[0]+"/", e.name, "", "e\u0301")
	case '2':
		e.link, e.mode = m.target(e.name), "0000777\x00"
	case '5':
		e.mode = one(m, "mode of a directory", "0000755\x00", "0000700\x00", "0001777\x00", "0002755\x00", "0000555\x00", "0000000\x00")
		e.name += one(m, "slash", "/", "")
	}
	out := m.extend(style, &e)
	m.encode(style, &e)
	m.makeOdd(&e)
	return append(out, e.bytes()...)
}

// extend draws the extended headers before an entry, and removes their values from it.
func (m mixer) extend(style string, e *tarEntry) (out []byte) {
	isLong := func(s string) bool { return len(s) > 100 || rapid.IntRange(0, 7).Draw(m.T, "as if long") == 7 }
	if slash := strings.LastIndex(strings.TrimSuffix(e.name, "/"), "/"); style == "ustar" && slash > 0 && slash <= 155 {
		e.prefix, e.name = e.name[:slash], e.name[slash+1:]
	}
	if style == "gnu" || style == "v7" {
		for flag, field := range map[byte]*string{'K': &e.link, 'L': &e.name} {
			if *field != "" && isLong(*field) {
				out = append(out, long(flag, oddly(m, "long name", *field, "", "b\x00c", "../b", "/b", *field+"/", *field+"\x00", "e\u0301")).bytes()...)
				*field = (*field)[:min(len(*field), 99)]
			}
		}
		if m.odd("a second header") {
			out = append(out, one(m, "second header", long('L', "b"), long('K', "b"), pax("path=b"), pax("mtime=1"), global("comment=c")).bytes()...)
		}
		return out
	}
	records := []string{one(m, "record", "mtime=1.5", "atime=1", "uid=1", "uname=nobody", "comment=c", "hdrcharset=ISO-IR 10646 2000 UTF-8", "SCHILY.xattr.user.a=b\x00c", "LIBARCHIVE.creationtime=1",
		"KIST.x=1", "NODETAR.depth=1", "APK-TOOLS.checksum.SHA1=00", "GOLANG.pkg=x", "MSWINDOWS.rawsd=AQA", "SCHILY.filetype=d", "SCHILY.release=star", "SUN.devmajor=1", "KIST.path=b", "Path=b", "size2=0", "hdrcharset=BINARY", "charset=BINARY", "realtime.x=")}
	size := fmt.Sprint(len(e.data))
	if isLong(e.name) {
		records = append(records, "path="+e.name)
		if e.prefix != "" {
			records[1] = "path=" + e.prefix + "/" + e.name
		}
		e.name = e.name[:min(len(e.name), 99)]
	}
	if e.link != "" && isLong(e.link) {
		records = append(records, "linkpath="+e.link)
		e.link = e.link[:min(len(e.link), 99)]
	}
	if e.flag == '0' && isLong("size") {
		records = append(records, "size="+size)
	}
	if m.odd("a record") {
		records = append(records, one(m, "odd record", "path=", "path=a\x00b", "path=../a", "path=/a", "path=e\u0301", "path=d/", "linkpath=b", "linkpath=", "size="+size, "size=0"+size, "size=-1", "size="+size+"1",
			"size=0", "size=512", "size=1024", "size=08", "GNU.sparse.major=1", "GNU.sparse.name=b", "GNU.sparse.size=1", "GNU.sparse.realsize=1", "GNU.sparse.map=0,1", "GNU.sparse.numblocks=0", "SCHILY.realsize=1",
			"SUN.holesdata= 0 1", "hdrcharset=BINARY", "hdrcharset=KOI8-R", "hdrcharset=", "charset=UTF-16", " path=b", "\tpath=b", "path\x00=b", "path =b", "path.x=b", "linkpath\x00=b", "size\x00=0", "GNU.sparse=1", "GNU.sparsely=1", "GNU.volume.filename=b", "GNU.volume.size=1", "GNU.dumpdir=Yb", "SCHILY.size=0", "SCHILY.offset=1", "SCHILY.path=b", "VENDOR.GNU.sparse.major=1", "=x", "mtime=x", "mtime=-1", "uid=-1", "SCHILY.dev=1", "SCHILY.nlink=2", "SCHILY.ino=1", "SCHILY.devmajor=1",
			"SCHILY.fflags=immutable", "SCHILY.acl.access=user::rwx", "LIBARCHIVE.symlinktype=dir", "LIBARCHIVE.xattr.user.a=YQ", "RHT.security.selinux=x", "SCHILY.filetype=d", "SCHILY.type=d", "mode=0644", "type=5"))
	}
	x := pax(records...)
	x.data = oddly(m, "records", x.data, x.data+"\x00", x.data+"\n", x.data[1:], "0"+x.data, "", x.data+"10 path=b", "9 path=b\n", "99 path=b\n", strings.Replace(x.data, "=", "\x00=", 1), x.data+x.data)
	x.name = oddly(m, "extended header's name", x.name, "", "a", "x\x00y", "\x1f\x8b\x08\x00", "\x28\xb5\x2f\xfd", "]\x00\x00\x80\x00\xff", "LZIP\x01", "\xfd7zXZ\x00", "BZh91AY&SY", "070701", "MSCF", "#mtree")
	if m.odd("extended header's size") {
		x.size = one(m, "extended header's size", "00000000000\x00", fmt.Sprintf("%011o\x00", len(x.data)+512), fmt.Sprintf("%011o\x00", len(x.data)-1))
	}
	out = x.bytes()
	if m.odd("another header") {
		out = append(out, one(m, "other header", pax("path=b"), pax("mtime=1"), global("comment=c"), global("path=b"), long('L', "b"), long('K', "b")).bytes()...)
	}
	return out
}

// encode draws one of the honest encodings of an entry's fields.
func (m mixer) encode(style string, e *tarEntry) {
	n := len(e.data)
	e.size = one(m, "size", "", "", fmt.Sprintf("%012o", n), fmt.Sprintf("%11o ", n), fmt.Sprintf("%o\x00", n), "\x80"+strings.Repeat("\x00", 8)+string([]byte{byte(n >> 16), byte(n >> 8), byte(n)}))
	flag := e.flag
	e.edit = func(b []byte) {
		if style == "v7" {
			clear(b[257:265])
			if flag == '0' || flag == '5' && b[0] != 0 && strings.HasSuffix(strings.TrimRight(string(b[:100]), "\x00"), "/") {
				b[156] = 0
			}
		}
		for _, at := range []int{108, 116, 136, 329, 337} { // owner, group, time, device
			field := b[at : at+8]
			if at == 136 {
				field = b[at : at+12]
			}
			if style == "v7" && at > 300 || style == "gnu" && at == 337 && n%2 == 0 {
				continue
			}
			copy(field, one(m, "field that says nothing", string(field), string(field), "           \x00"[12-len(field):], "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", " \x00 \x00        "))
		}
		if style == "gnu" && n%2 == 0 {
			copy(b[345:], "00000000001\x0000000000002\x00") // atime, ctime
		}
	}
}

// makeOdd changes fields of an entry in odd cases.
func (m mixer) makeOdd(e *tarEntry) {
	n := len(e.data)
	e.flag = oddly(m, "type", e.flag, []byte("0123456789ADKLMNSVXgxz")...)
	e.magic = oddly(m, "magic", e.magic, gnuMagic, "ustar\x0000", "ustar\x00  ", "ustar  00", "ustar\x00\x00\x00", "USTAR\x0000", "ustarx00")
	e.size = oddly(m, "size", e.size, "00000000000\x00", fmt.Sprintf("%011o\x00", n+1), fmt.Sprintf("%011o\x00", n+512), fmt.Sprintf("%010o \x00", n), fmt.Sprintf("-%010o\x00", n), fmt.Sprintf(" %o \x00x", n),
		fmt.Sprintf("+%o\x00", n), fmt.Sprintf("\t%o\x00", n), fmt.Sprintf("%d\x00", n), fmt.Sprintf("%o\x0077", n), "\xff"+strings.Repeat("\xff", 11), "\x80\x00\x00\x01"+strings.Repeat("\x00", 8), "\x81"+strings.Repeat("\x00", 10)+"\x01", strings.Repeat("\x00", 12), strings.Repeat(" ", 12))
	e.mode = oddly(m, "mode", e.mode, "0007777\x00", "0120777\x00", "\x80\x00\x00\x00\x00\x00\x01\xa4", "\xff\xff\xff\xff\xff\xff\xff\xff", "        ", "\x00\x00\x00\x00\x00\x00\x00\x00", "rwxr-xr\x00", "0000648\x00", "644\x00\x00\x00\x00\x00")
	e.sum = oddly(m, "sum", e.sum, "        ", "000000\x00 ", "\x80\x00\x00\x00\x00\x00\x10\x00")
	e.prefix = oddly(m, "prefix", e.prefix, "p", "p/", "..", "./p", "/", "p\x00q", "e\u0301", strings.Repeat("p", 155))
	e.link = oddly(m, "link's target", e.link, "a", "../x", "/x", "x/")
	e.data = oddly(m, "data", e.data, "", "x", strings.Repeat("x", 512), string(file("inner", "x").bytes()))
	if !m.odd("field") {
		return
	}
	at := one(m, "field at", 99, 100, 108, 116, 124, 136, 148, 154, 155, 156, 157, 256, 257, 262, 263, 264, 265, 297, 329, 337, 344, 345, 357, 369, 381, 385, 386, 397, 398, 409, 410, 470, 475, 476, 482, 483, 487, 488, 494, 495, 499, 500, 508, 511)
	to := one(m, "field to", "\x00", "\x01", "0", "7", " ", "\xff", "x", "\x80", "tar\x00", "00000000003\x00", "00000000000 00000000000 ", "00000000001\x0000000000001\x00")
	first := e.edit
	e.edit = func(b []byte) {
		first(b)
		copy(b[at:], to)
	}
}

// zip draws a zip.
func (m mixer) zip() []byte {
	z := zipball{
		prefix: oddly(m, "prefix", "", "MZ", "PK00", string(zipOf(zfile("before", "x")))), suffix: oddly(m, "suffix", "", "\x00", "PK\x05\x06", string(zipOf(zfile("late", "x")))),
		comment: oddly(m, "comment", one(m, "honest comment", "", "a comment"), "PK\x05\x06", "PK\x05\x06"+strings.Repeat("\x00", 18), string(zipOf(zfile("late", "x")))), between: oddly(m, "between", "", "gap", string(zipOf(zfile("inner", "x")))),
		wantZip64: rapid.Bool().Draw(m.T, "zip64"),
	}
	for range rapid.IntRange(1, 6).Draw(m.T, "entries") {
		z.files = append(z.files, m.zipFile())
		if one(m, "listed again", false, false, false, true) {
			f := one(m, "entry listed again", z.files...)
			f.data = oddly(m, "another listing", f.data, f.data+"x", "")
			f.mode = oddly(m, "another mode", f.mode, f.mode|0o111, 0)
			z.files = append(z.files, f)
		}
	}
	n := len(z.files)
	if rapid.Bool().Draw(m.T, "another order") {
		for i := range n {
			z.order = append(z.order, n-1-i)
		}
	}
	if z.noCentral = oddly(m, "left out", 0, 1, n); z.noCentral == 0 {
		z.duplicateInDir = oddly(m, "twice", 0, 1, n)
	}
	if m.odd("end record") {
		lie := one(m, "lie in the end record", func(e *zipEnd) { e.all++ }, func(e *zipEnd) { e.here-- }, func(e *zipEnd) { e.here, e.all = e.here-1, e.all-1 }, func(e *zipEnd) { e.size-- }, func(e *zipEnd) { e.off++ }, func(e *zipEnd) { e.disk = 1 },
			func(e *zipEnd) { e.comment++ }, func(e *zipEnd) { e.comment-- }, func(e *zipEnd) { e.here, e.all = 0, 0 }, func(e *zipEnd) { e.off = 0 })
		z.end = lie
	}
	if m.odd("zip64 end record") {
		z.zip64End = one(m, "lie in the zip64 end record", func(e *zip64End) { e.all++ }, func(e *zip64End) { e.here, e.all = e.here-1, e.all-1 }, func(e *zip64End) { e.length++ }, func(e *zip64End) { e.size-- }, func(e *zip64End) { e.off = 0 }, func(e *zip64End) { e.locator-- },
			func(e *zip64End) { e.locatorDisks = 0 }, func(e *zip64End) { e.locatorDisks = 2 }, func(e *zip64End) { e.disk = 1 })
	}
	return m.mangle(z.bytes(), 1, nil)
}

func (m mixer) zipFile() zipFile {
	flag := one(m, "type", []byte("0025")...)
	f := zipFile{name: m.name(flag), deflate: rapid.Bool().Draw(m.T, "deflated")}
	f.descriptor = one(m, "descriptor", 0, 0, 12, 16)
	f.gap = oddly(m, "gap", "", "gap", string(zipOf(zfile("inner", "x"))))
	switch flag {
	case '0':
		f.data, f.mode = m.data(), one(m, "mode", uint32(0o100644), 0o100755, 0o100600, 0o104755, 0o100777, 0o644, 0)
	case '2':
		f.data, f.mode = m.target(f.name), 0o120777
	case '5':
		f.name, f.mode = f.name+"/", one(m, "mode of a directory", uint32(0o040755), 0o040700, 0o041777, 0o040555, 0)
	}
	f.mode = oddly(m, "mode", f.mode, 0o010644, 0o020644, 0o060644, 0o140644, 0o100000, 0o040755, 0o120777, 0o120000, 0o777, 0o170000)
	// Values in both headers: the encoding of the name, and extra fields.
	host, utf8, fields := uint16(0), strings.ContainsFunc(f.name, func(r rune) bool { return r > 0x7f }), one(m, "extra fields", nil, nil, extra(0x5455, "\x01\x00\x00\x00\x00"), extra(0x7875, "\x01\x04\x00\x00\x00\x00\x04\x00\x00\x00\x00"))
	if f.mode != 0 || utf8 {
		host = 3
	}
	// Debian's unzip reads names of MS-DOS entries in a code page even if they are
	// flagged as UTF-8, so entries with other than ASCII names are made by Unix.
	if !utf8 {
		host = oddly(m, "system", host, slices.Collect(func(yield func(uint16) bool) {
			for i := range uint16(21) {
				if !yield(i) {
					return
				}
			}
		})...)
	}
	utf8 = oddly(m, "UTF-8", utf8 || rapid.Bool().Draw(m.T, "UTF-8"), true, false)
	dos := one(m, "attributes of MS-DOS", uint32(0), 0, 0x20, 1)
	dos = oddly(m, "attributes of MS-DOS", dos, 0x10, 0x08, 0x40)
	fields = oddly(m, "extra fields", fields, unlikelyExtras(f)...)
	both := func(h *zipHeader) {
		if utf8 {
			h.flags |= 1 << 11
		}
		h.extra = append(h.extra, fields...)
	}
	lieLocal, lieCentral := m.lie("local header", f), m.lie("central header", f)
	f.local = func(h *zipHeader) { both(h); lieLocal(h) }
	f.central = func(h *zipHeader) {
		both(h)
		h.made, h.external = host<<8, h.external|dos
		lieCentral(h)
	}
	return f
}

// unlikelyExtras are extra fields that state more than times and owners.
func unlikelyExtras(f zipFile) [][]byte {
	const link = "\xff\xa1" // 0120777
	return [][]byte{
		extra(0x7075, "\x01\x00\x00\x00\x00other"), extra(0x7075, string(append([]byte{1}, le32(crc32Of([]byte(f.name)))...))+"other"), extra(0x7075, string(append([]byte{1}, le32(crc32Of([]byte(f.name)))...))+f.name),
		extra(0x756e, "\x00\x00\x00\x00"+link+strings.Repeat("\x00", 8)), extra(0x6c78, "\x07\x03\x03\x00\x00\x00\x00"+link), extra(0x6c78, "\x04\x00\x00"+link), extra(0x000d, strings.Repeat("\x00", 12)+"target"), extra(0x000c, strings.Repeat("\x00", 8)),
		extra(0x5855, strings.Repeat("\x00", 12)), extra(0x7855, "\x00\x00\x00\x00"), extra(0x000a, strings.Repeat("\x00", 32)), extra(0x9901, "\x02\x00AE\x03\x08\x00"), extra(0x6375, "\x01\x00\x00\x00\x00comment"), extra(0xcafe, ""), extra(0x334d, strings.Repeat("\x00", 14)),
		extra(1, number(uint64(len(f.data)))+number(uint64(len(f.data)))), extra(1, ""), {1}, {1, 0, 9, 0}, extra(0xffff, "unknown"),
	}
}

func le32(n uint32) []byte { return []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)} }

// lie changes one field of a header in odd cases.
func (m mixer) lie(where string, f zipFile) func(*zipHeader) {
	return oddly(m, where, func(*zipHeader) {},
		func(h *zipHeader) { h.name = "b" }, func(h *zipHeader) { h.name += "/" }, func(h *zipHeader) { h.size++ }, func(h *zipHeader) { h.packed-- }, func(h *zipHeader) { h.crc++ }, func(h *zipHeader) { h.crc, h.size, h.packed = 0, 0, 0 },
		func(h *zipHeader) { h.flags ^= 1 << 11 }, func(h *zipHeader) { h.flags ^= 1 << 3 }, func(h *zipHeader) { h.flags |= 1 }, func(h *zipHeader) { h.flags |= 1 << 13 }, func(h *zipHeader) { h.method = 12 }, func(h *zipHeader) { h.method ^= 8 },
		func(h *zipHeader) { h.offset++ }, func(h *zipHeader) { h.offset = 0 }, func(h *zipHeader) { h.disk = 1 }, func(h *zipHeader) { h.size, h.extra = 1<<32-1, extra(1, number(uint64(len(f.data)))) },
		func(h *zipHeader) { h.packed, h.extra = 1<<32-1, extra(1, number(uint64(h.packed))) }, func(h *zipHeader) { h.offset, h.extra = 1<<32-1, extra(1, number(uint64(h.offset))) },
		func(h *zipHeader) {
			h.size, h.packed, h.extra = 1<<32-1, 1<<32-1, extra(1, number(uint64(h.size))+number(uint64(h.packed)))
		},
		func(h *zipHeader) { h.extra = unlikelyExtras(f)[3] }, func(h *zipHeader) { h.extra = unlikelyExtras(f)[4] }, func(h *zipHeader) { h.extra = unlikelyExtras(f)[1] })
}
