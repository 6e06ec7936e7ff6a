package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// Parts are the optional parts of a release that a user asks for.
type Parts struct {
	Components []string
	Targets    []string
	Profile    string
}

// Validate checks that all of w are names.
func (w Parts) Validate() error {
	check := func(kind string, names []string) error {
		for _, name := range names {
			if err := manifests.ValidName(name); err != nil {
				return fmt.Errorf("%s %w", kind, err)
			}
		}
		return nil
	}
	err := cmp.Or(check("component", w.Components), check("target", w.Targets))
	if err == nil && w.Profile != "" {
		err = check("profile", []string{w.Profile})
	}
	return err
}

// IsIn reports whether r is known to have all of w. The support for a target is a
// component whose name ends with the target.
func (w Parts) IsIn(r record.Head) bool {
	lacks := func(c string) bool { return !slices.Contains(r.Components, c) }
	cannotTarget := func(target string) bool { return len(forTarget(r, target)) == 0 }
	return !slices.ContainsFunc(w.Components, lacks) && !slices.ContainsFunc(w.Targets, cannotTarget) &&
		(w.Profile == "" || w.Profile == r.Profile)
}

// WithThoseOf returns w and the parts of r, which is to be installed again.
func (w Parts) WithThoseOf(r record.Head) Parts {
	w.Components = append(slices.Clone(w.Components), r.Components...)
	slices.Sort(w.Components)
	w.Components = slices.Compact(w.Components)
	if w.Profile == "" {
		w.Profile = r.Profile
	}
	return w
}

// ComponentsIn returns the names of the components of r that w means. It fails with
// *manifests.UnknownPartError; the plan checks the components.
func (w Parts) ComponentsIn(r record.Head) ([]string, error) {
	components := slices.Clone(w.Components)
	for _, target := range w.Targets {
		found := forTarget(r, target)
		if len(found) == 0 {
			return nil, &manifests.UnknownPartError{Tool: r.Tool, Version: r.Version, Part: "target", Name: target}
		}
		components = append(components, found...)
	}
	return components, nil
}

// forTarget returns the components of r that support a target: those whose names
// end with the target's.
func forTarget(r record.Head, target string) (components []string) {
	for _, c := range r.Components {
		if strings.HasSuffix(c, "-"+target) {
			components = append(components, c)
		}
	}
	return components
}

// With returns w and more, which the command line asks for; the profile of more wins.
func (w Parts) With(more Parts) Parts {
	w.Components = append(w.Components, more.Components...)
	w.Targets = append(w.Targets, more.Targets...)
	if more.Profile != "" {
		w.Profile = more.Profile
	}
	return w
}
