package roots

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
	Role  Role   `json:"role"`
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
	if p.Role == Bin {
		return p.Given
	}
	return filepath.Dir(p.Given)
}

// A note lists the places of one kist. The data directory and its state directory each
// hold one, with the same unique ID, so that they recognize each other wherever they are
// moved. The cache, settings and bin roles may have several places, used in turn. The data
// role has its current place first, and after it those from which it was moved or copied,
// until former.go forgets them: command links may still lead there.
type note struct {
	Format int          `json:"format"`
	ID     string       `json:"id"`
	Places []knownPlace `json:"places"`
}

const (
	noteFormat = 1
	maxNote    = 256 << 10 // bytes
	maxPlaces  = 64
	maxFormer  = 8  // former data directories
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
func (n note) placesOf(which Role) (list []knownPlace) {
	for _, p := range n.Places {
		if p.Role == which {
			list = append(list, p)
		}
	}
	return list
}

// place returns the single place of the data or the state role, zero if there is none.
func (n note) place(which Role) knownPlace {
	if list := n.placesOf(which); len(list) > 0 {
		return list[0]
	}
	return knownPlace{}
}

// with returns n with the places now added. They replace that of the state role, and come
// before the other places of the other roles. If moved is true, the home was moved, and with
// drops all old places but those of the data role.
func (n note) with(now []knownPlace, moved bool) note {
	next := note{Format: noteFormat, ID: n.ID, Places: slices.Clone(now)}
	former := 0
	for _, p := range n.Places {
		known := slices.ContainsFunc(now, func(q knownPlace) bool {
			return q.Role == p.Role && (samePath(q.Given, p.Given) || q.Role == Data && samePath(q.Real, p.Real))
		})
		switch {
		case known || p.Role == State || len(next.Places) == maxPlaces:
		case p.Role == Data && former < maxFormer:
			next.Places = append(next.Places, p)
			former++
		case p.Role != Data && !moved:
			next.Places = append(next.Places, p)
		}
	}
	slices.SortStableFunc(next.Places, func(a, b knownPlace) int { return slices.Index(roles, a.Role) - slices.Index(roles, b.Role) })
	return next
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
	if now.Role == Data && len(known) > 0 {
		known = known[:1] // a link may not lead back to where the directory was
	}
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

// A pairing holds what is known about the data and the state directory in use.
type pairing struct {
	data, state       *note // in each; nil: none yet
	nowData, nowState knownPlace
	isData, isState   func(path string) bool                 // reports whether path is the directory in use, under any name
	owns              func(which Role, path, id string) bool // reports whether another directory holds the note id, or may
	legacy            func() (elsewhere string, e error)     // returns a data directory that the receipts name; used if there is no note
}

// check returns the id that the two directories share or must share, "" if a new one is
// needed, or an *OtherPlaceError. A partner that no longer exists, or that was moved
// together with its own data, is ignored.
func (p pairing) check() (id string, err error) {
	// wrong refuses the directory in use of a role if n belongs to another one.
	wrong := func(n *note, which Role, now, other knownPlace, inUse func(string) bool) error {
		own := n.place(which)
		if own.Real == "" || inUse(own.Real) || !p.owns(which, own.Real, n.ID) {
			return nil
		}
		return &OtherPlaceError{string(which), now.Given, other.Given, own.Real, own.base()}
	}
	wrongState := func(n *note) error { return wrong(n, State, p.nowState, p.nowData, p.isState) }
	wrongData := func(n *note) error { return wrong(n, Data, p.nowData, p.nowState, p.isData) }
	switch {
	case p.data != nil && p.state != nil && p.data.ID == p.state.ID:
		// If both are in new places, they are a copy of both. Otherwise the one that did
		// not move records its partner.
		if p.isData(p.data.place(Data).Real) {
			err = wrongState(p.data)
		}
		if err == nil && p.isState(p.state.place(State).Real) {
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
		err = &OtherPlaceError{string(Data), p.nowData.Given, p.nowState.Given, elsewhere, filepath.Dir(elsewhere)}
	}
	return "", err
}

// resolve follows the links of a path as far as it exists.
func resolve(path string) (string, error) {
	m, err := thisMachine()
	if err != nil {
		return "", err
	}
	return m.resolve(path)
}

// samePath reports whether two clean paths are equal; on Windows, case does not matter.
func samePath(a, b string) bool {
	return a == b || runtime.GOOS == "windows" && strings.EqualFold(a, b)
}
