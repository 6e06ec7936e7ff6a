package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// A Stamp identifies the state of a file: while its Stamp is the same, the file was
// neither written nor replaced. Times are nanoseconds since 1970.
type Stamp struct {
	Inode             uint64
	Modified, Changed int64
}

// Info describes the file, directory or link that has a name.
type Info struct {
	Mode  fs.FileMode
	Size  int64
	Stamp Stamp // zero where the system has none (Windows)
}

// Clock returns the current time by the clock of root's file system, which may not be
// this machine's. It creates a file there, reads its time and removes it.
func Clock(root *os.Root) (time.Time, error) {
	temp := tempBeside(".")
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return time.Time{}, named(".", err)
	}
	info, err := f.Stat()
	removeErr := root.Remove(temp)
	if errors.Is(removeErr, fs.ErrNotExist) { // a sweep took it for the remains of a crash
		removeErr = nil
	}
	if err := errors.Join(err, f.Close(), removeErr); err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}
