package publish

import (
	"slices"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
)

// A SetEdit is the result of PutSet.
type SetEdit struct {
	Name     string   `json:"name"`
	Tools    []string `json:"tools,omitempty"` // as kist install takes them
	Replaced bool     `json:"replaced,omitempty"`
}

// PutSet adds a set to the draft, or replaces the one of that name. A reference without a
// channel means a tool of this channel, of which the draft must have a release. Errors
// match manifests.ErrInput, before anything is written.
func (d Dir) PutSet(name string, refs []string) (SetEdit, error) {
	s := manifests.Set{Name: name}
	for _, ref := range refs {
		tool, err := native.ParseSetTool(ref)
		if err != nil {
			return SetEdit{}, manifests.Invalid("%v", err)
		}
		s.Tools = append(s.Tools, tool)
	}
	_, m, err := d.loadWork()
	if err != nil {
		return SetEdit{}, err
	}
	done := SetEdit{Name: name, Tools: toolsOf(s)}
	if i := slices.IndexFunc(m.Sets, called(name)); i >= 0 {
		m.Sets[i], done.Replaced = s, true
	} else {
		m.Sets = append(m.Sets, s)
	}
	if err := checkDraft(m, func(native.Release) bool { return false }); err != nil {
		return SetEdit{}, err
	}
	return done, d.write(DraftFile, m)
}

// RemoveSet removes a set from the draft. It fails with *manifests.UnknownSetError, before
// anything is written.
func (d Dir) RemoveSet(name string) error {
	_, m, err := d.loadWork()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(m.Sets, called(name))
	if i < 0 {
		return &manifests.UnknownSetError{Channel: m.Channel, Set: name, Near: manifests.Near(name, setNames(m))}
	}
	m.Sets = slices.Delete(m.Sets, i, i+1)
	return d.write(DraftFile, m)
}

// A ListedSet is a set and its state, as shown to the publisher.
type ListedSet struct {
	Name  string   `json:"name"`
	State string   `json:"state"`
	Tools []string `json:"tools"`
}

// listSets lists the sets of m, then those that users get until m is published.
func listSets(m, published, waiting *native.Manifest) (list []ListedSet) {
	same := func(other *native.Manifest, s manifests.Set) bool {
		i := slices.IndexFunc(other.Sets, called(s.Name))
		return i >= 0 && slices.Equal(toolsOf(other.Sets[i]), toolsOf(s))
	}
	for _, s := range m.Sets {
		state := stateDraft
		switch {
		case same(published, s):
			state = statePublished
		case same(waiting, s):
			state = stateWaiting
		}
		list = append(list, ListedSet{s.Name, state, toolsOf(s)})
	}
	for _, s := range published.Sets {
		if !slices.ContainsFunc(m.Sets, called(s.Name)) {
			list = append(list, ListedSet{s.Name, stateRemoved, toolsOf(s)})
		}
	}
	return list
}

// called returns a function that reports whether a set has this name.
func called(name string) func(manifests.Set) bool {
	return func(s manifests.Set) bool { return s.Name == name }
}

// toolsOf returns the tools of s as kist install takes them.
func toolsOf(s manifests.Set) []string {
	tools := make([]string, len(s.Tools))
	for i, t := range s.Tools {
		tools[i] = t.String()
	}
	return tools
}

func setNames(m *native.Manifest) (names []string) {
	for _, s := range m.Sets {
		names = append(names, s.Name)
	}
	return names
}
