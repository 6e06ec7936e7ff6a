//go:build unix

package transport

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kist-tools/kist/manifests"
)

// TestDirReadsRegularFilesOnly checks pipes and devices: a pipe without a writer would
// block a plain open for ever, and /dev/zero would never end.
func TestDirReadsRegularFilesOnly(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{pipe, "/dev/zero", "/"} {
		if _, _, err := get(t, dirTransport{}, fileURL(t, name), 0); !errors.Is(err, manifests.ErrUnreachable) || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", name, err)
		} else if !errors.Is(err, ErrFile) {
			t.Errorf("%s: %v is no ErrFile", name, err)
		}
	}
}
