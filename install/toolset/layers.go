package toolset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/trust"
)

// A Layer is a store that lies below the user's own: what it holds counts as installed,
// and is never changed.
type Layer struct {
	*install.Installer
	Dir   string // the directory of the store, as config.toml names it
	State plan.State
}

// AddLayers opens the stores in dirs as layers of s, the upper ones first. A store that
// does not exist, cannot be read, or that others could change is left out with a warning,
// and so is one that is damaged. The user's own store, or one that was added before, is
// not added again.
func (s *Set) AddLayers(ctx context.Context, dirs []string, h install.Host) error {
	for _, dir := range dirs {
		i, err := install.OpenReadOnly(ctx, dir, h, func(text string) { s.Warn("store %s: %s", dir, text) })
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		if missing, ok := errors.AsType[*fs.PathError](err); ok && errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s does not exist", missing.Path)
		}
		if err != nil {
			s.Warn("store %s is left out: %v", dir, err)
			continue
		}
		same := func(l Layer) bool { return l.IsSameStore(i) }
		if s.IsSameStore(i) || slices.ContainsFunc(s.Layers, same) {
			i.Close()
			continue
		}
		state, err := i.State()
		if err != nil {
			s.Warn("store %s is left out: %v", dir, err)
			i.Close()
			continue
		}
		s.Layers = append(s.Layers, Layer{i, dir, state})
	}
	return nil
}

// Close closes the stores of s.
func (s *Set) Close() error {
	err := s.Installer.Close()
	for _, l := range s.Layers {
		err = errors.Join(err, l.Close())
	}
	return err
}

// Installed returns the releases of the user's own store, then those of each layer; those
// of one store are sorted by tool and then by version, newest first.
func (s *Set) Installed() []record.Head {
	list := s.State.Installed()
	for n, l := range s.Layers {
		for _, r := range l.State.Installed() {
			if s.index(r.ID) == n {
				list = append(list, r)
			}
		}
	}
	return list
}

// ownStore is the index of the user's own store, which comes before the layers.
const ownStore = -1

// index returns the index of the layer that holds the release id. Only the uppermost store
// counts that holds it: another one is a copy.
func (s *Set) index(id record.ID) int {
	if _, own := s.State.Receipts[id]; own || s.State.Damaged[id] != nil {
		return ownStore
	}
	for n, l := range s.Layers {
		if l.State.Current.Has(id) {
			return n
		}
	}
	return ownStore
}

// LayerOf returns the layer that holds the release id, or nil if it is in the user's own
// store.
func (s *Set) LayerOf(id record.ID) *Layer {
	if n := s.index(id); n != ownStore {
		return &s.Layers[n]
	}
	return nil
}

// Holder returns the Installer of the store that holds the release id.
func (s *Set) Holder(id record.ID) *install.Installer {
	if l := s.LayerOf(id); l != nil {
		return l.Installer
	}
	return s.Installer
}

// Prefix is that of the store that holds the release id.
func (s *Set) Prefix(id record.ID) string { return s.Holder(id).Prefix(id) }

// Missing is that of the store that holds r.
func (s *Set) Missing(r record.Head) *install.MissingError { return s.Holder(r.ID).Missing(r) }

// MissingAt is that of the store that holds r.
func (s *Set) MissingAt(r record.Head, below string) *install.MissingError {
	return s.Holder(r.ID).MissingAt(r, below)
}

// Receipt is that of the store that holds the release id.
func (s *Set) Receipt(id record.ID) (record.Receipt, error) { return s.Holder(id).Receipt(id) }

// Verify is that of the store that holds the release id.
func (s *Set) Verify(ctx context.Context, id record.ID) (paths int, drifts []install.Drift, err error) {
	return s.Holder(id).Verify(ctx, id)
}

// Head returns what is known of the release id of any store.
func (s *Set) Head(id record.ID) record.Head {
	r := s.State.Receipts[id]
	if l := s.LayerOf(id); l != nil {
		r = l.State.Receipts[id]
	}
	r.ID = id // set even if the receipt cannot be read
	return r
}

// InLayers returns the releases of the layers.
func (s *Set) InLayers() []record.Head {
	return slices.DeleteFunc(s.Installed(), func(r record.Head) bool { return s.LayerOf(r.ID) == nil })
}

// own returns the releases of list in the user's own store. If there is none, the error is
// a *LayerError.
func (s *Set) own(list []record.Head) ([]record.Head, error) {
	own := slices.DeleteFunc(slices.Clone(list), func(r record.Head) bool { return s.LayerOf(r.ID) != nil })
	if len(own) == 0 && len(list) > 0 {
		l := s.LayerOf(list[0].ID)
		return nil, &LayerError{list[0], l.Dir, l.Owner()}
	}
	return own, nil
}

// matchingOwn is Matching for the user's own store. If only a layer has such a release,
// the error is a *LayerError.
func (s *Set) matchingOwn(ref trust.Ref) ([]record.Head, error) {
	mine, err := s.matching(ref, s.State.Installed())
	if _, absent := errors.AsType[*NotInstalledError](err); !absent {
		return mine, err
	}
	found, failed := s.Matching(ref)
	if failed != nil {
		return nil, err
	}
	return s.own(found)
}

// ToDefault returns the change that makes r, which is installed in any store, the default
// of its tool.
func (s *Set) ToDefault(r record.Head) plan.Change {
	if l := s.LayerOf(r.ID); l != nil {
		return plan.Change{Outside: []plan.Outside{{Head: r, Prefix: l.Prefix(r.ID)}}}
	}
	return plan.Change{Default: []record.ID{r.ID}}
}

// A LayerError is returned for a change of a release that only a layer has.
type LayerError struct {
	Release record.Head
	Store   string // its directory
	Owner   string // for people; "" if the system has no owners
}

func (e *LayerError) Error() string {
	owner := ""
	if e.Owner != "" {
		owner = ", which belongs to " + e.Owner
	}
	return fmt.Sprintf("%s is in the store %s%s: it is only read, and nothing in it is changed", e.Release.Ref(), e.Store, owner)
}
func (*LayerError) Kind() string { return "refused" }
