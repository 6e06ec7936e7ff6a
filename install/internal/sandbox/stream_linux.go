package sandbox

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/kist-tools/kist/install/internal/unpack"
)

func (k *child) addStream(ctx context.Context, r io.Reader, size int64, a unpack.Archive) error {
	return named(a.Name, k.stream(ctx, k.newAddition(askStream, a, size), r, a.Progress))
}

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

// stream sends the request q with a pipe, into which it copies r. It returns an error
// of r unchanged.
func (k *child) stream(ctx context.Context, q request, r io.Reader, progress func(int64)) error {
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	widen(in)
	copied := make(chan error, 1)
	go func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{in}, r, make([]byte, pipeBlock))
		in.Close()
		copied <- err
	}()
	_, err = k.ask(ctx, q, out, progress)
	out.Close() // the copying goroutine, if it still writes, fails with EPIPE
	if copyErr := <-copied; copyErr != nil && !errors.Is(copyErr, syscall.EPIPE) {
		k.close()
		return copyErr
	}
	if err != nil && ctx.Err() != nil {
		// The interrupt may have truncated the child's input, so that its verdict means
		// nothing.
		k.close()
		return ctx.Err()
	}
	return err
}

func (k *child) resume(ctx context.Context, claims []unpack.Claim) error {
	k.archives = archivesOf(claims)
	out, in := io.Pipe()
	go func() { in.CloseWithError(writeClaims(in, claims, nil)) }()
	return k.stream(ctx, request{Ask: askResume}, out, nil)
}
