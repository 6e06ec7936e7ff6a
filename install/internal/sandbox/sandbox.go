// Package sandbox unpacks archives in a child process that can do nothing but fill
// the directory it is given.
//
// Package unpack is the first line of defence: it refuses archives that break its
// rules. This package is the second, for the case that a decoder has a bug through
// which an archive runs code. The parent is kist; the child is the same program,
// started again, and the parent does not trust it.
//
// The child receives open descriptors and nothing else: a control socket, the
// directory to fill, and each archive, opened for reading. It has no environment and
// no other descriptor. Before it reads a byte of an archive, it gives up for good,
// for all its threads:
//
//   - gaining privileges by running another program (no_new_privs), and being
//     inspected by other processes of its user (not dumpable);
//   - memory, processor time, open files and file sizes beyond its ceilings
//     (resource limits);
//   - where the kernel has Landlock, all access to files but to create, read and
//     remove files and directories in that one directory: no link, no device, no
//     name outside; and TCP, signals and abstract sockets, if the kernel's version
//     of Landlock covers them;
//   - on amd64 and arm64, every system call that is not in the table of those that
//     unpacking needs (allowedCalls): it cannot start programs or processes, open
//     sockets, change modes, owners, times and attributes, make links, or inspect or
//     signal other processes. This does not depend on the version of Landlock.
//
// The [Level] tells which of these were in place; the receipt records it. Where the
// kernel supports neither of the last two, the child still runs within its limits.
// On systems other than Linux there is no child: the same code runs in kist's own
// process.
//
// The child exits when its control socket closes, so that a killed kist leaves no
// writer behind. When the child claims to be done, the parent first kills it. Then
// [unpack.Complete] checks the claims and compares them with the disk, in the parent,
// which makes the links and sets the modes itself. All that the child sends is
// limited in size. A compromised child can still fill the directory with files of its
// choice, as any archive can.
package sandbox

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A Command is how kist starts itself as a child: the path of the program, and its
// arguments, beginning with its name. The program must call Serve before it does
// anything else, and exit with the code that Serve returns. The zero Command starts no
// child: archives are then unpacked in this process.
type Command struct {
	Path string
	Args []string
}

// A Level describes what separated a decoder from the rest of the machine.
type Level struct {
	Child    bool // a separate process with resource limits
	Landlock int  // version of the kernel's interface; 0: none
	Calls    bool // system calls were filtered
}

// String returns the form in receipts, for people and programs.
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

// An Unpacker fills one prefix as an unpack.Prefix does, and unpacks archives in the
// child. Files from other prefixes, which the child cannot reach, are copied by this
// process: before the first archive is added, or after the last.
type Unpacker struct {
	command Command
	root    *os.Root
	limits  unpack.Limits
	sealed  time.Time // set by Finish

	mu     sync.Mutex
	prefix *unpack.Prefix // filled by this process, before or after the child
	child  filler         // nil: archives are unpacked in this process
	phase  phase
}

// phase tells which process fills the prefix: first this one, then the child, then
// this one again.
type phase int

const (
	beforeChild phase = iota
	inChild
	afterChild
)

// A filler is a child that fills a prefix.
type filler interface {
	// resume makes the child continue a prefix that holds claims.
	resume(ctx context.Context, claims []unpack.Claim) error
	// add and addStream are Add and AddStream of unpack.Prefix.
	add(ctx context.Context, src *os.File, a unpack.Archive) error
	addStream(ctx context.Context, r io.Reader, size int64, a unpack.Archive) error
	// write is Write of unpack.Prefix.
	write(ctx context.Context, from string, f manifests.File) error
	// claims ends the child, and returns what it claims to have written.
	claims(ctx context.Context) (*claims, error)
	// level is known once something was added.
	level() Level
	// close kills the child. Nothing is written from then on.
	close()
}

// A NoProcError reports that no child can be started because /proc is not mounted.
// kist needs /proc to start itself, and the child to set up its limits.
type NoProcError struct{ Err error }

func (e *NoProcError) Error() string {
	return fmt.Sprintf("/proc is not mounted, and kist needs it to unpack in a separate process: %v", e.Err)
}
func (*NoProcError) Kind() string { return "no-proc" }

func (e *NoProcError) Unwrap() error { return e.Err }

// Ready returns a *NoProcError if c cannot be started here.
func Ready(c Command) error {
	if c.Path == "" {
		return nil
	}
	return ready()
}

// Start begins a prefix in root, an empty directory that nothing else writes to. The
// caller closes root, after Close.
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

// Close kills the child, even while it works.
func (u *Unpacker) Close() {
	if u.child != nil {
		u.child.close()
	}
}

// Level returns how archives were confined. It is known once one was added.
func (u *Unpacker) Level() Level {
	if u.child == nil {
		return Level{}
	}
	return u.child.level()
}

// Add is Add of unpack.Prefix. src must be open for reading only.
func (u *Unpacker) Add(ctx context.Context, src *os.File, a unpack.Archive) error {
	if u.child == nil {
		return u.prefix.Add(ctx, src, a)
	}
	if err := u.enterChild(ctx); err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	return u.child.add(ctx, src, a)
}

// AddStream is AddStream of unpack.Prefix.
func (u *Unpacker) AddStream(ctx context.Context, r io.Reader, size int64, a unpack.Archive) error {
	if u.child == nil {
		return u.prefix.AddStream(ctx, r, size, a)
	}
	if err := u.enterChild(ctx); err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	return u.child.addStream(ctx, r, size, a)
}

// enterChild hands the prefix over to the child, if it is not there yet.
func (u *Unpacker) enterChild(ctx context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch u.phase {
	case inChild:
		return nil
	case afterChild:
		return unpack.ErrEnded
	}
	u.phase = inChild
	claims, err := u.prefix.Claims()
	if err != nil || len(claims) == 0 {
		return err
	}
	return u.child.resume(ctx, claims)
}

// leaveChild ends the child and returns what it claims, or nil if the prefix was not
// in the child.
func (u *Unpacker) leaveChild(ctx context.Context) (*claims, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.phase != inChild {
		return nil, nil
	}
	u.phase = afterChild
	defer u.child.close()
	return u.child.claims(ctx)
}

// CopyFrom is CopyFrom of unpack.Prefix.
func (u *Unpacker) CopyFrom(ctx context.Context, a unpack.Archive, entries []record.Entry, open func(path string) (*os.File, error)) error {
	claimed, err := u.leaveChild(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	if claimed != nil {
		u.prefix = unpack.Resume(u.root, u.limits, claimed.all)
	}
	return u.prefix.CopyFrom(ctx, a, entries, open)
}

// AddFile is AddFile of unpack.Prefix.
func (u *Unpacker) AddFile(ctx context.Context, from string, f manifests.File) error {
	u.mu.Lock()
	current := u.phase
	u.mu.Unlock()
	if current == inChild {
		return u.child.write(ctx, from, f)
	}
	return u.prefix.AddFile(ctx, from, f)
}

// Finish completes the prefix (see unpack.Complete), and returns its entries.
func (u *Unpacker) Finish(ctx context.Context, executable ...string) ([]record.Entry, error) {
	claimed, err := u.leaveChild(ctx)
	if err != nil {
		return nil, err
	}
	if claimed == nil {
		all, err := u.prefix.Claims()
		if err != nil {
			return nil, err
		}
		claimed = &claims{all: all}
	}
	if u.sealed, err = unpack.Complete(ctx, u.root, u.limits, claimed.all, executable...); err != nil {
		return nil, err
	}
	if claimed.entries == nil {
		for _, c := range claimed.all {
			claimed.entries = append(claimed.entries, *c.Entry)
		}
	}
	return claimed.entries, nil
}

// Sealed returns the time for the receipt's StampsReadAt, after Finish (see
// unpack.Complete).
func (u *Unpacker) Sealed() time.Time { return u.sealed }

// HashZip is verify.HashZip for the zip f, which is size bytes long and open for
// reading only. It runs in a child without access to any directory, because the zip is
// not proved yet. progress is called with the number of bytes read so far, which may
// exceed size.
func HashZip(ctx context.Context, c Command, name string, f *os.File, size int64, progress func(done int64)) (h1 string, err error) {
	if c.Path == "" {
		return verify.HashZip(name, &progressReader{ctx: ctx, file: f, progress: progress}, size)
	}
	if err := Ready(c); err != nil {
		return "", err
	}
	return hashInChild(ctx, c, name, f, size, progress)
}

// A progressReader reads file until ctx is done, and reports how much was read.
type progressReader struct {
	ctx      context.Context
	file     io.ReaderAt
	progress func(done int64)
	done     int64
}

func (r *progressReader) ReadAt(p []byte, off int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.file.ReadAt(p, off)
	r.done += int64(n)
	r.progress(r.done)
	return n, err
}

// A CrashError reports that the child ended before its work was done.
type CrashError struct {
	How  string // for example "signal: killed"
	Said string // the first line of its output, if any
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
func (*CrashError) Kind() string { return "child" }

// errProtocol is wrapped by the error for a message that no intact child sends. It
// matches verify.ErrUntrusted, since the child must be compromised.
var errProtocol = verify.NewClass("the unpacking child sent", "untrusted", verify.ErrUntrusted)
