package roots

import (
	"cmp"
	"encoding/hex"
	"errors"
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
// directories are (notes.go).
const notesFile = "places.json"

// notes holds the note of each directory. A note is nil if its file does not exist.
type notes struct{ data, state *note }

// existing returns the notes that exist.
func (n notes) existing() []*note {
	return slices.DeleteFunc([]*note{n.data, n.state}, func(known *note) bool { return known == nil })
}

func (r *Roots) readNotes() (n notes, err error) {
	if n.data, err = readNote(r.dirs[Data]); err == nil {
		n.state, err = readNote(r.dirs[State])
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
func (r *Roots) currentPlace(which Role) knownPlace {
	return knownPlace{Role: which, Given: r.Path(which), Real: r.real[which], Apart: which == Data && r.dataApart()}
}

// checkNotes reads the notes and returns an error if the data and the state directory do
// not belong together. It sets r.unfit if a directory became a link since it was recorded.
func (r *Roots) checkNotes() (notes, error) {
	n, err := r.readNotes()
	if errors.Is(err, fs.ErrPermission) { // another user's note: the rest may still be read
		r.unfit = cmp.Or(r.unreadable(), err)
		return n, nil
	}
	if err != nil {
		return n, err
	}
	if _, err = r.pairing(n).check(); err != nil {
		return n, err
	}
	if r.unfit = r.unreadable(); r.unfit != nil {
		return n, nil
	}
	if r.unfit, err = r.unmounted(n); r.unfit != nil || err != nil {
		return n, err
	}
	for _, known := range n.existing() {
		moved := !samePath(known.place(Data).Given, r.currentPlace(Data).Given)
		for _, which := range roles {
			if err := known.becameLink(r.currentPlace(which), moved, resolve); err != nil {
				r.unfit = err
				return n, nil
			}
		}
	}
	r.former = r.lookAt(r.formerIn(n))
	return n, nil
}

// unreadable returns why nothing may be changed in the directories as they were opened.
func (r *Roots) unreadable() error {
	if r.readOnly != nil {
		return r.readOnly
	}
	for _, which := range roles {
		if err := r.closed[which]; err != nil {
			return err
		}
	}
	return nil
}

// unmounted returns an *UnmountedError if the data and the state directory were on two
// file systems and are on one now, and one of them holds nothing of what the other records.
// If they were always on one, somebody removed the files.
func (r *Roots) unmounted(n notes) (unfit, err error) {
	known := cmp.Or(n.state, n.data)
	if known == nil || !known.place(Data).Apart || r.dataApart() {
		return nil, nil
	}
	for _, which := range []Role{Data, State} {
		if !samePath(known.place(which).Given, r.Path(which)) {
			return nil, nil
		}
	}
	if n.state == nil {
		return r.unmountedError(State, Data), nil
	}
	receipts, _, err := r.store().Receipts()
	if err != nil {
		return nil, err
	}
	lost := false
	for id, receipt := range receipts {
		if receipt.Removed {
			continue
		}
		if info, err := os.Stat(filepath.Join(r.Path(Data), store.Prefixes, string(id))); err == nil && info.IsDir() {
			return nil, nil
		}
		lost = true
	}
	if !lost {
		return nil, nil
	}
	return r.unmountedError(Data, State), nil
}

func (r *Roots) unmountedError(which, other Role) error {
	return &UnmountedError{string(which), r.Path(which), filepath.Join(r.Path(other), notesFile)}
}

func (r *Roots) pairing(n notes) pairing {
	isRole := func(which Role) func(string) bool {
		return func(path string) bool { return path != "" && r.isAt(which, path) }
	}
	return pairing{
		data: n.data, state: n.state, nowData: r.currentPlace(Data), nowState: r.currentPlace(State),
		isData: isRole(Data), isState: isRole(State),
		owns:   holdsNote,
		legacy: r.receiptsElsewhere,
	}
}

// receiptsElsewhere returns the data directory for which a receipt was written, if its
// toolchain still exists there and not in the directory in use. A state directory from
// before kist wrote notes belongs to that data directory.
func (r *Roots) receiptsElsewhere() (string, error) {
	heads, _, err := r.store().Receipts()
	if err != nil {
		return "", err
	}
	for id, receipt := range heads {
		inside := filepath.Join(store.Prefixes, string(id))
		if receipt.Removed || samePath(receipt.Prefix, filepath.Join(r.real[Data], inside)) || samePath(receipt.Prefix, filepath.Join(r.Path(Data), inside)) {
			continue
		}
		if data := r.dirs[Data]; data != nil {
			if _, err := data.Lstat(inside); err == nil {
				continue
			}
		}
		if exists(receipt.Prefix) {
			return filepath.Dir(filepath.Dir(receipt.Prefix)), nil
		}
	}
	return "", nil
}

// recordPlaces records in both notes where the existing directories are. If locked is
// true, the data and the state directory exist and are locked, and recordPlaces pairs
// them. Otherwise it only adds the places of other roles, and only if these two are
// paired already. A lock keeps concurrent calls apart. If there is no space left, the
// notes stay as they are: the change may be made to free space.
func (r *Roots) recordPlaces(locked bool) (err error) {
	n, err := r.checkNotes()
	if err == nil {
		err = r.unfit
	}
	if err != nil {
		return err
	}
	if _, changed, err := r.nextNote(n); err != nil || !changed || !locked && !r.paired(n) {
		return err
	}
	state := r.dirs[State]
	lock, err := rootfs.WaitLock(r.ctx, state, madeLock, r.o.About, r.o.LockWait, nil)
	if err != nil {
		return noSpace(err)
	}
	defer func() { err = errors.Join(err, lock.Remove()) }()
	if n, err = r.checkNotes(); err != nil {
		return err
	}
	next, _, err := r.nextNote(n)
	if err != nil || !locked && !r.paired(n) {
		return err
	}
	return noSpace(r.writeNotes(next))
}

// writeNotes writes the note of both directories.
func (r *Roots) writeNotes(next note) error {
	data, err := next.encode()
	if err != nil {
		return err
	}
	if err := rootfs.WriteFile(r.dirs[State], notesFile, data, 0o644); err != nil {
		return err
	}
	r.reached("places noted")
	return rootfs.WriteFile(r.dirs[Data], notesFile, data, 0o644)
}

// paired reports whether both notes have the same ID and the current places of the data
// and the state directory.
func (r *Roots) paired(n notes) bool {
	for _, known := range []*note{n.data, n.state} {
		if known == nil || known.ID != n.data.ID || known.place(Data) != r.currentPlace(Data) || known.place(State) != r.currentPlace(State) {
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
func (r *Roots) nextNote(n notes) (next note, changed bool, err error) {
	if next.ID, err = r.pairing(n).check(); err != nil {
		return note{}, false, err
	}
	changed = n.data == nil || n.state == nil || n.data.ID != n.state.ID
	var known note
	if have := cmp.Or(n.data, n.state); have != nil {
		known = *have
	}
	if next.ID == "" {
		var random [noteIDSize]byte
		if _, err := io.ReadFull(r.o.Random, random[:]); err != nil {
			return note{}, false, err
		}
		next.ID = hex.EncodeToString(random[:])
	}
	known.ID = next.ID
	var now []knownPlace
	for _, which := range roles {
		if r.dirs[which] != nil {
			now = append(now, r.currentPlace(which))
		}
	}
	moved := !samePath(known.place(Data).Real, r.real[Data])
	next = known.with(now, moved)
	for _, have := range []*note{n.data, n.state} {
		changed = changed || have == nil || !slices.Equal(have.Places, next.Places)
	}
	return next, changed, nil
}

// Elsewhere returns the directories that kist used for a role under another environment,
// with links resolved, as far as they still exist.
func (r *Roots) Elsewhere(which Role) (paths []string, err error) {
	n, err := r.readNotes()
	if err != nil {
		return nil, err
	}
	for _, known := range n.existing() {
		for _, p := range known.placesOf(which) {
			if !slices.Contains(paths, p.Real) && !r.inUse(p.Real) && exists(p.Real) {
				paths = append(paths, p.Real)
			}
		}
	}
	return paths, nil
}

// inUse reports whether path is one of kist's directories under the present environment.
func (r *Roots) inUse(path string) bool {
	return slices.ContainsFunc(roles, func(which Role) bool { return r.isAt(which, path) })
}

// isAt reports whether path is the directory of a role, under any name.
func (r *Roots) isAt(which Role, path string) bool {
	if samePath(r.real[which], path) {
		return true
	}
	dir := r.dirs[which]
	if dir == nil {
		return false
	}
	have, err := dir.Stat(".")
	if err != nil {
		return false
	}
	other, err := os.Stat(path)
	return err == nil && os.SameFile(have, other)
}

// exists reports whether path exists. If the system cannot tell, exists returns true.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return rootfs.IgnoreMissing(err) != nil || err == nil
}

// dataApart reports whether the data directory is, or would be, on another file system than
// the state directory, if the system can tell.
func (r *Roots) dataApart() bool { return device(r.real[Data]) != device(r.real[State]) }

// device returns the device of path, or of the nearest directory above it that exists; 0
// if the system reports none.
func device(path string) uint64 {
	for {
		n, err := lstat(path)
		up := filepath.Dir(path)
		if err == nil || up == path {
			return n.dev
		}
		path = up
	}
}

// storeAt returns what is known of a store whose data directory is path: its note, if it has
// one, and whether there is one at all. If this user may not read it, there is one, without
// a note.
func storeAt(path string) (n *note, found bool) {
	dir, err := os.OpenRoot(path + "/.") // with "/.", a named pipe is an error instead of blocking
	if err != nil {
		return nil, rootfs.IgnoreMissing(err) != nil
	}
	defer dir.Close()
	if n, err = readNote(dir); n != nil || err != nil {
		return n, true
	}
	_, err = dir.Lstat(store.Current)
	return nil, !errors.Is(err, fs.ErrNotExist)
}

// holdsNote reports whether another directory of a role holds the note id. It returns
// false only if the directory is missing, or holds no note or another one, or is a data
// directory with nothing installed in it.
func holdsNote(which Role, path, id string) bool {
	dir, err := os.OpenRoot(path + "/.") // with "/.", a named pipe is an error instead of blocking
	if err != nil {
		return rootfs.IgnoreMissing(err) != nil
	}
	defer dir.Close()
	n, err := readNote(dir)
	if err == nil && (n == nil || n.ID != id) {
		return false
	}
	if which != Data {
		return true
	}
	for _, name := range []string{store.Current, store.Prefixes} {
		if _, err := dir.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}
