package unpack_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/unpack"
)

// A new window is backed by large pages, if the kernel has any.
func TestLargePages(t *testing.T) {
	_, err := os.Stat("/sys/kernel/mm/transparent_hugepage")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	window := make([]byte, 128<<20)
	unpack.LargePages()
	for _, n := range []int{0, len(window) / 2, len(window) - 1} {
		if got, want := slices.Contains(mappingOf(t, &window[n]), "hg"), err == nil; got != want {
			t.Errorf("large pages for byte %d: %v, want %v", n, got, want)
		}
	}
	runtime.KeepAlive(window)
}

// mappingOf returns the flags of the mapping that contains b (proc_pid_smaps(5)).
func mappingOf(t *testing.T, b *byte) []string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	at, within := reflect.ValueOf(b).Pointer(), false
	for line := range strings.Lines(string(text)) {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 {
			within = from <= at && at < to
		}
		if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok && within {
			return strings.Fields(flags)
		}
	}
	return nil
}
