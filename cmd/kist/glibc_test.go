package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

// libcOf is as much of a libc.so.6 as says which versions its symbols have.
func libcOf(t *testing.T, machine elf.Machine, versions ...string) []byte {
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

func TestGlibcVersion(t *testing.T) {
	bookworm := libcOf(t, elf.EM_X86_64, "libc.so.6", "GLIBC_2.2.5", "GLIBC_2.36", "GLIBC_2.4", "GLIBC_PRIVATE")
	for name, c := range map[string]struct {
		lib  []byte
		arch string
		want string
	}{
		"the newest counts":    {bookworm, "amd64", "2.36"},
		"another architecture": {bookworm, "arm64", ""},
		"its architecture":     {libcOf(t, elf.EM_AARCH64, "libc.so.6", "GLIBC_2.17"), "arm64", "2.17"},
		"another library":      {libcOf(t, elf.EM_X86_64, "libz.so.1", "ZLIB_1.2"), "amd64", ""},
		"a huge section":       {libcOf(t, elf.EM_X86_64, "GLIBC_2.36", strings.Repeat("x", 1<<20)), "amd64", ""},
		"a name too long":      {libcOf(t, elf.EM_X86_64, "GLIBC_2."+strings.Repeat("0", 54)+"999"), "amd64", ""},
		"a name just as long":  {libcOf(t, elf.EM_X86_64, "GLIBC_2."+strings.Repeat("0", 53)+"36"), "amd64", "2.36"},
		"one that needs glibc": {bytes.ReplaceAll(bookworm, []byte(".gnu.version_d"), []byte(".gnu.version_r")), "amd64", ""},
		"no versions":          {libcOf(t, elf.EM_X86_64), "amd64", ""},
		"not a library":        {[]byte("#!/bin/sh\n"), "amd64", ""},
		"cut":                  {bookworm[:len(bookworm)-100], "amd64", ""},
		"empty":                {nil, "amd64", ""},
	} {
		if got := glibcVersion(bytes.NewReader(c.lib), c.arch); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// Whatever stands in any place of it, reading a libc.so.6 comes to an end.
func TestGlibcVersionOfAnything(t *testing.T) {
	lib := libcOf(t, elf.EM_X86_64, "libc.so.6", "GLIBC_2.2.5", "GLIBC_2.36")
	for at := range len(lib) - 8 {
		for _, odd := range []uint64{0, 1, 1 << 31, math.MaxUint32, math.MaxUint64 - 20, math.MaxUint64} {
			spoilt := bytes.Clone(lib)
			binary.LittleEndian.PutUint64(spoilt[at:], odd)
			if v := glibcVersion(bytes.NewReader(spoilt), "amd64"); v != "" && !strings.HasPrefix(v, "2.") {
				t.Errorf("%#x at %d: %q", odd, at, v)
			}
		}
	}
}
