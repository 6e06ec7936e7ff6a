package unpack_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/manifests"
)

func TestHostileZipNames(t *testing.T) {
	runAttacks(t, "zip", []attack{
		{name: "parent", bad: zipOf(zfile("../evil", "x")), rule: unpack.RuleElements, twin: zipOf(zfile("..evil", "x")), want: "..evil"},
		{name: "parent inside", bad: zipOf(zfile("a/../../evil", "x")), rule: unpack.RuleElements, twin: zipOf(zfile("a/b", "x")), want: "a/ a/b"},
		{name: "absolute", bad: zipOf(zfile("/evil", "x")), rule: unpack.RuleRelative, twin: zipOf(zfile("./fine", "x")), want: "fine"},
		{name: "backslash", bad: zipOf(zfile(`..\evil`, "x")), rule: unpack.RuleBackslash, twin: zipOf(zfile("..-evil", "x")), want: "..-evil"},
		{name: "drive", bad: zipOf(zfile("C:/evil", "x")), rule: unpack.RuleRelative, twin: zipOf(zfile("a/C:b", "x")), want: "a/ a/C:b"},
		{name: "empty", bad: zipOf(zfile("", "x")), rule: unpack.RuleElements, twin: zipOf(zfile("a", "x")), want: "a"},
		{name: "NUL", bad: zipOf(zfile("a\x00b", "x")), rule: unpack.RuleText, twin: zipOf(zfile("a b", "x")), want: "a b"},
		{name: "not UTF-8", bad: zipOf(zfile("\x81", "x")), rule: unpack.RuleText, twin: zipOf(zfile("ü", "x")), want: "ü"},
		{name: "in a code page of MS-DOS", bad: zipOf(zipFile{name: "ü", data: "x"}), rule: unpack.RuleText, twin: zipOf(zfile("ü", "x")), want: "ü"},
		{name: "version of VMS", bad: zipOf(zfile("a;1", "x")), rule: unpack.RuleVersion, twin: zipOf(zfile("a;1b", "x")), want: "a;1b"},
		{name: "version of VMS without a number", bad: zipOf(zfile("a;", "x")), rule: unpack.RuleVersion, twin: zipOf(zfile(";a", "x")), want: ";a"},
		{name: "version of VMS below a directory", bad: zipOf(zfile("d/a;12", "x")), rule: unpack.RuleVersion, twin: zipOf(zfile("d;1/a", "x")), want: "d;1/ d;1/a"},
		{name: "a file twice", bad: zipOf(zfile("a", "x"), zfile("a", "y")), rule: unpack.RuleOnce, twin: zipOf(zfile("a", "x"), zfile("A", "x")), want: "A a"},
		{name: "file as a directory", bad: zipOf(zfile("a", "x"), zfile("a/b", "x")), rule: unpack.RuleBelow, twin: zipOf(zdir("a/"), zfile("a/b", "x"), zdir("a/")), want: "a/ a/b"},
		{name: "link as a directory", bad: zipOf(zlink("a", "b"), zfile("a/b", "x")), rule: unpack.RuleBelow, twin: zipOf(zlink("a", "b"), zfile("b/b", "x")), want: "a>b b/ b/b"},
		{name: "link escapes", bad: zipOf(zlink("a", "../evil")), rule: unpack.RuleTarget, twin: zipOf(zlink("d/a", "../fine")), want: "d/ d/a>../fine"},
		{name: "link absolute", bad: zipOf(zlink("a", "/etc/passwd")), rule: unpack.RuleTarget, twin: zipOf(zlink("a", "etc/passwd")), want: "a>etc/passwd"},
		{name: "link empty", bad: zipOf(zlink("a", "")), rule: unpack.RuleTarget, twin: zipOf(zlink("a", "b")), want: "a>b"},
		{name: "link of too many bytes", bad: zipOf(zlink("a", strings.Repeat("x", 4097))), rule: unpack.RuleCeiling, twin: zipOf(zlink("a", strings.Repeat("x", 255))), want: "a>" + strings.Repeat("x", 255)},
		{name: "stripped whole", bad: zipOf(zfile("a", "x")), rule: unpack.RuleStrip, twin: zipOf(zfile("t/a", "x")), want: "a", layout: manifests.Layout{Strip: 1}},
		{name: "nothing", bad: zipOf(), rule: unpack.RuleEmpty, twin: zipOf(zdir("a/")), want: "a/"},
	})
}

func TestHostileZipTypes(t *testing.T) {
	typed := func(name string, mode uint32) []byte { return zipOf(zipFile{name: name, mode: mode}) }
	honest := zipOf(zfile("a", ""))
	runAttacks(t, "zip", []attack{
		{name: "pipe", bad: typed("a", 0o010644), rule: unpack.RuleType, twin: honest, want: "a"},
		{name: "character device", bad: typed("a", 0o020644), rule: unpack.RuleType, twin: honest, want: "a"},
		{name: "block device", bad: typed("a", 0o060644), rule: unpack.RuleType, twin: honest, want: "a"},
		{name: "socket", bad: typed("a", 0o140644), rule: unpack.RuleType, twin: honest, want: "a"},
		{name: "directory without a slash", bad: typed("a", 0o040755), rule: unpack.RuleType, twin: typed("a/", 0o040755), want: "a/"},
		{name: "file with a slash", bad: typed("a/", 0o100644), rule: unpack.RuleType, twin: typed("a", 0o100644), want: "a"},
		{name: "link with a slash", bad: zipOf(zlink("a/", "b")), rule: unpack.RuleType, twin: zipOf(zlink("a", "b")), want: "a>b"},
		{name: "volume label", bad: zipOf(zipFile{name: "a", data: "b", central: func(h *zipHeader) { h.made, h.external = 0, 0x08 }}), rule: unpack.RuleType,
			twin: zipOf(zipFile{name: "a", data: "b", central: func(h *zipHeader) { h.made, h.external = 0, 0x20 }}), want: "a"},
		{name: "directory of MS-DOS without a slash", bad: zipOf(zipFile{name: "a", central: func(h *zipHeader) { h.external = 0x10 }}), rule: unpack.RuleType,
			twin: zipOf(zipFile{name: "a/", central: func(h *zipHeader) { h.external = 0x10 }}), want: "a/"},
		{name: "directory with data", bad: zipOf(zipFile{name: "a/", data: "x", mode: 0o040755}), rule: unpack.RuleNoData, twin: zipOf(zipFile{name: "a/", mode: 0o040755, deflate: true}), want: "a/"},
	})
}

// An entry's type must be stated once, in a way that all programs read alike.
func TestHostileZipSystems(t *testing.T) {
	madeBy := func(system uint16, mode uint32) []byte {
		return zipOf(zipFile{name: "a", data: "b", mode: mode, central: func(h *zipHeader) { h.made = system << 8 }})
	}
	var attacks []attack
	for _, system := range []uint16{1, 2, 5, 7, 13, 16, 19, 255} {
		attacks = append(attacks, attack{name: fmt.Sprint("a link by system ", system), bad: madeBy(system, 0o120777), rule: unpack.RuleSystem, twin: madeBy(3, 0o120777), want: "a>b"},
			attack{name: fmt.Sprint("a file by system ", system), bad: madeBy(system, 0o100755), rule: unpack.RuleSystem, twin: madeBy(3, 0o100755), want: "a"})
	}
	for _, system := range []uint16{0, 10, 11, 14} { // has no links
		attacks = append(attacks, attack{name: fmt.Sprint("a file by Windows, as ", system), bad: madeBy(2, 0), rule: unpack.RuleSystem, twin: madeBy(system, 0o120777), want: "a"})
	}
	field := func(id uint16, data string, where func(f *zipFile, change func(*zipHeader))) []byte {
		f := zfile("a", "b")
		where(&f, func(h *zipHeader) { h.extra = extra(id, data) })
		return zipOf(f)
	}
	local := func(f *zipFile, change func(*zipHeader)) { f.local = change }
	central := func(f *zipFile, change func(*zipHeader)) { f.central = change }
	const times = "\x01\x00\x00\x00\x00"
	asi, attributes := strings.Repeat("\x00", 4)+"\xff\xa1"+strings.Repeat("\x00", 8), "\x07\x03\x03\x00\x00\x00\x00\xff\xa1"
	for name, where := range map[string]func(*zipFile, func(*zipHeader)){"local": local, "central": central} {
		attacks = append(attacks, attack{name: "a mode in ASi's field, " + name, bad: field(0x756e, asi, where), rule: unpack.RuleSystem, twin: field(0x5455, times, where), want: "a"},
			attack{name: "attributes in libarchive's field, " + name, bad: field(0x6c78, attributes, where), rule: unpack.RuleSystem, twin: field(0x7875, "\x01\x01\x00\x01\x00", where), want: "a"})
	}
	runAttacks(t, "zip", attacks)
}

func TestHostileZipStructure(t *testing.T) {
	a, b := zfile("a", "xx"), zfile("b", "yy")
	both := zipOf(a, b)
	local := func(change func(*zipHeader)) []byte {
		f := a
		f.local = change
		return zipOf(f, b)
	}
	central := func(change func(*zipHeader)) []byte {
		f := a
		f.central = change
		return zipOf(f, b)
	}
	ended := func(change func(*zipEnd)) []byte { return zipball{files: []zipFile{a, b}, end: change}.bytes() }
	commented := func(comment string) []byte { return zipball{files: []zipFile{a, b}, comment: comment}.bytes() }
	empty := string(zipOf())
	runAttacks(t, "zip", []attack{
		{name: "local name differs", bad: local(func(h *zipHeader) { h.name = "c" }), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "local name longer", bad: local(func(h *zipHeader) { h.name = "ab" }), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "local size differs", bad: local(func(h *zipHeader) { h.size++ }), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "local packed size differs", bad: local(func(h *zipHeader) { h.packed++ }), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "local checksum differs", bad: local(func(h *zipHeader) { h.crc++ }), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "local method differs", bad: local(func(h *zipHeader) { h.method = 8 }), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "local flags differ", bad: local(func(h *zipHeader) { h.flags = 1 << 11 }), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "local sizes zero without a descriptor", bad: local(func(h *zipHeader) { h.crc, h.size, h.packed = 0, 0, 0 }), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "local extra cut", bad: local(func(h *zipHeader) { h.extra = []byte{1, 2, 3} }), rule: unpack.RuleZip, twin: local(func(h *zipHeader) { h.extra = extra(0x5455, "\x01tttt") }), want: "a b"},
		{name: "central extra cut", bad: central(func(h *zipHeader) { h.extra = []byte{9, 9, 9, 0} }), rule: unpack.RuleZip, twin: central(func(h *zipHeader) { h.extra = extra(0x7875, "uid") }), want: "a b"},
		{name: "encrypted", bad: zipOf(zipFile{name: "a", data: "x", local: func(h *zipHeader) { h.flags |= 1 }, central: func(h *zipHeader) { h.flags |= 1 }}), rule: unpack.RuleMethod,
			twin: zipOf(zipFile{name: "a", data: "x", local: func(h *zipHeader) { h.flags |= 2 }, central: func(h *zipHeader) { h.flags |= 2 }}), want: "a"},
		{name: "strongly encrypted", bad: central(func(h *zipHeader) { h.flags |= 1 << 6 }), rule: unpack.RuleMethod, twin: both, want: "a b"},
		{name: "masked headers", bad: central(func(h *zipHeader) { h.flags |= 1 << 13 }), rule: unpack.RuleMethod, twin: both, want: "a b"},
		{name: "patched data", bad: central(func(h *zipHeader) { h.flags |= 1 << 5 }), rule: unpack.RuleMethod, twin: both, want: "a b"},
		{name: "method unknown", bad: central(func(h *zipHeader) { h.method = 12 }), rule: unpack.RuleMethod, twin: zipOf(zipFile{name: "a", data: "xx", deflate: true}), want: "a"},
		{name: "encrypted with AES", bad: central(func(h *zipHeader) { h.method = 99 }), rule: unpack.RuleMethod, twin: both, want: "a b"},
		{name: "another disk", bad: central(func(h *zipHeader) { h.disk = 1 }), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "stored, sizes differ", bad: zipOf(zipFile{name: "a", data: "x", local: func(h *zipHeader) { h.size = 9 }, central: func(h *zipHeader) { h.size = 9 }}), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "offset too small", bad: zipOf(a, zipFile{name: "b", data: "yy", central: func(h *zipHeader) { h.offset -= 2 }}), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "two entries over one content", bad: zipball{files: []zipFile{a, b}, duplicateInDir: 1}.bytes(), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "local header that no entry states", bad: zipball{files: []zipFile{a, b}, noCentral: 1}.bytes(), rule: unpack.RuleZip, twin: zipball{files: []zipFile{a, b}, order: []int{1, 0}}.bytes(), want: "a b"},
		{name: "last local header that no entry states", bad: zipball{files: []zipFile{a, b}, noCentral: 2}.bytes(), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "overlap", bad: zipOf(zipFile{name: "a", data: "x", local: func(h *zipHeader) { h.packed, h.size = 200, 200 }, central: func(h *zipHeader) { h.packed, h.size = 200, 200 }}, b), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "prefix", bad: zipball{files: []zipFile{a, b}, prefix: "#!/bin/sh\n"}.bytes(), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "prefix with offsets left alone", bad: append([]byte("MZ"), both...), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "gap between entries", bad: zipOf(a, zipFile{name: "b", data: "yy", mode: 0o100644, gap: "gap"}), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "gap before the directory", bad: zipball{files: []zipFile{a, b}, between: "gap"}.bytes(), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "suffix", bad: zipball{files: []zipFile{a, b}, suffix: "x"}.bytes(), rule: unpack.RuleEnd, twin: commented("x"), want: "a b"},
		{name: "zip after zip", bad: append(zipOf(a), zipOf(b)...), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "end record in the comment", bad: commented(empty), rule: unpack.RuleZip, twin: commented(strings.ReplaceAll(empty, "PK", "KP")), want: "a b"},
		{name: "signature of an end record in the comment", bad: commented("see PK\x05\x06"), rule: unpack.RuleEnd, twin: commented("see PK"), want: "a b"},
		{name: "comment longer than stated", bad: zipball{files: []zipFile{a}, comment: "long", end: func(e *zipEnd) { e.comment = 3 }}.bytes(), rule: unpack.RuleEnd, twin: commented("long"), want: "a b"},
		{name: "comment shorter than stated", bad: zipball{files: []zipFile{a}, comment: "long", end: func(e *zipEnd) { e.comment = 5 }}.bytes(), rule: unpack.RuleEnd, twin: commented("long"), want: "a b"},
		{name: "end record states fewer entries", bad: ended(func(e *zipEnd) { e.here, e.all = 1, 1 }), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "end record states more entries", bad: ended(func(e *zipEnd) { e.here, e.all = 3, 3 }), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "end record counts disagree", bad: ended(func(e *zipEnd) { e.here = 1 }), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "end record states another disk", bad: ended(func(e *zipEnd) { e.disk = 1 }), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "directory size wrong", bad: ended(func(e *zipEnd) { e.size-- }), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "directory offset wrong", bad: ended(func(e *zipEnd) { e.off-- }), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "directory offset past the end", bad: ended(func(e *zipEnd) { e.off = 1 << 30 }), rule: unpack.RuleZip, twin: both, want: "a b"},
		{name: "Unicode field with another name", bad: central(func(h *zipHeader) { h.extra = extra(0x7075, "\x01cccc../evil") }), rule: unpack.RuleZip, twin: central(func(h *zipHeader) { h.extra = extra(0x7075, "\x01cccca") }), want: "a b"},
		{name: "no zip", bad: []byte(strings.Repeat("PK\x03\x04", 40)), rule: unpack.RuleEnd, twin: both, want: "a b"},
		{name: "no file at all", bad: nil, rule: unpack.RuleEnd, twin: both, want: "a b"},
	})
}

// Zips that libarchive would read as another format are refused.
func TestHostileZipFormats(t *testing.T) {
	// An entry whose local header and content together form a tar header.
	tarred := func(sum string) []byte {
		f := zipFile{name: "a", data: strings.Repeat("\x00", 1024), mode: 0o100644, descriptor: 16}
		begin := zipOf(f)[:31]
		block := tarEntry{size: "00000000001\x00", sum: sum, edit: func(b []byte) { copy(b, begin) }}.bytes()
		f.data = string(block[31:]) + f.data[:1024-481]
		return zipOf(f)
	}
	disc := func(id string) []byte {
		return zipOf(zfile("a", strings.Repeat("x", 16*2048-31+1)+id+strings.Repeat("x", 2048)))
	}
	runAttacks(t, "zip", []attack{
		{name: "that begins like a tar", bad: tarred(""), rule: unpack.RuleFormat, twin: tarred("zzzzzz\x00 "), want: "a"},
		{name: "that is a disc", bad: disc("CD001"), rule: unpack.RuleFormat, twin: disc("CD-01"), want: "a"},
	})
}

func TestHostileZipContent(t *testing.T) {
	const text = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	honest := zipOf(zipFile{name: "a", data: text, deflate: true})
	both := func(change func(*zipHeader)) []byte {
		return zipOf(zipFile{name: "a", data: text, deflate: true, local: change, central: change})
	}
	content := func(c []byte) []byte {
		return both(func(h *zipHeader) { h.content, h.packed = c, uint32(len(c)) })
	}
	good := deflated(text)
	runAttacks(t, "zip", []attack{
		{name: "checksum wrong", bad: both(func(h *zipHeader) { h.crc++ }), rule: unpack.RuleContent, twin: honest, want: "a"},
		{name: "checksum of a link wrong", bad: zipOf(zipFile{name: "a", data: "b", mode: 0o120777, local: func(h *zipHeader) { h.crc++ }, central: func(h *zipHeader) { h.crc++ }}), rule: unpack.RuleContent, twin: zipOf(zlink("a", "b")), want: "a>b"},
		{name: "longer than stated", bad: both(func(h *zipHeader) { h.size-- }), rule: unpack.RuleContent, twin: honest, want: "a"},
		{name: "shorter than stated", bad: both(func(h *zipHeader) { h.size++ }), rule: unpack.RuleContent, twin: honest, want: "a"},
		{name: "more packed than it unpacks", bad: content(append(good[:len(good):len(good)], "more"...)), rule: unpack.RuleContent, twin: content(good), want: "a"},
		{name: "packed content cut", bad: content(good[:len(good)-2]), rule: unpack.RuleStream, twin: content(good), want: "a"},
		{name: "packed content garbage", bad: content([]byte("\xff\xff\xff\xff")), rule: unpack.RuleStream, twin: content(good), want: "a"},
		{name: "far more than its own size", bad: zipOf(zipFile{name: "a", data: text, local: func(h *zipHeader) { h.method, h.size = 8, 1<<32-2 }, central: func(h *zipHeader) { h.method, h.size = 8, 1<<32-2 }}), rule: unpack.RuleCeiling, twin: honest, want: "a"},
	})
}

func TestHostileZipDescriptors(t *testing.T) {
	zip := func(n int, wide bool, after func([]byte)) []byte {
		f := zipFile{name: "a", data: "xxxxxxxx", deflate: true, descriptor: n, after: after}
		if wide {
			f.local = func(h *zipHeader) {
				h.packed, h.size = 1<<32-1, 1<<32-1
				h.extra = extra(1, number(0)+number(0))
			}
		}
		return zipOf(f, zfile("b", "y"))
	}
	wrong := func(at int) func([]byte) { return func(d []byte) { d[at]++ } }
	runAttacks(t, "zip", []attack{
		{name: "checksum wrong", bad: zip(12, false, wrong(0)), rule: unpack.RuleZip, twin: zip(12, false, nil), want: "a b"},
		{name: "signature wrong", bad: zip(16, false, wrong(0)), rule: unpack.RuleZip, twin: zip(16, false, nil), want: "a b"},
		{name: "checksum wrong with a signature", bad: zip(16, false, wrong(4)), rule: unpack.RuleZip, twin: zip(16, false, nil), want: "a b"},
		{name: "packed size wrong", bad: zip(16, false, wrong(8)), rule: unpack.RuleZip, twin: zip(16, false, nil), want: "a b"},
		{name: "size wrong", bad: zip(16, false, wrong(12)), rule: unpack.RuleZip, twin: zip(16, false, nil), want: "a b"},
		{name: "wide size wrong", bad: zip(24, true, wrong(23)), rule: unpack.RuleZip, twin: zip(24, true, nil), want: "a b"},
		{name: "wide without zip64", bad: zip(24, false, nil), rule: unpack.RuleZip, twin: zip(20, true, nil), want: "a b"},
		{name: "narrow with zip64", bad: zip(16, true, nil), rule: unpack.RuleZip, twin: zip(24, true, nil), want: "a b"},
		{name: "local size wrong", bad: zipOf(zipFile{name: "a", data: "x", descriptor: 16, local: func(h *zipHeader) { h.size = 2 }}), rule: unpack.RuleZip,
			twin: zipOf(zipFile{name: "a", data: "x", descriptor: 16, local: func(h *zipHeader) { h.size = 1 }}), want: "a"},
		{name: "missing", bad: zipOf(zipFile{name: "a", data: "x", local: func(h *zipHeader) { h.flags |= 8 }, central: func(h *zipHeader) { h.flags |= 8 }}), rule: unpack.RuleZip, twin: zip(12, false, nil), want: "a b"},
		{name: "gap after it", bad: zipOf(zipFile{name: "a", data: "x", descriptor: 16}, zipFile{name: "b", gap: "gap"}), rule: unpack.RuleZip, twin: zip(16, false, nil), want: "a b"},
	})
}

func TestHostileZip64(t *testing.T) {
	files := []zipFile{zfile("a", "x"), zfile("b", "y")}
	end := func(change func(*zip64End)) []byte {
		return zipball{files: files, wantZip64: true, zip64End: change}.bytes()
	}
	honest := end(nil)
	field := func(data string) []byte {
		return zipOf(zipFile{name: "a", data: "x", central: func(h *zipHeader) { h.size, h.extra = 1<<32-1, extra(1, data) }}, files[1])
	}
	runAttacks(t, "zip", []attack{
		{name: "length wrong", bad: end(func(e *zip64End) { e.length = 45 }), rule: unpack.RuleZip, twin: honest, want: "a b"},
		{name: "locator wrong", bad: end(func(e *zip64End) { e.locator-- }), rule: unpack.RuleZip, twin: honest, want: "a b"},
		{name: "several disks", bad: end(func(e *zip64End) { e.locatorDisks = 2 }), rule: unpack.RuleZip, twin: honest, want: "a b"},
		{name: "another disk", bad: end(func(e *zip64End) { e.first = 1 }), rule: unpack.RuleZip, twin: honest, want: "a b"},
		{name: "counts disagree", bad: end(func(e *zip64End) { e.here = 1 }), rule: unpack.RuleZip, twin: honest, want: "a b"},
		{name: "count of 2^63", bad: end(func(e *zip64End) { e.here, e.all = 1<<63, 1<<63 }), rule: unpack.RuleZip, twin: honest, want: "a b"},
		{name: "size of 2^63", bad: end(func(e *zip64End) { e.size = 1 << 63 }), rule: unpack.RuleZip, twin: honest, want: "a b"},
		{name: "offset wrong", bad: end(func(e *zip64End) { e.off++ }), rule: unpack.RuleZip, twin: honest, want: "a b"},
		{name: "end records disagree", bad: zipball{files: files, wantZip64: true, end: func(e *zipEnd) { e.here, e.all = 1, 1 }}.bytes(), rule: unpack.RuleZip, twin: zipball{files: files, wantZip64: true, end: func(e *zipEnd) { e.here, e.all = 2, 2 }}.bytes(), want: "a b"},
		{name: "end records disagree on the offset", bad: zipball{files: files, wantZip64: true, end: func(e *zipEnd) { e.off = 0 }}.bytes(), rule: unpack.RuleZip, twin: honest, want: "a b"},
		{name: "bytes between its records", bad: zipball{files: files, wantZip64: true, zip64: "gap"}.bytes(), rule: unpack.RuleZip, twin: honest, want: "a b"},
		{name: "saturated without zip64", bad: zipball{files: files, end: func(e *zipEnd) { e.off = 1<<32 - 1 }}.bytes(), rule: unpack.RuleZip, twin: honest, want: "a b"},
		{name: "field too short", bad: field("\x01\x00"), rule: unpack.RuleZip, twin: field(number(1)), want: "a b"},
		{name: "field of 2^63", bad: field(number(1 << 63)), rule: unpack.RuleZip, twin: field(number(1)), want: "a b"},
		{name: "field twice", bad: zipOf(zipFile{name: "a", data: "x", central: func(h *zipHeader) {
			h.size, h.extra = 1<<32-1, append(extra(1, number(1)), extra(1, number(1))...)
		}}), rule: unpack.RuleZip, twin: field(number(1)), want: "a b"},
		{name: "field states another size", bad: field(number(2)), rule: unpack.RuleZip, twin: field(number(1)), want: "a b"},
	})
}

// Bytes that look like an end record are accepted within the content of an entry.
func TestZipInZipIsAccepted(t *testing.T) {
	inner := string(zipOf(zfile("a", "x")))
	entries, err := unpackAll(t, zipOf(zfile("lib.zip", inner), zfile("z", "1")), manifests.Layout{Format: "zip"}, unpack.DefaultLimits())
	if err != nil || list(entries) != "lib.zip z" {
		t.Errorf("got %q, %v", list(entries), err)
	}
}

func TestZipModes(t *testing.T) {
	data := zipOf(
		zipFile{name: "dos", data: "x"}, zipFile{name: "dosdir/"},
		zipFile{name: "exe", data: "x", mode: 0o100755}, zipFile{name: "setuid", data: "x", mode: 0o106755},
		zipFile{name: "shared", data: "x", mode: 0o100777}, zipFile{name: "locked", data: "x", mode: 0o100000},
		zipFile{name: "closed/", mode: 0o041000})
	entries, err := unpackAll(t, data, manifests.Layout{Format: "zip"}, unpack.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]uint32{"dos": 0o644, "dosdir": 0o755, "exe": 0o755, "setuid": 0o755, "shared": 0o755, "locked": 0o600, "closed": 0o700}
	for _, e := range entries {
		if uint32(e.Mode) != want[e.Path] {
			t.Errorf("%s: mode %v, want %#o", e.Path, e.Mode, want[e.Path])
		}
	}
	if len(entries) != len(want) {
		t.Errorf("%d entries, want %d", len(entries), len(want))
	}
}

func TestZipEntryCountMustFitFile(t *testing.T) {
	data := zipball{files: []zipFile{zfile("a", "x")}, wantZip64: true, zip64End: func(e *zip64End) { e.here, e.all = 1<<40, 1<<40 }}.bytes()
	wantRefused(t, data, manifests.Layout{Format: "zip"}, unpack.DefaultLimits(), unpack.RuleZip)
	if n := binary.Size(data); n > 1<<10 {
		t.Fatalf("the archive has %d bytes", n)
	}
}
