//go:build unix

package roots

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestOpenNamedRefuses checks that a directory of the system, and one that others can
// write to, are no places for a mirror.
func TestOpenNamedRefuses(t *testing.T) {
	host := Host{EUID: os.Geteuid(), Caller: -1, PrivateGroup: -1}
	warn := func(string) {}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "new"), 0o700); err != nil {
		t.Fatal(err)
	}
	checker, err := hostChecker(host)
	if err != nil || !checker.hasOwners() {
		t.Fatal("the owners of files are not known: ", err)
	}
	if _, err := OpenNamed(host, "mirror", "/usr/share/kist-mirror", true, warn); !isRefused[*SystemPrefixError](err) {
		t.Errorf("a directory of the system: %v", err)
	}
	if err := os.Chmod(filepath.Join(dir, "new"), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenNamed(host, "mirror", filepath.Join(dir, "new"), true, warn); !isRefused[*UnsafeDirError](err) {
		t.Errorf("a directory that everyone can write to: %v", err)
	}
}

func isRefused[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
