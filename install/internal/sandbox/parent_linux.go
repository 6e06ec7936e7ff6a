package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kist-tools/kist/install/unpack"
	"github.com/kist-tools/kist/manifests"
)

// A child is the parent's end of an unpacking child.
type child struct {
	cmd    *exec.Cmd
	conn   *net.UnixConn
	said   *beginning // on its standard error
	limits unpack.Limits
	gone   chan struct{} // closed when it has ended
	closed sync.Once

	mu      sync.Mutex
	walls   Level
	asked   int                   // requests
	waiting map[int]chan<- answer // for those not done
	origins []origin              // that its claims may name
	killed  bool                  // by this side
	why     error                 // of its end, once gone is closed
}

// startFiller starts a child that fills root.
func startFiller(c Command, root *os.Root, limits unpack.Limits) (filler, error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	k, err := start(c, limits)
	if err != nil {
		return nil, err
	}
	if err := k.send(request{Ask: askFill, Limits: &limits}, dir); err != nil {
		err = k.end(err)
		k.close()
		return nil, err
	}
	return k, nil
}

// hashInChild hashes a zip in a child of its own.
func hashInChild(ctx context.Context, c Command, name string, f *os.File, size int64, progress func(int64)) (string, error) {
	if err := readOnly(f); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	k, err := start(c, unpack.Limits{})
	if err != nil {
		return "", fmt.Errorf("%s: start the child that hashes it: %w", name, err)
	}
	defer k.close()
	a, err := k.ask(ctx, request{Ask: askHash, Name: name, Size: size}, f, progress)
	return a.Hash, named(name, err)
}

// named gives an error of the parent's the name that the child gives its own.
func named(name string, err error) error {
	switch err.(type) {
	case nil, *unpack.EntryError, *remoteError:
		return err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// ready looks for the one thing that a child reads of the host.
func ready() error {
	if _, err := addressSpace(); err != nil {
		return &NoProcError{err}
	}
	return nil
}

// start starts a child, which waits for its first request.
func start(c Command, limits unpack.Limits) (*child, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	mine, its := os.NewFile(uintptr(ends[0]), "control"), os.NewFile(uintptr(ends[1]), "control")
	defer mine.Close() // conn has a copy
	defer its.Close()
	conn, err := net.FileConn(mine)
	if err != nil {
		return nil, err
	}
	// Its input is a pipe that has ended, and its output its errors, so that it needs
	// no /dev/null.
	input, ended, err := os.Pipe()
	if err != nil {
		conn.Close()
		return nil, err
	}
	defer input.Close()
	ended.Close()
	k := &child{conn: conn.(*net.UnixConn), said: &beginning{}, limits: limits,
		gone: make(chan struct{}), waiting: map[int]chan<- answer{}}
	k.cmd = &exec.Cmd{Path: c.Path, Args: c.Args, Env: []string{}, Dir: "/", Stdin: input, Stdout: k.said, Stderr: k.said,
		ExtraFiles: []*os.File{its}, // becomes control
		WaitDelay:  time.Second,
		// A session of its own: an interrupt at the terminal is for the parent,
		// which ends the child in its own way.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	if err := k.cmd.Start(); err != nil {
		k.conn.Close()
		return nil, err
	}
	go k.listen()
	return k, nil
}

// close kills the child, whatever it is at, and waits for its end.
func (k *child) close() {
	k.mu.Lock()
	k.killed = true
	k.mu.Unlock()
	k.closed.Do(func() {
		k.conn.Close()
		k.cmd.Process.Kill()
	})
	<-k.gone
}

func (k *child) level() Level {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.walls
}

// send sends one request with one descriptor.
func (k *child) send(q request, with *os.File) error {
	data := encode(q)
	if len(data) > maxPacket {
		return fmt.Errorf("%s: a layout of %d bytes", q.Name, len(data))
	}
	raw, err := with.SyscallConn()
	if err != nil {
		return err
	}
	return errors.Join(raw.Control(func(fd uintptr) {
		_, _, err = k.conn.WriteMsgUnix(data, unix.UnixRights(int(fd)), nil)
	}), err)
}

// listen takes what the child says until its end, and then says why it ended.
func (k *child) listen() {
	wrong := k.take()
	k.conn.Close()
	k.cmd.Process.Kill()
	err := k.cmd.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.killed:
		k.why = unpack.ErrEnded
	case wrong != nil:
		k.why = wrong
	default:
		k.why = &CrashError{How: how(err), Said: k.said.line()}
	}
	close(k.gone)
}

// how says how a process ended; "" where it did so in order.
func how(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.String()
	}
	return ""
}

// take takes packets until there are none, or one is wrong.
func (k *child) take() error {
	packet := make([]byte, maxPacket+1)
	for {
		n, err := k.conn.Read(packet)
		switch {
		case err != nil || n == 0:
			return nil // how it ended says more
		case n > maxPacket:
			return &ProtocolError{"a packet that is too long"}
		}
		if err := k.hear(packet[:n]); err != nil {
			return err
		}
	}
}

// hear takes one answer to whoever asked.
func (k *child) hear(packet []byte) error {
	var a answer
	if err := json.Unmarshal(packet, &a); err != nil {
		return &ProtocolError{"what is no answer"}
	}
	k.mu.Lock()
	to := k.waiting[a.ID]
	first := a.Say == sayLevel && a.Level != nil && !k.walls.Child
	switch {
	case first:
		k.walls = *a.Level
	case a.Say == sayDone:
		delete(k.waiting, a.ID)
	case a.Say != sayProgress:
		to = nil
	}
	k.mu.Unlock()
	switch {
	case first:
	case to == nil:
		return &ProtocolError{"an answer to no question"}
	default:
		to <- a // whoever asked takes all of them, up to sayDone
	}
	return nil
}

// ask sends a request and waits for its end. progress, which may be nil, is told
// of each step on the way. What the child answered counts even if ctx has ended since: a
// verdict on a whole archive is never replaced by an interrupt.
func (k *child) ask(ctx context.Context, q request, with *os.File, progress func(int64)) (answer, error) {
	answers := make(chan answer)
	k.mu.Lock()
	q.ID = k.asked
	k.asked++
	k.waiting[q.ID] = answers
	k.mu.Unlock()
	err := k.send(q, with)
	if err != nil {
		err = k.end(err)
	}
	for last := int64(0); err == nil; {
		select {
		case a := <-answers:
			if a.Say == sayDone {
				return a, a.Err.error()
			}
			if progress != nil && a.Done > last && a.Done <= q.Size {
				last = a.Done
				progress(last)
			}
		case <-k.gone:
			err = k.why
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	go k.drain(answers)
	if ctx.Err() != nil {
		k.close()
		err = ctx.Err()
	}
	return answer{}, err
}

// drain takes the answers that nobody waits for any more.
func (k *child) drain(answers <-chan answer) {
	for {
		select {
		case <-answers:
		case <-k.gone:
			return
		}
	}
}

// end is the reason why the child cannot be reached: err, unless it has ended.
func (k *child) end(err error) error {
	select {
	case <-k.gone:
		return k.why
	case <-time.After(time.Second):
		return err
	}
}

func (k *child) add(ctx context.Context, src *os.File, a unpack.Archive) error {
	info, err := src.Stat()
	if err == nil {
		err = readOnly(src)
	}
	if err == nil {
		_, err = k.ask(ctx, k.adding(askAdd, a, info.Size()), src, a.Progress)
	}
	return named(a.Name, err)
}

func (k *child) addStream(ctx context.Context, r io.Reader, size int64, a unpack.Archive) error {
	return named(a.Name, k.pour(ctx, k.adding(askStream, a, size), r, a.Progress))
}

func (k *child) write(ctx context.Context, from string, f manifests.File) error {
	q := k.adding(askWrite, unpack.Archive{Name: from}, int64(len(f.Data)))
	q.Path, q.Link, q.Exec = f.Path, f.Link, f.Exec
	return named(from, k.pour(ctx, q, bytes.NewReader(f.Data), nil))
}

// adding is a request to add a, which claims may name from now on.
func (k *child) adding(how string, a unpack.Archive, size int64) request {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.origins = append(k.origins, origin{a.Name, a.Component})
	return request{Ask: how, From: len(k.origins) - 1, Name: a.Name, Size: size, Component: a.Component, Order: a.Order, Layout: &a.Layout}
}

// readOnly demands that whoever has f cannot write to the file: it is opened for reading
// alone, or its memory is sealed.
func readOnly(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var flags int
	sealed := false
	if err := errors.Join(raw.Control(func(fd uintptr) {
		flags, err = unix.FcntlInt(fd, unix.F_GETFL, 0)
		seals, none := unix.FcntlInt(fd, unix.F_GET_SEALS, 0)
		sealed = none == nil && seals&unix.F_SEAL_WRITE != 0
	}), err); err != nil {
		return err
	}
	if flags&unix.O_ACCMODE != unix.O_RDONLY && !sealed {
		return errors.New("not opened for reading alone")
	}
	return nil
}

// pour asks for something with a pipe, into which r is copied. An error of r
// is returned as it is.
func (k *child) pour(ctx context.Context, q request, r io.Reader, progress func(int64)) error {
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	widen(in)
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(inlet{in}, r)
		in.Close()
		copied <- err
	}()
	_, err = k.ask(ctx, q, out, progress)
	out.Close() // now writing to the pipe fails, if anybody still does
	if broken := <-copied; broken != nil && !errors.Is(broken, syscall.EPIPE) {
		k.close()
		return broken
	}
	if err != nil && ctx.Err() != nil {
		// The interrupt may have cut what the child was given, so that its verdict on it
		// means nothing.
		k.close()
		return ctx.Err()
	}
	return err
}

func (k *child) resume(ctx context.Context, claims []unpack.Claim) error {
	k.origins = originsOf(claims)
	out, in := io.Pipe()
	go func() { in.CloseWithError(writeClaims(in, claims, nil)) }()
	return k.pour(ctx, request{Ask: askResume}, out, nil)
}

// claims asks for what was claimed, and ends the child. They are read once it has
// ended: of what it holds in memory, and what is made of it here, one is enough.
func (k *child) claims(ctx context.Context) (*claims, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer out.Close()
	widen(in)
	var text []string
	taken := make(chan error, 1)
	go func() {
		var err error
		if text, err = takeClaims(out, maxClaims(k.limits)); err != nil {
			k.close() // it may be about to write more
		}
		taken <- err
	}()
	_, err = k.ask(ctx, request{Ask: askClaims}, in, nil)
	in.Close()
	k.close() // and with it its end of the pipe
	if err := <-taken; err != nil {
		return nil, &ProtocolError{err.Error()}
	}
	if err != nil {
		return nil, err
	}
	all, err := readClaims(text, k.origins, false, k.limits.Entries)
	if err != nil {
		return nil, &ProtocolError{err.Error()}
	}
	return all, nil
}

// A beginning keeps the first bytes that are written to it.
type beginning struct {
	mu   sync.Mutex
	text []byte
}

const maxBeginning = 4 << 10

func (b *beginning) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p[:min(len(p), maxBeginning-len(b.text))]...)
	return len(p), nil
}

// line is the first line of it.
func (b *beginning) line() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	first, _, _ := strings.Cut(string(b.text), "\n")
	return first
}
