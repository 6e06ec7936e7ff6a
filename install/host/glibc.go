package host

import (
	"debug/elf"
	"io"
	"strconv"
	"strings"
)

// maxLibc is the most that is read of a libc.so.6, in bytes; glibc's has some 2 MB.
const maxLibc = 32 << 20

// glibcVersion returns the version of the GNU C library in r, a libc.so.6 for the
// architecture arch (a GOARCH): the newest version that it defines symbols of, such as
// "2.36". It returns "" if r is not such a file.
func glibcVersion(r io.ReaderAt, arch string) string {
	f, err := elf.NewFile(io.NewSectionReader(r, 0, maxLibc))
	if err != nil || f.Machine != map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch] {
		return ""
	}
	versions, err := f.DynamicVersions()
	if err != nil {
		return ""
	}
	newest := 0
	for _, v := range versions {
		if minor, err := strconv.Atoi(strings.TrimPrefix(v.Name, "GLIBC_2.")); err == nil {
			newest = max(newest, minor)
		}
	}
	if newest == 0 {
		return ""
	}
	return "2." + strconv.Itoa(newest)
}
