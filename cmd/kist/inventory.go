package main

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/inventorytext"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/install/inventory"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
)

// The limits of inventory --merge: how many files, and how many bytes in all.
const (
	maxMachines     = 10_000
	maxMachineBytes = 512 << 20
)

func (a *app) inventoryCommand() *cobra.Command {
	var name string
	var merge bool
	return a.Command(cli.Verb{
		Group: cli.Trusting, Use: "inventory [--name NAME] [--merge FILE…]",
		Short: "List what a machine has installed, or many machines",
		Long: `Lists the installed toolchains, who signed them, and, with --json, the digest of
their files. The JSON form has an ID of the store, derived from the machine
ID, but not the name of the machine: --name adds one.

With --merge, reads the JSON of many machines, and prints one table: each release,
and the machines that have it. Of several files of one machine, the newest counts.`,
		Example: "kist inventory --json --name \"$(hostname)\" > web1.json\nkist inventory --merge web1.json web2.json",
		Exits:   []int{0, 2, 3, 8, 9}, ExitMeans: map[int]string{3: "no such file"},
		Args: cli.Between(0, maxMachines), Local: true,
		Flags: func(f *pflag.FlagSet) {
			f.StringVar(&name, "name", "", "say that this machine is called `NAME`")
			f.BoolVar(&merge, "merge", false, "make one table of the JSON of many machines")
		},
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			switch {
			case merge && (name != "" || len(args) == 0):
				return nil, failure.Usage("inventory: --merge wants files, and no --name")
			case !merge && len(args) > 0:
				return nil, failure.Usage("inventory: files are for --merge")
			case merge:
				return a.mergeInventories(ctx, args)
			}
			if name != "" {
				if err := inventory.ValidName(name); err != nil {
					return nil, failure.Usage("inventory: --name: %v", err)
				}
			}
			return a.WithSession(func(ctx context.Context, s *toolset.Set, _ []string) (cli.Result, error) {
				return a.inventory(ctx, s, name)
			})(ctx, args)
		},
	})
}

func (a *app) inventory(ctx context.Context, s *toolset.Set, name string) (cli.Result, error) {
	m := inventory.Machine{Name: name, ID: inventory.ID(a.MachineID(), filepath.Join(a.Dirs.Data, "kist")), Platform: a.Platform,
		Kist: cli.ReadBuild().Version, Made: a.Started.UTC(), Toolchains: []inventory.Toolchain{}}
	err := s.EachReceipt(ctx, nil, func(r record.Receipt) {
		m.Toolchains = append(m.Toolchains, inventory.Of(r, s.IsDefault(r.Head)))
	})
	if err != nil {
		return nil, err
	}
	if len(m.Toolchains) == 0 {
		a.Say("nothing is installed")
	}
	return inventorytext.Machine{Machine: m}, nil
}

func (a *app) mergeInventories(ctx context.Context, files []string) (cli.Result, error) {
	var lists []inventory.List
	bytes := 0
	for _, file := range files {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		text, err := namedfiles.ReadReport(file, inventory.MaxFile)
		if err != nil {
			return nil, err
		}
		if bytes += len(text); bytes > maxMachineBytes {
			return nil, failure.Usage("inventory: the files have more than %d MiB together", maxMachineBytes>>20)
		}
		m, err := inventory.Read(file, text)
		if err != nil {
			return nil, err
		}
		lists = append(lists, inventory.List{File: file, Machine: m})
	}
	fleet := inventory.Merge(lists)
	for _, left := range fleet.Left {
		a.Warn("%s", inventorytext.LeftOut(left))
	}
	return inventorytext.Fleet{Fleet: fleet}, nil
}
