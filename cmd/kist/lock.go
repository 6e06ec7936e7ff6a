package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/projectfiles"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/lockfile"
	"github.com/kist-tools/kist/manifests/project"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

func (a *app) lockCommand() *cobra.Command {
	var update bool
	var platforms []string
	return a.Command(cli.Verb{
		Group: cli.Toolchains, Use: "lock [--update [TOOL…]]",
		Short: "Write into kist.lock which releases the project uses",
		Long: `Asks the channels of what this project asks for, and writes what they offer into
kist.lock, beside the project's kist.toml, or else beside the nearest file that
counts: for each tool the version, the keys that signed it, and the files of each
platform with their digests. What the lock has already stays as it is, unless
--update names it or names no TOOL; a request that changed is asked again. Nothing
is installed.

kist install --locked then installs exactly that, with all checks as ever: a lock
narrows what is accepted, and makes nothing trusted.`,
		Example:   "kist lock\nkist lock --platform linux/amd64/gnu --platform darwin/arm64\nkist lock --update go",
		Exits:     []int{0, 2, 3, 4, 5, 6, 7, 8, 9},
		Args:      cli.Between(0, 1000),
		Changes:   true,
		Complete:  a.Offers().Installed,
		ExitMeans: map[int]string{3: "no channel offers what kist.toml asks for"},
		Flags: func(f *pflag.FlagSet) {
			f.BoolVar(&update, "update", false, "ask for the newest release of each TOOL (default: all) that answers the project")
			f.StringArrayVar(&platforms, "platform", nil, "also lock for `PLATFORM`, such as linux/arm64/gnu (repeatable; default: this machine's, and those in the lock)")
		},
		Values: map[string]completion.Completer{"platform": completion.Words()},
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			if len(args) > 0 && !update {
				return nil, failure.Usage("lock: TOOL is for --update: kist lock --update %s", args[0])
			}
			var names []string
			for _, arg := range args {
				ref, err := trust.ParseRef(arg)
				if err != nil || ref.Version != "" {
					return nil, failure.Usage("lock: %s is not the name of a tool", arg)
				}
				names = append(names, ref.Name)
			}
			var on []manifests.Platform
			for _, text := range platforms {
				p, err := manifests.ParsePlatform(text)
				if err != nil || p.IsAny() {
					return nil, failure.Usage("lock: --platform %s: want os/arch or os/arch/libc", text)
				}
				if p.OS == "linux" && p.Libc == "" {
					return nil, failure.Usage("lock: --platform %s: say %[1]s/gnu or %[1]s/musl", text)
				}
				on = append(on, p)
			}
			return a.lock(ctx, func(tool string) bool { return update && (len(names) == 0 || slices.Contains(names, tool)) }, names, on)
		},
	})
}

func (a *app) lock(ctx context.Context, update func(string) bool, names []string, platforms []manifests.Platform) (cli.Result, error) {
	s, err := a.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	p, err := a.FindProject()
	if err != nil {
		return nil, err
	}
	before, err := projectfiles.ReadLock(a.VerbName, p)
	if err != nil {
		return nil, err
	}
	wants := project.Merge(p.Read)
	for _, name := range names {
		if !slices.ContainsFunc(wants, func(w project.Want) bool { return w.Tool == name }) {
			return nil, failure.Usage("lock: the project does not ask for %s", name)
		}
	}
	l, err := s.Lock(ctx, wants, before.Platforms(platforms, a.Platform), before.Lock, update)
	if err != nil {
		return nil, err
	}
	text := l.Encode()
	r := projectfiles.NewLocked(before, l, text, a.Flags.DryRun)
	if a.Flags.DryRun || !r.Changed {
		return r, nil
	}
	return r, namedfiles.Replace(r.Path, text)
}

// lockedTools is the lock of a project: its path, and its entries that answer the project.
type lockedTools struct {
	path  string
	tools []lockfile.Tool
}

// lockedTools returns the lock of the project of the working directory, which names at
// least one tool.
func (a *app) lockedTools() (l lockedTools, err error) {
	l.path, l.tools, err = a.Lock()
	if err == nil && len(l.tools) == 0 {
		err = failure.Usage("%s: %s names no tool", a.VerbName, l.path)
	}
	return l, err
}

// names reports whether the lock names a manifest of a channel.
func (l lockedTools) names(channel string, manifest verify.Digest) bool {
	return slices.ContainsFunc(l.tools, func(t lockfile.Tool) bool { return t.Channel == channel && t.Proof.Names(manifest) })
}
