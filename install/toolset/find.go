package toolset

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/system"
	"github.com/kist-tools/kist/manifests/trust"
)

// Means reports whether ref means the installed release have.
func Means(ref trust.Ref, have record.Head) bool {
	return ref.Matches(have.Channel, have.Tool, have.Version, have.Labels)
}

// Matching returns the installed releases that ref means, all of one channel: the user's
// own first, and those of each store newest first. If ref names no channel, that is the tool's built-in channel, else the only
// channel it was installed from. Its errors are *NotInstalledError,
// *trust.SeveralChannelsError, *trust.SystemError and *install.ReceiptError.
func (s *Set) Matching(ref trust.Ref) ([]record.Head, error) { return s.matching(ref, s.Installed()) }

// matching is Matching among the releases in list.
func (s *Set) matching(ref trust.Ref, list []record.Head) ([]record.Head, error) {
	var found []record.Head
	var channels []string
	for _, have := range list {
		if have.Tool == ref.Name && (ref.Channel == "" || ref.Channel == have.Channel) {
			found = append(found, have)
			if !slices.Contains(channels, have.Channel) {
				channels = append(channels, have.Channel)
			}
		}
	}
	if len(channels) > 1 {
		own, builtin := trust.BuiltinChannel(ref.Name)
		if !builtin || !slices.Contains(channels, own) {
			return nil, &trust.SeveralChannelsError{Tool: ref.Name, Channels: channels}
		}
		ref.Channel = own
	}
	found = slices.DeleteFunc(found, func(have record.Head) bool { return !Means(ref, have) })
	// An exact version means only itself, even if it is a prefix of another.
	if i := slices.IndexFunc(found, func(have record.Head) bool { return have.Version == ref.Version }); i >= 0 {
		found = found[i : i+1]
	}
	if len(found) == 0 {
		return nil, s.NotInstalled(ref)
	}
	return found, nil
}

// Named returns the only installed release that ref means. If layers have it too, the
// uppermost store counts. Its errors are those of Matching and *SeveralVersionsError.
func (s *Set) Named(ref trust.Ref) (record.Head, error) {
	found, err := s.Matching(ref)
	if err != nil {
		return record.Head{}, err
	}
	upper := s.index(found[0].ID)
	found = slices.DeleteFunc(found, func(r record.Head) bool { return r.Ref() == found[0].Ref() && s.index(r.ID) != upper })
	return only(ref, found)
}

// only returns the release of found, if it is one.
func only(ref trust.Ref, found []record.Head) (record.Head, error) {
	if len(found) > 1 {
		return record.Head{}, &SeveralVersionsError{ref.String(), Refs(found)}
	}
	return found[0], nil
}

// ToRemove is Named for the user's own store. It also finds a release whose removal was
// interrupted and, if ref names a version, one that only older generations hold. If only a
// layer has the release, the error is a *LayerError.
func (s *Set) ToRemove(ref trust.Ref) (r record.Head, err error) {
	found, err := s.matchingOwn(ref)
	if err == nil {
		r, err = only(ref, found)
	}
	if _, absent := errors.AsType[*NotInstalledError](err); absent {
		for _, r := range s.State.Truncated() {
			if Means(ref, r) {
				return r, nil
			}
		}
		var older []record.Head
		for id := range s.State.Earlier() {
			if r := s.State.Receipts[id]; ref.Version != "" && Means(ref, r) {
				older = append(older, r)
			}
		}
		if i := slices.IndexFunc(older, func(r record.Head) bool { return r.Version == ref.Version }); i >= 0 {
			return older[i], nil
		}
		if refs := Refs(older); len(refs) == 1 {
			return older[0], nil
		} else if len(refs) > 1 {
			slices.Sort(refs)
			return r, &SeveralVersionsError{ref.String(), refs}
		}
	}
	return r, err
}

// InUse returns the installed release to use for ref: the default if ref means it, else
// the newest that ref means. Its errors are those of Matching.
func (s *Set) InUse(ref trust.Ref) (record.Head, error) {
	found, err := s.Matching(ref)
	if err != nil {
		return record.Head{}, err
	}
	s.defaultsFirst(found)
	return found[0], nil
}

// Selected returns the installed releases that refs mean, each once; without refs, all.
func (s *Set) Selected(refs []trust.Ref) (list []record.Head, err error) {
	if len(refs) == 0 {
		return s.Installed(), nil
	}
	return selected(refs, s.Matching)
}

// SelectedOwn is Selected for the user's own store. If only a layer has a release that a
// ref means, the error is a *LayerError.
func (s *Set) SelectedOwn(refs []trust.Ref) (list []record.Head, err error) {
	if len(refs) == 0 {
		return s.State.Installed(), nil
	}
	return selected(refs, s.matchingOwn)
}

// selected returns what matching returns for each of refs, each once.
func selected(refs []trust.Ref, matching func(trust.Ref) ([]record.Head, error)) (list []record.Head, err error) {
	for _, ref := range refs {
		found, err := matching(ref)
		if err != nil {
			return nil, err
		}
		for _, have := range found {
			if !slices.ContainsFunc(list, func(r record.Head) bool { return r.ID == have.ID }) {
				list = append(list, have)
			}
		}
	}
	return list, nil
}

// Refs returns the names of releases, each once, even if it has several prefixes.
func Refs(releases []record.Head) (list []string) {
	for _, r := range releases {
		if ref := r.Ref(); !slices.Contains(list, ref) {
			list = append(list, ref)
		}
	}
	return list
}

// holding finds the installed release that is r, with all of its components.
func (s *Set) holding(r manifests.Release) (record.Head, bool) {
	for _, have := range s.Installed() {
		if have.Channel == r.Channel && have.Tool == r.Tool && have.Version == r.Version && have.Platform == r.Platform &&
			(plan.Parts{Components: r.Components}).IsIn(have) {
			return have, true
		}
	}
	return record.Head{}, false
}

// NotInstalled returns the error that ref is not installed, or, if a damaged receipt
// may be that of ref, a *install.ReceiptError: then ref may or may not be installed.
func (s *Set) NotInstalled(ref trust.Ref) error {
	if ref.Channel == system.Channel {
		return &trust.SystemError{Tool: ref.Name}
	}
	for _, id := range slices.Sorted(maps.Keys(s.State.Damaged)) {
		if strings.Contains("-"+string(id), "-"+ref.Name+"-") {
			return &install.ReceiptError{ID: id, Err: s.State.Damaged[id]}
		}
	}
	var tools, versions []string
	for _, have := range s.Installed() {
		tools = append(tools, have.Tool)
		if have.Tool == ref.Name {
			versions = append(versions, have.Version)
		}
	}
	e := &NotInstalledError{Ref: ref}
	if len(versions) == 0 {
		e.Near = manifests.Near(ref.Name, slices.Compact(slices.Sorted(slices.Values(tools))))
	}
	for _, v := range manifests.NearVersions(ref.Version, versions) {
		e.Near = append(e.Near, ref.Name+"@"+v)
	}
	return e
}

// A NotInstalledError reports that no installed release matches.
type NotInstalledError struct {
	Ref  trust.Ref
	Near []string // installed tools or versions with similar names
}

func (e *NotInstalledError) Error() string { return fmt.Sprintf("%s is not installed", e.Ref) }
func (*NotInstalledError) Kind() string    { return "not-installed" }

// A SeveralVersionsError reports that several installed versions match.
type SeveralVersionsError struct {
	Tool string
	Refs []string // channel/tool@version, newest first
}

func (e *SeveralVersionsError) Error() string {
	return fmt.Sprintf("several versions of %s are installed: %s", e.Tool, strings.Join(e.Refs, ", "))
}
func (*SeveralVersionsError) Kind() string { return "usage" }
