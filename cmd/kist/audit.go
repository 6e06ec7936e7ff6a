package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/audittext"
	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/audit"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/advisories"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) auditCommand() *cobra.Command {
	var db, format string
	return a.Command(cli.Verb{
		Group: cli.Trusting, Use: "audit [TOOL…] [--db FILE|DIR|TOOL] [--format text|sarif]",
		Short: "Say which installed toolchains are known to be bad",
		Long: `Checks each TOOL (default: all) without the network: whether its publisher withdrew
it, as of the last time kist asked its channel; whether policy.toml denies it;
whether its stored evidence still proves it by today's keys and rules, as kist verify
--evidence does, except that archives are not read again; and, with --db, whether a
security advisory affects it. Each finding comes with what to install instead. With
findings, the exit code is 1.

The database is a file or a directory of OSV records in JSON, such as osv.dev
publishes for each ecosystem. It needs no signature, because nothing in it can make
kist trust a release. A channel may publish such records as a tool, signed like any
other: kist install acme/advisories, then kist audit --db acme/advisories.`,
		Example:   "kist audit\nkist audit --db osv/Go/\nkist audit --format sarif >kist.sarif",
		Exits:     []int{0, 1, 2, 3, 4, 8, 9},
		ExitMeans: map[int]string{1: "failed, or there are findings", 3: "not installed, or no such file", 4: "policy.toml cannot be read"},
		Args:      cli.Between(0, 1000),
		Local:     true,
		Flags: func(f *pflag.FlagSet) {
			f.StringVar(&db, "db", "", "also look for advisories in `FILE|DIR|TOOL`")
			f.StringVar(&format, "format", "text", "print `FORMAT`: text or sarif")
		},
		Complete: a.Offers().Installed,
		Values:   map[string]completion.Completer{"format": completion.Words("text", "sarif")},
		Run: a.WithTools(func(ctx context.Context, s *toolset.Set, refs []trust.Ref) (cli.Result, error) {
			if format != "text" && format != "sarif" {
				return nil, failure.Usage("audit: --format %s: want text or sarif", format)
			}
			list, err := s.Selected(refs)
			if err != nil {
				return nil, err
			}
			check := &audit.Audit{Set: s}
			if err := check.Prove(ctx, list); err != nil {
				return nil, err
			}
			r := audittext.Result{Audited: len(list), Kist: cli.ReadBuild().Version, AsSARIF: format == "sarif"}
			if db != "" {
				if err := readAdvisories(ctx, check, db, check.Wanted(list)); err != nil {
					return nil, err
				}
				if check.DB.Files() == 0 {
					return nil, failure.Usage("audit: %s holds no .json file", db)
				}
				r.Advisories = &audittext.Database{Path: db, Files: check.DB.Files(), Records: check.DB.Records()}
			}
			if r.Findings = check.Findings(list); len(r.Findings) > 0 {
				return r, failure.New("findings", term.Count(len(r.Findings), "finding")+" about "+term.Count(len(list), "toolchain"))
			}
			a.Say("nothing is known against %s", term.Count(len(list), "toolchain"))
			return r, nil
		}),
	})
}

// readAdvisories adds the wanted advisories in db to those of check: a file, a directory, or
// an installed toolchain, since a channel may publish advisories as a tool without commands.
func readAdvisories(ctx context.Context, check *audit.Audit, db string, wanted map[[2]string]bool) error {
	read := func(path string) error {
		return namedfiles.ReadEach(path, ".json", advisories.MaxFile, func(name string, data []byte) error {
			return check.DB.Add(name, data, wanted)
		})
	}
	err := read(db)
	if _, missing := errors.AsType[*namedfiles.MissingError](err); !missing {
		return err
	}
	ref, wrong := trust.ParseRef(db)
	if wrong != nil {
		return err
	}
	r, wrong := check.Set.InUse(ref)
	if _, absent := errors.AsType[*toolset.NotInstalledError](wrong); absent {
		return err
	}
	if wrong != nil {
		return wrong
	}
	if _, drifts, err := check.Set.Verify(ctx, r.ID); err != nil {
		return err
	} else if len(drifts) > 0 {
		return failure.New("drift", r.Ref()+" holds other files than its channel published: run kist repair")
	}
	return read(check.Set.Prefix(r.ID))
}
