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

// LockSuffix is added to the name of a directory to name its lock.
const LockSuffix = ".lock"

// maxHolder is the largest size of a lock file's text, in bytes.
const maxHolder = 256

// A NoLocksError reports that a file system does not support locks, so that nothing
// may be changed there, since another process could be changing it too. It matches
// errors.ErrUnsupported.
type NoLocksError struct {
	Path string // of the lock
	Err  error  // from the system
}

func (e *NoLocksError) Error() string {
	return fmt.Sprintf("%s is on a file system that has no locks (%v)", e.Path, e.Err)
}
func (*NoLocksError) Kind() string { return "refused" }

func (e *NoLocksError) Unwrap() error { return e.Err }

// A BusyError reports that another process holds a lock.
type BusyError struct {
	Path   string
	Holder string // "<pid> <about>", as the holder wrote it; "" if it has not written it yet
}

func (e *BusyError) Error() string {
	if e.Holder == "" {
		return fmt.Sprintf("%s is locked by another process", e.Path)
	}
	return fmt.Sprintf("%s is locked by another process (%s)", e.Path, e.Holder)
}
func (*BusyError) Kind() string { return "busy" }

// IsLock reports whether name is a lock file of this package: a regular file that is
// empty or names a holder. It returns false for a missing file.
func IsLock(root *os.Root, name string) (bool, error) {
	info, err := root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return false, IgnoreMissing(err)
	}
	f, err := OpenRegular(root, name)
	if err != nil {
		return false, IgnoreMissing(err)
	}
	defer f.Close()
	return isLockFile(f)
}

// holderLine matches the text that writeHolder writes, or a prefix of it.
var holderLine = regexp.MustCompile(`^([0-9]+( [^\n]*\n?)?)?$`)

func isLockFile(f *os.File) (bool, error) {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, maxHolder+1))
	return err == nil && len(text) <= maxHolder && holderLine.Match(text), err
}

// Holder reports whether a process holds the lock name, and what the process wrote into the
// file, as in a BusyError. It writes nothing, but holds the lock itself for a moment. A
// missing file, or another one of that name, is a lock that nobody holds.
func Holder(root *os.Root, name string) (holder string, held bool, err error) {
	if is, err := IsLock(root, name); !is {
		return "", false, err
	}
	f, err := OpenRegular(root, name)
	if err != nil {
		return "", false, IgnoreMissing(err)
	}
	defer f.Close()
	busy, err := lockFile(f)
	if err != nil || !busy {
		unlockFile(f)
		return "", false, err
	}
	return readHolder(f), true, nil
}

// A Lock is a lock that this process holds.
type Lock struct {
	root *os.Root
	name string
	file *os.File
}

// TryLock locks the file name, which it creates (0600) if needed. It writes the
// process id and about, a line such as "kist install go, since 10:12", into the file
// for other processes to show. If another process, or another Lock of this one, holds
// the lock, the error is a *BusyError; on a file system without locks it is a
// *NoLocksError; if the file holds something else, an *ObstacleError.
func TryLock(root *os.Root, name, about string) (*Lock, error) {
	for {
		f, err := openRegular(root, name, os.O_RDWR|os.O_CREATE, 0o600)
		if errors.Is(err, ErrNotRegular) || errors.Is(err, syscall.EISDIR) {
			err = &ObstacleError{filepath.Join(root.Name(), filepath.FromSlash(name)), NotALock}
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
		if ok, err := isLockFile(f); err != nil || !ok {
			f.Close()
			if err == nil {
				err = &ObstacleError{f.Name(), NotALock}
			}
			return nil, err
		}
		if same, err := isNameOf(root, name, f); err != nil {
			f.Close()
			return nil, err
		} else if !same { // the last holder removed it after this process opened it
			f.Close()
			continue
		}
		l := &Lock{root, name, f}
		if err := l.writeHolder(about); err != nil {
			l.Unlock()
			return nil, err
		}
		return l, nil
	}
}

// WaitLock repeats TryLock while the lock is busy, until wait has passed (the error is
// then the *BusyError) or ctx is done (then ctx's error). onWait, which may be nil, is
// called once, when the wait begins.
func WaitLock(ctx context.Context, root *os.Root, name, about string, wait time.Duration, onWait func(*BusyError)) (*Lock, error) {
	const shortest, longest = 10 * time.Millisecond, 250 * time.Millisecond
	for pause := shortest; ; pause = min(2*pause, longest) {
		l, err := TryLock(root, name, about)
		var busy *BusyError
		if !errors.As(err, &busy) || wait <= 0 {
			return l, err
		}
		if onWait != nil {
			onWait(busy)
			onWait = nil
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

// Unlock releases the lock. It empties the file, which then names no holder, but
// does not remove it, so that all processes lock the same file.
func (l *Lock) Unlock() error {
	l.file.Truncate(0) // harmless if it fails: the file then names a former holder
	// Closing the file is not enough: a child that is being started may still have a
	// copy of the descriptor, and would keep the lock.
	unlockFile(l.file)
	return l.file.Close()
}

// Remove deletes the file and releases the lock, once the thing that it guards is
// gone. A process that waits for the lock creates the file again.
func (l *Lock) Remove() error {
	return errors.Join(l.root.Remove(l.name), l.Unlock())
}

// writeHolder writes this process and about into the lock file. A full disk is no
// error, because the caller may want the lock in order to free space.
func (l *Lock) writeHolder(about string) error {
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

// oneLine makes about a single line and cuts it to the length that fits into a lock file.
func oneLine(about string) string {
	const limit = maxHolder - len("9223372036854775807 \n")
	about = strings.ReplaceAll(about, "\n", " ")
	return about[:min(len(about), limit)]
}

// isNameOf reports whether name is still the name of the open file f.
func isNameOf(root *os.Root, name string, f *os.File) (bool, error) {
	opened, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := root.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(opened, named), err
}

// readHolder reads the line that the holder of f wrote, without characters that a
// terminal could interpret.
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
