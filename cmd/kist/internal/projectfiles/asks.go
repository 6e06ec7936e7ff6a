package projectfiles

import (
	"fmt"

	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/project"
	"github.com/kist-tools/kist/manifests/trust"
)

// Asks returns what the files of p ask for, and the releases that its kist.lock names, all
// of them. It returns the error of a file that could not be read.
func Asks(p namedfiles.ProjectFiles) (wants []toolset.Want, err error) {
	for _, f := range p.Ignored {
		if !f.Foreign {
			return nil, fmt.Errorf("%s was not read: %s", f.Path, f.Why)
		}
	}
	for _, w := range project.Merge(p.Read) {
		wants = append(wants, WantOf(w))
	}
	if len(p.Read) == 0 {
		return wants, nil
	}
	l, err := ReadLock("", p)
	if err != nil {
		return nil, err
	}
	for _, t := range l.Tools {
		wants = append(wants, toolset.Want{Ref: trust.Ref{Channel: t.Channel, Name: t.Name, Version: "=" + t.Version}})
	}
	return wants, nil
}
