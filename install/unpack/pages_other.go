//go:build !linux

package unpack

func largePages() {}
