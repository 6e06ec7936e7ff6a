// Package plan computes what a change means: State + Change -> Plan, and, once
// the new receipts are known, State + Plan -> the next Generation. Install,
// update, uninstall, set-default and rollback are all Changes through this one
// planner. Values in, values out; no effects.
package plan

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// State is what is installed: all that a plan depends on.
type State struct {
	Current     record.Generation            // Number 0: nothing yet
	Generations map[uint64]record.Generation // every one that exists, Current among them
	Receipts    map[record.ID]record.Head    // every readable one, Removed ones too
	// Damaged holds the receipts that cannot be read, or that speak of another data
	// directory, and why. Nothing is ever removed by them, nor taken for unused
	// because of them.
	Damaged map[record.ID]error
	// Gone holds the receipts whose prefix or one of whose commands is not on the disk.
	Gone    map[record.ID]bool
	Bin     string            // the bin directory, for messages
	Foreign map[string]string // names in it that are not kist's links, and what each is
}

// Installed returns the receipts in force, by tool and then by version, newest first.
func (s State) Installed() []record.Head {
	var rs []record.Head
	for _, id := range s.Current.Receipts {
		if r, ok := s.Receipts[id]; ok {
			rs = append(rs, r)
		}
	}
	slices.SortFunc(rs, func(a, b record.Head) int {
		return cmp.Or(strings.Compare(a.Key(), b.Key()), manifests.CompareVersions(b.Version, a.Version), strings.Compare(b.Version, a.Version))
	})
	return rs
}

// CutShort returns the releases whose removal was begun and not finished.
func (s State) CutShort() (rs []record.Head) {
	for _, id := range s.Current.Removing {
		if r, ok := s.Receipts[id]; ok && !r.Removed {
			rs = append(rs, r)
		}
	}
	return rs
}

// After is what will be installed once p is done, of what is there now: without what
// is yet to be unpacked.
func (s State) After(p Plan) State {
	s.Generations = maps.Clone(s.Generations)
	s.Current = p.Foreseen
	s.Generations[s.Current.Number] = s.Current
	for _, n := range s.Pruned(p) {
		delete(s.Generations, n)
	}
	return s
}

// Pruned are the generations, in order, that go with p.
func (s State) Pruned(p Plan) []uint64 {
	s.Generations = maps.Clone(s.Generations)
	s.Current = p.Foreseen
	s.Generations[s.Current.Number] = s.Current
	return s.Stale()
}

// Stale are the generations, in order, that name what the current one removes: they
// go.
func (s State) Stale() (numbers []uint64) {
	for _, n := range slices.Sorted(maps.Keys(s.Generations)) {
		if n != s.Current.Number && slices.ContainsFunc(s.Current.Removing, s.Generations[n].Has) {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// Unnamed are the releases whose files are there though no generation names them:
// they go.
func (s State) Unnamed() (ids []record.ID) {
	named := map[record.ID]bool{}
	for _, g := range s.Generations {
		for _, id := range g.Receipts {
			named[id] = true
		}
	}
	for id, r := range s.Receipts {
		if !r.Removed && !named[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Links says which commands an installed release gets.
type Links int

const (
	// FirstBecomesDefault links the first installed version of a tool.
	FirstBecomesDefault Links = iota
	// AlwaysDefault links it whatever was the default before (--default).
	AlwaysDefault
	// NoLinks leaves the links alone (--no-default).
	NoLinks
)

// A Change is a request to alter what is installed.
type Change struct {
	Install []manifests.Release
	Links   Links // of Install
	Update  []Update
	Reduce  []Reduction
	Remove  []record.ID // each with every other receipt of the same version
	Default []record.ID // each becomes the default of its tool
	// Follow are installed releases that were asked for by something else now: what
	// Update follows. It is the Requested of their receipts.
	Follow   map[record.ID]string
	Rollback bool // to the generation before the current one
}

// Empty reports whether c asks for nothing, whatever is installed.
func (c Change) Empty() bool {
	return len(c.Install)+len(c.Update)+len(c.Reduce)+len(c.Remove)+len(c.Default)+len(c.Follow) == 0 && !c.Rollback
}

// An Update has one installed release give way to another version of its tool.
// The new one takes over its place as the default; the old one leaves the
// generation and keeps its files, so that Rollback can return to it.
type Update struct {
	ID      record.ID
	Release manifests.Release
}

// A Reduction has one installed release give way to itself without some of its
// components. The old one leaves the generation and keeps its files, so that
// Rollback can return to it.
type Reduction struct {
	ID         record.ID
	Components []string
}

// A Plan is the work a Change means. A Plan for which Empty reports true is
// nothing to do.
type Plan struct {
	Change  Change
	Base    uint64               // number of the generation it was computed from
	Install []Install            // to fetch, prove, unpack and publish
	Leave   []record.ID          // receipts that leave the generation and keep their files
	Remove  []record.ID          // receipts whose files go
	Default map[string]record.ID // by channel/tool: defaults that change among installed releases; "" is none
	Follow  map[record.ID]string // what receipts of installed releases are to say that these were asked for by
	Prune   []uint64             // generations that go because they name a receipt of Remove
	Goto    uint64               // the generation to return to; zero: a new one is made
	// Foreseen is what will be in force. Of what is yet to be unpacked it has the
	// commands whose names are no patterns, and an ID of no meaning.
	Foreseen record.Generation
}

// An Install is one release to put in place.
type Install struct {
	Release manifests.Release
	Default bool // its commands become links
	// Base is an installed release of the same version, of which the components
	// in Reuse are copied rather than fetched: they are of the very same
	// artifacts. Empty: there is none.
	Base  record.ID
	Reuse []string
	// Without are the components of Base that go. If there are any, Release is
	// Base itself without them, as its receipt has it, and all of it is copied.
	Without []string
}

// Empty reports whether there is nothing to do.
func (p Plan) Empty() bool { return p.InForce() && len(p.Follow) == 0 }

// InForce reports whether what p leads to is in force already. It may still have
// something to remember.
func (p Plan) InForce() bool {
	return len(p.Install) == 0 && len(p.Leave) == 0 && len(p.Remove) == 0 && len(p.Default) == 0 && p.Goto == 0
}

// Make computes the plan for c. Errors are *NotInstalledError,
// *NoPreviousError, *GoneError, *NeededError, *manifests.UnknownComponentError,
// *ConflictError and *ForeignFileError; the last two as far as they can be
// foreseen, so that nothing is downloaded in vain. Next finds the rest.
func Make(s State, c Change) (Plan, error) {
	p := Plan{Change: c, Base: s.Current.Number, Default: map[string]record.ID{}, Follow: map[record.ID]string{}}
	if c.Rollback {
		previous := s.Current.Parent
		if _, ok := s.Generations[previous]; !ok || previous == 0 {
			return Plan{}, &NoPreviousError{Current: s.Current.Number}
		}
		p.Goto, p.Foreseen = previous, s.Generations[previous]
		for _, id := range p.Foreseen.Receipts {
			if s.Gone[id] && !s.Current.Has(id) {
				return Plan{}, &GoneError{Release: s.Receipts[id].Ref(), Generation: previous}
			}
		}
		for _, l := range p.Foreseen.Links {
			if err := s.unclaimed(l, nil); err != nil {
				return Plan{}, err
			}
		}
		return p, nil
	}
	for _, r := range c.Install {
		p.install(s, r, c.Links)
	}
	if err := p.update(s, c.Update); err != nil {
		return Plan{}, err
	}
	for _, r := range c.Reduce {
		if err := p.reduce(s, r); err != nil {
			return Plan{}, err
		}
	}
	for _, id := range c.Default {
		r, ok := s.Receipts[id]
		if !ok || !s.Current.Has(id) {
			return Plan{}, &NotInstalledError{Name: string(id)}
		}
		if s.Gone[id] {
			return Plan{}, &GoneError{Release: r.Ref()}
		}
		if s.Current.Defaults[r.Key()] != id {
			p.Default[r.Key()] = id
		}
	}
	for id, requested := range c.Follow {
		r, ok := s.Receipts[id]
		if !ok || !s.Current.Has(id) {
			return Plan{}, &NotInstalledError{Name: string(id)}
		}
		if r.Requested != requested {
			p.Follow[id] = requested
		}
	}
	if err := p.remove(s, c.Remove); err != nil {
		return Plan{}, err
	}
	var err error
	if p.Foreseen, err = Next(s, p, p.foreseen(), time.Time{}); err != nil {
		return Plan{}, err
	}
	return p, nil
}

func (p *Plan) install(s State, r manifests.Release, links Links) {
	key := r.Channel + "/" + r.Tool
	planned := slices.IndexFunc(p.Install, func(i Install) bool {
		return i.Release.Channel == r.Channel && i.Release.Tool == r.Tool && i.Release.Version == r.Version
	})
	if planned >= 0 {
		p.Install[planned].Default = p.Install[planned].Default || links == AlwaysDefault
		return
	}
	in := Install{Release: r, Default: links == AlwaysDefault}
	others := false
	for _, id := range s.Current.Receipts {
		have, ok := s.Receipts[id]
		if !ok || have.Key() != key {
			continue
		}
		others = true
		if have.Version != r.Version || have.Platform != r.Platform || slices.Contains(p.Leave, id) {
			continue
		}
		if s.Gone[id] {
			p.Leave = append(p.Leave, id) // what is left of it: perhaps only its file system is not mounted
			in.Release.Requested = have.Requested
			in.Default = in.Default || s.Current.Defaults[key] == id
			continue
		}
		if !lacks(have.Components, r.Components) {
			if links == AlwaysDefault && s.Current.Defaults[key] != id {
				p.Default[key] = id
			}
			return
		}
		p.Leave = append(p.Leave, id) // the same with fewer components
		in.Release.Requested = have.Requested
		in.Base, in.Reuse = id, reusable(have, r)
		in.Default = in.Default || s.Current.Defaults[key] == id
	}
	for _, earlier := range p.Install {
		others = others || earlier.Release.Channel == r.Channel && earlier.Release.Tool == r.Tool
	}
	if links == FirstBecomesDefault && !others {
		in.Default = true
	}
	p.Install = append(p.Install, in)
}

// update has the releases of us that are not what they should become leave, then
// plans what takes their places. What leaves does not count as installed, even
// where it is what another one should become: each place keeps what it was asked for.
func (p *Plan) update(s State, us []Update) error {
	var moving []Update
	for _, u := range us {
		old, ok := s.Receipts[u.ID]
		if !ok || !s.Current.Has(u.ID) || old.Key() != u.Release.Channel+"/"+u.Release.Tool {
			return &NotInstalledError{Name: string(u.ID)}
		}
		if old.Version != u.Release.Version && !slices.Contains(p.Leave, u.ID) {
			p.Leave = append(p.Leave, u.ID)
			moving = append(moving, u)
		}
	}
	for _, u := range moving {
		links := NoLinks
		if s.Current.Defaults[s.Receipts[u.ID].Key()] == u.ID {
			links = AlwaysDefault
		}
		p.install(s, u.Release, links)
	}
	return nil
}

// lacks reports whether some of want is not in have.
func lacks(have, want []string) bool {
	return slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(have, w) })
}

func (p *Plan) remove(s State, ids []record.ID) error {
	gone := map[record.ID]bool{}
	for _, id := range ids {
		r, ok := s.Receipts[id]
		if !ok || r.Removed {
			return &NotInstalledError{Name: string(id)}
		}
		for other, o := range s.Receipts {
			if o.Ref() == r.Ref() && !o.Removed {
				gone[other] = true
			}
		}
	}
	if len(gone) == 0 {
		return nil
	}
	p.Remove = slices.Sorted(maps.Keys(gone))
	for n, g := range s.Generations {
		if slices.ContainsFunc(g.Receipts, func(id record.ID) bool { return gone[id] }) {
			p.Prune = append(p.Prune, n)
		}
	}
	slices.Sort(p.Prune)
	for key, id := range s.Current.Defaults {
		if !gone[id] {
			continue
		}
		p.Default[key] = ""
		var rest []record.ID
		for _, other := range s.Current.Receipts {
			if r, ok := s.Receipts[other]; ok && r.Key() == key && !gone[other] {
				rest = append(rest, other)
			}
		}
		if len(rest) == 1 {
			p.Default[key] = rest[0]
		}
	}
	return nil
}

// foreseen are the receipts of p.Install as far as they are known.
func (p Plan) foreseen() (heads []record.Head) {
	for _, in := range p.Install {
		rel := in.Release
		h := record.Head{ID: record.NewID(rel.Channel, rel.Tool, rel.Version, [4]byte{}), Channel: rel.Channel, Tool: rel.Tool, Version: rel.Version}
		for _, pattern := range rel.Commands {
			if name, ok := manifests.CommandName(pattern); ok {
				h.Commands = append(h.Commands, record.Command{Name: name, Path: pattern})
			}
		}
		heads = append(heads, h)
	}
	return heads
}

// free reports whether the command of l, which goes to r, may have its name.
func (s State) free(l record.CommandLink, r record.Head, removing []record.ID) error {
	for _, have := range s.Current.Links {
		if have.Name != l.Name {
			continue
		}
		owner, ok := s.Receipts[have.ID]
		switch {
		case !ok: // its receipt is damaged
			return &ConflictError{Command: l.Name, Owner: string(have.ID), Wants: r.Ref()}
		case owner.Key() != r.Key():
			return &ConflictError{Command: l.Name, Owner: owner.Ref(), Wants: r.Ref()}
		}
	}
	return s.unclaimed(l, removing)
}

// unclaimed refuses a command that is to lead somewhere new where there is something
// in its place that is not kist's. What has taken the place of a link that stays as
// it is, or that goes, is nobody's concern.
func (s State) unclaimed(l record.CommandLink, removing []record.ID) error {
	what, ok := s.Foreign[l.Name]
	if !ok || slices.ContainsFunc(s.Current.Links, func(have record.CommandLink) bool {
		return have == l || have.Name == l.Name && slices.Contains(removing, have.ID)
	}) {
		return nil
	}
	return &ForeignFileError{Path: path.Join(s.Bin, l.Name), What: what}
}

// Next computes the generation that carries out p, yet without a number, fresh being
// the receipts of p.Install in the same order. It returns a *ConflictError or
// *ForeignFileError where a command's name is taken. It is not for a plan with Goto.
func Next(s State, p Plan, fresh []record.Head, made time.Time) (record.Generation, error) {
	g := record.Generation{Parent: s.survivor(p), Made: made, Defaults: maps.Clone(s.Current.Defaults), Removing: p.Remove}
	if g.Defaults == nil {
		g.Defaults = map[string]record.ID{}
	}
	receipts := map[record.ID]record.Head{}
	for _, id := range s.Current.Receipts {
		if slices.Contains(p.Leave, id) || slices.Contains(p.Remove, id) {
			continue
		}
		receipts[id] = s.Receipts[id]
	}
	for key, id := range p.Default {
		if id == "" {
			delete(g.Defaults, key)
		} else {
			g.Defaults[key] = id
		}
	}
	for i, r := range fresh {
		receipts[r.ID] = r
		if p.Install[i].Default {
			g.Defaults[r.Key()] = r.ID
		}
	}
	g.Receipts = slices.Sorted(maps.Keys(receipts))
	var err error
	g.Links, err = links(s, g, receipts)
	return g, err
}

// survivor is the nearest generation, from the current one back, that p leaves.
func (s State) survivor(p Plan) uint64 {
	n := s.Current.Number
	for n != 0 && slices.Contains(p.Prune, n) {
		n = s.Generations[n].Parent
	}
	if _, ok := s.Generations[n]; !ok {
		return 0
	}
	return n
}
