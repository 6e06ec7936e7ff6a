package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// This file defines the record of which directories belong together, and checks the
// directories in use against it. It has no side effects; pair.go reads and writes the record.

// A knownPlace records one of kist's directories: the path by which the environment names
// it (<base>/kist, or the bin directory itself), and the same path with links resolved.
type knownPlace struct {
	Role  role   `json:"role"`
	Given string `json:"given"`
	Real  string `json:"real"`
	// Apart, for the data directory, records that it and the state directory were on two
	// file systems: one of them may not be mounted now.
	Apart bool `json:"apart,omitempty"`
}

// linked reports whether the path led through a link when it was recorded.
func (p knownPlace) linked() bool { return !samePath(p.Given, p.Real) }

// base returns the value of the environment variable that leads to p.
func (p knownPlace) base() string {
	if p.Role == binDir {
		return p.Given
	}
	return filepath.Dir(p.Given)
}

// A note lists the places of one kist. The data directory and its state directory each
// hold one, with the same unique ID, so that they recognize each other wherever they are
// moved. The other roles may have several places, used in turn.
type note struct {
	Format int          `json:"format"`
	ID     string       `json:"id"`
	Places []knownPlace `json:"places"`
}

const (
	noteFormat = 1
	maxNote    = 256 << 10 // bytes
	maxPlaces  = 64
	noteIDSize = 16 // bytes, written in hex
)

// parseNote parses a note. Unknown content is an error.
func parseNote(data []byte) (note, error) {
	var n note
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	if err := d.Decode(&n); err != nil {
		return note{}, err
	}
	switch {
	case d.More():
		return note{}, errors.New("unexpected data after the note")
	case n.Format != noteFormat:
		return note{}, fmt.Errorf("format %d is not known to this kist", n.Format)
	case len(n.ID) != 2*noteIDSize || strings.Trim(n.ID, "0123456789abcdef") != "":
		return note{}, fmt.Errorf("%q is not an id", n.ID)
	case len(n.Places) > maxPlaces:
		return note{}, fmt.Errorf("more than %d places", maxPlaces)
	}
	for _, p := range n.Places {
		if !slices.Contains(roles, p.Role) || !filepath.IsAbs(p.Given) || !filepath.IsAbs(p.Real) {
			return note{}, fmt.Errorf("%s: %q is not a place", p.Role, p.Given)
		}
	}
	return n, nil
}

func (n note) encode() ([]byte, error) {
	data, err := json.MarshalIndent(n, "", "\t")
	return append(data, '\n'), err
}

// placesOf returns the places of a role, the latest first.
func (n note) placesOf(which role) (list []knownPlace) {
	for _, p := range n.Places {
		if p.Role == which {
			list = append(list, p)
		}
	}
	return list
}

// place returns the single place of the data or the state role, zero if there is none.
func (n note) place(which role) knownPlace {
	if list := n.placesOf(which); len(list) > 0 {
		return list[0]
	}
	return knownPlace{}
}

// with returns n with the places now added. They replace those of the data and the state
// role, and come before the other places of the other roles. If moved is true, the home
// was moved, and with drops all old places.
func (n note) with(now []knownPlace, moved bool) note {
	next := note{Format: noteFormat, ID: n.ID, Places: slices.Clone(now)}
	for _, p := range n.Places {
		single := p.Role == dataDir || p.Role == stateDir
		if !single && !moved && len(next.Places) < maxPlaces && !slices.ContainsFunc(now, func(q knownPlace) bool { return q.Role == p.Role && samePath(q.Given, p.Given) }) {
			next.Places = append(next.Places, p)
		}
	}
	slices.SortStableFunc(next.Places, func(a, b knownPlace) int { return slices.Index(roles, a.Role) - slices.Index(roles, b.Role) })
	return next
}

// A BecameLinkError is returned for a directory that is now reached through a link,
// and was reached through none or another when kist recorded its place: the directory
// behind the link is not the one that kist made.
type BecameLinkError struct {
	Role string
	Path string // as the environment names it
	Was  string // where it was
	Is   string // where it leads now
}

func (e *BecameLinkError) Error() string {
	return fmt.Sprintf("%s directory %s leads through a link to %s, and was at %s before", e.Role, e.Path, e.Is, e.Was)
}

// Base returns the value for the role's environment variable if the directory was moved
// there on purpose, or "" if it has another name there.
func (e *BecameLinkError) Base() string {
	switch {
	case e.Role == string(binDir):
		return e.Is
	case filepath.Base(e.Is) == "kist":
		return filepath.Dir(e.Is)
	}
	return ""
}

// becameLink compares the place of a directory now with those that n records. resolve
// resolves the links of a path. Allowed are a recorded place, however it is reached; a path
// through no link; another path that kist sees for the first time; and, if moved is true, a
// home that was moved as a whole, with the links that it had.
func (n note) becameLink(now knownPlace, moved bool, resolve func(string) (string, error)) error {
	if !now.linked() {
		return nil
	}
	known := n.placesOf(now.Role)
	for _, was := range known {
		if samePath(was.Real, now.Real) {
			return nil
		}
	}
	for _, was := range known {
		if samePath(was.Given, now.Given) {
			return &BecameLinkError{string(now.Role), now.Given, was.Real, now.Real}
		}
	}
	for _, was := range known {
		if !moved || was.linked() {
			continue
		}
		home, own := commonTail(was.Given, now.Given)
		if own == "" || !strings.Contains(own, string(filepath.Separator)) {
			continue // only the last element is the same: another directory
		}
		home, err := resolve(home)
		if err != nil {
			return err
		}
		if want := filepath.Join(home, own); !samePath(want, now.Real) {
			return &BecameLinkError{string(now.Role), now.Given, was.Real, now.Real}
		}
	}
	return nil
}

// commonTail splits now into the part that differs from was, and the elements at the end
// that the two paths share: the home that was moved, and the path in it.
func commonTail(was, now string) (differs, shared string) {
	for {
		up, name := filepath.Dir(now), filepath.Base(now)
		if up == now || filepath.Base(was) != name {
			return now, shared
		}
		shared = filepath.Join(name, shared)
		was, now = filepath.Dir(was), up
	}
}

// An OtherPlaceError is returned for a data directory with a state directory that
// belongs to another one: neither would record what the other has in force.
type OtherPlaceError struct {
	Role string // of the directory to correct: "data" or "state"
	Path string // of that directory, as it is set
	Of   string // the directory of the other role, as it is set
	Own  string // the directory that belongs with Of
	Base string // what the variable of Role must be set to
}

func (e *OtherPlaceError) Error() string {
	other := stateDir
	if e.Role == string(stateDir) {
		other = dataDir
	}
	return fmt.Sprintf("the %s directory %s belongs with the %s directory %s, not with %s", other, e.Of, e.Role, e.Own, e.Path)
}

// An UnmountedError is returned while the data or the state directory seems to be on a file
// system that is not mounted. A change would drop receipts, or leave toolchains without
// receipts.
type UnmountedError struct {
	Role string // "data" or "state"
	Path string // of the directory, as the environment names it
	Note string // path of the note that records where it was
}

func (e *UnmountedError) Error() string {
	return fmt.Sprintf("%s directory %s holds nothing of what is recorded: it was on another file system, which seems not to be mounted", e.Role, e.Path)
}

// A pairing holds what is known about the data and the state directory in use.
type pairing struct {
	data, state       *note // in each; nil: none yet
	nowData, nowState knownPlace
	isData, isState   func(path string) bool                 // reports whether path is the directory in use, under any name
	owns              func(which role, path, id string) bool // reports whether another directory holds the note id, or may
	legacy            func() (elsewhere string, e error)     // returns a data directory that the receipts name; used if there is no note
}

// check returns the id that the two directories share or must share, "" if a new one is
// needed, or an *OtherPlaceError. A partner that no longer exists, or that was moved
// together with its own data, is ignored.
func (p pairing) check() (id string, err error) {
	wrongState := func(n *note) error {
		if own := n.place(stateDir); own.Real != "" && !p.isState(own.Real) && p.owns(stateDir, own.Real, n.ID) {
			return &OtherPlaceError{string(stateDir), p.nowState.Given, p.nowData.Given, own.Real, own.base()}
		}
		return nil
	}
	wrongData := func(n *note) error {
		if own := n.place(dataDir); own.Real != "" && !p.isData(own.Real) && p.owns(dataDir, own.Real, n.ID) {
			return &OtherPlaceError{string(dataDir), p.nowData.Given, p.nowState.Given, own.Real, own.base()}
		}
		return nil
	}
	switch {
	case p.data != nil && p.state != nil && p.data.ID == p.state.ID:
		// If both are in new places, they are a copy of both. Otherwise the one that did
		// not move records its partner.
		if p.isData(p.data.place(dataDir).Real) {
			err = wrongState(p.data)
		}
		if err == nil && p.isState(p.state.place(stateDir).Real) {
			err = wrongData(p.state)
		}
		return p.data.ID, err
	case p.data != nil:
		if err := wrongState(p.data); err != nil {
			return "", err
		}
		if p.state != nil {
			err = wrongData(p.state)
		}
		return p.data.ID, err
	case p.state != nil:
		return p.state.ID, wrongData(p.state)
	}
	elsewhere, err := p.legacy()
	if err == nil && elsewhere != "" {
		err = &OtherPlaceError{string(dataDir), p.nowData.Given, p.nowState.Given, elsewhere, filepath.Dir(elsewhere)}
	}
	return "", err
}

// samePath reports whether two clean paths are equal; on Windows, case does not matter.
func samePath(a, b string) bool {
	return a == b || runtime.GOOS == "windows" && strings.EqualFold(a, b)
}
