//go:build unix

package roots

import (
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
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
	n, ok := nodeOf(info)
	if !ok {
		return node{}, &fs.PathError{Op: "lstat", Path: name, Err: fmt.Errorf("the system does not report the owner")}
	}
	return n, nil
}

// nodeOf returns the node of info; ok is false if the system does not report the owner.
func nodeOf(info fs.FileInfo) (n node, ok bool) {
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return node{}, false
	}
	return node{mode: info.Mode(), uid: int(sys.Uid), gid: int(sys.Gid), dev: uint64(sys.Dev), ino: sys.Ino, info: info}, true
}

// liesAt reports whether the open directory lies below the directories that were
// checked on the way to p. It walks up from the handle, since a path could be
// redirected, and compares each directory with the checked one by device and inode.
func liesAt(dir *os.Root, p place) (bool, error) {
	self, err := dir.Open(".")
	if err != nil {
		return false, err
	}
	defer self.Close()
	up := "."
	for _, above := range slices.Backward(p.above) {
		up += "/.."
		var s unix.Stat_t
		err := unix.EINTR
		for err == unix.EINTR {
			err, _ = unix.Fstatat(int(self.Fd()), up, &s, 0).(syscall.Errno)
		}
		if err != 0 {
			return false, &fs.PathError{Op: "stat", Path: p.at + "/" + up, Err: err}
		}
		if uint64(s.Dev) != above.dev || s.Ino != above.ino {
			return false, nil
		}
	}
	return true, nil
}
