//go:build !windows

package host

import (
	"os"
	"syscall"
)

// OnOneDevice reports whether two directories are on one file system. If that cannot be
// told, it returns true.
func OnOneDevice(a, b string) bool {
	device := func(dir string) (any, bool) {
		info, err := os.Stat(dir)
		if err != nil {
			return nil, false
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return nil, false
		}
		return stat.Dev, true
	}
	of, ok := device(a)
	other, known := device(b)
	return !ok || !known || of == other
}
