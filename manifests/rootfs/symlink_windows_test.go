package rootfs

import (
	"fmt"
	"syscall"
	"testing"
)

func TestCannotLink(t *testing.T) {
	for code, want := range map[syscall.Errno]bool{1314: true, 50: true, 1: true, 5: false, 183: false, 3: false} {
		if got := CannotLink(fmt.Errorf("link: %w", code)); got != want {
			t.Errorf("%d (%v): %v", int(code), code, got)
		}
	}
}
