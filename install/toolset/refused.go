package toolset

import (
	"errors"
	"fmt"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/limits"
)

// Refused returns why an installed release would not be installed today: a
// *limits.WithdrawnError or a *limits.DeniedError. It returns nil if nothing is known against
// it, and any other error if that could not be found out. It uses no network.
func (s *Set) Refused(r record.Head) error {
	return s.Desk.JudgeInstalled(limits.Candidate{Channel: r.Channel, Tool: r.Tool, Version: r.Version, Debian: debian.IsIndex(r.Evidence.Name)})
}

// WarnOfRefused warns of an installed release that would be refused today, with what to do.
// What cannot be read is left to the verbs that ask channels, which refuse it.
func (s *Set) WarnOfRefused(r record.Head) {
	err := s.Refused(r)
	if _, refused := errors.AsType[limits.Refusal](err); refused {
		s.Warn("%v; %s", err, Remedy(r, err))
	}
}

// Remedy returns what to do about an installed release that the limits of this machine refuse
// with err.
func Remedy(r record.Head, err error) string {
	if w, ok := errors.AsType[*limits.WithdrawnError](err); ok && w.ReplacedBy != "" {
		return fmt.Sprintf("kist install %s@=%s --default, then kist uninstall %s", r.Key(), w.ReplacedBy, r.Ref())
	}
	return fmt.Sprintf("kist update %s, or kist uninstall %s", r.Ref(), r.Ref())
}
