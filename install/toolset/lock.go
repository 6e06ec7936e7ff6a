package toolset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/lockfile"
	"github.com/kist-tools/kist/manifests/project"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// WantOf returns what a project's request means to this machine.
func WantOf(ask project.Ask) Want {
	w := Want{Ref: trust.Ref{Channel: ask.Channel, Name: ask.Tool, Version: ask.Version}, Range: ask.Range}
	w.Components, w.Targets, w.Profile = ask.Components, ask.Targets, ask.Profile
	return w
}

// Lock returns the lock for wants. An entry of old that answers a request is kept as it
// is, unless update returns true for its tool or it lacks one of platforms; then its
// channel is asked again, for the same version unless update says otherwise. Where a
// locked release is installed, the digest of its files is added to its entry. Nothing is
// installed. A tool that no channel offers is left out with a warning, unless kist.toml
// names it.
func (s *Set) Lock(ctx context.Context, wants []project.Want, platforms []manifests.Platform, old lockfile.Lock, update func(tool string) bool) (l lockfile.Lock, err error) {
	for _, w := range wants {
		have, ok := old.Answering(w.Ask)
		keep := ok && !update(w.Tool)
		covers := func(p manifests.Platform) bool { _, ok := have.On(p); return ok }
		if keep && !slices.ContainsFunc(platforms, func(p manifests.Platform) bool { return !covers(p) }) {
			s.addTree(&have, s.Desk.Platform)
			l.Tools = append(l.Tools, have)
			continue
		}
		want := WantOf(w.Ask)
		var origin string
		if keep {
			want.Version, want.Range, origin = "="+have.Version, "", have.Origin
		}
		t, err := s.lockOne(ctx, w.Ask, want, origin, platforms)
		if unknown, ok := errors.AsType[*manifests.UnknownToolError](err); ok && !w.IsOwn() {
			s.Warn("%s asks for %s, which is left out: %v", w.Path, w.Ask, unknown)
			continue
		}
		if err != nil {
			return l, err
		}
		if !t.IsFor(w.Ask) {
			return l, &project.Error{File: w.Path, Err: fmt.Errorf("%s is a label here and looks like a version, so no lock can hold it: ask for %s", w.Ask, t.Version)}
		}
		l.Tools = append(l.Tools, t)
	}
	return l, nil
}

// lockOne asks the channel of w for its release on each platform.
func (s *Set) lockOne(ctx context.Context, ask project.Ask, w Want, origin string, platforms []manifests.Platform) (t lockfile.Tool, err error) {
	if w.Range != "" {
		if w.Ref, err = s.newestInRange(ctx, w); err != nil {
			return t, err
		}
	}
	b, err := s.Desk.Pick(ctx, w.Ref)
	if err != nil {
		return t, err
	}
	own := s.Desk.Platform
	// This machine's platform first: what a bare request means there decides for all.
	platforms = slices.Clone(platforms)
	slices.SortStableFunc(platforms, func(a, b manifests.Platform) int {
		switch {
		case a == own && b != own:
			return -1
		case b == own && a != own:
			return 1
		}
		return strings.Compare(a.String(), b.String())
	})
	var releases []manifests.Release
	var proof lockfile.Proof // the lines of it
	for _, p := range platforms {
		q := s.Desk.Request(w.Ref)
		q.Components, q.Targets, q.Profile, q.Origin = w.Components, w.Targets, w.Profile, origin
		if q.Platform = p; p != own {
			q.Distro, q.Glibc = "", ""
		}
		r, catalog, err := s.Desk.Choose(ctx, b, q, trust.Choice{Resolve: func(c manifests.Catalog, q manifests.Request) (manifests.Release, error) {
			r, err := c.Resolve(q) // not with the components of what is installed here
			r.Channel, r.Requested = b.Name, q.Version
			if err != nil {
				err = fmt.Errorf("%s: %w", p, err)
			}
			return r, err
		}})
		if err != nil {
			return t, err
		}
		if r.Evidence.Mark == nil && !catalog.Mark().IsZero() {
			m := catalog.Mark().Renamed(b.Name)
			r.Evidence.Mark = &m
		}
		r.Platform = p
		if err := r.Validate(); err != nil {
			return t, err
		}
		releases = append(releases, r)
		w.Version, origin = "="+r.Version, r.Origin
		proof.AddLines(catalog.Mark())
	}
	t = lockfile.Of(ask, releases)
	t.Proof.Lines = proof.Lines
	s.addTree(&t, own)
	return t, nil
}

// addTree adds the digest of the installed files to the entry for a platform, if it is
// missing and exactly that release is installed here.
func (s *Set) addTree(t *lockfile.Tool, own manifests.Platform) {
	t.Platforms = slices.Clone(t.Platforms) // those of another lock stay as they are
	for i, p := range t.Platforms {
		if !p.Tree.IsZero() {
			continue
		}
		if have, ok := s.installedVersion(*t); p.Platform == own && ok && checkInstalled(*t, p, have) == nil && sameComponents(p, have) {
			if receipt, err := s.Receipt(have.ID); err == nil {
				t.Platforms[i].Tree = receipt.TreeDigest()
			}
		}
	}
}

// installedVersion returns the installed release of the version that t names.
func (s *Set) installedVersion(t lockfile.Tool) (record.Head, bool) {
	for _, have := range s.Installed() {
		if have.Key() == t.Key() && have.Version == t.Version {
			return have, true
		}
	}
	return record.Head{}, false
}

// checkInstalled returns a *lockfile.MismatchError if an installed release was not
// unpacked from the files that the lock names, or not proved as the lock says, or
// *manifests.UnknownPartError if it lacks one of its components.
func checkInstalled(t lockfile.Tool, p lockfile.Platform, have record.Head) error {
	for _, f := range p.Files {
		i := slices.IndexFunc(have.Artifacts, func(a record.Artifact) bool { return a.Component == f.Component })
		if i < 0 {
			return &manifests.UnknownPartError{Tool: t.Name, Version: t.Version, Part: "component", Name: f.Component}
		}
	}
	for _, a := range have.Artifacts {
		ofComponent, same := false, false
		for _, f := range p.Files {
			if f.Component == a.Component {
				ofComponent, same = true, same || isFile(a, f)
			}
		}
		if ofComponent && !same {
			return installedMismatch(have, "%s was installed from other bytes", a.Name)
		}
		if err := checkSigners(t, a.Evidence.Root(), have); t.Proof.Kind == "" && ofComponent && a.Evidence.Tree == nil && err != nil {
			return err
		}
	}
	if problem := t.Proof.Contradiction(have.Evidence); problem != "" {
		return installedMismatch(have, "%s", problem)
	}
	root := have.Evidence.Root()
	switch {
	case t.Proof.Kind == "" && root.Kind == "", t.Proof.Kind == verify.ByTree && root.Kind == "": // the files are proved one by one
		return nil
	case root.Kind != t.Proof.Kind:
		return installedMismatch(have, "it was proved by %s when it was installed, not by %s",
			cmp.Or(string(root.Kind), "signatures of its files"), cmp.Or(string(t.Proof.Kind), "signatures of its files"))
	}
	return checkSigners(t, root, have)
}

// checkSigners returns a *lockfile.MismatchError if a key that is none of t's signers
// signed what e proves, or nobody did.
func checkSigners(t lockfile.Tool, e verify.Evidence, have record.Head) error {
	for _, s := range e.Signers {
		if !slices.Contains(t.Proof.Signers, s.Primary) {
			return installedMismatch(have, "key %s had signed it when it was installed, and is not one of its signers", s.Primary.Spaced())
		}
	}
	if len(e.Signers) == 0 && len(t.Proof.Signers) > 0 {
		return installedMismatch(have, "nobody had signed it when it was installed")
	}
	return nil
}

// installedMismatch returns an error about an installed release that is not what a lock names.
func installedMismatch(have record.Head, format string, args ...any) error {
	return &lockfile.MismatchError{Tool: have.Ref(), What: fmt.Sprintf(format, args...), Installed: true}
}

// isFile reports whether a is the file that f names.
func isFile(a record.Artifact, f lockfile.File) bool {
	switch {
	case a.Name != f.Name, f.Size > 0 && a.Size != f.Size:
		return false
	case !f.Digest.IsZero():
		return a.Digest == f.Digest || a.Evidence.Digest == f.Digest
	case f.H1 != "":
		return a.Evidence.Tree != nil && a.Evidence.Tree.H1 == f.H1
	}
	return a.Evidence.Proof == f.Signature
}

// sameComponents reports whether have has no components beside those of p.
func sameComponents(p lockfile.Platform, have record.Head) bool {
	return !slices.ContainsFunc(have.Artifacts, func(a record.Artifact) bool {
		return !slices.ContainsFunc(p.Files, func(f lockfile.File) bool { return f.Component == a.Component })
	})
}

// hasOnly reports whether r has no components beside those of p.
func hasOnly(p lockfile.Platform, r manifests.Release) bool {
	return !slices.ContainsFunc(r.Artifacts, func(a manifests.Artifact) bool {
		return !slices.ContainsFunc(p.Files, func(f lockfile.File) bool { return f.Component == a.Component })
	})
}

// LockedWants returns what to install for the entries of the lock at path.
func (s *Set) LockedWants(path string, tools []lockfile.Tool) (wants []Want, err error) {
	for _, t := range tools {
		if _, ok := t.On(s.Desk.Platform); !ok {
			return nil, &lockfile.MissingError{Path: path, What: fmt.Sprintf("does not cover %s on %s", t.Key(), s.Desk.Platform)}
		}
		w := Want{Ref: trust.Ref{Channel: t.Channel, Name: t.Name, Version: "=" + t.Version}, Locked: &t, LockPath: path}
		w.Components, w.Targets, w.Profile = t.Components, t.Targets, t.Profile
		wants = append(wants, w)
	}
	return wants, nil
}

// checkLocked checks an installed release that satisfies w against its lock.
func (s *Set) checkLocked(w Want, have record.Head) error {
	if w.Locked == nil {
		return nil
	}
	p, _ := w.Locked.On(s.Desk.Platform)
	if err := checkInstalled(*w.Locked, p, have); err != nil || p.Tree.IsZero() || !sameComponents(p, have) {
		return err
	}
	receipt, err := s.Receipt(have.ID)
	if err == nil && receipt.TreeDigest() != p.Tree {
		err = installedMismatch(have, "its files differ from those that were locked (tree %s, not %s)", receipt.TreeDigest().Hex(), p.Tree.Hex())
	}
	return err
}

// A LockedTool is what VerifyLocked found for one entry of a lock.
type LockedTool struct {
	Release string        `json:"release"`
	Tree    verify.Digest `json:"tree,omitzero"` // of the installed files, by their receipt
	Problem string        `json:"problem,omitempty"`
}

// VerifyLocked compares what is installed with the entries of a lock, by the receipts:
// the version, the files that were unpacked, and the digest of the installed files. It
// also returns the releases that are installed.
func (s *Set) VerifyLocked(path string, tools []lockfile.Tool) (list []LockedTool, installed []record.Head, err error) {
	for _, t := range tools {
		one := LockedTool{Release: t.Key() + "@" + t.Version}
		p, covered := t.On(s.Desk.Platform)
		have, found := s.installedVersion(t)
		if found {
			installed = append(installed, have)
		}
		switch {
		case !covered:
			return nil, nil, &lockfile.MissingError{Path: path, What: fmt.Sprintf("does not cover %s on %s", t.Key(), s.Desk.Platform)}
		case !found:
			one.Problem = "not installed"
		default:
			if err := checkInstalled(t, p, have); err != nil {
				one.Problem = err.Error()
				break
			}
			receipt, err := s.Receipt(have.ID)
			if err != nil {
				return nil, nil, err
			}
			one.Tree = receipt.TreeDigest()
			if !p.Tree.IsZero() && sameComponents(p, have) && one.Tree != p.Tree {
				one.Problem = fmt.Sprintf("its files differ from those that were locked (tree %s, not %s)", one.Tree.Hex(), p.Tree.Hex())
			}
		}
		list = append(list, one)
	}
	return list, installed, nil
}
