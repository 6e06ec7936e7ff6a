package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/kist-tools/kist/install/internal/launcher"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// A GenerationError reports that a generation, or which one is current, cannot be read.
type GenerationError struct{ Err error }

func (e *GenerationError) Error() string { return e.Err.Error() }
func (e *GenerationError) Kind() string  { return verify.ReadKind(e.Err, "refused") }
func (e *GenerationError) Unwrap() error { return e.Err }

// Generations reads every generation that was ever current, and the number of the
// current one, 0 if there is none. It takes no lock: if a writer switches or drops
// generations meanwhile, it reads again.
func (s Store) Generations() (all map[uint64]record.Generation, current uint64, err error) {
	if s.Data == nil {
		return map[uint64]record.Generation{}, 0, nil
	}
	const attempts = 100 // far more than the switches that writers can make meanwhile
	for range attempts {
		if current, err = readCurrent(s.Data); err != nil {
			return nil, 0, &GenerationError{err}
		}
		all, err = s.readGenerations(current)
		if err == nil {
			break
		}
		if now, again := readCurrent(s.Data); again != nil || now == current {
			break
		}
	}
	return all, current, err
}

func (s Store) readGenerations(current uint64) (map[uint64]record.Generation, error) {
	all := map[uint64]record.Generation{}
	numbers, err := s.numbers()
	if err != nil {
		return nil, err
	}
	for _, n := range numbers {
		switched, err := s.isCommitted(n)
		if err != nil {
			return nil, &GenerationError{fmt.Errorf("generation %d: %w", n, err)}
		}
		if n != current && !switched {
			continue
		}
		g, err := s.readGeneration(n)
		if errors.Is(err, fs.ErrNotExist) && n != current {
			continue // dropped meanwhile
		}
		if err != nil {
			return nil, &GenerationError{err}
		}
		all[n] = g
	}
	if _, ok := all[current]; !ok && current != 0 {
		return nil, &GenerationError{fmt.Errorf("current names generation %d, which is missing", current)}
	}
	return all, nil
}

// readGeneration reads the record of generation n.
func (s Store) readGeneration(n uint64) (record.Generation, error) {
	data, err := rootfs.ReadFile(s.Data, path.Join(generationDir(n), generationFile), maxGeneration)
	if err != nil {
		return record.Generation{}, fmt.Errorf("generation %d: %w", n, err)
	}
	g, err := record.ParseGeneration(data)
	if err == nil && g.Number != n {
		err = fmt.Errorf("generation %d: its record has the number %d", n, g.Number)
	}
	return g, err
}

func generationDir(n uint64) string { return path.Join(Generations, strconv.FormatUint(n, 10)) }

func generationNumber(name string) (uint64, bool) {
	n, err := strconv.ParseUint(name, 10, 64)
	return n, err == nil && n > 0 && strconv.FormatUint(n, 10) == name
}

func (s Store) isCommitted(n uint64) (bool, error) {
	return s.OwnsData(path.Join(generationDir(n), committed))
}

// numbers lists every generation directory in order, committed or not.
func (s Store) numbers() ([]uint64, error) {
	entries, err := readDir(s.Data, Generations)
	var numbers []uint64
	for _, e := range entries {
		if n, ok := generationNumber(e.Name()); ok && e.IsDir() {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, err
}

// Highest returns the largest number of any generation directory, committed or not.
// The next generation gets a larger one.
func (s Store) Highest() (uint64, error) {
	numbers, err := s.numbers()
	if len(numbers) == 0 {
		return 0, err
	}
	return numbers[len(numbers)-1], err
}

// Prepare durably writes g with its links, without switching to it. The names of its Shims
// lead to script, the launcher, and their defaults are linked beside it. A generation that
// would be too long to be read back is not written: a *manifests.TooLargeError.
func (s Store) Prepare(g record.Generation, script []byte) error {
	data, err := g.Encode()
	if err != nil {
		return err
	}
	if len(data) > maxGeneration {
		return &manifests.TooLargeError{Name: "the record of the generation", Limit: maxGeneration}
	}
	dir := generationDir(g.Number)
	if _, err := rootfs.MkdirAllUnsynced(s.Data, path.Join(dir, "bin"), sharedDir); err != nil {
		return err
	}
	s.reached("generation made")
	if err := s.prepareLauncher(g, script); err != nil {
		return err
	}
	for _, l := range g.Links {
		links := "bin"
		if slices.Contains(g.Shims, l.Name) {
			links = launcher.Defaults
		}
		target := path.Join("../../..", Prefixes, string(l.ID), l.Target)
		if l.Prefix != "" {
			target = filepath.Join(l.Prefix, filepath.FromSlash(l.Target))
		}
		if err := s.Data.Symlink(target, path.Join(dir, links, l.Name)); err != nil && !rootfs.CannotLink(err) {
			return err
		}
	}
	if err := rootfs.SyncDir(s.Data, path.Join(dir, "bin")); err != nil {
		return err
	}
	s.reached("generation linked")
	f, err := s.Data.OpenFile(path.Join(dir, prepared), os.O_WRONLY|os.O_CREATE|os.O_EXCL, sharedFile)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	s.reached("generation marked")
	if err := rootfs.WriteFile(s.Data, path.Join(dir, generationFile), data, sharedFile); err != nil {
		return err
	}
	s.reached("generation written")
	// The outermost last, which also syncs other new directories at the top.
	return errors.Join(rootfs.SyncDir(s.Data, Generations), rootfs.SyncDir(s.Data, "."))
}

// Switch makes generation n current: THE commit. If it fails, it restores the previous
// one, since a switch that may not be durable must not count.
func (s Store) Switch(n uint64) error {
	before, err := readCurrent(s.Data)
	if err != nil {
		return err
	}
	if err := writeCurrent(s.Data, n); err != nil {
		return errors.Join(err, s.switchBack(before))
	}
	s.reached("switched")
	return nil
}

func (s Store) switchBack(before uint64) error {
	now, err := readCurrent(s.Data)
	switch {
	case err != nil || now == before:
		return err
	case before == 0:
		return s.Data.Remove(Current)
	}
	return writeCurrent(s.Data, before)
}

// Confirm records that n was switched to. After a crash between Switch and Confirm,
// call Confirm with the current generation.
func (s Store) Confirm(n uint64) error {
	if n == 0 {
		return nil
	}
	if done, err := s.isCommitted(n); done || err != nil {
		return err
	}
	dir := generationDir(n)
	if _, err := s.Data.Lstat(path.Join(dir, committed)); err == nil {
		return nil // something else has the name, and stays
	}
	err := s.Data.Rename(path.Join(dir, prepared), path.Join(dir, committed))
	if errors.Is(err, fs.ErrNotExist) { // prepared by an earlier kist, or withdrawn
		err = rootfs.WriteFile(s.Data, path.Join(dir, committed), nil, sharedFile)
	}
	if err != nil {
		return err
	}
	s.reached("confirmed")
	return rootfs.SyncDir(s.Data, dir)
}

// DropGeneration removes a generation that is not current: exactly the files that
// Prepare and Confirm wrote, and the directories if they are then empty (see
// ForeignIn). From the first step on, the generation counts as never switched to.
func (s Store) DropGeneration(n uint64) error {
	if err := s.withdraw(n); err != nil {
		return err
	}
	dir := generationDir(n)
	for _, links := range []string{"bin", launcher.Defaults} {
		names, err := listOwn(s.Data, path.Join(dir, links))
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := s.removeOwn(path.Join(dir, links, name)); err != nil {
				return err
			}
		}
		if err := rootfs.RemoveEmptyDirs(s.Data, path.Join(dir, links)); err != nil {
			return err
		}
	}
	if err := s.dropAnswers(dir, nil); err != nil {
		return err
	}
	if err := rootfs.SweepTemps(s.Data, dir); err != nil {
		return err
	}
	for _, name := range []string{generationFile, prepared, launcher.File} {
		if err := s.removeOwn(path.Join(dir, name)); err != nil {
			return err
		}
	}
	s.reached("generation emptied")
	if err := rootfs.RemoveEmptyDirs(s.Data, dir); err != nil {
		return err
	}
	s.reached("generation dropped")
	return rootfs.IgnoreMissing(rootfs.SyncDir(s.Data, Generations))
}

// ReplaceGeneration replaces the record of a generation that is not current by g, which
// has lost releases.
func (s Store) ReplaceGeneration(g record.Generation) error {
	data, err := g.Encode()
	if err != nil {
		return err
	}
	if err := rootfs.WriteFile(s.Data, path.Join(generationDir(g.Number), generationFile), data, sharedFile); err != nil {
		return err
	}
	s.reached("generation reduced")
	return nil
}

// withdraw removes the record that n was switched to.
func (s Store) withdraw(n uint64) error {
	name := path.Join(generationDir(n), committed)
	own, err := s.OwnsData(name)
	if err != nil || !own {
		return err
	}
	if err := rootfs.IgnoreMissing(s.Data.Remove(name)); err != nil {
		return err
	}
	s.reached("generation withdrawn")
	return rootfs.SyncDir(s.Data, generationDir(n))
}

// Revoke leaves no generation current: it drops all others, then removes the link
// "current". It drops generations that cannot be read too, and needs no disk space.
// If it is interrupted before the link is removed, the current generation stays in
// force, without a history; afterwards none is, and the formerly current one counts as
// never switched to.
func (s Store) Revoke() error {
	current, currentErr := readCurrent(s.Data)
	numbers, err := s.numbers()
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if n == current && currentErr == nil {
			continue
		}
		if err := s.DropGeneration(n); err != nil {
			return err
		}
	}
	err = s.withdraw(current)
	if err == nil {
		err = s.removeOwn(Current)
	}
	if err == nil {
		err = rootfs.SyncDir(s.Data, ".")
	}
	if err != nil {
		return errors.Join(err, s.switchBack(current), s.Confirm(current))
	}
	s.reached("current dropped")
	return nil
}

// DropAll drops every generation. It is called after Revoke, and does not read which one
// is current, so that a damaged link does not stop it.
func (s Store) DropAll() error {
	if s.Data == nil {
		return nil
	}
	numbers, err := s.numbers()
	for _, n := range numbers {
		err = errors.Join(err, s.DropGeneration(n))
	}
	return err
}

// DropUncommitted drops the generations that a crash left uncommitted.
func (s Store) DropUncommitted() error {
	numbers, err := s.uncommitted()
	for _, n := range numbers {
		if err := s.DropGeneration(n); err != nil {
			return err
		}
	}
	return err
}

// uncommitted returns the generations that are not current and never were.
func (s Store) uncommitted() (never []uint64, err error) {
	if s.Data == nil {
		return nil, nil
	}
	current, err := readCurrent(s.Data)
	if err != nil {
		return nil, err
	}
	numbers, err := s.numbers()
	if err != nil {
		return nil, err
	}
	for _, n := range numbers {
		switched, err := s.isCommitted(n)
		if err != nil {
			return nil, err
		}
		if n != current && !switched {
			never = append(never, n)
		}
	}
	return never, nil
}
