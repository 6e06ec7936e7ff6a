package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/manifests"
)

// A child is the parent's end of an unpacking child.
type child struct {
	cmd    *exec.Cmd
	conn   *net.UnixConn
	output *headBuffer // its standard output and error
	limits unpack.Limits
	exited chan struct{} // closed when the child has ended
	closed sync.Once

	mu        sync.Mutex
	confined  Level
	requests  int                   // the number of requests so far
	waiting   map[int]chan<- answer // for the requests that are not done
	archives  []archiveID           // that its claims may name
	killed    bool                  // by this side
	exitError error                 // why it ended; set before exited is closed
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
		err = k.exitReason(err)
		k.close()
		return nil, err
	}
	return k, nil
}

// hashInChild hashes a zip in a new child.
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

// named adds name to an error of the parent. Errors from the child have it already.
func named(name string, err error) error {
	switch err.(type) {
	case nil, *unpack.EntryError, *remoteError:
		return err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// ready checks for /proc, the one thing of the host that a child reads.
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
	parentEnd, childEnd := os.NewFile(uintptr(ends[0]), "control"), os.NewFile(uintptr(ends[1]), "control")
	defer parentEnd.Close() // conn has a copy
	defer childEnd.Close()
	conn, err := net.FileConn(parentEnd)
	if err != nil {
		return nil, err
	}
	// Its input is a closed pipe, and its output goes where its errors go, so that the
	// child needs no /dev/null.
	input, ended, err := os.Pipe()
	if err != nil {
		conn.Close()
		return nil, err
	}
	defer input.Close()
	ended.Close()
	k := &child{conn: conn.(*net.UnixConn), output: &headBuffer{}, limits: limits,
		exited: make(chan struct{}), waiting: map[int]chan<- answer{}}
	k.cmd = &exec.Cmd{Path: c.Path, Args: c.Args, Env: []string{}, Dir: "/", Stdin: input, Stdout: k.output, Stderr: k.output,
		ExtraFiles: []*os.File{childEnd}, // becomes control
		WaitDelay:  time.Second,
		// A new session: an interrupt at the terminal reaches only the parent, which
		// then ends the child itself.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	if err := k.cmd.Start(); err != nil {
		k.conn.Close()
		return nil, err
	}
	go k.listen()
	return k, nil
}

// close kills the child and waits until it has ended.
func (k *child) close() {
	k.mu.Lock()
	k.killed = true
	k.mu.Unlock()
	k.closed.Do(func() {
		k.conn.Close()
		k.cmd.Process.Kill()
	})
	<-k.exited
}

func (k *child) level() Level {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.confined
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

// listen handles the child's packets until it ends, and then records why it ended.
func (k *child) listen() {
	protocolErr := k.readPackets()
	k.conn.Close()
	k.cmd.Process.Kill()
	err := k.cmd.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.killed:
		k.exitError = unpack.ErrEnded
	case protocolErr != nil:
		k.exitError = protocolErr
	default:
		k.exitError = &CrashError{How: exitStatus(err), Said: k.output.firstLine()}
	}
	close(k.exited)
}

// exitStatus describes how a process failed; "" if it did not.
func exitStatus(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.String()
	}
	return ""
}

// readPackets handles packets until the connection ends or one is invalid.
func (k *child) readPackets() error {
	packet := make([]byte, maxPacket+1)
	for {
		n, err := k.conn.Read(packet)
		switch {
		case err != nil || n == 0:
			return nil // the exit status tells more
		case n > maxPacket:
			return fmt.Errorf("%w a packet that is too long", errProtocol)
		}
		if err := k.handleAnswer(packet[:n]); err != nil {
			return err
		}
	}
}

// handleAnswer passes one answer on to the goroutine that waits for it.
func (k *child) handleAnswer(packet []byte) error {
	var a answer
	if err := json.Unmarshal(packet, &a); err != nil {
		return fmt.Errorf("%w a packet that is not an answer", errProtocol)
	}
	k.mu.Lock()
	to := k.waiting[a.ID]
	first := a.Say == sayLevel && a.Level != nil && !k.confined.Child
	switch {
	case first:
		k.confined = *a.Level
	case a.Say == sayDone:
		delete(k.waiting, a.ID)
	case a.Say != sayProgress:
		to = nil
	}
	k.mu.Unlock()
	switch {
	case first:
	case to == nil:
		return fmt.Errorf("%w an answer to no request", errProtocol)
	default:
		to <- a // the receiver takes all answers up to sayDone
	}
	return nil
}

// ask sends a request and waits for its last answer. progress, which may be nil, is
// called at each step. An answer counts even if ctx has ended since: an interrupt never
// replaces a verdict on a whole archive.
func (k *child) ask(ctx context.Context, q request, with *os.File, progress func(int64)) (answer, error) {
	answers := make(chan answer)
	k.mu.Lock()
	q.ID = k.requests
	k.requests++
	k.waiting[q.ID] = answers
	k.mu.Unlock()
	err := k.send(q, with)
	if err != nil {
		err = k.exitReason(err)
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
		case <-k.exited:
			err = k.exitError
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	go k.discard(answers)
	if ctx.Err() != nil {
		k.close()
		err = ctx.Err()
	}
	return answer{}, err
}

// discard receives answers that are no longer needed, so that listen does not block.
func (k *child) discard(answers <-chan answer) {
	for {
		select {
		case <-answers:
		case <-k.exited:
			return
		}
	}
}

// exitReason returns why the child cannot be reached: its exit error if it has ended,
// else err.
func (k *child) exitReason(err error) error {
	select {
	case <-k.exited:
		return k.exitError
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
		_, err = k.ask(ctx, k.newAddition(askAdd, a, info.Size()), src, a.Progress)
	}
	return named(a.Name, err)
}

func (k *child) write(ctx context.Context, from string, f manifests.File) error {
	q := k.newAddition(askWrite, unpack.Archive{Name: from}, int64(len(f.Data)))
	q.Path, q.Link, q.Exec = f.Path, f.Link, f.Exec
	return named(from, k.stream(ctx, q, bytes.NewReader(f.Data), nil))
}

// newAddition returns a request to add a, and allows claims to name a from now on.
func (k *child) newAddition(ask string, a unpack.Archive, size int64) request {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.archives = append(k.archives, archiveID{a.Name, a.Component})
	return request{Ask: ask, From: len(k.archives) - 1, Name: a.Name, Size: size, Component: a.Component, Order: a.Order, Layout: &a.Layout}
}

// readOnly returns an error unless f is open for reading only, or is sealed memory, so
// that a process that receives f cannot write to it.
func readOnly(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var flags int
	sealed := false
	if err := errors.Join(raw.Control(func(fd uintptr) {
		flags, err = unix.FcntlInt(fd, unix.F_GETFL, 0)
		seals, sealsErr := unix.FcntlInt(fd, unix.F_GET_SEALS, 0)
		sealed = sealsErr == nil && seals&unix.F_SEAL_WRITE != 0
	}), err); err != nil {
		return err
	}
	if flags&unix.O_ACCMODE != unix.O_RDONLY && !sealed {
		return errors.New("not opened for reading only")
	}
	return nil
}

// claims asks for the child's claims, and ends the child. It parses them only after
// the child has ended, so that they are not in the memory of both processes at once.
func (k *child) claims(ctx context.Context) (*claims, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer out.Close()
	widen(in)
	var text []string
	received := make(chan error, 1)
	go func() {
		var err error
		if text, err = receiveClaims(out, maxClaims(k.limits)); err != nil {
			k.close() // it may be blocked writing more
		}
		received <- err
	}()
	_, err = k.ask(ctx, request{Ask: askClaims}, in, nil)
	in.Close()
	k.close() // which also closes the child's end of the pipe
	if err := <-received; err != nil {
		return nil, fmt.Errorf("%w %v", errProtocol, err)
	}
	if err != nil {
		return nil, err
	}
	all, err := parseClaims(text, k.archives, false, k.limits.Entries)
	if err != nil {
		return nil, fmt.Errorf("%w %v", errProtocol, err)
	}
	return all, nil
}

// A headBuffer keeps the first maxHead bytes that are written to it.
type headBuffer struct {
	mu   sync.Mutex
	text []byte
}

const maxHead = 4 << 10

func (b *headBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p[:min(len(p), maxHead-len(b.text))]...)
	return len(p), nil
}

func (b *headBuffer) firstLine() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	first, _, _ := strings.Cut(string(b.text), "\n")
	return first
}
