// Package plan computes install plans: State + Change -> Plan, and, once the new
// receipts are known, State + Plan -> the next Generation. Install, update,
// uninstall, set-default and rollback are all Changes. The functions have no side
// effects.
package plan

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func (s State) after(p Plan) (after State, dropped []uint64) {
	after = s.switchedTo(p.Predicted)
	dropped = after.Stale()
	for _, n := range dropped {
		delete(after.Generations, n)
	}
	unused, reduced := after.WithoutFreed(p.Free)
	for _, n := range unused {
		delete(after.Generations, n)
	}
	for _, g := range reduced {
		after.Generations[g.Number] = g
	}
	return after, slices.Sorted(slices.Values(append(dropped, unused...)))
}

// Links selects whether an installed release becomes the default of its tool, to whose
// commands the links lead.
type Links int

const (
	// FirstBecomesDefault makes the first installed version of a tool its default.
	FirstBecomesDefault Links = iota
	// AlwaysDefault replaces any earlier default (--default).
	AlwaysDefault
	// NoLinks keeps the links as they are (--no-default).
	NoLinks
)

// A Change is a request to alter what is installed.
type Change struct {
	Install []manifests.Release
	Links   Links // for Install
	Update  []Update
	Reduce  []Reduction
	Remove  []record.ID // with all other receipts of the same version
	Default []record.ID // each becomes the default of its tool
	// Outside holds releases of other stores, each of which becomes the default of its
	// tool. They are not installed here, and never changed.
	Outside []Outside
	// Follow holds new values of Requested for the receipts of installed releases: the
	// label or version that update follows.
	Follow map[record.ID]string
	// ShimsOn and ShimsOff are the names of commands that get a launcher, or lose it.
	ShimsOn, ShimsOff []string
	Rollback          bool // return to the parent of the current generation
	// Keep, if it is not nil, is how many earlier releases of each tool keep their files
	// when a release leaves the generation; those before them are freed. Nil: all stay.
	Keep *int
	// Free holds releases that only older generations name, and whose files are to be
	// removed. A release that is in force by now is passed over.
	Free []record.ID
	// Remake holds releases in force whose files differ from their receipts. Each is
	// replaced by the release of Install that has its version, and then freed.
	Remake []record.ID
}

// Empty reports whether c requests nothing, regardless of what is installed.
func (c Change) Empty() bool {
	return len(c.Install)+len(c.Update)+len(c.Reduce)+len(c.Remove)+len(c.Default)+len(c.Outside)+len(c.Follow)+len(c.ShimsOn)+len(c.ShimsOff)+len(c.Free) == 0 && !c.Rollback
}

// An Outside is a release that is installed in another store.
type Outside struct {
	record.Head
	Prefix string // its absolute path
}

// An Update replaces an installed release by another version of its tool. If the
// old release is the default, the new one becomes the default. The old release
// leaves the generation but keeps its files, so that Rollback can return to it.
type Update struct {
	ID      record.ID
	Release manifests.Release
}

// A Reduction replaces an installed release by the same version without some of its
// components. The old release leaves the generation but keeps its files, so that
// Rollback can return to it.
type Reduction struct {
	ID         record.ID
	Components []string
}

// A Plan is the work that carries out a Change. Empty reports whether there is any.
type Plan struct {
	Change  Change
	Install []Install            // to fetch, verify, unpack and publish
	Leave   []record.ID          // receipts that leave the generation but keep their files
	Remove  []record.ID          // receipts whose files are removed
	Free    []record.ID          // receipts of older generations whose files are removed
	Default map[string]record.ID // by channel/tool: new defaults among installed releases; "" for none
	Follow  map[record.ID]string // new values of Requested for receipts of installed releases
	// ShimsOn and ShimsOff are the names of commands whose launchers are new, or go.
	ShimsOn, ShimsOff []string
	Goto              uint64 // the generation to return to; zero to make a new one
	// Predicted predicts the next generation. Releases that are not unpacked yet have
	// a placeholder ID, and only those commands whose patterns are literal names.
	Predicted record.Generation
}

// An Install is one release to put in place.
type Install struct {
	Release manifests.Release
	Default bool // it becomes the default of its tool
	// Base is an installed release of the same version, or empty. The components in
	// Reuse are copied from it rather than fetched, since they come from the same
	// artifacts.
	Base  record.ID
	Reuse []string
	// Without lists the components of Base to leave out. If it is not empty, Release
	// is made from the receipt of Base, and all of it is copied.
	Without []string
}

// Empty reports whether there is nothing to do.
func (p Plan) Empty() bool { return p.InForce() && len(p.Follow)+len(p.Free) == 0 }

// InForce reports whether p needs no new generation. It may still have values of
// Requested to record (see Follow), and releases of older generations to free.
func (p Plan) InForce() bool {
	return len(p.Install)+len(p.Leave)+len(p.Remove)+len(p.Default)+len(p.ShimsOn)+len(p.ShimsOff) == 0 && p.Goto == 0
}

// Make computes the plan for c. Errors match ErrNotInstalled or ErrNoPrevious, or are
// *GoneError, *FreedError, *NeededError, *manifests.UnknownPartError,
// *ConflictError and *ForeignFileError; the last two for the commands that are known
// before unpacking, so that no download is wasted. Next finds the other conflicts.
func Make(s State, c Change) (Plan, error) {
	p := Plan{Change: c, Default: map[string]record.ID{}, Follow: map[record.ID]string{}}
	if c.Rollback {
		previous := s.Current.Parent
		if s.Current.Number == 0 {
			return Plan{}, verify.Errorf(ErrNoPrevious, "nothing is installed, so there is no generation to return to")
		}
		if _, ok := s.Generations[previous]; !ok || previous == 0 {
			return Plan{}, fmt.Errorf("generation %d has %w", s.Current.Number, ErrNoPrevious)
		}
		p.Goto, p.Predicted = previous, s.Generations[previous]
		if freed := p.Predicted.Freed; len(freed) > 0 {
			return Plan{}, &FreedError{Generation: previous, Releases: freed}
		}
		for _, id := range p.Predicted.Receipts {
			if s.Gone[id] && !s.Current.Has(id) {
				return Plan{}, &GoneError{Release: s.Receipts[id].Ref(), Generation: previous}
			}
		}
		for _, l := range p.Predicted.Links {
			if err := s.checkForeign(l, nil); err != nil {
				return Plan{}, err
			}
		}
		for _, name := range p.Predicted.Shims {
			if err := s.checkShim(name); err != nil {
				return Plan{}, err
			}
		}
		p.free(s)
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
			return Plan{}, notInstalled(id)
		}
		if s.Gone[id] {
			return Plan{}, &GoneError{Release: r.Ref()}
		}
		if s.Current.Defaults[r.Key()] != id {
			p.Default[r.Key()] = id
		}
	}
	for _, o := range c.Outside {
		if s.Current.Defaults[o.Key()] != o.ID {
			p.Default[o.Key()] = o.ID
		}
	}
	for id, requested := range c.Follow {
		r, ok := s.Receipts[id]
		if !ok || !s.Current.Has(id) {
			return Plan{}, notInstalled(id)
		}
		if r.Requested != requested {
			p.Follow[id] = requested
		}
	}
	if err := p.remove(s, c.Remove); err != nil {
		return Plan{}, err
	}
	p.shims(s)
	var err error
	if p.Predicted, err = Next(s, p, p.predictedHeads(), time.Time{}); err != nil {
		return Plan{}, err
	}
	p.free(s)
	p.Predicted.Freeing = p.Free
	return p, nil
}

// install plans the installation of r, unless it is installed or planned already.
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
		if s.Gone[id] || slices.Contains(p.Change.Remake, id) {
			p.Leave = append(p.Leave, id) // of what is gone, keep what remains: perhaps its file system is just not mounted
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
		p.Leave = append(p.Leave, id) // the same version with fewer components
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

// update first lets all releases leave that change their version, then plans their
// replacements. A release that leaves does not count as installed, even if it is the
// target of another update: each replacement keeps its own Requested.
func (p *Plan) update(s State, us []Update) error {
	var moving []Update
	for _, u := range us {
		old, ok := s.Receipts[u.ID]
		if !ok || !s.Current.Has(u.ID) || old.Key() != u.Release.Channel+"/"+u.Release.Tool {
			return notInstalled(u.ID)
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

// remove plans the removal of ids and of all receipts of the same versions. If one
// version of a tool remains, it becomes the default, unless the change makes another one
// the default.
func (p *Plan) remove(s State, ids []record.ID) error {
	gone := map[record.ID]bool{}
	for _, id := range ids {
		r, ok := s.Receipts[id]
		if !ok || r.Removed {
			return notInstalled(id)
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
	for key, id := range s.Current.Defaults {
		if chosen, ok := p.Default[key]; !gone[id] || ok && !gone[chosen] {
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

// predictedHeads returns provisional receipts of p.Install, with the commands that are
// known before unpacking.
func (p Plan) predictedHeads() (heads []record.Head) {
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

// checkOwner returns an error if the command of l, which belongs to r, is linked for
// another tool, or if checkForeign does.
func (s State) checkOwner(l record.CommandLink, r record.Head, removing []record.ID) error {
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
	return s.checkForeign(l, removing)
}

// checkForeign refuses a new or changed link whose name in the bin directory is not
// kist's. It ignores foreign files at links that stay the same or that belong to a
// release of removing.
func (s State) checkForeign(l record.CommandLink, removing []record.ID) error {
	what, ok := s.Foreign[l.Name]
	if !ok || slices.ContainsFunc(s.Current.Links, func(have record.CommandLink) bool {
		return have == l || have.Name == l.Name && slices.Contains(removing, have.ID)
	}) {
		return nil
	}
	return &ForeignFileError{Path: path.Join(s.Bin, l.Name), What: what}
}

// Next computes the generation that p leads to, without its number. fresh holds the
// receipts of p.Install in the same order. Next returns a *ConflictError or
// *ForeignFileError if a command's name is taken. Plans with Goto must not be passed.
func Next(s State, p Plan, fresh []record.Head, made time.Time) (record.Generation, error) {
	g := record.Generation{Parent: s.nearestRemaining(p), Made: made, Defaults: maps.Clone(s.Current.Defaults), Removing: p.Remove, Freeing: p.Free}
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
	if g.Links, err = links(s, g, receipts, p.Change.Outside); err != nil {
		return g, err
	}
	g.Shims, err = shims(s, p)
	return g, err
}
