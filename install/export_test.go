package install

import (
	"context"

	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
)

// Opened returns the Options that i was opened with, to be changed.
func (i *Installer) Opened() *Options { return &i.o }

func (i *Installer) Roots() *roots.Roots { return i.roots }

func (i *Installer) Store() store.Store { return i.store() }

func (i *Installer) ProgressOf(labels map[string]string) func(stage, name string, done, total int64) {
	return i.progress(labels)
}

// Stage unpacks in, and returns the receipt and the stage, which the caller owns.
func (i *Installer) Stage(ctx context.Context, in plan.Install) (record.Receipt, *store.Stage, error) {
	s, err := i.stage(ctx, in)
	if err != nil {
		return record.Receipt{}, nil, err
	}
	return s.receipt, s.stage, nil
}

// Unexported names that the tests use.
const MaxWitness = maxWitness

var (
	Failed       = failed
	Labels       = labels
	OfToolchains = ofToolchains
)
