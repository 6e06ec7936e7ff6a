// Package store keeps kist's data on disk: prefixes, stages, generations and aliases
// below the data root; receipts, marks and evidence below the state root; a lock below
// each. It knows how to write each of them durably, but not when or why.
//
//	<data>/prefixes/<id>/…                     a published toolchain, never edited
//	<data>/stage/<random>/…                    one being filled, locked by its writer
//	<data>/generations/<n>/generation.json     the set of releases; bin/ has its command links
//	<data>/generations/<n>/launcher            starts the commands of projects; default/ and projects/ are its own
//	<data>/generations/<n>/committed           the generation was switched to
//	<data>/current -> generations/<n>          THE commit: one rename of this link
//	<data>/toolchains/<channel>/<tool>/<version> -> prefixes/<id>
//	<data>/lock  <state>/lock                  held while any of this is changed
//	<state>/receipts/<id>.json  <state>/marks/<channel>.json
//	<state>/evidence/sha256/<hex>              proves installed releases again
//
// A receipt is written before its prefix is published and removed after it, so no
// file ever exists without a record. A generation that has no file "committed" and is
// not current was never switched to, or was being dropped when kist crashed;
// DropUncommitted removes it. Before the switch that file exists under the name
// "prepared", so that committing needs no disk space.
package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// Names below the two roots.
const (
	Prefixes    = "prefixes"
	Stages      = "stage"
	Generations = "generations"
	Toolchains  = "toolchains"
	Current     = "current"
	Receipts    = "receipts"
	Marks       = "marks"
	Evidence    = "evidence"
	LockFile    = "lock"

	generationFile = "generation.json"
	prepared       = "prepared"
	committed      = "committed"
)

// The modes, before the umask, of files that every user of the machine may read: installed
// releases, their receipts and evidence, and generations. Only the owner may write them, whatever the
// umask. Other files, such as marks and locks, are for their owner alone.
const (
	sharedDir  fs.FileMode = 0o755
	sharedFile fs.FileMode = 0o644
)

const (
	maxReceipt    = 256 << 20 // bytes; some 500,000 entries
	maxGeneration = 16 << 20
	maxMark       = 1 << 20 // a signed tree head of 64 KiB, 1024 sights, and withdrawals of 512 KiB
)

// A Store holds the two opened roots, <base>/kist each. A nil root stands for a
// directory that does not exist yet: reads find nothing there, and callers must not
// write.
type Store struct {
	Data, State *os.Root
	// FindCopy returns where a file with this digest is, outside the two roots, so that
	// evidence is linked to it instead of stored twice. It may be nil, and what it returns
	// is checked.
	FindCopy func(verify.Digest) (root *os.Root, name string, ok bool)
	// Checkpoint, which only tests set, is called after each step at which the process
	// may be killed.
	Checkpoint func(step string)
}

func (s Store) reached(step string) {
	if s.Checkpoint != nil {
		s.Checkpoint(step)
	}
}

// Receipts reads the head of every receipt. damaged holds the errors of those that
// cannot be read, by ID.
func (s Store) Receipts() (ok map[record.ID]record.Head, damaged map[record.ID]error, err error) {
	ok, damaged = map[record.ID]record.Head{}, map[record.ID]error{}
	names, err := list(s.State, Receipts)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		stem, isReceipt := strings.CutSuffix(name, ".json")
		id := record.ID(stem)
		if !isReceipt || !id.Valid() {
			continue
		}
		switch h, err := s.head(id); {
		case err == nil:
			ok[id] = h
		case !errors.Is(err, fs.ErrNotExist): // a missing one has just been dropped
			damaged[id] = err
		}
	}
	return ok, damaged, nil
}

func (s Store) head(id record.ID) (record.Head, error) {
	f, err := rootfs.OpenRegular(s.State, receiptName(id))
	if err != nil {
		return record.Head{}, err
	}
	defer f.Close()
	h, err := record.ParseHead(io.LimitReader(f, maxReceipt))
	if err == nil && h.ID != id {
		err = fmt.Errorf("receipt %s: it is the receipt of %s", id, h.ID)
	}
	return h, err
}

// Receipt reads a whole receipt with all its paths.
func (s Store) Receipt(id record.ID) (record.Receipt, error) {
	var r record.Receipt
	err := rootfs.Read(s.State, receiptName(id), maxReceipt, func(in io.Reader, size int64) (err error) {
		r, err = record.ParseReceipt(in, size)
		return err
	})
	if err == nil && r.ID != id {
		err = fmt.Errorf("receipt %s: it is the receipt of %s", id, r.ID)
	}
	return r, err
}

func receiptName(id record.ID) string { return path.Join(Receipts, string(id)+".json") }

// PutReceipt durably writes r. A receipt that would be too long to be read back is not
// written: a *manifests.TooLargeError.
func (s Store) PutReceipt(r record.Receipt) error {
	if _, err := rootfs.MkdirAll(s.State, Receipts, sharedDir); err != nil {
		return err
	}
	err := rootfs.WriteFrom(s.State, receiptName(r.ID), r, maxReceipt, sharedFile)
	if errors.Is(err, rootfs.ErrTooLarge) {
		return &manifests.TooLargeError{Name: "the receipt of " + r.Ref(), Limit: maxReceipt}
	}
	if err != nil {
		return err
	}
	s.reached("receipt written")
	return nil
}

// LastUse returns when NoteUse was last called for a release, or its receipt was written:
// the time of modification of the receipt.
func (s Store) LastUse(id record.ID) (time.Time, error) {
	if s.State == nil {
		return time.Time{}, fs.ErrNotExist
	}
	info, err := s.State.Lstat(receiptName(id))
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// NoteUse records that a release was used. It changes no byte of the receipt, and ignores
// failures, which make the release look unused for longer.
func (s Store) NoteUse(id record.ID, at time.Time) { _ = s.State.Chtimes(receiptName(id), at, at) }

// DropReceipt removes a receipt whose files were removed.
func (s Store) DropReceipt(id record.ID) error {
	if err := rootfs.IgnoreMissing(s.State.Remove(receiptName(id))); err != nil {
		return err
	}
	s.reached("receipt dropped")
	return rootfs.SyncDir(s.State, Receipts)
}

// Mark reads the mark of a channel. The error matches fs.ErrNotExist if the mark is
// missing, and does not if it is damaged.
func (s Store) Mark(channel string) (verify.Mark, error) {
	if s.State == nil {
		return verify.Mark{}, fs.ErrNotExist
	}
	data, err := rootfs.ReadFile(s.State, MarkName(channel), maxMark)
	if err != nil {
		return verify.Mark{}, err
	}
	var m verify.Mark
	if err := json.Unmarshal(data, &m); err != nil {
		return verify.Mark{}, err
	}
	if m.Channel != channel || m.IsZero() && len(m.Sights) == 0 {
		return verify.Mark{}, fmt.Errorf("it does not belong to channel %s", channel)
	}
	return m, nil
}

// Marks returns the marks of all channels, and the files of marks that cannot be read, with
// the reason.
func (s Store) Marks() (all []verify.Mark, damaged []Leftover, err error) {
	names, err := list(s.State, Marks)
	for _, name := range names {
		channel, ok := strings.CutSuffix(name, ".json")
		if !ok || rootfs.IsTemp(name) {
			continue
		}
		m, err := s.Mark(channel)
		if err != nil {
			damaged = append(damaged, Leftover{filepath.Join(s.State.Name(), Marks, name), err.Error()})
			continue
		}
		all = append(all, m)
	}
	return all, damaged, err
}

// MarkName returns the path of a channel's mark, below the state root.
func MarkName(channel string) string { return path.Join(Marks, channel+".json") }

// PutMark durably writes m. A mark that would be too long to be read back is not
// written: a *manifests.TooLargeError.
func (s Store) PutMark(m verify.Mark) error {
	data, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	if len(data) >= maxMark { // a line end follows
		return &manifests.TooLargeError{Name: "the mark of channel " + m.Channel, Limit: maxMark}
	}
	if _, err := rootfs.MkdirAll(s.State, Marks, 0o700); err != nil {
		return err
	}
	if err := rootfs.WriteFile(s.State, MarkName(m.Channel), append(data, '\n'), 0o600); err != nil {
		return err
	}
	s.reached("mark stored")
	return nil
}

// DropMark removes the mark of a channel. kept reports that the file was left alone
// because it is not a mark.
func (s Store) DropMark(channel string) (kept bool, err error) {
	if s.State == nil {
		return false, nil
	}
	if kept, err = s.removeOwnState(MarkName(channel)); err != nil {
		return false, err
	}
	s.reached("mark dropped")
	return kept, nil
}

// KeepsMark reports whether DropMark would keep the file with the name of the mark.
func (s Store) KeepsMark(channel string) (bool, error) {
	if s.State == nil {
		return false, nil
	}
	own, err := s.OwnsState(MarkName(channel))
	if err != nil || own {
		return false, err
	}
	_, err = s.State.Lstat(MarkName(channel))
	return err == nil, rootfs.IgnoreMissing(err)
}

// list returns the names in dir, none if the root or the directory is missing.
func list(root *os.Root, dir string) (names []string, err error) {
	entries, err := readDir(root, dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// listOwn is list for one of kist's own directories: a file, a pipe or a link that took
// the name of it, or of one above it, holds nothing of kist's.
func listOwn(root *os.Root, dir string) ([]string, error) {
	if root == nil {
		return nil, nil
	}
	for at := dir; at != "."; at = path.Dir(at) {
		if info, err := root.Lstat(at); err == nil && !info.IsDir() {
			return nil, nil
		}
	}
	return list(root, dir)
}

func readDir(root *os.Root, dir string) ([]fs.DirEntry, error) {
	if root == nil {
		return nil, nil
	}
	f, err := root.OpenFile(dir, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, rootfs.IgnoreMissing(err)
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if errors.Is(err, syscall.ENOTDIR) {
		err = &rootfs.ObstacleError{Path: filepath.Join(root.Name(), filepath.FromSlash(dir)), Reason: rootfs.NotADir}
	}
	return entries, err
}
