package main

import (
	"bytes"
	"debug/elf"
	"io"
	"strconv"
	"strings"
)

// glibcVersion returns the version of the GNU C library in r, a libc.so.6 for the
// architecture arch (a GOARCH): the newest version that it defines symbols of, such as
// "2.36". It returns "" if r is not such a file.
func glibcVersion(r io.ReaderAt, arch string) string {
	f, err := elf.NewFile(r)
	if err != nil || f.Machine != map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch] {
		return ""
	}
	newest := 0
	for _, name := range definedVersions(f) {
		if minor, err := strconv.Atoi(strings.TrimPrefix(name, "GLIBC_2.")); err == nil {
			newest = max(newest, minor)
		}
	}
	if newest == 0 {
		return ""
	}
	return "2." + strconv.Itoa(newest)
}

// definedVersions returns the symbol versions that f defines: elf's DynamicVersions
// without reading the thousands of symbols. Source: Linux Standard Base, Core, "Symbol Version
// Definitions".
func definedVersions(f *elf.File) (names []string) {
	definitions, strs := sectionOf(f, ".gnu.version_d"), sectionOf(f, ".dynstr")
	for at := uint64(0); at+20 <= uint64(len(definitions)); {
		number := func(field uint64) uint64 { return uint64(f.ByteOrder.Uint32(definitions[field:])) }
		if first := at + number(at+12); first+4 <= uint64(len(definitions)) && number(first) < uint64(len(strs)) {
			rest := strs[number(first):]
			if name, _, ended := bytes.Cut(rest[:min(maxVersion, len(rest))], []byte{0}); ended {
				names = append(names, string(name))
			}
		}
		next := number(at + 16)
		if next < 20 { // 0: the last entry; less than an entry's size: invalid
			break
		}
		at += next
	}
	return names
}

const (
	maxSection = 1 << 20 // bytes of a section; those of glibc have some 30 kB
	maxVersion = 64      // bytes of a version's name with its final zero; longer names are ignored
)

// sectionOf returns the content of a section, nil if it is missing or too large.
func sectionOf(f *elf.File, name string) []byte {
	s := f.Section(name)
	if s == nil || s.Size > maxSection {
		return nil
	}
	data, _ := s.Data()
	return data
}
