package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/projectfiles"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) installCommand() *cobra.Command {
	var want plan.Parts
	var makeDefault, noDefault, locked, asOfBundle bool
	var minimumAge string
	return a.Command(cli.Verb{
		Group: cli.Toolchains, Use: "install [TOOL… | SET…]",
		Short: "Install toolchains, each proved before it is unpacked",
		Long: `Fetches what the channel of each TOOL offers, proves it with the channel's pinned
keys, and unpacks it into a directory of its own. All of them are installed, or
none. The first version of a tool becomes its default: its commands are linked
into the bin directory. What is installed already needs no network.

A SET is a list of tools that a channel publishes, such as acme/@backend (kist
search acme/ shows them). Its manifest is fetched each time. A set never adds a
channel: each that it names must be built in, or one that you added.

Without TOOL, it installs what the project of this directory asks for in kist.toml,
go.mod, rust-toolchain.toml, .nvmrc and other files; kist project shows which.
With --locked it installs exactly what kist.lock names (kist lock writes it).

A release that is too new for minimum_age of policy.toml, or for --minimum-age, is
passed over for the newest that is old enough; it is refused if you name it exactly.
What its publisher withdrew, or what deny of policy.toml names, is never installed.

With --from it takes everything from a bundle (kist bundle create writes one), and
opens no connection. What a bundle holds is proved as if it came from the origins.
Manifests that have expired since are refused as ever. With --as-of-bundle, an
expired manifest is accepted if kist.lock names this very one by its digest; the
receipt then says so.`,
		Example:     "kist install go\nkist install go@1.25 acme/zig\nkist install rust -c clippy -t wasm32-unknown-unknown\nkist install node@lts --no-default -n\nkist install go --from tools.tar\nkist install --locked --from project.tar --as-of-bundle",
		Exits:       []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		Args:        cli.Between(0, 1000),
		Changes:     true,
		MayOnlyRead: true,
		Fetches:     true,
		FromBundle:  true,
		Flags: func(f *pflag.FlagSet) {
			f.StringArrayVarP(&want.Components, "component", "c", nil, "also install component `NAME` (repeatable)")
			f.StringArrayVarP(&want.Targets, "target", "t", nil, "also install support for building for `TRIPLE`, as the tool spells it (repeatable)")
			f.StringVar(&want.Profile, "profile", "", "install the components of `PROFILE`: minimal, default or complete; default: minimal")
			f.StringVar(&minimumAge, "minimum-age", "", "install only what was released `DURATION` ago or earlier, such as 72h or 3d; policy.toml may ask for more")
			f.BoolVar(&locked, "locked", false, "install exactly what the project's kist.lock names, without TOOL")
			f.BoolVar(&asOfBundle, "as-of-bundle", false, "with --from and --locked: accept an expired manifest that kist.lock names")
			f.BoolVar(&makeDefault, "default", false, "make this version the default, replacing the current one")
			f.BoolVar(&noDefault, "no-default", false, "link no commands")
		},
		Complete: a.Offers().Installable,
		Values: map[string]completion.Completer{
			"component": a.Offers().Components, "target": completion.Words(), "profile": completion.Words("minimal", "default", "complete"),
			"minimum-age": completion.Words("24h", "72h", "7d"),
		},
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			if makeDefault && noDefault {
				return nil, failure.Usage("install: --default and --no-default exclude each other")
			}
			if locked && (len(args) > 0 || len(want.Components)+len(want.Targets) > 0 || want.Profile != "") {
				return nil, failure.Usage("install: --locked takes no TOOL and no parts: kist.lock names them")
			}
			if asOfBundle && (!locked || a.From == nil) {
				return nil, failure.Usage("install: --as-of-bundle needs --from FILE and --locked: only a lock can say which expired manifest is meant")
			}
			var wants []toolset.Want
			tools, sets, err := splitSets(args, want)
			if err == nil && minimumAge != "" {
				if a.Flags.MinimumAge, err = channels.ParseAge(minimumAge); err != nil {
					err = failure.Usage("install: --minimum-age: %v", err)
				}
			}
			var lock lockedTools
			switch {
			case err != nil:
			case locked:
				lock, err = a.lockedTools()
			case len(sets) < max(1, len(args)):
				wants, err = a.wanted(tools, want)
			}
			if err != nil {
				return nil, err
			}
			if asOfBundle {
				a.Locked = lock.names
			}
			links := plan.FirstBecomesDefault
			switch {
			case makeDefault:
				links = plan.AlwaysDefault
			case noDefault:
				links = plan.NoLinks
			}
			s, err := a.Open(ctx)
			if err != nil {
				return nil, err
			}
			defer s.Close()
			if locked {
				if wants, err = s.LockedWants(lock.path, lock.tools); err != nil {
					return nil, err
				}
			}
			for _, set := range sets {
				more, err := s.SetWants(ctx, set)
				if err != nil {
					return nil, err
				}
				wants = append(wants, more...)
			}
			c, already, err := s.Installation(ctx, wants, links)
			if err != nil {
				return nil, a.ExplainLack(s, wants, err)
			}
			r, err := a.Change(ctx, s, c, already)
			if err == nil && len(args) == 0 {
				a.rememberProject(ctx, s)
			}
			return r, err
		},
	})
}

// splitSets separates the sets in args, which take no parts, from the tools.
func splitSets(args []string, parts plan.Parts) (tools []string, sets []trust.SetRef, err error) {
	for _, arg := range args {
		set, ok, err := trust.ParseSetRef(arg)
		switch {
		case err != nil:
			return nil, nil, err
		case !ok:
			tools = append(tools, arg)
		case len(parts.Components)+len(parts.Targets) > 0 || parts.Profile != "":
			return nil, nil, failure.Usage("install: --component, --target and --profile are for tools; set %s names the parts of its own", set)
		default:
			sets = append(sets, set)
		}
	}
	return tools, sets, nil
}

// wanted returns what is asked for: the tools in args with the given parts, or what the
// project of the working directory wants, with parts added.
func (a *app) wanted(args []string, parts plan.Parts) (wants []toolset.Want, err error) {
	if err := parts.Validate(); err != nil {
		return nil, failure.Usage("%s: %v", a.VerbName, err)
	}
	refs, err := trust.ParseRefs(args)
	if err != nil {
		return nil, err
	}
	if len(refs) == 0 {
		p, err := a.FindProject()
		if err != nil {
			return nil, err
		}
		if a.From != nil && len(p.Read) == 0 {
			return nil, failure.Usage("%s: name what to install from %s: it holds %s", a.VerbName, a.From.Name, strings.Join(a.From.Holds(a.Platform), ", "))
		}
		return projectfiles.Wants(&a.Printer, a.VerbName, p, parts)
	}
	for _, ref := range refs {
		wants = append(wants, toolset.Want{Ref: ref, Parts: parts})
	}
	return wants, nil
}
