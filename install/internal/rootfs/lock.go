package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// LockSuffix follows the name of a directory in that of its lock.
const LockSuffix = ".lock"

// maxHolder is how many bytes of a lock file are shown to people.
const maxHolder = 256

// A NoLocksError says that a file system has no locks, so that nothing may be
// changed there: two processes could not be kept apart. It matches
// errors.ErrUnsupported.
type NoLocksError struct {
	Path string // of the lock
	Err  error  // what the system said
}

func (e *NoLocksError) Error() string {
	return fmt.Sprintf("%s lies on a file system that has no locks (%v)", e.Path, e.Err)
}

func (e *NoLocksError) Unwrap() error { return e.Err }

// A BusyError says that another process holds a lock.
type BusyError struct {
	Path   string
	Holder string // "<pid> <about>", as the holder wrote it; "" if it has not yet
}

func (e *BusyError) Error() string {
	if e.Holder == "" {
		return fmt.Sprintf("%s is locked by another process", e.Path)
	}
	return fmt.Sprintf("%s is locked by another process (%s)", e.Path, e.Holder)
}

// A ForeignLockError says that a file with the name of a lock holds something else, so
// that nothing may be written to it. It matches fs.ErrExist.
type ForeignLockError struct{ Path string }

func (e *ForeignLockError) Error() string {
	return fmt.Sprintf("%s has the name of a lock and is another file", e.Path)
}

func (e *ForeignLockError) Unwrap() error { return fs.ErrExist }

// IsLock reports whether name is a lock of this package: a regular file that is empty
// or names a holder.
func IsLock(root *os.Root, name string) (bool, error) {
	info, err := root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return false, ignoreMissing(err)
	}
	f, err := OpenRegular(root, name)
	if err != nil {
		return false, ignoreMissing(err)
	}
	defer f.Close()
	return isHolder(f)
}

// holderLine is what sign writes, or the beginning of it.
var holderLine = regexp.MustCompile(`^([0-9]+( [^\n]*\n?)?)?$`)

func isHolder(f *os.File) (bool, error) {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, maxHolder+1))
	return err == nil && len(text) <= maxHolder && holderLine.Match(text), err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// A Lock is a lock that this process holds.
type Lock struct {
	root *os.Root
	name string
	file *os.File
}

// TryLock takes the lock that the file name stands for, and makes the file
// (0600) if need be. It writes the process id and about, a line such as
// "kist install go, since 10:12", into the file for others to read. If another
// process, or another Lock of this one, holds it, the error is a *BusyError; on
// a file system without locks it is a *NoLocksError.
func TryLock(root *os.Root, name, about string) (*Lock, error) {
	for {
		f, err := openRegular(root, name, os.O_RDWR|os.O_CREATE, 0o600)
		if errors.Is(err, ErrNotRegular) || errors.Is(err, syscall.EISDIR) {
			err = &ForeignLockError{filepath.Join(root.Name(), filepath.FromSlash(name))}
		}
		if err != nil {
			return nil, err
		}
		busy, err := lockFile(f)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			f.Close()
			return nil, &NoLocksError{f.Name(), err}
		case err != nil:
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		case busy:
			holder := readHolder(f)
			f.Close()
			return nil, &BusyError{Path: f.Name(), Holder: holder}
		}
		if is, err := isHolder(f); err != nil || !is {
			f.Close()
			if err == nil {
				err = &ForeignLockError{f.Name()}
			}
			return nil, err
		}
		if same, err := stillAt(root, name, f); err != nil {
			f.Close()
			return nil, err
		} else if !same { // its last holder removed it after it was opened here
			f.Close()
			continue
		}
		l := &Lock{root, name, f}
		if err := l.sign(about); err != nil {
			l.Unlock()
			return nil, err
		}
		return l, nil
	}
}

// WaitLock is TryLock, tried again until wait has passed (then the *BusyError)
// or ctx is done (then its error). told, which may be nil, is called once, when
// the wait begins.
func WaitLock(ctx context.Context, root *os.Root, name, about string, wait time.Duration, told func(*BusyError)) (*Lock, error) {
	const shortest, longest = 10 * time.Millisecond, 250 * time.Millisecond
	for pause := shortest; ; pause = min(2*pause, longest) {
		l, err := TryLock(root, name, about)
		var busy *BusyError
		if !errors.As(err, &busy) || wait <= 0 {
			return l, err
		}
		if told != nil {
			told(busy)
			told = nil
		}
		timer := time.NewTimer(min(pause, wait))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("%w: %w", busy, context.Cause(ctx))
		case <-timer.C:
		}
		wait -= min(pause, wait)
	}
}

// Unlock gives the lock back. The file stays, so that all processes always
// lock the same one, but it names nobody any more.
func (l *Lock) Unlock() error {
	l.file.Truncate(0) // where that fails, the name of a holder that is none stays: no harm
	// Closing does it; but a child that is being started may still have a copy of
	// the descriptor, and would have the lock.
	unlockFile(l.file)
	return l.file.Close()
}

// Remove deletes the file and gives the lock back: for what the lock guards and
// is no more. A process that waits for it makes the file anew.
func (l *Lock) Remove() error {
	return errors.Join(l.root.Remove(l.name), l.Unlock())
}

// sign says who holds the lock, unless there is no space to: to free some may be
// what the lock is wanted for.
func (l *Lock) sign(about string) error {
	text := fmt.Sprintf("%d %s\n", os.Getpid(), oneLine(about))
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(text), 0)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return nil
	}
	return err
}

// oneLine returns what of about fits into a lock file.
func oneLine(about string) string {
	const most = maxHolder - len("9223372036854775807 \n")
	about = strings.ReplaceAll(about, "\n", " ")
	return about[:min(len(about), most)]
}

// stillAt reports whether name is the file that f has open.
func stillAt(root *os.Root, name string, f *os.File) (bool, error) {
	have, err := f.Stat()
	if err != nil {
		return false, err
	}
	now, err := root.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(have, now), err
}

// readHolder reads the line the holder of f wrote, fit for a terminal.
func readHolder(f *os.File) string {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, maxHolder))
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, line)
}
