package main

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/projectfiles"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/project"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) syncCommand() *cobra.Command {
	var prune bool
	return a.Command(cli.Verb{
		Group: cli.Toolchains, Use: "sync [FILE | SET] [--prune]",
		Short: "Make this machine match a file or a set",
		Long: `Installs what FILE names and is missing, and makes each of its tools the default.
FILE has the form of a project's kist.toml: the line [tools], then lines such as
go = "1.26". Without FILE, it is kist.toml in kist's settings directory (kist
dirs). A SET is one that a channel publishes, such as acme/@backend. All of it is
done, or nothing.

With --prune it also removes what kist installed and FILE does not name: it shows
these with their sizes, and asks on a terminal unless --yes is given. Files that
were changed are kept, as with kist uninstall. Other stores stay as they are.`,
		Example:     "kist sync -n --prune\nkist sync work.toml\nkist sync acme/@backend",
		Exits:       []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
		Args:        cli.Between(0, 1),
		Changes:     true,
		MayOnlyRead: true,
		Fetches:     true,
		Flags: func(f *pflag.FlagSet) {
			f.BoolVar(&prune, "prune", false, "remove what kist installed and is not named")
		},
		Complete: a.Offers().SetsOrFiles,
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			source, isSet := filepath.Join(a.Dirs.Config, "kist", project.File), false
			var set trust.SetRef
			var wants []toolset.Want
			var err error
			if len(args) == 1 {
				source = args[0]
				set, isSet, err = trust.ParseSetRef(source)
			}
			if err == nil && !isSet {
				wants, err = projectfiles.ReadWants(a.VerbName, source)
			}
			if err != nil {
				return nil, err
			}
			s, err := a.Open(ctx)
			if err != nil {
				return nil, err
			}
			defer s.Close()
			if isSet {
				if wants, err = s.SetWants(ctx, set); err != nil {
					return nil, err
				}
			}
			r, err := a.Maker(s).Sync(ctx, source, wants, prune, func(question string) error { return a.confirm(ctx, "%s", question) })
			if r == nil {
				return nil, err
			}
			return *r, err
		},
	})
}
