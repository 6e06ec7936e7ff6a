//go:build interop

package unpack_test

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/kist-tools/kist/verify"
)

// A mixer draws archives: honest ones, and odd ones, in which some fields are as no honest
// program writes them.
type mixer struct {
	*rapid.T
	rarity int         // one choice in 2^rarity is odd
	honest bool        // no choice is odd
	taken  *[]mixedOne // what the archive holds so far
}

type mixedOne struct {
	name string
	flag byte
}

func newMixer(t *rapid.T) mixer {
	rarity := rapid.IntRange(4, 10).Draw(t, "rarity")
	return mixer{t, rarity, rapid.Bool().Draw(t, "all honest"), new([]mixedOne)}
}

// odd draws whether the next choice is odd.
func (m mixer) odd(what string) bool {
	if m.honest {
		return false
	}
	n := uint64(1) << m.rarity
	return rapid.Uint64Range(0, n-1).Draw(m.T, what+" is odd") == n*2/3 // neither end, which rapid prefers
}

// one draws one of the honest values.
func one[T any](m mixer, what string, honest ...T) T {
	return rapid.SampledFrom(honest).Draw(m.T, what)
}

// oddly draws one of values if the choice is odd, and otherwise returns honest.
func oddly[T any](m mixer, what string, honest T, values ...T) T {
	if !m.odd(what) {
		return honest
	}
	return rapid.SampledFrom(values).Draw(m.T, what)
}

// wantRefusal requires that err is an EntryError.
func wantRefusal(t *rapid.T, err error) {
	if !errors.Is(err, verify.ErrUntrusted) {
		t.Fatal(err)
	}
}

// name draws a new name, mostly below a directory of the archive.
func (m mixer) name(flag byte) string {
	name := one(m, "name", "a", "b", "read me", ".hidden", "B::Deparse.3", "x-1.2+y", "-f", "\u00fcn\u00ef", "猫", "a\u00a0b", strings.Repeat("long-", 19), strings.Repeat("longer-", 18))
	if dirs := m.all('5'); len(dirs) > 0 && rapid.Bool().Draw(m.T, "in a directory") {
		name = one(m, "directory", dirs...) + "/" + name
	} else if one(m, "deep", 0, 0, 0, 1) == 1 {
		name = one(m, "directories", "d/", "d/e/", "lib/lib/") + name
	}
	for i := 0; m.has(name); i++ {
		name = fmt.Sprint(name, i)
	}
	*m.taken = append(*m.taken, mixedOne{name, flag})
	if m.odd("name") {
		return one(m, "odd name", "a", "d", "./"+name, name+"/", name+"//", "/"+name, "../"+name, "d/../"+name, "d//"+name, "d/./"+name, "./d/"+name, "././"+name, ".", "./", "..", "d/..", "",
			name+" ", " "+name, name+".", name+";1", name+";", name+";2/x", "A", "D/b", "\u00dcN\u00cf", "u\u0308nï", "e\u0301", "\u212b", "\u1100\u1161", "\xff", "\xc3\xbc\x00x", "a\x00b", "a\nb", "a\\b", "c:a", "~/a", "$HOME", "*",
			strings.Repeat("y", 99), strings.Repeat("y", 100), strings.Repeat("y", 101), strings.Repeat("y", 255), strings.Repeat("y", 256), "._"+name, "__MACOSX/._a", "GNUSparseFile.0/"+name, "@LongLink", "070701")
	}
	return oddly(m, "dot", name, "./"+name)
}

func (m mixer) has(name string) bool {
	for _, x := range *m.taken {
		if x.name == name || strings.HasPrefix(x.name, name+"/") || x.flag != '5' && strings.HasPrefix(name, x.name+"/") {
			return true
		}
	}
	return false
}

// all returns the names of one type.
func (m mixer) all(flag byte) (names []string) {
	for _, x := range *m.taken {
		if x.flag == flag {
			names = append(names, x.name)
		}
	}
	return names
}

func (m mixer) data() string {
	inner := string(tarOf(file("inner", "x"), link("out", "..")))
	return one(m, "data", "hello", "", "x\n", strings.Repeat("x", 511), strings.Repeat("x", 512), strings.Repeat("y", 700), strings.Repeat("z", 70000), inner, inner[:512], tarEnd, string(zipOf(zfile("inner", "x"))))
}

// target draws where a link at name leads.
func (m mixer) target(name string) string {
	up := strings.Repeat("../", strings.Count(path.Clean(name), "/"))
	to := one(m, "target", "gone", "a", "b", "d/a", ".hidden", "d/../b", "./a", "x/", ".", strings.Repeat("far/", 30)+"x")
	return oddly(m, "target", up+to, "", "/a", "/", "../"+up+"a", up+"..", "/proc/self/fd/3", "a\x00b", "a//b", "a\\b", "e\u0301", "\xff", "c:a", name, "-")
}

// mangle changes a byte or a block of an archive in odd cases, and sometimes corrects its
// checksums afterwards.
func (m mixer) mangle(data []byte, block int, mend func([]byte) []byte) (mangled []byte) {
	if len(data) < 2*block || !m.odd("mangle") {
		return data
	}
	if mend != nil && rapid.Bool().Draw(m.T, "mended") {
		defer func() { mangled = mend(mangled) }()
	}
	data = bytes.Clone(data)
	n := rapid.IntRange(0, len(data)/block-1).Draw(m.T, "block") * block
	at := rapid.IntRange(0, len(data)-1).Draw(m.T, "at")
	switch rapid.IntRange(0, 7).Draw(m.T, "mangling") {
	case 0:
		data[at] = rapid.Byte().Draw(m.T, "byte")
	case 1:
		data[at] ^= 1 << rapid.IntRange(0, 7).Draw(m.T, "bit")
	case 2: // remove a block
		data = append(data[:n], data[n+block:]...)
	case 3: // repeat a block
		data = append(data[:n:n], append(bytes.Clone(data[n:n+block]), data[n:]...)...)
	case 4: // set a block to zeros
		clear(data[n : n+block])
	case 5: // insert a block of zeros
		data = append(data[:n:n], append(make([]byte, block), data[n:]...)...)
	case 6: // swap two blocks
		k := rapid.IntRange(0, len(data)/block-1).Draw(m.T, "other block") * block
		first := bytes.Clone(data[n : n+block])
		copy(data[n:], data[k:k+block])
		copy(data[k:], first)
	case 7:
		data = data[:at]
	}
	return data
}

// deb draws a Debian package.
func (m mixer) deb() []byte {
	codec := one(m, "codec", "", "gz", "xz", "zst")
	dot := ""
	if codec != "" {
		dot = "."
	}
	control := "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"
	data := arMember{name: "data.tar" + dot + codec, data: string(m.compress(codec, m.tar(), 1))}
	data.name = oddly(m, "data's name", data.name, "data.tar/", "data.tar.gz", "data.tar.bz2", "data.tar.lzma", "data.tar.", "Data.tar", "data.tar.gz/", "data.tar  x")
	data.size = oddly(m, "data's size", "", fmt.Sprint("0", len(data.data)), fmt.Sprint(len(data.data)+1), fmt.Sprint(len(data.data)-1), fmt.Sprint("+", len(data.data)), fmt.Sprintf("0x%x", len(data.data)), fmt.Sprint(" ", len(data.data)))
	data.pad = oddly(m, "padding", "", "\x00", "x")
	version := debVersion
	version.name = oddly(m, "version's name", version.name, "debian-binary/", "debian-binar", "DEBIAN-BINARY")
	version.data = oddly(m, "version", version.data, "2.0", "2.1\n", "2.0\n\n", "3.0\n", "2.0\nmore\n", "", "0.939000\n")
	version.magic = oddly(m, "member's magic", "", "`\r", "xx")
	ctl := arMember{name: "control.tar.gz", data: string(gz(tarOf(dir("./"), file("./control", control))))}
	members := []arMember{version, ctl, data}
	extra := arMember{name: oddly(m, "extra member's name", "_extra", "extra", "data.tar", "_gpgorigin", "control.tar"), data: "extra"}
	switch oddly(m, "members", 0, 1, 2, 3, 4, 5, 6) {
	case 1:
		members = append(members, extra)
	case 2:
		members = []arMember{version, extra, ctl, data}
	case 3:
		members = []arMember{version, ctl, extra, data}
	case 4:
		members = []arMember{version, data, ctl}
	case 5:
		members = append(members, data)
	case 6:
		members = []arMember{extra, version, ctl, data}
	}
	return m.mangle(append(arOf(members...), oddly(m, "end", "", "\n", "\x00", "garbage")...), 60, nil)
}

// compress compresses data in a number of streams drawn from streams, in odd cases with
// something else after them.
func (m mixer) compress(codec string, data []byte, streams ...int) []byte {
	with := map[string]func([]byte) []byte{
		"": bytes.Clone, "gz": gz, "xz": xz, "bz2": bzip2, "zst": func(b []byte) []byte { return zst(b, zstd.WithZeroFrames(true)) },
	}[codec]
	if codec == "" {
		return with(data)
	}
	between := map[string]string{"xz": "\x00\x00\x00\x00\x00\x00\x00\x00", "zst": skippable("skip")}[codec]
	var out []byte
	for n := oddly(m, "streams", one(m, "streams", streams...), 1, 2, 3); n > 1; n-- {
		cut := rapid.IntRange(0, len(data)).Draw(m.T, "cut")
		out, data = append(out, with(data[:cut])...), data[cut:]
		out = append(out, oddly(m, "between streams", one(m, "padding", "", between), "\x00", "garbage", strings.Repeat("\x00", 512), skippable("x"))...)
	}
	out = append(out, with(data)...)
	if codec != "zst" && len(streams) > 1 {
		out = append(out, one(m, "padding at the end", "", "", "", strings.Repeat("\x00", 512))...)
	}
	switch oddly(m, "more streams", 0, 1, 2, 3, 4) {
	case 1:
		out = append(out, with(nil)...)
	case 2:
		out = append(out, with(tarOf(file("late", "x")))...)
	case 3:
		out = append([]byte(oddly(m, "before", "", "\x00", "garbage", skippable("skip"), string(with(nil)))), out...)
	case 4:
		out = append(out, oddly(m, "tail", "\x00", "garbage", strings.Repeat("\x00", 512), skippable("skip"), "\x1f\x8b", "BZh9")...)
	}
	if codec == "gz" && m.odd("flags of gzip") {
		out[3] = one[byte](m, "flags", 1, 2, 4, 8, 16, 32, 64, 128)
	}
	return m.mangle(out, 1, nil)
}

func bzip2(data []byte) []byte {
	cmd := exec.Command("bzip2", "-c")
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		panic(err)
	}
	return out
}
