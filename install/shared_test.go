//go:build unix

package install_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kist-tools/kist/install/plan"
)

// The modes of installed files, receipts and generations follow the umask, but nobody
// else may ever write there. All other files are only for their owner.
func TestModesForOtherUsers(t *testing.T) {
	private := []string{".local/share/kist/lock", ".local/share/kist/stage", ".local/state/kist/lock", ".local/state/kist/made.json",
		".local/state/kist/marks", ".local/state/kist/evidence", ".cache", ".config"}
	for _, mask := range []fs.FileMode{0o022, 0o027, 0o077, 0, 0o002} {
		w := newWorld(t)
		old := syscall.Umask(int(mask))
		err := w.see(1)
		if err == nil {
			_, err = w.change(plan.Change{Install: w.releases("zig", "1.0", "bin/zig")})
		}
		if err == nil {
			_, err = w.kist().Config(true)
		}
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		err = filepath.WalkDir(w.home, func(p string, d fs.DirEntry, err error) error {
			if err != nil || p == w.home || d.Type() == fs.ModeSymlink {
				return err
			}
			rel, err := filepath.Rel(w.home, p)
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			want := (fs.FileMode(0o755) | ^fs.FileMode(0o777)) &^ mask & fs.ModePerm
			if !d.IsDir() {
				want &^= 0o111
			}
			for _, name := range private {
				if rel == name || strings.HasPrefix(rel, name+"/") {
					seen[name] = true
					want &= 0o700
				}
			}
			if strings.Count(rel, "/") > 4 && strings.HasPrefix(rel, ".local/share/kist/prefixes/") {
				return nil // its modes are the archive's, and its prefix is closed to others or not
			}
			if got := info.Mode().Perm(); got != want {
				t.Errorf("umask %03o: %s has mode %03o, want %03o", mask, rel, got, want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range private {
			if !seen[name] && name != ".local/state/kist/evidence" {
				t.Errorf("umask %03o: there is no %s", mask, name)
			}
		}
	}
}
