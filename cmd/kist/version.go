package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/selftext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/toolset"
)

func (a *app) versionCommand() *cobra.Command {
	var check bool
	return a.Command(cli.Verb{
		Group: cli.Housekeeping, Use: "version [--verify]", Short: "Print the version of kist",
		Long: `Prints the version of kist, and with --verify finds the release whose program this
is: its channel signs the digest of each. With --offline, kist proves that by what it
fetched before.`,
		Example: "kist version\nkist version --json\nkist version --verify",
		Exits:   []int{0, 1, 2, 4, 5, 6, 7, 8, 9},
		Args:    cli.Exactly(0),
		Flags: func(f *pflag.FlagSet) {
			f.BoolVar(&check, "verify", false, "prove this program by the signed manifest of kist's channel")
		},
		Run: func(ctx context.Context, _ []string) (cli.Result, error) {
			if !check {
				return a.Build, nil
			}
			return a.WithSession(func(ctx context.Context, s *toolset.Set, _ []string) (cli.Result, error) {
				r, err := a.verifyProgram(ctx, s)
				if err != nil {
					return nil, err
				}
				return verifiedBuild{a.Build, a.Program, r}, nil
			})(ctx, nil)
		},
	})
}

// A verifiedBuild is a build of kist that is the program of a release.
type verifiedBuild struct {
	cli.Build
	Program string           `json:"program"`
	Release selftext.Release `json:"release"`
}

// Render prints b.
func (b verifiedBuild) Render(p *term.Page) {
	b.Build.Render(p)
	p.Line("%s is the program of release %s", b.Program, b.Release.Version)
	b.Release.Render(p)
}
