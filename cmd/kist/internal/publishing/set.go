package publishing

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/publishtext"
	"github.com/kist-tools/kist/manifests/publish"
)

func (a *verbs) publishSetCommand() *cobra.Command {
	var remove bool
	return a.Command(cli.Verb{
		Use: "set DIR NAME (TOOL… | --remove)", Short: "Name tools to be installed together",
		Long: `Puts a set into the draft, or replaces the one of that name: users install all its
tools with kist install CHANNEL/@NAME. Each TOOL is written as for kist install. One
without a channel is a tool of this channel, which must have it; one of another
channel, built in or not, names it: go/go@1.26. Users must have added that channel
themselves. Optional parts are written in an editor (docs/manifest-format.md).
Nothing is published before "kist publish sign".`,
		Example:   "kist publish set public/ backend zig@0.14 go/go@1.26\nkist publish set public/ backend --remove",
		Exits:     []int{0, 1, 2, 3, 4, 8},
		ExitMeans: map[int]string{3: "no such directory, file or set"},
		Args:      cli.Between(2, 1000),
		Changes:   true,
		Flags: func(f *pflag.FlagSet) {
			f.BoolVar(&remove, "remove", false, "remove the set from the draft")
		},
		Run: func(_ context.Context, args []string) (cli.Result, error) {
			name, tools := args[1], args[2:]
			if remove == (len(tools) > 0) {
				return nil, failure.Usage("publish set: name the tools of set %s, or use --remove", name)
			}
			return a.withPublished(args[0], func(d publish.Dir) (cli.Result, error) {
				r := publishtext.SetEdited{DryRun: a.Flags.DryRun, Removed: remove}
				var err error
				if remove {
					r.Name, err = name, d.RemoveSet(name)
				} else {
					r.SetEdit, err = d.PutSet(name, tools)
				}
				if err != nil {
					return nil, err
				}
				return r, nil
			})
		},
	})
}
