// Package upkeep finds the releases that only older generations hold: how large each is,
// when it was last used, why it stays, and which of them nothing needs. It removes nothing.
package upkeep

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
)

// A Release is an installed release that only older generations hold.
type Release struct {
	record.Head
	Files       install.Unpacked // by its receipt
	LastUse     time.Time        // to the day; see install.Installer.LastUse
	Generations []uint64         // that hold it
	Why         string           // why it stays; "": nothing needs it
}

// Older returns the releases that only older generations hold, sorted by tool, those last
// used first. keep is how many earlier releases of each tool an update keeps; nil: all. Why says
// whether rollback or keep needs a release.
func Older(s *toolset.Set, keep *int) (list []Release, err error) {
	for id, rank := range s.State.Earlier() {
		r := Release{Head: s.State.Receipts[id]}
		if r.Files, err = s.Occupied(id); err != nil {
			return nil, err
		}
		if r.LastUse, err = s.LastUse(id); err != nil {
			return nil, err
		}
		for n, g := range s.State.Generations {
			if g.Has(id) {
				r.Generations = append(r.Generations, n)
			}
		}
		slices.Sort(r.Generations)
		parent := s.State.Generations[s.State.Current.Parent]
		switch {
		case parent.Has(id) && len(parent.Freed) == 0:
			r.Why = "kist rollback returns to it"
		case keep == nil:
			r.Why = "a config.toml cannot be read, so everything is kept"
		case rank <= *keep:
			r.Why = fmt.Sprintf("kept as an earlier %s (keep = %d)", r.Tool, *keep)
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b Release) int {
		return cmp.Or(strings.Compare(a.Key(), b.Key()), b.LastUse.Compare(a.LastUse), cmp.Compare(b.Generations[0], a.Generations[0]), strings.Compare(string(a.ID), string(b.ID)))
	})
	return list, nil
}

// A Collector decides which releases of older generations nothing needs.
type Collector struct {
	*toolset.Set
	Now        time.Time
	OlderThan  time.Duration // a release that was used more recently stays; 0: none
	KeepPinned bool          // releases that were installed by their exact version stay
	Projects   []install.SeenProject
	// Asks returns what the files of the project in dir ask for, and what its kist.lock names.
	Asks func(dir string) ([]toolset.Want, error)
}

// Releases returns the releases that only older generations hold. Those with an empty Why
// can be freed. A release is needed by a project in which kist install ran, as long as its
// directory was not deleted: by what its files ask for now, if nothing in force answers it;
// or, if they cannot be read now, by what they meant when kist install ran there.
func (c Collector) Releases() ([]Release, error) {
	list, err := Older(c.Set, nil)
	if err != nil {
		return nil, err
	}
	needed := c.neededByProjects()
	for i, r := range list {
		r.Why = needed(r.Head)
		switch {
		case r.Why != "":
		case c.KeepPinned && plan.IsPinned(r.Head):
			r.Why = "installed by its exact version"
		case c.OlderThan > 0 && c.Now.Sub(r.LastUse) < c.OlderThan:
			r.Why = "last used on " + r.LastUse.Format(time.DateOnly)
		}
		list[i] = r
	}
	return list, nil
}

var errOutOfReach = errors.New("its file system is not mounted, or cannot be read")

// neededByProjects returns a function that says which project needs a release, "" if none.
func (c Collector) neededByProjects() func(record.Head) string {
	var wants []toolset.Want
	var by []string // by the index of a want
	uses := map[string]string{}
	for _, p := range c.Projects {
		reach := host.ReachOf(p.Dir, p.Mount)
		if reach == host.Gone {
			c.Detail("%s is gone, and needs nothing", p.Dir)
			continue
		}
		var asked []toolset.Want
		err := errOutOfReach
		if reach == host.Present {
			asked, err = c.Asks(p.Dir)
		}
		if err != nil {
			c.Detail("%s: %v; what it used on %s counts", p.Dir, err, p.Seen.Format(time.DateOnly))
			for _, ref := range p.Uses {
				uses[ref] = p.Dir
			}
			continue
		}
		for _, w := range asked {
			if _, ok := c.Satisfying(w); !ok {
				wants, by = append(wants, w), append(by, p.Dir)
			}
		}
	}
	return func(r record.Head) string {
		dir, used := uses[r.Ref()]
		if i := slices.IndexFunc(wants, func(w toolset.Want) bool { return w.Means(r) }); i >= 0 {
			dir, used = by[i], true
		}
		if !used {
			return ""
		}
		return "the project " + dir + " needs it"
	}
}
