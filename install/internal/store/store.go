// Package store is kist's memory on disk: prefixes, stages, generations and
// aliases below the data root; receipts, marks and the lock below the state
// root. It knows how each is written durably, and nothing of why.
//
//	<data>/prefixes/<id>/…                     a published toolchain, never edited
//	<data>/stage/<random>/…                    one being filled, locked by its writer
//	<data>/generations/<n>/generation.json     what is in force, bin/ its command links
//	<data>/generations/<n>/committed           it was switched to
//	<data>/current -> generations/<n>          THE commit: one rename of this link
//	<data>/toolchains/<channel>/<tool>/<version> -> prefixes/<id>
//	<state>/receipts/<id>.json  <state>/marks/<channel>.json  <state>/lock
//	<state>/evidence/sha256/<hex>              what proves installed releases again
//
// A receipt is written before its prefix is published and outlives it, so no
// file ever exists without a record. A generation without "committed" that is
// not current was never switched to: a crash left it, and Sweep removes it.
package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/record"
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
	committed      = "committed"
)

const (
	maxReceipt    = 256 << 20 // bytes; some 500,000 entries
	maxGeneration = 16 << 20
	maxMark       = 64 << 10
)

// A Store is the two opened roots, <base>/kist each. A nil root is a directory
// that does not exist yet: reading finds nothing there, writing is an error of
// the caller.
type Store struct{ Data, State *os.Root }

// Receipts reads the head of every receipt. Those that cannot be read are
// returned in damaged instead, by ID.
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
		if h, err := s.head(id); err != nil {
			damaged[id] = err
		} else {
			ok[id] = h
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
		err = fmt.Errorf("receipt %s: says it is %s", id, h.ID)
	}
	return h, err
}

// Receipt reads one receipt with all its paths.
func (s Store) Receipt(id record.ID) (record.Receipt, error) {
	data, err := rootfs.ReadFile(s.State, receiptName(id), maxReceipt)
	if err != nil {
		return record.Receipt{}, err
	}
	r, err := record.ParseReceipt(data)
	if err == nil && r.ID != id {
		err = fmt.Errorf("receipt %s: says it is %s", id, r.ID)
	}
	return r, err
}

func receiptName(id record.ID) string { return path.Join(Receipts, string(id)+".json") }

// PutReceipt writes r durably.
func (s Store) PutReceipt(r record.Receipt) error {
	data, err := r.Encode()
	if err != nil {
		return err
	}
	if _, err := rootfs.MkdirAll(s.State, Receipts, 0o700); err != nil {
		return err
	}
	return rootfs.WriteFile(s.State, receiptName(r.ID), data, 0o600)
}

// DropReceipt forgets a receipt whose files are gone.
func (s Store) DropReceipt(id record.ID) error {
	if err := ignoreMissing(s.State.Remove(receiptName(id))); err != nil {
		return err
	}
	return rootfs.SyncDir(s.State, Receipts)
}

// Generations reads every generation that was switched to, and the number of
// the current one, 0 if there is none.
func (s Store) Generations() (all map[uint64]record.Generation, current uint64, err error) {
	all = map[uint64]record.Generation{}
	if s.Data == nil {
		return all, 0, nil
	}
	if current, err = readCurrent(s.Data); err != nil {
		return nil, 0, &GenerationError{err}
	}
	names, err := list(s.Data, Generations)
	if err != nil {
		return nil, 0, err
	}
	for _, name := range names {
		n, ok := generationNumber(name)
		if !ok || n != current && !s.isCommitted(n) {
			continue
		}
		data, err := rootfs.ReadFile(s.Data, path.Join(generationDir(n), generationFile), maxGeneration)
		if err != nil {
			return nil, 0, &GenerationError{fmt.Errorf("generation %d: %w", n, err)}
		}
		g, err := record.ParseGeneration(data)
		if err == nil && g.Number != n {
			err = fmt.Errorf("generation %d: says it is %d", n, g.Number)
		}
		if err != nil {
			return nil, 0, &GenerationError{err}
		}
		all[n] = g
	}
	if _, ok := all[current]; !ok && current != 0 {
		return nil, 0, &GenerationError{fmt.Errorf("current names generation %d, which is missing", current)}
	}
	return all, current, nil
}

// A GenerationError says that what is in force cannot be read.
type GenerationError struct{ Err error }

func (e *GenerationError) Error() string { return e.Err.Error() }
func (e *GenerationError) Unwrap() error { return e.Err }

func generationDir(n uint64) string { return path.Join(Generations, strconv.FormatUint(n, 10)) }

func generationNumber(name string) (uint64, bool) {
	n, err := strconv.ParseUint(name, 10, 64)
	return n, err == nil && n > 0 && strconv.FormatUint(n, 10) == name
}

func (s Store) isCommitted(n uint64) bool {
	_, err := s.Data.Lstat(path.Join(generationDir(n), committed))
	return err == nil
}

// Numbers lists every generation directory, switched to or not.
func (s Store) Numbers() ([]uint64, error) {
	names, err := list(s.Data, Generations)
	var numbers []uint64
	for _, name := range names {
		if n, ok := generationNumber(name); ok {
			numbers = append(numbers, n)
		}
	}
	return numbers, err
}

// Highest is the largest number any generation directory has, switched to or
// not: the next one counts on from there.
func (s Store) Highest() (uint64, error) {
	numbers, err := s.Numbers()
	var highest uint64
	for _, n := range numbers {
		highest = max(highest, n)
	}
	return highest, err
}

// Prepare writes g with its links, durably, without switching to it.
func (s Store) Prepare(g record.Generation) error {
	data, err := g.Encode()
	if err != nil {
		return err
	}
	dir := generationDir(g.Number)
	if _, err := rootfs.MkdirAll(s.Data, path.Join(dir, "bin"), 0o700); err != nil {
		return err
	}
	for _, l := range g.Links {
		target := path.Join("../../..", Prefixes, string(l.ID), l.Target)
		if err := s.Data.Symlink(target, path.Join(dir, "bin", l.Name)); err != nil {
			return err
		}
	}
	if err := rootfs.SyncDir(s.Data, path.Join(dir, "bin")); err != nil {
		return err
	}
	if err := rootfs.WriteFile(s.Data, path.Join(dir, generationFile), data, 0o600); err != nil {
		return err
	}
	return rootfs.SyncDir(s.Data, Generations)
}

// Switch makes generation n current: THE commit.
func (s Store) Switch(n uint64) error { return writeCurrent(s.Data, n) }

// Confirm records that n was switched to. A crash between Switch and Confirm
// is repaired by confirming whatever is current.
func (s Store) Confirm(n uint64) error {
	if n == 0 || s.isCommitted(n) {
		return nil
	}
	return rootfs.WriteFile(s.Data, path.Join(generationDir(n), committed), nil, 0o600)
}

// DropGeneration removes a generation that is not current: exactly what
// Prepare and Confirm wrote.
func (s Store) DropGeneration(n uint64) error {
	dir := generationDir(n)
	links, err := list(s.Data, path.Join(dir, "bin"))
	if err != nil {
		return err
	}
	for _, name := range links {
		p := path.Join(dir, "bin", name)
		if info, err := s.Data.Lstat(p); err == nil && info.Mode().Type() == fs.ModeSymlink {
			if err := s.Data.Remove(p); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{"bin", generationFile, committed} {
		if err := ignoreMissing(s.Data.Remove(path.Join(dir, name))); err != nil {
			return err
		}
	}
	return ignoreMissing(s.Data.Remove(dir))
}

// Uncommitted lists the generations that a crash left behind.
func (s Store) Uncommitted() ([]uint64, error) {
	current, err := readCurrent(s.Data)
	if err != nil {
		return nil, err
	}
	numbers, err := s.Numbers()
	return slices.DeleteFunc(numbers, func(n uint64) bool { return n == current || s.isCommitted(n) }), err
}

// Mark reads the mark of a channel. A missing one is an error that matches
// fs.ErrNotExist; a damaged one any other.
func (s Store) Mark(channel string) (verify.Mark, error) {
	if s.State == nil {
		return verify.Mark{}, fs.ErrNotExist
	}
	data, err := rootfs.ReadFile(s.State, markName(channel), maxMark)
	if err != nil {
		return verify.Mark{}, err
	}
	var m verify.Mark
	if err := json.Unmarshal(data, &m); err != nil {
		return verify.Mark{}, err
	}
	if m.Channel != channel || m.IsZero() {
		return verify.Mark{}, fmt.Errorf("it does not belong to channel %s", channel)
	}
	return m, nil
}

func markName(channel string) string { return path.Join(Marks, channel+".json") }

// PutMark writes m durably.
func (s Store) PutMark(m verify.Mark) error {
	data, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	if _, err := rootfs.MkdirAll(s.State, Marks, 0o700); err != nil {
		return err
	}
	return rootfs.WriteFile(s.State, markName(m.Channel), append(data, '\n'), 0o600)
}

// DropMark forgets the mark of a channel.
func (s Store) DropMark(channel string) error {
	if s.State == nil {
		return nil
	}
	return ignoreMissing(s.State.Remove(markName(channel)))
}

// list names what dir holds; a missing root or directory holds nothing.
func list(root *os.Root, dir string) ([]string, error) {
	if root == nil {
		return nil, nil
	}
	f, err := root.Open(dir)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
