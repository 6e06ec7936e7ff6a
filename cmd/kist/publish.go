package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/publishtext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

func (a *app) publishCommand() *cobra.Command {
	return a.family(publishing, "publish", "Make a channel of your own, for any static web server",
		`A channel is a directory with two files, channel.toml and its signature, and the
artifacts they name. Any web server, object store or mirror can serve it. Each
step can also be done with a text editor and gpg.

  kist publish init DIR --channel acme
  kist publish add DIR zig-linux-x86_64-0.14.0.tar.xz --command zig
  kist publish sign DIR --secret-key secret.asc
  kist publish verify DIR`,
		a.publishInitCommand(), a.publishAddCommand(), a.publishListCommand(), a.publishEditCommand(), a.publishRemoveCommand(),
		a.publishSignCommand(), a.publishKeysCommand(), a.publishVerifyCommand(), a.publishPruneCommand())
}

// withPublished calls run with the directory of a channel. For a dry run, that is a
// temporary copy of the directory's state files, so that the same code runs on the copy.
func (a *app) withPublished(dir string, run func(publish.Dir) (result, error)) (r result, err error) {
	root, err := namedfiles.OpenRoot(dir, false)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	d := publish.Dir{Root: root}
	if !a.flags.dryRun {
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

func (a *app) publishInitCommand() *cobra.Command {
	var channel string
	return a.command(verb{
		use: "init DIR --channel NAME", short: "Create a channel in a directory",
		example: "kist publish init public/ --channel acme",
		exits:   []int{0, 1, 2, 8},
		args:    exactly(1),
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&channel, "channel", "", "the `NAME` under which users will add it")
		},
		run: func(_ context.Context, args []string) (result, error) {
			if channel == "" {
				return nil, usage("publish init: name the channel with --channel NAME")
			}
			if err := manifests.ValidName(channel); err != nil {
				return nil, usage("publish init: name %v", err)
			}
			if trust.IsBuiltin(channel) || trust.IsBuiltinChannel(channel) {
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

func (a *app) publishListCommand() *cobra.Command {
	return a.command(verb{
		use: "list DIR", short: "List the releases of the channel, published or not",
		long: `Lists the releases of the channel with their states: published; waiting, in a
manifest that needs more signatures; draft, not signed yet; or removed from the
draft but still published.`,
		example:   "kist publish list public/\nkist publish list public/ --json",
		exits:     []int{0, 1, 2, 3, 4, 8},
		exitMeans: map[int]string{3: "no such directory, file or release"},
		args:      exactly(1),
		local:     true,
		run: func(_ context.Context, args []string) (result, error) {
			return a.withPublished(args[0], func(d publish.Dir) (result, error) {
				channel, list, err := d.List()
				if err != nil {
					return nil, err
				}
				return publishtext.Listed{Channel: channel, Releases: append([]publish.ListedRelease{}, list...)}, nil
			})
		},
	})
}

func (a *app) publishVerifyCommand() *cobra.Command {
	var keys []string
	v := publish.Verification{}
	return a.command(verb{
		use: "verify DIR [--key FILE…] [--threshold N] [--partial]", short: "Verify a channel's directory as its users will",
		long: `Proves the signatures, the format, the freshness, and the size and digest of
every artifact in DIR; then plans every release for every platform, and unpacks
it as an install would. The keys are those given with --key, else those of
keys.toml, else those of publisher.asc. With --partial, for a mirror of some
files, files may be missing.`,
		example: `kist publish verify public/
kist publish verify mirror/ --partial --key alice.asc --key bob.asc --threshold 2`,
		exits:     []int{0, 1, 2, 3, 4, 5, 8},
		exitMeans: map[int]string{3: "no such directory, file or release"},
		args:      exactly(1),
		local:     true,
		flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&keys, "key", nil, "public keys that users have, in `FILE` (repeatable)")
			f.IntVar(&v.Threshold, "threshold", 1, "how many of them must have signed: `N`")
			f.BoolVar(&v.Partial, "partial", false, "accept missing files, and count those that were checked")
		},
		run: func(ctx context.Context, args []string) (result, error) {
			if v.Threshold < 1 {
				return nil, usage("publish verify: --threshold %d: want at least 1", v.Threshold)
			}
			return a.withPublished(args[0], func(d publish.Dir) (_ result, err error) {
				if v.Keys, err = namedfiles.ReadAll(keys, verify.MaxKeyring); err != nil {
					return nil, err
				}
				v.Now = a.now
				report, err := d.Verify(v)
				if err != nil {
					return nil, err
				}
				unpacked, err := a.unpacker().Releases(ctx, d, report)
				if err != nil {
					return nil, err
				}
				a.warnOfKeys(report.Findings)
				return publishtext.Verified{Channel: report.Manifest.Channel, Releases: len(report.Manifest.Releases), Unpacked: unpacked, Report: report}, nil
			})
		},
	})
}

func (a *app) publishPruneCommand() *cobra.Command {
	return a.command(verb{
		use: "prune DIR", short: "Remove the files that no release uses any more",
		long: `Removes the files below DIR/blobs that neither the published manifest nor a draft
or waiting one names. Only a file in a directory named after its digest is
removed; other files that no manifest names are kept and listed (exit 10).`,
		example:   "kist publish prune public/ -n\nkist publish prune public/",
		exits:     []int{0, 1, 2, 3, 4, 8, 10},
		exitMeans: map[int]string{3: "no such directory, file or release"},
		args:      exactly(1),
		changes:   true,
		run: func(_ context.Context, args []string) (result, error) {
			root, err := namedfiles.OpenRoot(args[0], false)
			if err != nil {
				return nil, err
			}
			defer root.Close()
			done, err := publish.Dir{Root: root}.Prune(a.flags.dryRun)
			if err == nil && len(done.Kept) > 0 {
				err = failure.New("kept", fmt.Sprintf("kept %s that no release names: not in a directory named after its digest", term.Count(len(done.Kept), "file")))
			}
			return publishtext.Pruned{DryRun: a.flags.dryRun, Pruned: done}, err
		},
	})
}
