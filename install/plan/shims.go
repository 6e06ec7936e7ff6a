package plan

import (
	"path"
	"slices"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// shims plans which launchers are made and removed.
func (p *Plan) shims(s State) {
	for _, name := range p.Change.ShimsOn {
		if !slices.Contains(s.Current.Shims, name) && !slices.Contains(p.ShimsOn, name) {
			p.ShimsOn = append(p.ShimsOn, name)
		}
	}
	for _, name := range p.Change.ShimsOff {
		if slices.Contains(s.Current.Shims, name) && !slices.Contains(p.ShimsOff, name) {
			p.ShimsOff = append(p.ShimsOff, name)
		}
	}
}

// shims computes the names of the launchers after p. The name of a new one must be valid,
// and free in the bin directory.
func shims(s State, p Plan) ([]string, error) {
	names := slices.DeleteFunc(slices.Clone(s.Current.Shims), func(name string) bool { return slices.Contains(p.ShimsOff, name) })
	for _, name := range p.ShimsOn {
		if err := manifests.ValidCommand(name); err != nil {
			return nil, err
		}
		if err := s.checkShim(name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return slices.Compact(slices.Sorted(slices.Values(names))), nil
}

// checkShim refuses a launcher whose name in the bin directory is not kist's, unless kist
// already uses that name: something else took it later, and stays.
func (s State) checkShim(name string) error {
	what, foreign := s.Foreign[name]
	if !foreign || slices.Contains(s.Current.Names(), name) {
		return nil
	}
	return &ForeignFileError{Path: path.Join(s.Bin, name), What: what}
}

// NewShims returns the names of the launchers of after that before lacks.
func NewShims(before, after record.Generation) []string {
	return slices.DeleteFunc(slices.Clone(after.Shims), func(name string) bool { return slices.Contains(before.Shims, name) })
}
