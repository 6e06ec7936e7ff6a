package sandbox

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// pipeBlock is the size of a write into a pipe, and pipeSize the capacity of a pipe, in
// bytes. Both are large so that the two ends seldom wait for each other.
const pipeBlock, pipeSize = 256 << 10, 1 << 20

// widen enlarges a pipe to pipeSize. It ignores the error if that is more than the
// system allows, since a smaller pipe is only slower.
func widen(pipe *os.File) {
	if raw, err := pipe.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
	}
}

// A pipeWriter is the writing end of a pipe. io.Copy moves a part of a file into it by
// splice(2), without copying it through this process.
type pipeWriter struct{ pipe *os.File }

func (in pipeWriter) Write(p []byte) (int, error) { return in.pipe.Write(p) }

// ReadFrom writes the rest of r into the pipe.
func (in pipeWriter) ReadFrom(r io.Reader) (n int64, err error) {
	if part, ok := r.(*io.SectionReader); ok {
		base, offset, size := part.Outer()
		if file, ok := base.(*os.File); ok {
			done, _ := part.Seek(0, io.SeekCurrent) // a seek to the current offset does not fail
			n, err = splice(in.pipe, file, offset+done, size-done)
			part.Seek(n, io.SeekCurrent)
			if !errors.Is(err, errors.ErrUnsupported) {
				return n, err
			}
		}
	}
	m, err := io.CopyBuffer(struct{ io.Writer }{in.pipe}, r, make([]byte, pipeBlock)) // the default blocks are smaller
	return n + m, err
}

// splice makes the kernel move n bytes of file, starting at offset, into pipe
// (splice(2)). The error is errors.ErrUnsupported where the file system does not support
// that or the system does not allow it.
func splice(pipe, file *os.File, offset, n int64) (done int64, err error) {
	to, err := pipe.SyscallConn()
	if err != nil {
		return 0, err
	}
	from, err := file.SyscallConn()
	if err != nil {
		return 0, err
	}
	failed := from.Control(func(src uintptr) {
		failed := to.Write(func(dst uintptr) (ready bool) {
			for done < n {
				m, e := unix.Splice(int(src), &offset, int(dst), nil, int(min(n-done, pipeSize)), unix.SPLICE_F_NONBLOCK)
				switch {
				case e == unix.EAGAIN:
					return false // the pipe is full
				case e == unix.EINTR:
				case e == unix.EINVAL || e == unix.ENOSYS || e == unix.EPERM:
					err = errors.ErrUnsupported
					return true
				case e != nil:
					err = os.NewSyscallError("splice", e)
					return true
				case m == 0:
					err = io.ErrUnexpectedEOF // the file was truncated
					return true
				}
				done += m
			}
			return true
		})
		err = errors.Join(err, failed)
	})
	return done, errors.Join(err, failed)
}
