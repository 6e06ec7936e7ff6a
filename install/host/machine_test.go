package host_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kist-tools/kist/install/host"
)

func TestDistro(t *testing.T) {
	for text, want := range map[string]string{
		"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nID=debian\n": "debian12",
		"ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\n": "ubuntu24.04",
		"# comment\nID='amzn'\nVERSION_ID='2'":              "amzn2",
		"NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\n":  "arch",
		"":                                       "",
		"ID=huge\n" + strings.Repeat("#", 1<<20): "",
	} {
		root := fstest.MapFS{"usr/lib/os-release": {Data: []byte(text)}}
		if got := host.Distro(root); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestDistroPrefersEtc(t *testing.T) {
	root := fstest.MapFS{"etc/os-release": {Data: []byte("ID=debian\nVERSION_ID=13\n")}, "usr/lib/os-release": {Data: []byte("ID=other\n")}}
	if got := host.Distro(root); got != "debian13" {
		t.Errorf("got %q", got)
	}
	if got := host.Distro(fstest.MapFS{}); got != "" {
		t.Errorf("a machine without os-release is %q", got)
	}
}

func TestPlatform(t *testing.T) {
	if runtime.GOOS != "linux" {
		if p := host.Platform(host.Root()); p.OS != runtime.GOOS || p.Arch != runtime.GOARCH || p.Libc != "" {
			t.Errorf("got %v", p)
		}
		return
	}
	for want, root := range map[string]fstest.MapFS{
		"gnu":  {"lib64/ld-linux-x86-64.so.2": {}, "lib/ld-musl-x86_64.so.1": {}},
		"musl": {"lib/ld-musl-x86_64.so.1": {}},
	} {
		if p := host.Platform(root); p.Libc != want || p.OS != "linux" {
			t.Errorf("got %v, want %s", p, want)
		}
	}
	if p := host.Platform(fstest.MapFS{"lib32/ld-linux.so.2": {}, "lib/ld-musl-x86_64.so.1": {}}); p.Libc != "gnu" {
		t.Errorf("a machine with both libraries: %v", p)
	}
}

func TestGlibc(t *testing.T) {
	lib := buildLibc(t, elf.EM_X86_64, "libc.so.6", "GLIBC_2.2.5", "GLIBC_2.36", "GLIBC_2.4", "GLIBC_PRIVATE")
	file := func(data []byte) *fstest.MapFile { return &fstest.MapFile{Data: data} }
	for name, c := range map[string]struct {
		path string
		lib  []byte
		arch string
		want string
	}{
		"the newest counts":    {"lib/x86_64-linux-gnu/libc.so.6", lib, "amd64", "2.36"},
		"in lib64":             {"lib64/libc.so.6", lib, "amd64", "2.36"},
		"elsewhere":            {"opt/libc.so.6", lib, "amd64", ""},
		"another architecture": {"lib64/libc.so.6", lib, "arm64", ""},
		"its architecture":     {"lib/aarch64-linux-gnu/libc.so.6", buildLibc(t, elf.EM_AARCH64, "libc.so.6", "GLIBC_2.17"), "arm64", "2.17"},
		"another library":      {"lib64/libc.so.6", buildLibc(t, elf.EM_X86_64, "libz.so.1", "ZLIB_1.2"), "amd64", ""},
		"one that needs glibc": {"lib64/libc.so.6", bytes.ReplaceAll(lib, []byte("\xfd\xff\xff\x6f"), []byte("\xfe\xff\xff\x6f")), "amd64", ""},
		"no versions":          {"lib64/libc.so.6", buildLibc(t, elf.EM_X86_64), "amd64", ""},
		"not a library":        {"lib64/libc.so.6", []byte("#!/bin/sh\n"), "amd64", ""},
		"cut":                  {"lib64/libc.so.6", lib[:len(lib)-100], "amd64", ""},
		"empty":                {"lib64/libc.so.6", nil, "amd64", ""},
	} {
		if got := host.Glibc(fstest.MapFS{c.path: file(c.lib)}, c.arch); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// FuzzGlibc checks that reading any libc.so.6 ends, and finds a version of glibc 2 or none.
func FuzzGlibc(f *testing.F) {
	lib := buildLibc(f, elf.EM_X86_64, "libc.so.6", "GLIBC_2.2.5", "GLIBC_2.36")
	for at := range len(lib) - 8 {
		for _, odd := range []uint64{0, 1, 1 << 31, math.MaxUint32, math.MaxUint64 - 20, math.MaxUint64} {
			spoilt := bytes.Clone(lib)
			binary.LittleEndian.PutUint64(spoilt[at:], odd)
			f.Add(spoilt)
		}
	}
	f.Fuzz(func(t *testing.T, lib []byte) {
		if v := host.Glibc(fstest.MapFS{"lib64/libc.so.6": {Data: lib}}, "amd64"); v != "" && !strings.HasPrefix(v, "2.") {
			t.Errorf("got %q", v)
		}
	})
}

// buildLibc returns a minimal libc.so.6 that defines versions.
func buildLibc(t testing.TB, machine elf.Machine, versions ...string) []byte {
	t.Helper()
	names, at := []byte("\x00.gnu.version\x00.gnu.version_d\x00.dynstr\x00.dynsym\x00.shstrtab\x00"), map[string]uint32{}
	for _, name := range []string{".gnu.version", ".gnu.version_d", ".dynstr", ".dynsym", ".shstrtab"} {
		at[name] = uint32(bytes.Index(names, []byte("\x00"+name+"\x00")) + 1)
	}
	strs := []byte{0}
	var defs bytes.Buffer
	for i, v := range versions {
		next := uint32(28)
		if i == len(versions)-1 {
			next = 0
		}
		// Verdef: version, flags, index, count, hash, aux, next; Verdaux: name, next.
		for _, field := range []any{uint16(1), uint16(0), uint16(i + 1), uint16(1), uint32(0), uint32(20), next, uint32(len(strs)), uint32(0)} {
			binary.Write(&defs, binary.LittleEndian, field)
		}
		strs = append(append(strs, v...), 0)
	}
	var body bytes.Buffer
	const start = 64
	sections := []elf.Section64{{}}
	put := func(name string, kind elf.SectionType, link, info uint32, entsize uint64, data []byte) {
		sections = append(sections, elf.Section64{Name: at[name], Type: uint32(kind), Off: start + uint64(body.Len()),
			Size: uint64(len(data)), Link: link, Info: info, Entsize: entsize, Addralign: 1})
		body.Write(data)
	}
	put(".dynstr", elf.SHT_STRTAB, 0, 0, 0, strs)
	put(".dynsym", elf.SHT_DYNSYM, 1, 1, 24, make([]byte, 24))
	put(".gnu.version", elf.SHT_GNU_VERSYM, 2, 0, 2, make([]byte, 2))
	put(".gnu.version_d", elf.SHT_GNU_VERDEF, 1, uint32(len(versions)), 0, defs.Bytes())
	put(".shstrtab", elf.SHT_STRTAB, 0, 0, 0, names)
	h := elf.Header64{Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, Type: uint16(elf.ET_DYN), Machine: uint16(machine), Version: 1,
		Shoff: start + uint64(body.Len()), Ehsize: start, Shentsize: 64, Shnum: uint16(len(sections)), Shstrndx: uint16(len(sections) - 1)}
	var out bytes.Buffer
	binary.Write(&out, binary.LittleEndian, h)
	out.Write(body.Bytes())
	binary.Write(&out, binary.LittleEndian, sections)
	return out.Bytes()
}
