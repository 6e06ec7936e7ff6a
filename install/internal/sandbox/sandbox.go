// Package sandbox is the second wall around unpacking: what decodes an archive
// runs in a child process that can do nothing but fill the directory it was
// handed.
//
// The first wall is package unpack, which refuses what an archive may not hold.
// This one is for the day that a decoder has a fault, and whoever made an
// archive runs their own code in it. The parties are the parent, which is kist,
// and the child, which is kist too, started anew, and is not believed.
//
// The child is handed open descriptors and nothing else: a control socket, the
// directory to fill, each archive, opened for reading. It has no environment and
// no other descriptor, and before it reads a byte of an archive it gives away
// for good, for all its threads:
//
//   - what it could gain by running another program (no_new_privs), and being
//     looked into by others of its user (not dumpable);
//   - memory, processor time, open files and the size of a file beyond ceilings
//     (resource limits);
//   - where the kernel has Landlock, every right on files but to make, read and
//     remove files and directories in that one directory: no link, no device, no
//     name outside; TCP, signals and abstract sockets (as far as the kernel's
//     version of Landlock knows of them);
//   - on amd64 and arm64, every system call that is not in a table of those that
//     unpacking needs (allowedCalls): nothing starts programs or processes, opens
//     sockets, changes modes, owners, times and attributes, makes links, or looks
//     into or signals other processes. This holds whatever Landlock knows of.
//
// What of this there was is the [Level], which the receipt keeps. Where the
// kernel has neither of the last two, the child still runs, within its limits.
// On systems other than Linux there is no child: the same code runs in kist's
// own process.
//
// The child ends when its control socket closes, so that a killed kist leaves no
// writer behind. When it has claimed to be done it is killed first, and then its
// claims are judged and compared with the disk by [unpack.Complete], in the
// parent, which makes the links and sets the modes itself. Everything that the
// child sends is under ceilings. What a child that was taken over can still do
// is to fill the directory with what it likes, as any archive can.
package sandbox

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/unpack"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A Command is how kist starts itself as a child: the path of the program, and
// its arguments, the first of which is its name. The program must then return
// what Serve returns, before it does anything else. The zero Command starts
// nothing: archives are then unpacked in this process.
type Command struct {
	Path string
	Args []string
}

// A Level says what stood between a decoder and the rest of the machine.
type Level struct {
	Child    bool // a process of its own, within limits
	Landlock int  // version of the kernel's interface; 0: none
	Calls    bool // system calls were filtered
}

// String is the form in receipts, for people and programs.
func (l Level) String() string {
	if !l.Child {
		return "none"
	}
	parts := []string{"process limits"}
	if l.Calls {
		parts = append(parts, "system call filter")
	}
	if l.Landlock > 0 {
		parts = append(parts, fmt.Sprintf("Landlock %d", l.Landlock))
	}
	return strings.Join(parts, ", ")
}

// An Unpacker fills one prefix as an unpack.Prefix does, the archives of it behind
// the wall. What it takes from other prefixes, to which the child has no way, is
// copied by this process: before the first archive is added, or after the last.
type Unpacker struct {
	command Command
	root    *os.Root
	limits  unpack.Limits
	sealed  time.Time // set by Finish

	mu     sync.Mutex
	prefix *unpack.Prefix // what this process adds, before the child or after it
	child  filler         // nil: there is none
	phase  phase
}

// phase is how far an Unpacker is: what its child does comes between.
type phase int

const (
	before phase = iota
	inside
	after
)

// A filler is a child that fills a prefix.
type filler interface {
	// resume has it go on from claims.
	resume(ctx context.Context, claims []unpack.Claim) error
	// add and addStream are Add and AddStream of unpack.Prefix.
	add(ctx context.Context, src *os.File, a unpack.Archive) error
	addStream(ctx context.Context, r io.Reader, size int64, a unpack.Archive) error
	// write is Write of unpack.Prefix.
	write(ctx context.Context, from string, f manifests.File) error
	// claims ends it, and returns what it claims.
	claims(ctx context.Context) (*claims, error)
	// level says how it is walled in; nothing before it has added anything.
	level() Level
	// close kills it, whatever it is at. Nothing is written from then on.
	close()
}

// A NoProcError says that children cannot be started, since /proc is not mounted: by
// it kist starts itself, and a child learns what it must give away.
type NoProcError struct{ Err error }

func (e *NoProcError) Error() string {
	return fmt.Sprintf("/proc is not mounted, and kist needs it to unpack in a process of its own: %v", e.Err)
}

func (e *NoProcError) Unwrap() error { return e.Err }

// Ready reports whether c can be started here. Errors are *NoProcError.
func Ready(c Command) error {
	if c.Path == "" {
		return nil
	}
	return ready()
}

// Start begins a prefix in root, an empty directory that nothing else writes to.
// root stays the caller's to close, after Close.
func Start(c Command, root *os.Root, limits unpack.Limits) (*Unpacker, error) {
	u := &Unpacker{command: c, root: root, limits: limits, prefix: unpack.New(root, limits)}
	if c.Path == "" {
		return u, nil
	}
	if err := Ready(c); err != nil {
		return nil, err
	}
	var err error
	if u.child, err = startFiller(c, root, limits); err != nil {
		return nil, fmt.Errorf("start the unpacker: %w", err)
	}
	return u, nil
}

// Close ends the child, whatever it is at.
func (u *Unpacker) Close() {
	if u.child != nil {
		u.child.close()
	}
}

// Level says what archives were walled in by; it is known once one was added.
func (u *Unpacker) Level() Level {
	if u.child == nil {
		return Level{}
	}
	return u.child.level()
}

// Add is unpack.Prefix's, for a src that is open for reading alone.
func (u *Unpacker) Add(ctx context.Context, src *os.File, a unpack.Archive) error {
	if u.child == nil {
		return u.prefix.Add(ctx, src, a)
	}
	if err := u.enter(ctx); err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	return u.child.add(ctx, src, a)
}

// AddStream is unpack.Prefix's.
func (u *Unpacker) AddStream(ctx context.Context, r io.Reader, size int64, a unpack.Archive) error {
	if u.child == nil {
		return u.prefix.AddStream(ctx, r, size, a)
	}
	if err := u.enter(ctx); err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	return u.child.addStream(ctx, r, size, a)
}

// enter makes it the child's turn.
func (u *Unpacker) enter(ctx context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch u.phase {
	case inside:
		return nil
	case after:
		return unpack.ErrEnded
	}
	u.phase = inside
	claims, err := u.prefix.Claims()
	if err != nil || len(claims) == 0 {
		return err
	}
	return u.child.resume(ctx, claims)
}

// leave ends the child's turn for good, and returns what it claims; nil if it was
// not its turn.
func (u *Unpacker) leave(ctx context.Context) (*claims, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.phase != inside {
		return nil, nil
	}
	u.phase = after
	defer u.child.close()
	return u.child.claims(ctx)
}

// Take is unpack.Prefix's.
func (u *Unpacker) Take(ctx context.Context, a unpack.Archive, entries []record.Entry, open func(path string) (*os.File, error)) error {
	left, err := u.leave(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	if left != nil {
		u.prefix = unpack.Resume(u.root, u.limits, left.all)
	}
	return u.prefix.Take(ctx, a, entries, open)
}

// Write is unpack.Prefix's.
func (u *Unpacker) Write(ctx context.Context, from string, f manifests.File) error {
	u.mu.Lock()
	at := u.phase
	u.mu.Unlock()
	if at == inside {
		return u.child.write(ctx, from, f)
	}
	return u.prefix.Write(ctx, from, f)
}

// Finish is unpack.Prefix's.
func (u *Unpacker) Finish(ctx context.Context, executable ...string) ([]record.Entry, error) {
	left, err := u.leave(ctx)
	if err != nil {
		return nil, err
	}
	if left == nil {
		entries, err := u.prefix.Finish(ctx, executable...)
		u.sealed = u.prefix.Sealed()
		return entries, err
	}
	if u.sealed, err = unpack.Complete(ctx, u.root, u.limits, left.all, executable...); err != nil {
		return nil, err
	}
	return left.entries, nil
}

// Sealed is unpack.Prefix's.
func (u *Unpacker) Sealed() time.Time { return u.sealed }

// HashZip is verify.HashZip of the zip f, size bytes long and opened for reading
// alone, by a child that has no directory at all: the zip is not proved yet.
// progress is told how many bytes of it were read; there may be more than size.
func HashZip(ctx context.Context, c Command, name string, f *os.File, size int64, progress func(done int64)) (h1 string, err error) {
	if c.Path == "" {
		return verify.HashZip(name, &watched{ctx: ctx, file: f, tell: progress}, size)
	}
	if err := Ready(c); err != nil {
		return "", err
	}
	return hashInChild(ctx, c, name, f, size, progress)
}

// A watched file can be read as long as its context lasts, and tells how much was.
type watched struct {
	ctx  context.Context
	file io.ReaderAt
	tell func(done int64)
	done int64
}

func (w *watched) ReadAt(p []byte, off int64) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.file.ReadAt(p, off)
	w.done += int64(n)
	w.tell(w.done)
	return n, err
}

// A CrashError says that the child ended before its work was done.
type CrashError struct {
	How  string // "signal: killed"
	Said string // the first line that it wrote in dying, if any
}

func (e *CrashError) Error() string {
	text := "the unpacking child ended early"
	if e.How != "" {
		text += ": " + e.How
	}
	if e.Said != "" {
		text += ": " + e.Said
	}
	return text
}

// A ProtocolError says that the child sent what no child sends. It matches
// verify.ErrUntrusted: something has taken it over.
type ProtocolError struct{ What string }

func (e *ProtocolError) Error() string { return "the unpacking child sent " + e.What }

// Is makes a ProtocolError a failed proof.
func (e *ProtocolError) Is(target error) bool { return target == verify.ErrUntrusted }
