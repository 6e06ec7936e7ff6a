//go:build interop && linux

package unpack_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/manifests"
)

// foldingDisk mounts a case-insensitive file system: NTFS in a disk image.
func foldingDisk(t *testing.T) string {
	t.Helper()
	dir, disk := t.TempDir(), filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(disk, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(disk, 16<<20); err != nil {
		t.Fatal(err)
	}
	run(t, "", nil, "mkntfs", "--quick", "--force", disk)
	run(t, "", nil, "lowntfs-3g", "-o", "ignore_case,permissions", disk, dir)
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Names that differ in case only, and links through such names, are accepted on a
// case-sensitive file system and refused on a case-insensitive one.
func TestCaseInsensitiveFileSystem(t *testing.T) {
	// A link to the root after more links than os.Root follows.
	far := func(end func(string) string) []byte {
		entries := []tarEntry{dir("d"), link("d/l0", "..")}
		for i := range 12 {
			entries = append(entries, link(fmt.Sprint("d/l", i+1), end(fmt.Sprint("l", i))))
		}
		return tarOf(append(entries, link("x", end("d/l12")+"/../fine"))...)
	}
	same := func(s string) string { return s }
	cases := []struct {
		name           string
		data           []byte
		folding, plain unpack.Rule // that refuses it on each file system; empty if accepted
	}{
		{"two files", tarOf(file("readme", "1"), file("README", "2")), unpack.RuleFolded, ""},
		{"two files that are not ASCII", tarOf(file("\u00fcn", "1"), file("\u00dcn", "2")), unpack.RuleFolded, ""},
		{"two directories", tarOf(dir("d"), dir("D")), unpack.RuleFolded, ""},
		{"two implied directories", tarOf(file("d/a", "1"), file("D/b", "2")), unpack.RuleFolded, ""},
		{"a file and a directory", tarOf(file("d", "1"), file("D/b", "2")), unpack.RuleFolded, ""},
		{"a file and a link", tarOf(file("a", "1"), link("A", "b")), unpack.RuleFolded, ""},
		{"two links", tarOf(link("a", "b"), link("A", "c")), unpack.RuleFolded, ""},
		{"a file below a link", tarOf(dir("d"), link("l", "d"), file("L/a", "1")), unpack.RuleFolded, ""},
		{"a hard link to a file of another case", tarOf(file("a", "1"), hard("b", "A")), unpack.RuleHardLink, unpack.RuleHardLink},
		{"a link to a file of another case", tarOf(file("a", "1"), link("b", "A")), unpack.RuleFolded, ""},
		{"a link that escapes through another", tarOf(dir("d"), link("d/up", ".."), link("x", "D/UP/../evil")), unpack.RuleFolded, ""},
		{"a link that escapes through many", far(strings.ToUpper), unpack.RuleFolded, ""},
		{"a loop", tarOf(link("a", "B"), link("b", "A")), unpack.RuleFolded, ""},
		{"composed and not", tarOf(file("\u00e9", "1"), file("e\u0301", "2")), unpack.RuleText, unpack.RuleText},
		{"names that differ", tarOf(file("readme", "1"), file("readme2", "2"), dir("d"), link("l", "d"), link("gone", "d/gone"), hard("h", "readme")), "", ""},
		{"links that stay inside", tarOf(dir("d"), link("d/up", ".."), link("x", "d/up/fine")), "", ""},
		{"links that leave", far(same), unpack.RuleTarget, unpack.RuleTarget},
	}
	for _, c := range cases {
		for way, unpackOne := range bothWays(t) {
			// A new disk for each case, since ntfs-3g mixes up files made right after a mass delete.
			t.Run(c.name+"/"+way, func(t *testing.T) {
				for where, base := range map[string]string{"folding": foldingDisk(t), "telling apart": t.TempDir()} {
					t.Run(where, func(t *testing.T) {
						t.Setenv("TMPDIR", base)
						rule := c.plain
						if where == "folding" {
							rule = c.folding
						}
						_, err := unpackOne(t, c.data, manifests.Layout{Format: "tar"}, unpack.DefaultLimits())
						if rule != "" {
							wantRule(t, err, rule)
						} else if err != nil {
							t.Fatal(err)
						}
					})
				}
			})
		}
	}
}
