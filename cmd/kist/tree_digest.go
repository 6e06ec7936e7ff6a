package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

func (a *app) treeDigestCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Group: cli.Toolchains, Use: "tree-digest TOOL",
		Short: "Print a digest of all files of an installed toolchain",
		Long: `Prints one SHA-256 of the names, contents, links and executable bits of a
toolchain's files, from its receipt. Everybody who installed the same release
with the same components gets the same digest, whatever their umask, clock, user,
locale and directory. kist verify compares the files with the receipt.`,
		Example:   "kist tree-digest go\nkist tree-digest go@1.26.3 --json",
		Exits:     []int{0, 2, 3, 8, 9},
		ExitMeans: map[int]string{3: "not installed"},
		Args:      cli.Exactly(1),
		Local:     true,
		Complete:  a.Offers().Installed,
		Run: a.WithTools(func(_ context.Context, s *toolset.Set, refs []trust.Ref) (cli.Result, error) {
			have, err := s.InUse(refs[0])
			if err != nil {
				return nil, err
			}
			receipt, err := s.Receipt(have.ID)
			if err != nil {
				return nil, err
			}
			return treeDigest{have.Ref(), receipt.TreeDigest()}, nil
		}),
	})
}

type treeDigest struct {
	Release string        `json:"release"`
	Tree    verify.Digest `json:"tree"`
}

func (r treeDigest) Render(p *term.Page) { p.Line("%s", r.Tree.Hex()) }
