package publishing

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/publishtext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

func (a *verbs) publishCommand() *cobra.Command {
	return a.Family(cli.Publishing, "publish", "Make a channel of your own, for any static web server",
		`A channel is a directory with two files, channel.toml and its signature, and the
artifacts they name. Any web server, object store or mirror can serve it. Each
step can also be done with a text editor and gpg.

  kist publish init DIR --channel acme
  kist publish add DIR zig-linux-x86_64-0.14.0.tar.xz --command zig
  kist publish sign DIR --secret-key secret.asc
  kist publish verify DIR`,
		a.publishInitCommand(), a.publishAddCommand(), a.publishListCommand(), a.publishEditCommand(), a.publishRemoveCommand(), a.publishSetCommand(),
		a.publishWithdrawCommand(), a.publishSignCommand(), a.publishKeysCommand(), a.publishVerifyCommand(), a.publishPageCommand(),
		a.publishPushCommand(), a.publishPruneCommand())
}

// withPublished calls run with the directory of a channel. For a dry run, that is a
// temporary copy of the directory's state files, so that the same code runs on the copy.
func (a *verbs) withPublished(dir string, run func(publish.Dir) (cli.Result, error)) (r cli.Result, err error) {
	root, err := namedfiles.OpenRoot(dir, false)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	d := publish.Dir{Root: root}
	if !a.Flags.DryRun {
		return run(d)
	}
	scratch, remove, err := namedfiles.Scratch(a.Stages)
	if err != nil {
		return nil, err
	}
	defer func() {
		if failed := remove(); err == nil {
			err = failed
		}
	}()
	if err := d.CopyState(scratch); err != nil {
		return nil, err
	}
	return run(publish.Dir{Root: scratch})
}

func (a *verbs) publishInitCommand() *cobra.Command {
	var channel string
	return a.Command(cli.Verb{
		Use: "init DIR --channel NAME", Short: "Create a channel in a directory",
		Example: "kist publish init public/ --channel acme",
		Exits:   []int{0, 1, 2, 8},
		Args:    cli.Exactly(1),
		Flags: func(f *pflag.FlagSet) {
			f.StringVar(&channel, "channel", "", "the `NAME` under which users will add it")
		},
		Run: func(_ context.Context, args []string) (cli.Result, error) {
			if channel == "" {
				return nil, failure.Usage("publish init: name the channel with --channel NAME")
			}
			if err := manifests.ValidName(channel); err != nil {
				return nil, failure.Usage("publish init: name %v", err)
			}
			// Nobody can add a channel with the name of a built-in one. kist's own is made here.
			if channel != upstreams.OwnChannel && (trust.IsBuiltin(channel) || trust.IsBuiltinChannel(channel)) {
				return nil, &trust.BuiltinError{Name: channel}
			}
			root, err := namedfiles.OpenRoot(args[0], true)
			if err != nil {
				return nil, err
			}
			defer root.Close()
			if err := (publish.Dir{Root: root}).Init(channel); err != nil {
				return nil, err
			}
			return publishtext.Created{Dir: args[0], Channel: channel}, nil
		},
	})
}

func (a *verbs) publishListCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Use: "list DIR", Short: "List the releases and sets of the channel, published or not",
		Long: `Lists the releases and sets of the channel with their states: published; waiting,
in a manifest that needs more signatures; draft, not signed yet; or removed from
the draft but still published.`,
		Example:   "kist publish list public/\nkist publish list public/ --json",
		Exits:     []int{0, 1, 2, 3, 4, 8},
		ExitMeans: map[int]string{3: "no such directory, file or release"},
		Args:      cli.Exactly(1),
		Local:     true,
		Run: func(_ context.Context, args []string) (cli.Result, error) {
			return a.withPublished(args[0], func(d publish.Dir) (cli.Result, error) {
				list, err := d.List()
				if err != nil {
					return nil, err
				}
				return publishtext.Listed{Listing: list}, nil
			})
		},
	})
}

func (a *verbs) publishVerifyCommand() *cobra.Command {
	var keys []string
	v := publish.Verification{}
	return a.Command(cli.Verb{
		Use: "verify DIR [--key FILE…] [--threshold N] [--partial]", Short: "Verify a channel's directory as its users will",
		Long: `Proves the signatures, the format, the freshness, and the size and digest of
every artifact in DIR; then plans every release for every platform, and unpacks
it as an install would. The keys are those given with --key, else those of
keys.toml, else those of publisher.asc. With --partial, for a mirror of some
files, files may be missing.`,
		Example: `kist publish verify public/
kist publish verify mirror/ --partial --key alice.asc --key bob.asc --threshold 2`,
		Exits:     []int{0, 1, 2, 3, 4, 5, 8},
		ExitMeans: map[int]string{3: "no such directory, file or release"},
		Args:      cli.Exactly(1),
		Local:     true,
		Flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&keys, "key", nil, "public keys that users have, in `FILE` (repeatable)")
			f.IntVar(&v.Threshold, "threshold", 1, "how many of them must have signed: `N`")
			f.BoolVar(&v.Partial, "partial", false, "accept missing files, and count those that were checked")
		},
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			if v.Threshold < 1 {
				return nil, failure.Usage("publish verify: --threshold %d: want at least 1", v.Threshold)
			}
			return a.withPublished(args[0], func(d publish.Dir) (_ cli.Result, err error) {
				if v.Keys, err = namedfiles.ReadAll(keys, verify.MaxKeyring); err != nil {
					return nil, err
				}
				v.Now = a.Started
				report, err := d.Verify(v)
				if err != nil {
					return nil, err
				}
				unpacked, err := a.unpacker().Releases(ctx, d, report)
				if err != nil {
					return nil, err
				}
				a.WarnOfKeys(report.Findings)
				return publishtext.Verified{Channel: report.Manifest.Channel, Releases: len(report.Manifest.Releases), Sets: len(report.Manifest.Sets), Unpacked: unpacked, Report: report}, nil
			})
		},
	})
}

func (a *verbs) publishPruneCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Use: "prune DIR", Short: "Remove the files that no release uses any more",
		Long: `Removes the files below DIR/blobs that neither the published manifest nor a draft
or waiting one names. Only a file in a directory named after its digest is
removed; other files that no manifest names are kept and listed (exit 10).`,
		Example:   "kist publish prune public/ -n\nkist publish prune public/",
		Exits:     []int{0, 1, 2, 3, 4, 8, 10},
		ExitMeans: map[int]string{3: "no such directory, file or release"},
		Args:      cli.Exactly(1),
		Changes:   true,
		Run: func(_ context.Context, args []string) (cli.Result, error) {
			root, err := namedfiles.OpenRoot(args[0], false)
			if err != nil {
				return nil, err
			}
			defer root.Close()
			d := publish.Dir{Root: root}
			done, err := d.Prune(a.Flags.DryRun)
			a.warnOfPage(d, args[0])
			if err == nil && len(done.Kept) > 0 {
				err = failure.New("kept", fmt.Sprintf("kept %s that no release names: not in a directory named after its digest", term.Count(len(done.Kept), "file")))
			}
			return publishtext.Pruned{DryRun: a.Flags.DryRun, Pruned: done}, err
		},
	})
}
