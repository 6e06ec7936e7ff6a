package publish

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// A ListedWithdrawal is a withdrawal and its state, as shown to the publisher.
type ListedWithdrawal struct {
	verify.Withdrawal
	State string `json:"state"`
}

// A Withdrawn is the result of Withdraw.
type Withdrawn struct {
	verify.Withdrawal
	Releases []string `json:"releases,omitempty"` // versions of the draft that it withdraws
	Labels   []string `json:"labels,omitempty"`   // labels that these still have
}

// Withdraw states in the draft that versions of a tool must not be used. It replaces an
// earlier statement about the same versions. The releases stay listed, so that users who
// name one learn why it is refused. Errors are *manifests.UnknownToolError,
// *manifests.UnknownVersionError for a replacement that is not offered, and
// manifests.ErrInput, before anything is written.
func (d Dir) Withdraw(w verify.Withdrawal) (Withdrawn, error) {
	_, m, err := d.loadWork()
	if err != nil {
		return Withdrawn{}, err
	}
	versions, err := manifests.ParseConstraint(w.Versions)
	if err != nil {
		return Withdrawn{}, manifests.Invalid("%v", err)
	}
	done := Withdrawn{Withdrawal: w}
	known, offered := false, false
	for _, r := range m.Releases {
		if r.Tool != w.Tool {
			continue
		}
		known, offered = true, offered || r.Version == w.ReplacedBy
		if versions.Holds(r.Version, manifests.Order{}) {
			done.Releases, done.Labels = append(done.Releases, r.Version), append(done.Labels, r.Labels...)
		}
	}
	if !known || w.ReplacedBy != "" && !offered {
		return Withdrawn{}, unknownRelease(m, w.Tool, w.ReplacedBy)
	}
	m.Withdrawn = append(slices.DeleteFunc(slices.Clone(m.Withdrawn), sameVersions(w)), w)
	if err := checkWithdrawn(m); err != nil {
		return Withdrawn{}, err
	}
	return done, d.write(DraftFile, m)
}

// Reinstate removes from the draft the statement about exactly these versions of a tool. If
// there is none, the error is a *manifests.UnknownVersionError.
func (d Dir) Reinstate(tool, versions string) error {
	_, m, err := d.loadWork()
	if err != nil {
		return err
	}
	was := len(m.Withdrawn)
	m.Withdrawn = slices.DeleteFunc(slices.Clone(m.Withdrawn), sameVersions(verify.Withdrawal{Tool: tool, Versions: versions}))
	if len(m.Withdrawn) == was {
		e := &manifests.UnknownVersionError{Channel: m.Channel, Tool: tool, Version: versions}
		for _, w := range m.Withdrawn {
			if w.Tool == tool {
				e.Near = append(e.Near, w.Versions)
			}
		}
		return e
	}
	return d.write(DraftFile, m)
}

// sameVersions returns a function that reports whether a withdrawal is about the same
// versions as w.
func sameVersions(w verify.Withdrawal) func(verify.Withdrawal) bool {
	return func(other verify.Withdrawal) bool { return other.Tool == w.Tool && other.Versions == w.Versions }
}

// checkWithdrawn returns an error that matches manifests.ErrInput if a manifest could not
// state the withdrawals of m.
func checkWithdrawn(m *native.Manifest) error {
	if _, err := (&native.Manifest{Channel: m.Channel, Withdrawn: m.Withdrawn}).Encode(); err != nil {
		return manifests.Invalid("%v", err)
	}
	return nil
}

// listWithdrawals lists what m withdraws, then what the channel withdraws until m is
// published.
func listWithdrawals(m, published, waiting *native.Manifest) (list []ListedWithdrawal) {
	in := func(list []verify.Withdrawal, w verify.Withdrawal) bool {
		return slices.ContainsFunc(list, func(other verify.Withdrawal) bool { return fmt.Sprint(other) == fmt.Sprint(w) })
	}
	for _, w := range m.Withdrawn {
		state := stateDraft
		switch {
		case in(published.Withdrawn, w):
			state = statePublished
		case in(waiting.Withdrawn, w):
			state = stateWaiting
		}
		list = append(list, ListedWithdrawal{w, state})
	}
	for _, w := range published.Withdrawn {
		if !in(m.Withdrawn, w) {
			list = append(list, ListedWithdrawal{w, stateRemoved})
		}
	}
	slices.SortStableFunc(list, func(a, b ListedWithdrawal) int { return strings.Compare(a.Tool, b.Tool) })
	return list
}
