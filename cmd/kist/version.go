package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
)

func (a *app) versionCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Group: cli.Housekeeping, Use: "version", Short: "Print the version of kist",
		Example: "kist version\nkist version --json",
		Exits:   []int{0, 2},
		Args:    cli.Exactly(0),
		Run:     func(context.Context, []string) (cli.Result, error) { return cli.ReadBuild(), nil },
	})
}
