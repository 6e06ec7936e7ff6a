package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// A Stamp is what a file system says of a file: as long as it says the same,
// the file was neither written nor replaced. Times are nanoseconds since 1970.
type Stamp struct {
	Inode             uint64
	Modified, Changed int64
}

// Info is what a file system says of a name.
type Info struct {
	Mode  fs.FileMode
	Size  int64
	Stamp Stamp // zero where there is none
}

// Clock returns what time it is for the file system of root, which may not be
// this machine's, by making a file there and taking it away.
func Clock(root *os.Root) (time.Time, error) {
	temp := tempBeside(".")
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return time.Time{}, named(".", err)
	}
	info, err := f.Stat()
	gone := root.Remove(temp)
	if errors.Is(gone, fs.ErrNotExist) { // swept as a crash's
		gone = nil
	}
	if err := errors.Join(err, f.Close(), gone); err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}
