package failure

import (
	"io/fs"
	"syscall"
	"testing"
)

// The errors of Windows have the exit codes that those of other systems have.
func TestKindsOfWindowsErrors(t *testing.T) {
	for code, want := range map[syscall.Errno]Kind{
		5: {Name: "permission", Code: 8}, 19: {Name: "permission", Code: 8}, 32: {Name: "permission", Code: 8},
		39: {Name: "space", Code: 8}, 112: {Name: "space", Code: 8}, 1295: {Name: "space", Code: 8},
		1: {Name: "failed", Code: 1},
	} {
		if k := KindOf(&fs.PathError{Op: "open", Path: "x", Err: code}); k.Name != want.Name || k.Code != want.Code {
			t.Errorf("%d (%v): %s, exit code %d, want %s, %d", int(code), code, k.Name, k.Code, want.Name, want.Code)
		}
	}
}
