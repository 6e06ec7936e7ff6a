package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/prooftext"
	"github.com/kist-tools/kist/cmd/kist/internal/releasetext"
	"github.com/kist-tools/kist/install/evidence"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) showCommand() *cobra.Command {
	var withFiles bool
	return a.Command(cli.Verb{
		Group: cli.Trusting, Use: "show TOOL", Aliases: []string{"info"},
		Short: "Show who signed a toolchain, and what was checked",
		Long: `Shows the evidence for a toolchain: whose keys signed what, when, and how each
file was verified. For an installed toolchain it comes from the receipt, otherwise
from the manifest that kist last verified. With --evidence it names the files by
which you can verify an installed release again, with any OpenPGP program. The
network is not used.`,
		Example:   "kist show go\nkist show go --evidence",
		Exits:     []int{0, 2, 3, 4, 5, 6, 7, 8, 9},
		ExitMeans: map[int]string{3: "no such tool, or kist has not fetched its channel"},
		Args:      cli.Exactly(1),
		Complete:  completion.First(a.Offers().Shown),
		Local:     true,
		Flags: func(f *pflag.FlagSet) {
			f.BoolVar(&withFiles, "evidence", false, "name the stored files that prove it")
		},
		Run: a.WithTools(func(ctx context.Context, s *toolset.Set, refs []trust.Ref) (cli.Result, error) {
			return a.show(ctx, s, refs[0], withFiles)
		}),
	})
}

func (a *app) show(ctx context.Context, s *toolset.Set, ref trust.Ref, withFiles bool) (cli.Result, error) {
	found, err := s.Matching(ref)
	if err == nil {
		r := releasetext.Shown{}
		for _, have := range found {
			shown := releasetext.Installed(s, have)
			if withFiles {
				for _, f := range evidence.Stored(s.Holder(have.ID), have) {
					shown.Stored = append(shown.Stored, releasetext.StoredEvidence{
						Name: f.Of.Name, Kind: prooftext.Kind(f.Of), Document: f.Document, Proof: f.Proof, Certificates: f.Certificates, Missing: f.Missing,
					})
				}
			}
			r.Releases = append(r.Releases, shown)
		}
		return r, nil
	}
	if withFiles {
		return nil, err // only installed releases have stored evidence
	}
	rel, err := s.Cached(ctx, ref)
	if err != nil {
		return nil, err
	}
	return releasetext.Shown{Releases: []releasetext.ShownRelease{releasetext.Available(rel)}}, nil
}
