//go:build interop && unix

package namedfiles_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/install"
)

// TestProjectIgnoresFilesOfOtherUsers checks whose files count above the directory where
// kist runs: for each one that is ignored, there is one that is read.
func TestProjectIgnoresFilesOfOtherUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can give files to other users")
	}
	const user, other = 54321, 54322
	for _, test := range []struct {
		name                string
		above, file, start  int         // owners
		aboveMode, fileMode os.FileMode // of the directory above, and of its files
		group               int         // of both
		want                string      // why the file is ignored; "": it is read
		besideStart         bool        // the file is in the starting directory itself
	}{
		{name: "the user's", above: user, file: user, start: user, aboveMode: 0o755, fileMode: 0o644, group: user},
		{name: "root's", file: 0, start: user, aboveMode: 0o755, fileMode: 0o644},
		{name: "of the user's private group", above: user, file: user, start: user, aboveMode: 0o775, fileMode: 0o664, group: user},
		{name: "of another group", above: user, file: user, start: user, aboveMode: 0o755, fileMode: 0o664, group: other, want: "it is writable for group 54322"},
		{name: "writable for everyone", above: user, file: user, start: user, aboveMode: 0o755, fileMode: 0o646, group: user, want: "it is writable for everyone"},
		{name: "another user's in /tmp", file: other, start: user, aboveMode: 0o777 | os.ModeSticky, fileMode: 0o644, want: "it belongs to user 54322"},
		{name: "the user's in /tmp", file: user, start: user, aboveMode: 0o777 | os.ModeSticky, fileMode: 0o644},
		{name: "in a directory for everyone", file: user, start: user, aboveMode: 0o777, fileMode: 0o644, want: "its directory can be changed by others: it is writable for everyone"},
		{name: "in another user's directory", above: other, file: user, start: user, aboveMode: 0o755, fileMode: 0o644, want: "its directory can be changed by others: it belongs to user 54322"},
		{name: "of the owner of the start", above: other, file: other, start: other, aboveMode: 0o755, fileMode: 0o644},
		{name: "another user's, at the start", above: other, file: other, start: other, aboveMode: 0o777, fileMode: 0o666, besideStart: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			above := filepath.Join(t.TempDir(), "above")
			start := filepath.Join(above, "start")
			toml, lock := filepath.Join(above, "kist.toml"), filepath.Join(above, "kist.lock")
			err := errors.Join(os.MkdirAll(start, 0o755), os.WriteFile(toml, []byte("[tools]\ngo = \"1\"\n"), 0o600), os.WriteFile(lock, nil, 0o600),
				os.Chown(start, test.start, test.start))
			for _, path := range []string{toml, lock} {
				err = errors.Join(err, os.Chown(path, test.file, test.group), os.Chmod(path, test.fileMode))
			}
			if err = errors.Join(err, os.Chown(above, test.above, test.group), os.Chmod(above, test.aboveMode)); err != nil {
				t.Fatal(err)
			}
			if test.besideStart {
				start = above
			}
			p, err := namedfiles.FindProject(start, above, install.Host{EUID: user, PrivateGroup: user})
			if err != nil {
				t.Fatal(err)
			}
			_, exists, err := p.ReadBeside(lock, 10)
			if test.want == "" {
				if len(p.Read) != 1 || len(p.Ignored) != 0 || err != nil || !exists {
					t.Errorf("read %v, ignored %v; the lock: %v", p.Read, p.Ignored, err)
				}
				return
			}
			if len(p.Read) != 0 || len(p.Ignored) != 1 || p.Ignored[0].Why != test.want || !p.Ignored[0].Foreign {
				t.Errorf("read %v, ignored %v, want %q", p.Read, p.Ignored, test.want)
			}
			if err == nil || !strings.HasSuffix(err.Error(), "kist.lock is not read: "+test.want) {
				t.Errorf("the lock: %v, want %q", err, test.want)
			}
		})
	}
}
