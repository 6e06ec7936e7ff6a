// Package audit says what is wrong with installed releases today: by the evidence that was
// stored with them, by what their publishers withdrew, by the policy files of this machine,
// and by a database of advisories. It uses no network, and changes nothing.
package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/evidence"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/advisories"
	"github.com/kist-tools/kist/manifests/limits"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// A Rule is a kind of finding.
type Rule struct {
	ID    string // as JSON and SARIF have it
	Means string // in one sentence
}

// The identifiers of the rules.
const (
	Withdrawn = "withdrawn"
	Denied    = "denied"
	Unproved  = "unproved"
	Advisory  = "advisory"
	Lost      = "no-evidence"
	Unknown   = "not-known"
)

// Rules returns all rules, the gravest first.
func Rules() []Rule {
	return []Rule{
		{Withdrawn, "The publisher withdrew this version."},
		{Denied, "A policy file of this machine denies this version."},
		{Unproved, "The evidence of this release would be refused today, for example because a key was revoked or distrusted since."},
		{Advisory, "A security advisory affects this version."},
		{Lost, "The evidence of this release is missing, or this user may not read it, so that it can be neither proved nor refuted."},
		{Unknown, "What the channel withdrew is not known, because its mark is damaged."},
	}
}

// A Finding is something that is wrong with one installed release.
type Finding struct {
	Rule    string   `json:"rule"`
	Release string   `json:"release"` // channel/tool@version
	Channel string   `json:"channel"`
	Tool    string   `json:"tool"`
	Version string   `json:"version"`
	ID      string   `json:"id,omitempty"`      // of the advisory
	Aliases []string `json:"aliases,omitempty"` // of the advisory, such as its CVE
	Package string   `json:"package,omitempty"` // the package of a distribution that is affected, with its version
	What    string   `json:"what"`
	// Instead is the version to use instead, as the publisher or the advisory states it.
	Instead string `json:"instead,omitempty"`
	Remedy  string `json:"remedy"` // what to do about it
	Prefix  string `json:"prefix"`
}

// An Audit audits the toolchains of a set.
type Audit struct {
	*toolset.Set
	DB     advisories.DB
	Proved map[record.ID]error              // of each release, by its documents
	Holds  map[record.ID][]evidence.Package // the packages of a distribution's toolchain
}

// Prove proves releases again by their stored documents, and learns which packages they
// hold. It must be called before Wanted and Findings.
func (a *Audit) Prove(ctx context.Context, list []record.Head) error {
	a.Proved, a.Holds = map[record.ID]error{}, map[record.ID][]evidence.Package{}
	if _, err := a.Desk.Rules(); err != nil { // says nothing about a release
		return err
	}
	for _, r := range list {
		packages, err := evidence.ProveDocuments(ctx, a.Desk, a.Holder(r.ID), r)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		_, lost := errors.AsType[*evidence.LostError](err)
		_, closed := errors.AsType[*evidence.ClosedError](err)
		if err != nil && !lost && !closed && !errors.Is(err, verify.ErrUntrusted) {
			return fmt.Errorf("%s: %w", r.Ref(), err) // such as a failing disk
		}
		a.Proved[r.ID], a.Holds[r.ID] = err, packages
	}
	return nil
}

// A named is a release or a part of it by its name in a database of advisories.
type named struct {
	advisories.Package
	version string
	part    string // the package of a distribution; "": the release itself
}

// names returns what r and its parts are called in a database of advisories.
func (a *Audit) names(r record.Head) (list []named) {
	for _, p := range advisories.OfTool(r.Channel, r.Tool, trust.IsBuiltinChannel(r.Channel)) {
		list = append(list, named{p, r.Version, ""})
	}
	for _, held := range a.Holds[r.ID] {
		if p, ok := advisories.OfSource(held.Index, held.Source); ok {
			list = append(list, named{p, held.Version, held.Source + " " + held.Version})
		}
	}
	return list
}

// Wanted returns the ecosystems and names of the packages that advisories about releases
// would name: see [advisories.DB.Add].
func (a *Audit) Wanted(list []record.Head) map[[2]string]bool {
	wanted := map[[2]string]bool{}
	for _, r := range list {
		for _, n := range a.names(r) {
			wanted[[2]string{n.Ecosystem, n.Name}] = true
		}
	}
	return wanted
}

// Findings returns what is wrong with releases, in their order and for each the gravest
// first.
func (a *Audit) Findings(list []record.Head) []Finding {
	findings := []Finding{}
	for _, r := range list {
		findings = append(findings, a.judged(r)...)
		findings = append(findings, a.evidence(r)...)
		findings = append(findings, a.advisories(r)...)
	}
	order := func(rule string) int {
		return slices.IndexFunc(Rules(), func(r Rule) bool { return r.ID == rule })
	}
	slices.SortStableFunc(findings, func(x, y Finding) int {
		return cmp.Or(strings.Compare(x.Release, y.Release), order(x.Rule)-order(y.Rule))
	})
	return findings
}

func (a *Audit) finding(rule string, r record.Head, what, remedy string) Finding {
	return Finding{Rule: rule, Release: r.Ref(), Channel: r.Channel, Tool: r.Tool, Version: r.Version, What: what, Remedy: remedy, Prefix: a.Prefix(r.ID)}
}

// judged returns the finding that r was withdrawn or is denied.
func (a *Audit) judged(r record.Head) []Finding {
	err := a.Refused(r)
	var f Finding
	switch e := err.(type) {
	case nil:
		return nil
	case *limits.WithdrawnError:
		f = a.finding(Withdrawn, r, err.Error(), toolset.Remedy(r, err))
		f.Instead = e.ReplacedBy
	case *limits.DeniedError:
		f = a.finding(Denied, r, err.Error(), toolset.Remedy(r, err))
	default:
		f = a.finding(Unknown, r, err.Error(), "kist channel refresh "+r.Channel)
	}
	return []Finding{f}
}

// evidence returns the finding that r is not proved any more.
func (a *Audit) evidence(r record.Head) []Finding {
	err := a.Proved[r.ID]
	if err == nil {
		return nil
	}
	if lost, ok := errors.AsType[*evidence.LostError](err); ok {
		return []Finding{a.finding(Lost, r, lost.Error(), fmt.Sprintf("kist uninstall %s, then kist install %s@=%s", r.Ref(), r.Key(), r.Version))}
	}
	if closed, ok := errors.AsType[*evidence.ClosedError](err); ok {
		return []Finding{a.finding(Lost, r, closed.Error(), "ask the owner of the store to run kist audit")}
	}
	return []Finding{a.finding(Unproved, r, err.Error(), "kist uninstall "+r.Ref())}
}

// advisories returns the advisories that affect r or a package in it, each once.
func (a *Audit) advisories(r record.Head) (list []Finding) {
	seen := map[string]bool{}
	for _, n := range a.names(r) {
		for _, record := range a.DB.About(n.Package) {
			affected, fixed := record.Affects(n.Package, n.version)
			key := record.ID + "\x00" + n.part
			if !affected || seen[key] {
				continue
			}
			seen[key] = true
			what := record.ID + " affects " + r.Ref()
			if n.part != "" {
				what = record.ID + " affects " + n.part + " in " + r.Ref()
			}
			if title := record.Title(); title != "" {
				what += ": " + title
			}
			f := a.finding(Advisory, r, what, "")
			f.ID, f.Aliases, f.Package, f.Instead = record.ID, record.Aliases, n.part, fixed
			f.Remedy = fixedBy(r, n, fixed)
			list = append(list, f)
		}
	}
	return list
}

// fixedBy says what to do about an advisory that is fixed in a version, "" if in none.
func fixedBy(r record.Head, n named, fixed string) string {
	switch {
	case n.part != "" && fixed != "":
		return fmt.Sprintf("kist update %s, once %s %s is in its channel", r.Ref(), n.Name, fixed)
	case fixed != "" && manifests.ValidVersion(fixed) == nil:
		return fmt.Sprintf("fixed in %s: kist install '%s@%s' --default, then kist uninstall %s", fixed, r.Key(), fixed, r.Ref())
	}
	return "no version is known to fix it; kist uninstall " + r.Ref()
}
