//go:build unix

package install

import (
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"syscall"
)

func thisMachine() (machine, error) {
	mounts, err := thisMounts()
	if err != nil {
		return machine{}, err
	}
	return machine{goos: runtime.GOOS, lstat: lstat, readlink: os.Readlink, mounts: mounts}, nil
}

func lstat(name string) (node, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return node{}, err
	}
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return node{}, &fs.PathError{Op: "lstat", Path: name, Err: fmt.Errorf("the system does not say whose it is")}
	}
	return node{mode: info.Mode(), uid: int(sys.Uid), dev: uint64(sys.Dev), ino: sys.Ino, info: info}, nil
}
