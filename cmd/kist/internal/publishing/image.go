package publishing

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/imagetext"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/image"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/trust"
)

// imageFlags are what the command line of image says beside LAYOUT and TOOL.
type imageFlags struct {
	parts              plan.Parts
	locked             bool
	base, user, prefix string
}

func (a *verbs) imageCommand() *cobra.Command {
	var f imageFlags
	return a.Command(cli.Verb{
		Group: cli.Publishing, Use: "image LAYOUT [TOOL…] [--locked]",
		Short: "Write an OCI image with toolchains into the directory LAYOUT",
		Long: `Proves and unpacks each TOOL as install does, but not for this machine: it becomes
a layer of a container image. LAYOUT is an OCI image layout, which skopeo, oras
and podman copy to a registry. It needs neither a daemon nor root. The last layer
has the receipts and the evidence, so that each toolchain can be proved in the
image, too. The same toolchains, proved by the same documents, give the same
image, and updating one toolchain leaves the layers of the others unchanged.

With --locked it takes what the kist.lock of this project names. --base is an
image to begin with: a layout, or one of a registry. kist does not verify it.

An image that kist wrote to LAYOUT before is replaced in one step. SOURCE_DATE_EPOCH
sets when the image was made; else that is when the newest manifest was signed.`,
		Example:    "kist image ./tools go rust -c clippy\nkist image ./project --locked --base oci://registry.example/debian:12 --user 1000\nkist image ./tools go --from tools.tar",
		Exits:      []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		ExitMeans:  map[int]string{9: "refused for safety; LAYOUT holds something other than an image of kist's"},
		Args:       cli.Between(1, 1000),
		Fetches:    true,
		FromBundle: true,
		Elsewhere:  true,
		Complete:   completion.AfterPath(a.Offers().Tools),
		Flags: func(s *pflag.FlagSet) {
			s.BoolVar(&f.locked, "locked", false, "take exactly what the project's kist.lock names, without TOOL")
			s.StringVar(&f.base, "base", "", "begin with the image `IMAGE`: the directory of a layout, or oci://REGISTRY/REPOSITORY with :TAG or @sha256:DIGEST")
			s.StringVar(&f.user, "user", "", "run processes as `UID` or UID:GID; default: as the base says, else root")
			s.StringVar(&f.prefix, "prefix", image.DefaultPrefix, "put the store at `DIR` of the image")
			s.StringArrayVarP(&f.parts.Components, "component", "c", nil, "also take component `NAME` (repeatable)")
			s.StringArrayVarP(&f.parts.Targets, "target", "t", nil, "also take support for building for `TRIPLE` (repeatable)")
			s.StringVar(&f.parts.Profile, "profile", "", "take the components of `PROFILE`: minimal, default or complete; default: minimal")
		},
		Values: map[string]completion.Completer{
			"component": a.Offers().Components, "target": completion.Words(), "profile": completion.Words("minimal", "default", "complete"),
			"user": completion.Words("1000"), "prefix": completion.Words(image.DefaultPrefix),
		},
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			created, err := a.checkImage(args[1:], f)
			if err != nil {
				return nil, err
			}
			refs, err := trust.ParseRefs(args[1:])
			if err != nil {
				return nil, err
			}
			return a.writeImage(ctx, args[0], refs, f, created)
		},
	})
}

// checkImage checks the command line of image, and returns when the image is to be made;
// zero: what the manifests say.
func (a *verbs) checkImage(tools []string, f imageFlags) (created time.Time, err error) {
	given := len(f.parts.Components)+len(f.parts.Targets) > 0 || f.parts.Profile != ""
	switch {
	case len(tools) == 0 && !f.locked:
		return created, failure.Usage("image: name the tools, or give --locked")
	case f.locked && (len(tools) > 0 || given):
		return created, failure.Usage("image: --locked takes no TOOL and no parts: kist.lock names them")
	case a.Platform.OS != "linux":
		return created, failure.Usage("image: images are for Linux, and this machine takes toolchains for %s", a.Platform.OS)
	}
	for _, check := range []error{f.parts.Validate(), image.CheckPrefix(f.prefix)} {
		if check != nil {
			return created, failure.Usage("image: %v", check)
		}
	}
	if f.user != "" {
		if err := image.CheckUser(f.user); err != nil {
			return created, failure.Usage("image: --user %v", err)
		}
	}
	text := a.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return created, nil
	}
	const year10000 = 253402300800
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 || seconds >= year10000 {
		return created, failure.Usage("image: SOURCE_DATE_EPOCH is %.40q, not a number of seconds since 1970", text)
	}
	return time.Unix(seconds, 0), nil
}

func (a *verbs) writeImage(ctx context.Context, dir string, refs []trust.Ref, f imageFlags, created time.Time) (r cli.Result, err error) {
	s, err := a.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	base, closeBase, err := a.openBase(ctx, f.base)
	if err != nil {
		return nil, err
	}
	defer closeBase()
	to, closeTo, err := a.openLayout(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeTo()) }()
	scratch, remove, err := namedfiles.Scratch(a.Stages)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	defer a.EndProgress()
	installed, err := a.installForImage(ctx, s, scratch.Name(), refs, f)
	if err != nil {
		return nil, err
	}
	defer installed.Close()
	settings, err := s.Config(false)
	if err != nil {
		return nil, err
	}
	done, err := image.Write(ctx, to, image.Options{
		Installed: installed.Installer, Scratch: scratch, Settings: channels.Store{Root: settings},
		Prefix: f.prefix, User: f.user, Platform: a.Platform, Created: created, Base: base,
	})
	if err != nil {
		return nil, err
	}
	return imagetext.New(dir, f.prefix, base, done), nil
}

// installForImage installs what the command line names into a new store at dir.
func (a *verbs) installForImage(ctx context.Context, s *toolset.Set, dir string, refs []trust.Ref, f imageFlags) (in *toolset.Set, err error) {
	if in, err = a.OpenScratch(ctx, s, dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, in.Close())
		}
	}()
	var wants []toolset.Want
	for _, ref := range refs {
		wants = append(wants, toolset.Want{Ref: ref, Parts: f.parts})
	}
	if f.locked {
		path, tools, err := a.Lock()
		if err != nil {
			return in, err
		}
		if wants, err = in.LockedWants(path, tools); err != nil {
			return in, err
		}
	}
	c, _, err := in.Installation(ctx, wants, plan.FirstBecomesDefault)
	if err != nil {
		return in, a.ExplainLack(in, wants, err)
	}
	p, err := in.Plan(c)
	if err == nil {
		_, err = in.Apply(ctx, p)
	}
	return in, err
}

// openLayout opens the directory that an image is written to, and makes it if it is
// missing.
func (a *verbs) openLayout(dir string) (l *image.Layout, done func() error, err error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, err
	}
	root, err := install.OpenDir(a.Host, "image", path, true, func(text string) { a.Warn("%s", text) })
	if err != nil {
		return nil, nil, err
	}
	if l, err = image.OpenLayout(root); err != nil {
		return nil, nil, errors.Join(err, root.Close())
	}
	a.Stages.Add(l.Abandon)
	return l, root.Close, nil
}

// openBase opens the image that --base names; nil: none is named.
func (a *verbs) openBase(ctx context.Context, name string) (b *image.Base, done func(), err error) {
	done = func() {}
	if name == "" {
		return nil, done, nil
	}
	if !manifests.IsRegistryRef(name) {
		root, err := namedfiles.OpenRoot(name, false)
		if err != nil {
			return nil, done, err
		}
		from := image.Dir{Root: root}
		top, err := from.Top()
		if err == nil {
			b, err = image.ReadBase(ctx, name, from, top, a.Platform)
		}
		return b, func() { root.Close() }, err
	}
	ref, err := manifests.ParseRegistryRef(name)
	switch {
	case err != nil:
		return nil, done, failure.Usage("image: --base: %v", err)
	case ref.File != "" || ref.Tag == manifests.HeadTag && !strings.HasSuffix(name, ":"+manifests.HeadTag):
		return nil, done, failure.Usage("image: --base %s: name a tag or a digest: oci://REGISTRY/REPOSITORY:TAG", name)
	case a.Flags.Offline || a.From != nil:
		return nil, done, failure.Usage("image: --base %s needs the network: with --offline and --from a base is the directory of a layout", name)
	}
	registry, err := a.Registry()
	if err != nil {
		return nil, done, err
	}
	from := registry.Images(ref)
	top, err := from.Top(ctx)
	if err == nil {
		b, err = image.ReadBase(ctx, name, from, top, a.Platform)
	}
	return b, done, err
}
