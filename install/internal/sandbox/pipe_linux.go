package sandbox

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// pipeBlock is how many bytes are put into a pipe at once, and pipeSize how many
// it holds: the fewer waits of one end for the other, the less they cost.
const pipeBlock, pipeSize = 256 << 10, 1 << 20

// widen makes a pipe hold more. The most that a user may have of it is the system's
// to say; less is only slower.
func widen(pipe *os.File) {
	if raw, err := pipe.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
	}
}

// An inlet is the writing end of a pipe. By io.Copy it takes a part of a file
// without a copy of it.
type inlet struct{ pipe *os.File }

func (in inlet) Write(p []byte) (int, error) { return in.pipe.Write(p) }

// ReadFrom puts what is left of r into the pipe.
func (in inlet) ReadFrom(r io.Reader) (n int64, err error) {
	if part, ok := r.(*io.SectionReader); ok {
		base, offset, size := part.Outer()
		if file, ok := base.(*os.File); ok {
			at, _ := part.Seek(0, io.SeekCurrent) // it fails for other offsets alone
			n, err = splice(in.pipe, file, offset+at, size-at)
			part.Seek(n, io.SeekCurrent)
			if !errors.Is(err, errors.ErrUnsupported) {
				return n, err
			}
		}
	}
	m, err := io.CopyBuffer(struct{ io.Writer }{in.pipe}, r, make([]byte, pipeBlock)) // the pipe's own would take smaller blocks
	return n + m, err
}

// splice has the kernel put n bytes of a file, from at on, into a pipe (splice(2)).
// Not all file systems have it, and not everybody may.
func splice(pipe, file *os.File, at, n int64) (done int64, err error) {
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
				m, e := unix.Splice(int(src), &at, int(dst), nil, int(min(n-done, pipeSize)), unix.SPLICE_F_NONBLOCK)
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
					err = io.ErrUnexpectedEOF // somebody cut the file
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
