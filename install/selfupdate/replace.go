package selfupdate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// This file changes the disk. At every moment the program's name stands for the old
// program or for the new one, whole, wherever the process is killed. Windows is the
// exception: see moveAside. What a killed update leaves is a temporary file beside the
// program, which the next one removes.
//
// The caller holds kist's lock, so that no other kist does the same.

// A NoPreviousError reports that there is no program to go back to.
type NoPreviousError struct{ Path string }

func (e *NoPreviousError) Error() string {
	return fmt.Sprintf("no earlier kist was kept: there is no %s", e.Path)
}
func (*NoPreviousError) Kind() string { return "missing" }

// Replace makes content, which must have this size and digest, the program, and keeps the
// old one. On an error the old program is still in place, except for an
// *install.UnfinishedError.
func (p *Program) Replace(ctx context.Context, content io.Reader, size int64, want verify.Digest) error {
	if err := p.sweep(); err != nil {
		return err
	}
	next := rootfs.NamedTemp(p.name)
	err := p.write(next, content, size, want)
	if err == nil {
		p.reached("written")
		err = ctx.Err()
	}
	if err == nil {
		err = p.switchTo(next)
	}
	if err != nil {
		return errors.Join(err, rootfs.IgnoreMissing(p.dir.Remove(next)))
	}
	return p.sync()
}

// sync makes the renames durable. They are in force already if it fails.
func (p *Program) sync() error {
	if err := rootfs.SyncDir(p.dir, "."); err != nil {
		return &install.UnfinishedError{Err: err}
	}
	return nil
}

// sweep removes the temporary files that a killed update left.
func (p *Program) sweep() error {
	entries, err := rootfs.ReadDir(p.dir, ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name, temp := rootfs.NameOfTemp(e.Name()); temp && (name == p.name || name == p.previous()) && e.Type().IsRegular() {
			if err := rootfs.IgnoreMissing(p.dir.Remove(e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// write makes the file name with the content, durably, and checks what it wrote.
func (p *Program) write(name string, content io.Reader, size int64, want verify.Digest) error {
	f, err := p.dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	err = verify.Check(p.name, io.TeeReader(content, f), size, want)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// switchTo renames next to the program, which stays as the previous one.
func (p *Program) switchTo(next string) error {
	if p.goos == "windows" {
		return p.moveAside(p.previous(), next)
	}
	held, err := p.hold(p.name)
	if err != nil {
		return err
	}
	if err := p.dir.Rename(held, p.previous()); err != nil {
		return errors.Join(err, rootfs.IgnoreMissing(p.dir.Remove(held)))
	}
	// If both were names of one file, the rename did nothing (rename(2)).
	if err := rootfs.IgnoreMissing(p.dir.Remove(held)); err != nil {
		return err
	}
	p.reached("kept")
	if err := p.dir.Rename(next, p.name); err != nil {
		return err
	}
	p.reached("switched")
	return nil
}

// moveAside renames the program to aside, then next to the program. Windows renames a
// program that runs, and does not replace it. Between the two steps the program has no
// name; a process that is killed there leaves it as aside.
func (p *Program) moveAside(aside, next string) error {
	if err := p.dir.Rename(p.name, aside); err != nil {
		return err
	}
	p.reached("aside")
	if err := p.dir.Rename(next, p.name); err != nil {
		return errors.Join(err, p.dir.Rename(aside, p.name))
	}
	p.reached("switched")
	return nil
}

// hold gives the file name a second, temporary name, and returns that: a hard link, or on
// a file system without them a copy.
func (p *Program) hold(name string) (held string, err error) {
	held = rootfs.NamedTemp(p.previous())
	if err := p.dir.Link(name, held); err == nil {
		return held, nil
	}
	f, err := rootfs.OpenRegular(p.dir, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	copied, err := p.dir.OpenFile(held, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(copied, f)
	if err == nil {
		err = copied.Sync()
	}
	if err = errors.Join(err, copied.Close()); err != nil {
		return "", errors.Join(err, rootfs.IgnoreMissing(p.dir.Remove(held)))
	}
	return held, nil
}

// Previous returns what the program before p says of itself. The error is a
// *NoPreviousError if there is none, or if it is p itself, as after an update that was
// killed; else a *NotKistError or a *host.UnsafeFileError.
func (p *Program) Previous(user install.Host) (Build, error) {
	f, b, err := p.openKist(p.previous(), user)
	if errors.Is(err, fs.ErrNotExist) {
		return b, &NoPreviousError{p.PreviousPath()}
	}
	if err != nil {
		return b, err
	}
	defer f.Close()
	before, err := digestOf(f)
	if err != nil {
		return b, err
	}
	now, err := rootfs.OpenRegular(p.dir, p.name)
	if err != nil {
		return b, err
	}
	defer now.Close()
	have, err := digestOf(now)
	if err == nil && have == before {
		err = &NoPreviousError{p.PreviousPath()}
	}
	return b, err
}

// Rollback exchanges the program and the previous one, and returns what the latter says of
// itself. Its errors are those of Previous.
func (p *Program) Rollback(user install.Host) (Build, error) {
	if err := p.sweep(); err != nil {
		return Build{}, err
	}
	b, err := p.Previous(user)
	if err != nil {
		return b, err
	}
	held := rootfs.NamedTemp(p.previous())
	if p.goos == "windows" {
		err = p.moveAside(held, p.previous())
	} else if held, err = p.hold(p.name); err == nil {
		p.reached("held")
		if err = p.dir.Rename(p.previous(), p.name); err != nil {
			err = errors.Join(err, rootfs.IgnoreMissing(p.dir.Remove(held)))
		} else {
			p.reached("switched")
		}
	}
	if err != nil {
		return b, err
	}
	if err := p.dir.Rename(held, p.previous()); err != nil {
		return b, &install.UnfinishedError{Err: fmt.Errorf("the other program is %s: %w", filepath.Join(filepath.Dir(p.Path), held), err)}
	}
	return b, p.sync()
}

// RemovePrevious removes the program before p, if it is a program of kist, and what killed
// updates left. It returns the path of that program, or "" if there is none.
func (p *Program) RemovePrevious(user install.Host, dryRun bool) (path string, err error) {
	if !dryRun {
		if err := p.sweep(); err != nil {
			return "", err
		}
	}
	f, _, err := p.openKist(p.previous(), user)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if err := f.Close(); err != nil || dryRun {
		return p.PreviousPath(), err
	}
	return p.PreviousPath(), rootfs.Remove(p.dir, p.previous())
}
