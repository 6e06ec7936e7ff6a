package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/record"
)

func (a *app) verifyCommand() *cobra.Command {
	return a.command(verb{
		group: trust, use: "verify [TOOL…]",
		short: "Compare installed files with their receipts",
		long: `Reads every file of the toolchains named, or of all, and compares it with its
receipt: what has changed or gone is printed, and the exit code is 1.`,
		example:  "kist verify go",
		exits:    []int{0, 1, 2, 3, 9},
		args:     between(0, 1000),
		complete: a.completeInstalled,
		run: func(ctx context.Context, args []string) (result, error) {
			refs, err := parseTools(args)
			if err != nil {
				return nil, err
			}
			s, err := a.open(ctx)
			if err != nil {
				return nil, err
			}
			defer s.Close()
			check := s.state.Installed()
			if len(refs) > 0 {
				check = nil
			}
			for _, ref := range refs {
				found, err := s.matching(ref)
				if err != nil {
					return nil, err
				}
				check = append(check, found...)
			}
			return a.verifyInstalled(ctx, s, check)
		},
	})
}

type verifyResult struct {
	Checked []checkedRelease `json:"checked"`
}

type checkedRelease struct {
	Release string          `json:"release"` // channel/tool@version
	Entries int             `json:"entries"` // paths compared
	Drift   []install.Drift `json:"drift"`
}

func (r verifyResult) text(p *page) {
	for _, c := range r.Checked {
		if len(c.Drift) == 0 {
			p.line("%s: %s, as installed", c.Release, count(c.Entries, "path"))
			continue
		}
		p.line("%s: %d of %s differ", c.Release, len(c.Drift), count(c.Entries, "path"))
		for _, d := range c.Drift {
			p.line("  %s: %s", d.Reason, d.Path)
		}
	}
}

// A driftError says that something installed is not as it was.
type driftError struct{ Releases []string }

func (e *driftError) Error() string {
	if len(e.Releases) == 1 {
		return e.Releases[0] + " is not as it was installed"
	}
	return fmt.Sprintf("%d toolchains are not as they were installed", len(e.Releases))
}

func (a *app) verifyInstalled(ctx context.Context, s *session, check []record.Head) (result, error) {
	r := verifyResult{Checked: []checkedRelease{}}
	var changed []string
	for _, have := range check {
		paths, drift, err := s.Verify(ctx, have.ID)
		a.endProgress()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", have.Ref(), err)
		}
		if drift == nil {
			drift = []install.Drift{}
		}
		r.Checked = append(r.Checked, checkedRelease{have.Ref(), paths, drift})
		if len(drift) > 0 {
			changed = append(changed, have.Ref())
		}
	}
	if len(changed) > 0 {
		return r, &driftError{changed}
	}
	if len(check) == 0 {
		a.say("nothing is installed")
	}
	return r, nil
}
