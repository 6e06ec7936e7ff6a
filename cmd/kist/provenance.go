package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/inventorytext"
	"github.com/kist-tools/kist/install/provenance"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) provenanceCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Group: cli.Trusting, Use: "provenance TOOL",
		Short: "Print how an installed toolchain was proved and unpacked",
		Long: `Prints an in-toto statement about an installed toolchain, from its receipt: which
files were unpacked, by which keys and documents they were proved, in which
sandbox they were unpacked, and the digest of what came out. docs/inventory.md
describes its fields. The statement is not signed. kist verify --evidence proves
the same again.`,
		Example:   "kist provenance go\nkist provenance go@1.26.3 > go.intoto.json",
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
			text, err := provenance.Of(receipt).Encode()
			return inventorytext.Document{Text: text}, err
		}),
	})
}
