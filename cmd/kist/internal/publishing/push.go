package publishing

import (
	"context"
	"path"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/publishtext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/manifests/publish/push"
	"github.com/kist-tools/kist/verify"
)

func (a *verbs) publishPushCommand() *cobra.Command {
	var keys []string
	v, jobs := publish.Verification{}, 0
	return a.Command(cli.Verb{
		Use: "push DIR oci://REGISTRY/REPOSITORY [--key FILE…] [--threshold N]", Short: "Send the channel to an OCI registry",
		Long: `Verifies DIR as kist publish verify does, and then sends what the repository
lacks: artifacts as blobs, and the documents of the channel. Files that are
there already are not sent again. Last, it moves the tag head to this edition, in
one step; the tag serial-N, which is never moved, leads to it too.
Users add the channel with the same URL. A registry that wants a login gets the
one of config.toml, netrc, or docker login.`,
		Example: `kist publish push public/ oci://registry.example/acme/tools -n
kist publish push public/ oci://registry.example/acme/tools`,
		Exits:     []int{0, 1, 2, 3, 4, 5, 6, 8, 9},
		ExitMeans: map[int]string{3: "no such directory, file or release", 5: "stale, or the registry has another or a newer edition", 9: "the repository holds something else"},
		Args:      cli.Exactly(2),
		Changes:   true,
		Flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&keys, "key", nil, "public keys that users have, in `FILE` (repeatable)")
			f.IntVar(&v.Threshold, "threshold", 1, "how many of them must have signed: `N`")
			f.IntVarP(&jobs, "jobs", "j", 4, "send at most `N` files at once, 1 to 64")
		},
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			if v.Threshold < 1 {
				return nil, failure.Usage("publish push: --threshold %d: want at least 1", v.Threshold)
			}
			if jobs < 1 || jobs > 64 {
				return nil, failure.Usage("publish push: --jobs %d: want 1 to 64", jobs)
			}
			to, err := manifests.ParseRegistryRef(args[1])
			if err != nil || to.File != "" || !to.Digest.IsZero() {
				return nil, failure.Usage("publish push: %s: want oci://REGISTRY/REPOSITORY", manifests.Redact(args[1]))
			}
			if a.Flags.Offline {
				return nil, manifests.ErrOffline
			}
			if v.Keys, err = namedfiles.ReadAll(keys, verify.MaxKeyring); err != nil {
				return nil, err
			}
			v.Now = a.Started
			return a.publishPush(ctx, args[0], to, v, jobs)
		},
	})
}

func (a *verbs) publishPush(ctx context.Context, dir string, to manifests.RegistryRef, v publish.Verification, jobs int) (cli.Result, error) {
	root, err := namedfiles.OpenRoot(dir, false)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	d := publish.Dir{Root: root}
	report, err := d.Verify(v)
	if err != nil {
		return nil, err
	}
	if _, err := a.unpacker().Releases(ctx, d, report); err != nil {
		return nil, err
	}
	a.WarnOfKeys(report.Findings)
	registry, err := a.Registry()
	if err != nil {
		return nil, err
	}
	p := push.Push{Dir: d, Report: report, To: registry.Repository(to), Tag: to.Tag, Jobs: jobs, DryRun: a.Flags.DryRun}
	if show := a.Progress(); show != nil {
		p.Progress = func(b push.Blob, done int64) {
			show(install.Progress{Stage: term.Upload, Name: b.Name, Label: path.Base(b.Name), Done: done, Total: b.Size})
		}
	}
	defer a.EndProgress()
	done, err := p.Run(ctx)
	if err != nil {
		a.Changed = done.Sent > 0 || done.Manifests > 0 // the tag is where it was, but something was sent
		return nil, err
	}
	return publishtext.Pushed{DryRun: a.Flags.DryRun, To: to.String(), Done: done}, nil
}
