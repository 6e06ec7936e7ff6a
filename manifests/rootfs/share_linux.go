package rootfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// SharesBlocks reports whether d is on a file system of a known kind on which two files
// can have the same blocks.
func (d Dir) SharesBlocks() bool {
	s, err := statfs(d.self)
	return err == nil && (int64(s.Type) == unix.XFS_SUPER_MAGIC || int64(s.Type) == unix.BTRFS_SUPER_MAGIC)
}

// ShareBlocks lets to use, for size bytes from offset, the blocks of from at origin, if both
// files have the same bytes there: the file system compares them, with both files locked. What either
// file holds does not change, and later writes to one do not reach the other. same is false
// if the bytes differ. origin and offset are multiples of the block size, and so is size,
// unless the range ends where both files end.
//
// Source: ioctl_fideduperange(2).
func ShareBlocks(from *os.File, origin int64, to *os.File, offset, size int64) (same bool, err error) {
	const most = 16 << 20 // bytes at once: btrfs takes no more
	for done := int64(0); done < size; {
		r := unix.FileDedupeRange{
			Src_offset: uint64(origin + done), Src_length: uint64(min(most, size-done)),
			Info: []unix.FileDedupeRangeInfo{{Dest_fd: int64(to.Fd()), Dest_offset: uint64(offset + done)}},
		}
		if err := retry(func() error { return unix.IoctlFileDedupeRange(int(from.Fd()), &r) }); err != nil {
			return false, err
		}
		switch info := r.Info[0]; {
		case info.Status < 0:
			return false, unix.Errno(-info.Status)
		case info.Status == unix.FILE_DEDUPE_RANGE_DIFFERS || info.Bytes_deduped == 0:
			return false, nil
		default:
			done += int64(info.Bytes_deduped)
		}
	}
	return true, nil
}
