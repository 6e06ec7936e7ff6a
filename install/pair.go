package install

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// notesFile, in the data and in the state directory, records where kist's
// directories are (places.go).
const notesFile = "places.json"

// A NoteError reports that a note of where kist's directories are cannot be parsed.
type NoteError struct {
	Path string
	Err  error
}

func (e *NoteError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }
func (e *NoteError) Unwrap() error { return e.Err }

// notes are the two notes; nil: there is none.
type notes struct{ data, state *note }

func (i *Installer) readNotes() (n notes, err error) {
	if n.data, err = readNote(i.roots.open(dataDir)); err == nil {
		n.state, err = readNote(i.roots.open(stateDir))
	}
	return n, err
}

func readNote(root *os.Root) (*note, error) {
	if root == nil {
		return nil, nil
	}
	data, err := rootfs.ReadFile(root, notesFile, maxNote)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, rootfs.ErrNotRegular) {
		return nil, &NoteError{filepath.Join(root.Name(), notesFile), rootfs.ErrNotRegular}
	}
	if err != nil {
		return nil, err
	}
	n, err := parseNote(data)
	if err != nil {
		return nil, &NoteError{filepath.Join(root.Name(), notesFile), err}
	}
	return &n, nil
}

// currentPlace returns where the directory of a role is now.
func (i *Installer) currentPlace(which role) knownPlace {
	return knownPlace{Role: which, Given: i.roots.own(which), Real: i.roots.real[which], Apart: which == dataDir && i.roots.dataApart()}
}

// checkNotes reads the notes and returns an error if the data and the state directory do
// not belong together. It sets i.unfit if a directory became a link since it was recorded.
func (i *Installer) checkNotes() (notes, error) {
	n, err := i.readNotes()
	if errors.Is(err, fs.ErrPermission) { // another user's note: the rest may still be read
		i.unfit = cmp.Or(i.roots.mayChange(), err)
		return n, nil
	}
	if err != nil {
		return n, err
	}
	if _, err = i.pairing(n).check(); err != nil {
		return n, err
	}
	if i.unfit = i.roots.mayChange(); i.unfit != nil {
		return n, nil
	}
	if i.unfit, err = i.unmounted(n); i.unfit != nil || err != nil {
		return n, err
	}
	for _, known := range []*note{n.data, n.state} {
		if known == nil {
			continue
		}
		was := known.place(dataDir)
		moved := !samePath(was.Given, i.currentPlace(dataDir).Given)
		if moved && was.Given != "" && !i.roots.owns(dataDir, was.Real, known.ID) { // else it was copied
			i.movedFrom = was.Given
		}
		for _, which := range roles {
			if err := known.becameLink(i.currentPlace(which), moved, i.roots.resolve); err != nil {
				i.unfit = err
				return n, nil
			}
		}
	}
	return n, nil
}

// unmounted returns an *UnmountedError if the data and the state directory were on two
// file systems and are on one now, and one of them holds nothing of what the other records.
// If they were always on one, somebody removed the files.
func (i *Installer) unmounted(n notes) (unfit, err error) {
	known := cmp.Or(n.state, n.data)
	if known == nil || !known.place(dataDir).Apart || i.roots.dataApart() {
		return nil, nil
	}
	for _, which := range []role{dataDir, stateDir} {
		if !samePath(known.place(which).Given, i.roots.own(which)) {
			return nil, nil
		}
	}
	if n.state == nil {
		return i.isUnmounted(stateDir, dataDir), nil
	}
	receipts, _, err := i.store().Receipts()
	if err != nil {
		return nil, err
	}
	lost := false
	for _, r := range receipts {
		switch {
		case r.Removed:
		case i.MissingAt(r, "") == nil:
			return nil, nil
		default:
			lost = true
		}
	}
	if !lost {
		return nil, nil
	}
	return i.isUnmounted(dataDir, stateDir), nil
}

func (i *Installer) isUnmounted(which, other role) error {
	return &UnmountedError{string(which), i.roots.own(which), filepath.Join(i.roots.own(other), notesFile)}
}

func (i *Installer) pairing(n notes) pairing {
	isRole := func(which role) func(string) bool {
		return func(path string) bool {
			return path != "" && (samePath(path, i.roots.real[which]) || i.roots.isOpen(which, path))
		}
	}
	return pairing{
		data: n.data, state: n.state, nowData: i.currentPlace(dataDir), nowState: i.currentPlace(stateDir),
		isData: isRole(dataDir), isState: isRole(stateDir),
		owns:   i.roots.owns,
		legacy: i.receiptsElsewhere,
	}
}

// receiptsElsewhere returns the data directory for which a receipt was written, if its
// toolchain still exists there and not in the directory in use. A state directory from
// before kist wrote notes belongs to that data directory.
func (i *Installer) receiptsElsewhere() (string, error) {
	heads, _, err := i.store().Receipts()
	if err != nil {
		return "", err
	}
	for id, r := range heads {
		real := filepath.Join(i.roots.real[dataDir], store.Prefixes, string(id))
		if r.Removed || samePath(r.Prefix, real) || samePath(r.Prefix, i.Prefix(id)) {
			continue
		}
		if data := i.roots.open(dataDir); data != nil {
			if _, err := data.Lstat(store.Prefixes + "/" + string(id)); err == nil {
				continue
			}
		}
		if i.roots.exists(r.Prefix) {
			return filepath.Dir(filepath.Dir(r.Prefix)), nil
		}
	}
	return "", nil
}

// recordPlaces records in both notes where the existing directories are. If locked is
// true, the data and the state directory exist and are locked, and recordPlaces pairs
// them. Otherwise it only adds the places of other roles, and only if these two are
// paired already. A lock keeps concurrent calls apart. If there is no space left, the
// notes stay as they are: the change may be made to free space.
func (i *Installer) recordPlaces(locked bool) (err error) {
	n, err := i.checkNotes()
	if err == nil {
		err = i.unfit
	}
	if err != nil {
		return err
	}
	if _, changed, err := i.nextNote(n); err != nil || !changed || !locked && !i.paired(n) {
		return err
	}
	state := i.roots.open(stateDir)
	lock, err := rootfs.WaitLock(i.ctx, state, madeFile+rootfs.LockSuffix, i.about(), i.o.LockWait, nil)
	if err != nil {
		return noSpace(err)
	}
	defer func() { err = errors.Join(err, lock.Remove()) }()
	if n, err = i.checkNotes(); err != nil {
		return err
	}
	next, _, err := i.nextNote(n)
	if err != nil || !locked && !i.paired(n) {
		return err
	}
	data, err := next.encode()
	if err != nil {
		return err
	}
	if err := rootfs.WriteFile(state, notesFile, data, 0o644); err != nil {
		return noSpace(err)
	}
	i.reached("places noted")
	return noSpace(rootfs.WriteFile(i.roots.open(dataDir), notesFile, data, 0o644))
}

// paired reports whether both notes have the same ID and the current places of the data
// and the state directory.
func (i *Installer) paired(n notes) bool {
	for _, known := range []*note{n.data, n.state} {
		if known == nil || known.ID != n.data.ID || known.place(dataDir) != i.currentPlace(dataDir) || known.place(stateDir) != i.currentPlace(stateDir) {
			return false
		}
	}
	return true
}

func noSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return nil
	}
	return err
}

// nextNote returns the new content of both notes, and whether one of them differs from it.
func (i *Installer) nextNote(n notes) (next note, changed bool, err error) {
	if next.ID, err = i.pairing(n).check(); err != nil {
		return note{}, false, err
	}
	changed = n.data == nil || n.state == nil || n.data.ID != n.state.ID
	var known note
	switch {
	case n.data != nil:
		known = *n.data
	case n.state != nil:
		known = *n.state
	}
	if next.ID == "" {
		var random [noteIDSize]byte
		if _, err := io.ReadFull(i.o.Random, random[:]); err != nil {
			return note{}, false, err
		}
		next.ID = hex.EncodeToString(random[:])
	}
	known.ID = next.ID
	var now []knownPlace
	for _, which := range roles {
		if i.roots.open(which) != nil {
			now = append(now, i.currentPlace(which))
		}
	}
	moved := !samePath(known.place(dataDir).Real, i.roots.real[dataDir])
	next = known.with(now, moved)
	for _, have := range []*note{n.data, n.state} {
		changed = changed || have == nil || !slices.Equal(have.Places, next.Places)
	}
	return next, changed, nil
}
