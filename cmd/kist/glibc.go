package main

import (
	"debug/elf"
	"io"
	"strconv"
	"strings"
)

// glibcVersion reads from a libc.so.6 for an architecture, as Go calls it, which
// version of the GNU C library it is: "2.36", the newest of those whose symbols
// it has. It is empty where that is not what r holds.
func glibcVersion(r io.ReaderAt, arch string) string {
	f, err := elf.NewFile(r)
	if err != nil || f.Machine != map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch] {
		return ""
	}
	defined, err := f.DynamicVersions()
	if err != nil {
		return ""
	}
	newest := 0
	for _, v := range defined {
		if minor, err := strconv.Atoi(strings.TrimPrefix(v.Name, "GLIBC_2.")); err == nil {
			newest = max(newest, minor)
		}
	}
	if newest == 0 {
		return ""
	}
	return "2." + strconv.Itoa(newest)
}
