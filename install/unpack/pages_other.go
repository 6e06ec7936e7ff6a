//go:build !linux

package unpack

// largePages does nothing where there is no madvise(2).
func largePages() {}
