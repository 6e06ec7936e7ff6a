package lockfile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/project"
	"github.com/kist-tools/kist/verify"
)

// Of returns the entry for a request, and for the releases that answer it, one for each
// platform. All must be of one version.
func Of(ask project.Ask, releases []manifests.Release) Tool {
	r := releases[0]
	t := Tool{
		Ask: ask.String(), Components: ask.Components, Targets: ask.Targets, Profile: ask.Profile,
		Channel: r.Channel, Name: r.Tool, Version: r.Version, Origin: r.Origin, Proof: proofOf(r),
	}
	for _, r := range releases {
		t.Platforms = append(t.Platforms, Platform{Platform: r.Platform, Files: filesOf(r)})
	}
	slices.SortFunc(t.Platforms, func(a, b Platform) int { return strings.Compare(a.Platform.String(), b.Platform.String()) })
	return t
}

// proofOf returns how r is proved: by the signers of the document that names it, or else
// by the keys that the signatures of its files name.
func proofOf(r manifests.Release) (p Proof) {
	e := r.Evidence.Root()
	p.Kind = e.Kind
	for _, s := range e.Signers {
		p.Signers = append(p.Signers, s.Primary)
	}
	if m := r.Evidence.Mark; m != nil {
		p.Serial, p.Issued = m.Serial, m.Issued
	}
	if e.Digest.Algorithm() == "sha256" {
		p.Digest = e.Digest
	}
	for _, a := range r.Artifacts {
		switch i := a.Integrity; {
		case p.Kind == "" && i.Signature != nil:
			p.Signers = append(p.Signers, signersOf(*i.Signature)...)
		case p.Kind == "" && i.Tree != nil:
			p.Kind = i.Tree.Evidence.Kind
		}
	}
	slices.Sort(p.Signers)
	p.Signers = slices.Compact(p.Signers)
	return p
}

// AddLines adds the manifests of the lines of m, the mark of the catalog that the release
// is from.
func (p *Proof) AddLines(m verify.Mark) {
	for _, line := range m.Lines {
		if line.Digest.Algorithm() == "sha256" {
			p.Lines = append(p.Lines, line.Digest)
		}
	}
	slices.SortFunc(p.Lines, func(a, b verify.Digest) int { return strings.Compare(a.Hex(), b.Hex()) })
	p.Lines = slices.Compact(p.Lines)
}

// Names reports whether the release was proved by the manifest with this digest, or
// beside it, when the lock was made.
func (p Proof) Names(manifest verify.Digest) bool {
	return !manifest.IsZero() && (manifest == p.Digest || slices.Contains(p.Lines, manifest))
}

// signersOf returns the primary keys that a detached signature names. Whether they made
// it is proved when the file is there; the lock fixes the signature itself.
func signersOf(s manifests.Signature) (primaries []verify.Fingerprint) {
	claims, err := verify.Claims(s.Data, nil)
	if err != nil {
		return nil
	}
	for _, pin := range s.Policy.Keys.Pins() {
		if slices.ContainsFunc(claims, func(c verify.Claim) bool { return c.Names(pin) }) {
			primaries = append(primaries, pin.Primary)
		}
	}
	return primaries
}

// filesOf returns the files of r, alternatives included: which of them is fetched depends
// on the network.
func filesOf(r manifests.Release) (files []File) {
	for _, a := range r.Artifacts {
		for _, one := range append([]manifests.Artifact{a}, a.Alternatives...) {
			f := File{Component: one.Component, Name: one.Name, Size: one.Size, Digest: one.Integrity.Digest}
			if s := one.Integrity.Signature; s != nil {
				f.Signature = verify.DigestOf(s.Data)
			}
			if t := one.Integrity.Tree; t != nil {
				f.H1 = t.H1
			}
			files = append(files, f)
		}
	}
	slices.SortFunc(files, compareFiles)
	return files
}

// A MismatchError reports that a locked version has other bytes or other signers than its
// lock names. It matches verify.ErrUntrusted.
type MismatchError struct {
	Tool      string // channel/name@version
	What      string // what differs
	Installed bool   // it is what is installed that differs, and not what a channel offers
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s is not what %s names: %s", e.Tool, Name, e.What)
}

// Unwrap makes e match verify.ErrUntrusted.
func (e *MismatchError) Unwrap() error { return verify.ErrUntrusted }

// NoFile is what a MissingError says of a lock that does not exist.
const NoFile = "does not exist"

// A MissingError reports that a lock does not answer a project's files, or lacks a
// platform.
type MissingError struct {
	Path string // of the lock
	What string
}

func (e *MissingError) Error() string { return fmt.Sprintf("%s %s", e.Path, e.What) }
func (*MissingError) Kind() string    { return "lock" }

// Check returns nil if r is what t names for the platform of r. It may have further
// components, those of also, which are installed already. Otherwise the error is a
// *MismatchError, or a *MissingError if t does not have that platform.
func (t Tool) Check(path string, r manifests.Release, also []string) error {
	have := Of(project.Ask{}, []manifests.Release{r})
	mismatch := func(format string, args ...any) error {
		return &MismatchError{Tool: r.Channel + "/" + r.Tool + "@" + r.Version, What: fmt.Sprintf(format, args...)}
	}
	locked, ok := t.On(r.Platform)
	switch {
	case have.Key() != t.Key() || have.Version != t.Version:
		return mismatch("it names %s@%s", t.Key(), t.Version)
	case !ok:
		return &MissingError{path, fmt.Sprintf("does not cover %s on %s", t.Key(), r.Platform)}
	case have.Origin != t.Origin:
		return mismatch("it was published by %s, not by %s", or(have.Origin, "another origin"), or(t.Origin, "another origin"))
	case have.Proof.Kind != t.Proof.Kind:
		return mismatch("it is proved by %s, not by %s", or(string(have.Proof.Kind), "signatures of its files"), or(string(t.Proof.Kind), "signatures of its files"))
	}
	for _, f := range have.Proof.Signers {
		if !slices.Contains(t.Proof.Signers, f) {
			return mismatch("key %s signed it, and was none of its signers", f.Spaced())
		}
	}
	if len(have.Proof.Signers) == 0 && len(t.Proof.Signers) > 0 {
		return mismatch("nobody signed it, and %d keys had", len(t.Proof.Signers))
	}
	if problem := t.Proof.Contradiction(r.Evidence); problem != "" {
		return mismatch("%s", problem)
	}
	for _, f := range have.Platforms[0].Files {
		i := slices.IndexFunc(locked.Files, func(l File) bool { return l.Component == f.Component && l.Name == f.Name })
		if i < 0 && slices.Contains(also, f.Component) && !slices.ContainsFunc(locked.Files, func(l File) bool { return l.Component == f.Component }) {
			continue
		}
		if i < 0 {
			return mismatch("its file %s is another one", f.Name)
		}
		if l := locked.Files[i]; l.Digest != f.Digest || l.H1 != f.H1 || l.Signature != f.Signature || l.Size != f.Size {
			return mismatch("its file %s has other bytes", f.Name)
		}
	}
	for _, l := range locked.Files {
		if !slices.ContainsFunc(have.Platforms[0].Files, func(f File) bool { return f.Component == l.Component }) {
			return mismatch("its component %s is missing", l.Component)
		}
	}
	return nil
}

// Contradiction returns what is wrong if p and e describe one manifest in two ways, else "".
// A release may also have been proved by an older or a newer manifest than the one of p.
func (p Proof) Contradiction(e verify.Evidence) string {
	m, digest := e.Mark, e.Root().Digest
	// The date of several lines is that of the newest, and that of one version has no order.
	if m == nil || m.Fixed || len(m.Lines) > 0 || digest.IsZero() || p.Digest.IsZero() {
		return ""
	}
	sameDate := p.Issued.Truncate(time.Second).Equal(m.Issued.Truncate(time.Second)) // as a lock writes it
	switch {
	case digest == p.Digest && !(p.Serial == m.Serial && sameDate):
		return "its manifest has another serial or date"
	case digest != p.Digest && p.Serial == m.Serial && (p.Serial > 0 || sameDate):
		return "its manifest has other bytes under the same serial or date"
	}
	return ""
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// Answers returns the entries of l for wants, in their order, or a *MissingError if l was
// made for other requests.
func (l Lock) Answers(path string, wants []project.Want) (tools []Tool, err error) {
	for _, w := range wants {
		t, ok := l.Answering(w.Ask)
		if !ok {
			return nil, &MissingError{path, fmt.Sprintf("does not answer %s, which %s asks for", w, w.Path)}
		}
		tools = append(tools, t)
	}
	return tools, nil
}

// Has reports whether l has an entry for a tool, whatever was requested.
func (l Lock) Has(tool string) bool {
	return slices.ContainsFunc(l.Tools, func(t Tool) bool { return t.Name == tool })
}

// Answering returns the entry for a request, if there is one.
func (l Lock) Answering(ask project.Ask) (Tool, bool) {
	i := slices.IndexFunc(l.Tools, func(t Tool) bool { return t.IsFor(ask) })
	if i < 0 {
		return Tool{}, false
	}
	return l.Tools[i], true
}

// IsFor reports whether t was made for a, and names a release that a can mean. The second
// half holds if somebody edited the lock: the request that it states proves nothing.
func (t Tool) IsFor(a project.Ask) bool {
	return t.Ask == a.String() && t.Profile == a.Profile && slices.Equal(t.Components, a.Components) && slices.Equal(t.Targets, a.Targets) &&
		t.Name == a.Tool && (a.Channel == "" || t.Channel == a.Channel) && canMean(a, t.Version)
}

// canMean reports whether a can mean version. Only the channel knows what a label means, such
// as stable; here it can mean every version. What begins with a digit is a version. As in
// Debian, the epoch of a version, and what follows its upstream number, may be left out.
func canMean(a project.Ask, version string) bool {
	if epoch, rest, ok := strings.Cut(version, ":"); ok && strings.Trim(epoch, "0123456789") == "" && !strings.Contains(a.Version, ":") {
		version = rest
	}
	if a.Range != "" || a.Version == "" || a.Allows(version, nil) {
		return a.Allows(version, nil)
	}
	number, exact := manifests.ExactVersion(a.Version)
	if number[0] < '0' || number[0] > '9' { // a label, or another spelling: go1.26.3, v22.1.0
		return !exact || strings.Contains(strings.ToLower(number), strings.ToLower(version))
	}
	number = strings.TrimSuffix(number, "-LTS") // of java, which kist spells without it
	rest, ok := strings.CutPrefix(version, number)
	return ok && (rest == "" || strings.ContainsAny(rest[:1], "+-~") || !exact && rest[0] == '.')
}
