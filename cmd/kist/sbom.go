package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/inventorytext"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/install/bill"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) sbomCommand() *cobra.Command {
	var format string
	var diff bool
	formats := []string{"cyclonedx", "spdx"}
	return a.Command(cli.Verb{
		Group: cli.Trusting, Use: "sbom [TOOL…] [--format FORMAT] [--diff A B]",
		Short: "Print a bill of materials of installed toolchains",
		Long: `Prints a software bill of materials (SBOM) of the toolchains named, or of all, in
the JSON form of CycloneDX 1.6 or SPDX 2.3. It lists each toolchain, and each package
or archive that it is made of, with package URL and digest, and for each toolchain who
signed it, the digest of the signed manifest, and the digest of all its files. It comes
from the receipts; kist verify compares the files with these.

Nothing in it depends on the machine, user or directory. Its time is that of the last
change of what is installed, or SOURCE_DATE_EPOCH if that is set.

With --diff, compares two of them, and prints what was added, removed or changed. A and
B are CycloneDX files that kist sbom printed, with names that end in .json or begin with
a dot or a slash, or installed toolchains.`,
		Example: "kist sbom\nkist sbom go --format spdx\nkist sbom --diff old.json new.json\nkist sbom --diff go@1.26.3 go@1.27.0",
		Exits:   []int{0, 2, 3, 8, 9}, ExitMeans: map[int]string{3: "not installed, or no such file"},
		Args: cli.Between(0, 1000), Local: true,
		Flags: func(f *pflag.FlagSet) {
			f.StringVar(&format, "format", formats[0], "`FORMAT` is cyclonedx or spdx")
			f.BoolVar(&diff, "diff", false, "compare two bills of materials, or two installed toolchains")
		},
		Complete: a.Offers().Installed,
		Values:   map[string]completion.Completer{"format": completion.Words(formats...)},
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			switch {
			case !slices.Contains(formats, format):
				return nil, failure.Usage("sbom: --format %s: want %s", format, strings.Join(formats, " or "))
			case diff && len(args) != 2:
				return nil, failure.Usage("sbom: --diff wants two files or toolchains")
			case diff && format != formats[0]:
				return nil, failure.Usage("sbom: --diff compares CycloneDX, and takes no --format")
			case diff:
				return a.diffBills(ctx, args)
			}
			return a.WithTools(func(ctx context.Context, s *toolset.Set, refs []trust.Ref) (cli.Result, error) {
				b, err := a.bill(ctx, s, refs)
				if err != nil {
					return nil, err
				}
				encode := b.CycloneDX
				if format == "spdx" {
					encode = b.SPDX
				}
				text, err := encode()
				return inventorytext.Document{Text: text}, err
			})(ctx, args)
		},
	})
}

// bill makes the bill of the installed toolchains that refs mean; without refs, of all.
func (a *app) bill(ctx context.Context, s *toolset.Set, refs []trust.Ref) (bill.Bill, error) {
	made := s.Changed()
	if epoch := a.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		var err error
		if made, err = bill.ParseEpoch(epoch); err != nil {
			return bill.Bill{}, failure.Usage("%v", err)
		}
	}
	var list []bill.Installed
	err := s.EachReceipt(ctx, refs, func(r record.Receipt) {
		list = append(list, bill.Installed{Head: r.Head, Tree: r.TreeDigest()})
	})
	return bill.Make(list, made, cli.ReadBuild().Version), err
}

// diffBills compares two files or installed toolchains.
func (a *app) diffBills(ctx context.Context, args []string) (cli.Result, error) {
	var sides [2][]bill.Item
	for i, arg := range args {
		isFile := strings.HasSuffix(arg, ".json") || strings.HasPrefix(arg, ".") || strings.HasPrefix(arg, "/")
		var text []byte
		var err error
		if isFile {
			text, err = namedfiles.ReadReport(arg, bill.MaxFile)
		} else {
			text, err = a.billOf(ctx, arg)
		}
		if err != nil {
			return nil, err
		}
		if sides[i], err = bill.Read(arg, text); err != nil {
			return nil, err
		}
	}
	r := inventorytext.Differences{Changes: bill.Diff(sides[0], sides[1])}
	if len(r.Changes) == 0 {
		a.Say("no difference")
	}
	return r, nil
}

// billOf returns the bill of one installed toolchain.
func (a *app) billOf(ctx context.Context, arg string) ([]byte, error) {
	ref, err := trust.ParseRef(arg)
	if err != nil {
		return nil, err
	}
	s, err := a.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	have, err := s.InUse(ref)
	if err != nil {
		return nil, err
	}
	r, err := s.Receipt(have.ID)
	if err != nil {
		return nil, err
	}
	return bill.Make([]bill.Installed{{Head: r.Head, Tree: r.TreeDigest()}}, s.Changed(), cli.ReadBuild().Version).CycloneDX()
}
