//go:build unix

package unpack_test

import (
	"slices"
	"syscall"
	"testing"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// The umask does not affect the modes of files and directories.
func TestUmaskHasNoEffect(t *testing.T) {
	data := tarOf(dir("d"), file("d/plain", "x"), tarEntry{name: "d/exe", data: "x", mode: "0000755\x00"}, file("implied/f", "x"))
	var first []record.Entry
	for _, mask := range []int{0o022, 0, 0o077, 0o027} {
		s := newStage(t, unpack.DefaultLimits())
		src := source(t, data)
		old := syscall.Umask(mask)
		err := s.prefix.Add(t.Context(), src, unpack.Archive{Name: "the-archive", Component: "part", Layout: manifests.Layout{Format: "tar"}})
		syscall.Umask(old)
		if err != nil {
			t.Fatalf("umask %#o: %v", mask, err)
		}
		entries, err := s.prefix.Finish(t.Context())
		if err != nil {
			t.Fatalf("umask %#o: %v", mask, err)
		}
		s.check(t, entries, nil)
		entries = unstamped(entries)
		if first == nil {
			first = entries
		}
		if !slices.Equal(first, entries) {
			t.Errorf("umask %#o: %v, want %v", mask, entries, first)
		}
	}
}
