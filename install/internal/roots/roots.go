// Package roots checks, opens and creates kist's directories: <base>/kist in the
// data, state, cache and settings bases of the user, and the shared bin directory.
//
// Guarantees:
//   - A directory that belongs to the system, under any of its names, is refused before
//     anything is created, as is one that other users control (check.go, rules.go).
//   - The directory that is opened is the one that was checked, and the handle is the
//     only way in: nobody can redirect kist by replacing a directory by a link (open.go).
//   - The data and the state directory belong together. Each holds a note of where all
//     directories are, so that one that became a link, is not mounted, or belongs to
//     another kist is noticed (notes.go, pair.go).
//   - Every directory made above kist's own is recorded, so that the removal of kist
//     itself can remove it (made.go).
//
// It does not know what is installed. It reads the receipts only to find out whether the
// directories belong together if there is no note yet, and whether one is not mounted.
package roots

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// Dirs are the five base directories, absolute, as the user's environment gives
// them: $XDG_DATA_HOME and so on. kist's own are always <base>/kist; Bin is shared.
type Dirs struct{ Data, State, Cache, Config, Bin string }

// Host describes the user who runs kist, as far as the checks of directories need it.
type Host struct {
	EUID int
	Home string // of EUID in the user database, "" if none; never $HOME
	// Caller is the user on whose behalf root acts (SUDO_UID, DOAS_USER or
	// PKEXEC_UID), or -1.
	Caller int
	// PrivateGroup is the id of the user's primary group if nobody else is in it, or
	// -1. Only the user can write to what that group can write to.
	PrivateGroup int
	// NameOf returns the name of a user in the user database, or "", for messages. Nil: no
	// name is known.
	NameOf func(uid int) string
}

// describe returns a user for messages: "root", "ann (user 1000)" or "user 1000".
func (h Host) describe(uid int) string {
	name := ""
	if h.NameOf != nil {
		name = h.NameOf(uid)
	}
	switch {
	case uid == 0:
		return "root"
	case name != "":
		return fmt.Sprintf("%s (user %d)", name, uid)
	}
	return fmt.Sprintf("user %d", uid)
}

// A Role is the purpose of one of the five base directories.
type Role string

// The roles.
const (
	Data   Role = "data"
	State  Role = "state"
	Cache  Role = "cache"
	Config Role = "config"
	Bin    Role = "bin"
)

// roles are all roles, in the order in which their directories are checked.
var roles = []Role{Data, State, Cache, Config, Bin}

// Own are the roles whose directories are kist's own, in the order of their checks.
func Own() []Role { return []Role{Data, State, Cache, Config} }

// Options are the inputs of Open. No function may be nil.
type Options struct {
	Dirs       Dirs
	Host       Host
	Random     io.Reader               // for the ids of notes
	LockWait   time.Duration           // how long to wait for another kist
	About      string                  // what this kist is doing, for others that wait
	Waiting    func(*rootfs.BusyError) // is called once if a lock is held by another kist
	Warn       func(string)            // receives doubts that are no errors, once each
	Checkpoint func(step string)       // is called after each step
	// ReadOnly opens an existing store that is never changed. It must belong to root or to
	// the user, and nobody else may be able to write to it or to replace it.
	ReadOnly bool
}

// Roots are kist's directories, all of them checked. Two of them may be the same
// directory: the files of each role have different names.
type Roots struct {
	ctx    context.Context // of Open: ends the waits of methods that take none
	o      Options
	bases  map[Role]string   // as the user's environment names them
	real   map[Role]string   // with links resolved: where the directory of the role is, or will be
	dirs   map[Role]*os.Root // those that exist
	closed map[Role]error    // the errors of those that this user may not read
	// readOnly is the reason why nothing may be changed: an *OwnerError, a *ReadOnlyError,
	// or nil.
	readOnly error
	unfit    error    // readOnly, or what else forbids changes
	former   []Former // where the data directory was before, by the notes
}

// Open checks all directories, and then opens those that exist. It creates nothing and
// takes no lock. The cache, settings and bin directories may be unreadable for this user,
// since not every verb needs them. Errors are *SystemPrefixError, *UnsafeDirError,
// *SeparatorError, *OtherPlaceError if the directories do not belong together,
// *NoteError, or of the file system; with ReadOnly, fs.ErrNotExist if there is no store.
func Open(ctx context.Context, o Options) (*Roots, error) {
	d := o.Dirs
	r := &Roots{
		ctx:    ctx,
		o:      o,
		bases:  map[Role]string{Data: d.Data, State: d.State, Cache: d.Cache, Config: d.Config, Bin: d.Bin},
		real:   make(map[Role]string),
		dirs:   make(map[Role]*os.Root),
		closed: make(map[Role]error),
	}
	places, err := r.checkAll()
	if err != nil {
		return nil, err
	}
	for which, p := range places {
		if !p.exists() {
			continue
		}
		dir, err := openChecked(which, p)
		switch {
		case err == nil:
			r.dirs[which] = dir
		case mayBeClosed(which, err):
			r.closed[which] = err
		default:
			return nil, errors.Join(err, r.Close())
		}
	}
	err = r.checkContents(places)
	if err == nil {
		_, err = r.checkNotes()
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// checkAll checks the directory of every role, and returns the places of those that this
// user may read.
func (r *Roots) checkAll() (map[Role]place, error) {
	checker, err := r.dirChecker()
	if err != nil {
		return nil, err
	}
	if r.o.ReadOnly {
		r.readOnly = &ReadOnlyError{r.Path(Data)}
	}
	warned := make(map[string]bool)
	places := make(map[Role]place)
	for _, which := range roles {
		p, err := checker.checkBase(which, r.bases[which])
		if mayBeClosed(which, err) {
			r.closed[which], r.real[which] = err, r.Path(which)
			continue
		}
		if err == nil && r.o.ReadOnly && !p.exists() && (which == Data || which == State) {
			err = &fs.PathError{Op: "open", Path: r.Path(which), Err: fs.ErrNotExist}
		}
		if err != nil {
			return nil, err
		}
		if r.readOnly == nil {
			r.readOnly = p.readOnly
		}
		for _, text := range p.warnings {
			if !warned[text] {
				r.o.Warn(text)
			}
			warned[text] = true
		}
		places[which], r.real[which] = p, p.real
	}
	return places, r.checkApart()
}

// mayBeClosed reports whether err means that this user may not read the directory, and
// the role is one that not every verb needs.
func mayBeClosed(which Role, err error) bool {
	return which != Data && which != State && errors.Is(err, fs.ErrPermission)
}

// checkApart returns an error if a directory lies in a part of the data directory that
// kist fills.
func (r *Roots) checkApart() error {
	for which, real := range r.real {
		for _, name := range []string{store.Prefixes, store.Stages, store.Generations, store.Toolchains, store.Current} {
			filled := filepath.Join(r.real[Data], name)
			if real == filled || strings.HasPrefix(real, filled+string(filepath.Separator)) {
				return &UnsafeDirError{string(which), r.bases[which], "it lies in " + filled + ", which only kist itself fills"}
			}
		}
	}
	return nil
}

// Close closes the open directories. They may be created again afterwards.
func (r *Roots) Close() error {
	var errs []error
	for _, dir := range r.dirs {
		errs = append(errs, dir.Close())
	}
	clear(r.dirs)
	return errors.Join(errs...)
}

// MayChange returns why nothing may be changed in the directories, or nil. The reason is
// an *OwnerError, a *ReadOnlyError, a *BecameLinkError, an *UnmountedError, or that this user may not read
// one of them.
func (r *Roots) MayChange() error { return r.unfit }

// Dir returns the directory of a role, or nil while it does not exist.
func (r *Roots) Dir(which Role) *os.Root { return r.dirs[which] }

// Unreadable returns the error if this user may not read the directory of a role.
func (r *Roots) Unreadable(which Role) error { return r.closed[which] }

// Empty reports whether none of the directories exists.
func (r *Roots) Empty() bool { return len(r.dirs) == 0 }

// Path returns the path of a role's directory, as the user's environment names it.
func (r *Roots) Path(which Role) string {
	if which == Bin {
		return filepath.Clean(r.bases[which])
	}
	return filepath.Join(r.bases[which], "kist")
}

// Owner returns the owner of the data directory for messages, such as "root" or
// "ann (user 1000)"; "" while it does not exist, or if the system has no owners.
func (r *Roots) Owner() string {
	dir := r.dirs[Data]
	if dir == nil {
		return ""
	}
	info, err := dir.Stat(".")
	if err != nil {
		return ""
	}
	n, known := nodeOf(info)
	if !known {
		return ""
	}
	return r.o.Host.describe(n.uid)
}

// Real returns the path of a role's directory with links resolved.
func (r *Roots) Real(which Role) string { return r.real[which] }

// Same reports whether two roles share one directory.
func (r *Roots) Same(a, b Role) bool { return samePath(r.real[a], r.real[b]) }

// SharedWithEarlier reports whether the directory of a role is also that of an existing
// one before it in Own.
func (r *Roots) SharedWithEarlier(which Role) bool {
	return slices.ContainsFunc(roles[:slices.Index(roles, which)], func(other Role) bool {
		return r.dirs[other] != nil && r.Same(other, which)
	})
}

// PathAsGiven returns the path of a file in one of the directories, given with links
// resolved, as the user's environment spells it.
func (r *Roots) PathAsGiven(real string) string {
	for _, which := range roles {
		if rel, err := filepath.Rel(r.real[which], real); err == nil && filepath.IsLocal(rel) && rel != "." {
			return filepath.Join(r.Path(which), rel)
		}
	}
	return real
}

func (r *Roots) reached(step string) { r.o.Checkpoint(step) }

func (r *Roots) store() store.Store {
	return store.Store{Data: r.dirs[Data], State: r.dirs[State]}
}
