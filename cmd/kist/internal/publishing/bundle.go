package publishing

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/bundletext"
	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/projectfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/bundles"
	"github.com/kist-tools/kist/install/copies"
	"github.com/kist-tools/kist/install/evidence"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

func (a *verbs) bundleCommand() *cobra.Command {
	return a.Family(cli.Publishing, "bundle", "Put what tools are installed from into one file, for machines without a network",
		`A bundle is one tar file with the documents, signatures and artifacts by which
tools are installed, byte for byte as their origins sent them. Nothing is signed
again: kist install --from proves everything as if it came from the origin. It is
an OCI image layout, so the tools of registries can copy it.

  kist bundle create tools.tar go acme/zig
  kist bundle show tools.tar
  kist install go --from tools.tar`,
		a.bundleCreateCommand(), a.bundleShowCommand())
}

func (a *verbs) bundleCreateCommand() *cobra.Command {
	var parts plan.Parts
	var platforms []string
	var locked bool
	return a.Command(cli.Verb{
		Use:   "create FILE [TOOL…] [--locked]",
		Short: "Write everything needed to install TOOL into FILE",
		Long: `Asks the channels of each TOOL, proves what they answer, and writes the documents
and artifacts by which it is installed into FILE. With --locked it takes what the
kist.lock of this project names, for its platforms. FILE appears in one step when
it is complete. An existing FILE is replaced only if it is a complete bundle. The
same content gives the same bytes.`,
		Example:   "kist bundle create tools.tar go rust -c clippy\nkist bundle create zig.tar acme/zig --platform linux/arm64 --platform darwin/arm64\nkist bundle create project.tar --locked",
		Exits:     []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		ExitMeans: map[int]string{9: "refused for safety; FILE is something other than a bundle"},
		Args:      cli.Between(1, 1000),
		Fetches:   true,
		Complete:  completion.AfterPath(a.Offers().Tools),
		Flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&platforms, "platform", nil, "take what clients on `OS/ARCH` or OS/ARCH/LIBC need, in Go's names (repeatable; default: this machine)")
			f.BoolVar(&locked, "locked", false, "take exactly what the project's kist.lock names, without TOOL")
			f.StringArrayVarP(&parts.Components, "component", "c", nil, "also take component `NAME` (repeatable)")
			f.StringArrayVarP(&parts.Targets, "target", "t", nil, "also take support for building for `TRIPLE` (repeatable)")
			f.StringVar(&parts.Profile, "profile", "", "take the components of `PROFILE`: minimal, default or complete; default: minimal")
		},
		Values: copyValues(),
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			wish, err := a.copyWish(args[1:], parts, platforms, locked)
			if err != nil {
				return nil, err
			}
			if len(wish.Tools)+len(wish.Locked) == 0 {
				return nil, failure.Usage("bundle create: name the tools, or give --locked")
			}
			return a.createBundle(ctx, args[0], wish)
		},
	})
}

func (a *verbs) createBundle(ctx context.Context, file string, wish copies.Wish) (r cli.Result, err error) {
	earlier, err := namedfiles.ReplacedBundle(ctx, file)
	if err != nil {
		return nil, err
	}
	if earlier != nil {
		defer earlier.Close()
	}
	return r, a.collect(ctx, wish, earlier, func(d bundles.Draft) error {
		r = bundletext.NewCreated(file, d, earlier != nil)
		return namedfiles.ReplaceFrom(file, d, d.Size())
	})
}

// collect collects what wish names, and calls use with the bundle of it. earlier is the one
// that it will replace; may be nil.
func (a *verbs) collect(ctx context.Context, wish copies.Wish, earlier *bundles.Bundle, use func(bundles.Draft) error) error {
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	artifacts, err := s.Cache(true)
	if err != nil {
		return err
	}
	documents, remove, err := namedfiles.Scratch(a.Stages)
	if err != nil {
		return err
	}
	c := a.copier(s)
	defer a.EndProgress()
	wanted, err := c.Wanted(ctx, wish, nil)
	if err == nil {
		var d bundles.Draft
		if d, err = bundles.Collect(ctx, c, copies.Store{Documents: documents, Artifacts: artifacts}, wanted, wish.Check, earlier); err == nil {
			err = use(d)
		}
	}
	return errors.Join(err, remove())
}

func (a *verbs) bundleShowCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Use: "show FILE", Short: "List what a bundle holds, and prove it, without the network",
		Long: `Lists the releases that FILE, or the directory FILE, holds: for which platforms,
by whose keys they are signed, and how large they are. Everything is proved by
today's keys and rules, as install would prove it. Nothing is stored.`,
		Example:   "kist bundle show tools.tar\nkist bundle show tools.tar --json",
		Exits:     []int{0, 1, 2, 3, 4, 5, 8, 9},
		ExitMeans: map[int]string{2: "the command line is wrong, or FILE is no bundle", 3: "no such file; a channel that was not added here"},
		Args:      cli.Exactly(1),
		Local:     true,
		Run: func(ctx context.Context, args []string) (r cli.Result, err error) {
			a.Flags.DryRun = true // nothing is stored
			if a.From, err = namedfiles.OpenBundle(ctx, args[0]); err != nil {
				return nil, err
			}
			defer a.From.Close()
			s, err := a.Open(ctx)
			if err != nil {
				return nil, err
			}
			defer s.Close()
			scratch, remove, err := namedfiles.Scratch(a.Stages)
			if err != nil {
				return nil, err
			}
			defer func() { err = errors.Join(err, remove()) }()
			c := a.copier(s)
			defer a.EndProgress()
			found, err := bundles.Prove(ctx, c, a.From, scratch)
			if err != nil {
				return nil, err
			}
			return bundletext.NewShown(a.From, found, func(r manifests.Release) verify.Evidence {
				e, _ := evidence.OfRelease(r)
				return e
			}), unprovedBundle(args[0], found)
		},
	})
}

// unprovedBundle returns the error about what is wrong in a bundle; nil if nothing is.
func unprovedBundle(file string, found bundles.Shown) error {
	n := len(found.Problems) + len(found.Unnamed)
	if n == 0 {
		return nil
	}
	text := fmt.Sprintf("%s in bundle %s", term.Count(n, "problem"), file)
	worst := found.Worst()
	if errors.Is(worst, verify.ErrStale) || errors.Is(worst, verify.ErrUntrusted) {
		return fmt.Errorf("%s: %w", text, worst)
	}
	if worst != nil && len(found.Unnamed) == 0 && failure.KindOf(worst).Name == "unknown" {
		return fmt.Errorf("%s: %w", text, worst)
	}
	return verify.Untrusted("%s: it does not hold what it says", text)
}

// copyWish returns what is to be copied, as the command line of a verb that copies says.
func (a *verbs) copyWish(tools []string, parts plan.Parts, platforms []string, locked bool) (wish copies.Wish, err error) {
	if err := parts.Validate(); err != nil {
		return wish, failure.Usage("%s: %v", a.VerbName, err)
	}
	wish = copies.Wish{Components: parts.Components, Targets: parts.Targets, Profile: parts.Profile}
	for _, text := range platforms {
		p, err := manifests.ParsePlatform(text)
		if err == nil && p.IsAny() {
			err = errors.New("platform any: name those of the clients")
		}
		if err != nil {
			return wish, failure.Usage("%s: %v", a.VerbName, err)
		}
		wish.Platforms = append(wish.Platforms, p)
	}
	if wish.Tools, err = trust.ParseRefs(tools); err != nil || !locked {
		return wish, err
	}
	if len(tools)+len(platforms)+len(parts.Components)+len(parts.Targets) > 0 || parts.Profile != "" {
		return wish, failure.Usage("%s: --locked takes no TOOL, platform or part: kist.lock names them", a.VerbName)
	}
	path, named, err := a.Lock()
	if err != nil {
		return wish, err
	}
	wish.Locked, wish.Check = projectfiles.Holdings(path, named)
	return wish, nil
}

// copyValues complete the flags of the verbs that copy.
func copyValues() map[string]completion.Completer {
	return map[string]completion.Completer{
		"platform": completion.Words("darwin/amd64", "darwin/arm64", "linux/amd64", "linux/arm64", "windows/amd64", "windows/arm64"),
		"profile":  completion.Words("minimal", "default", "complete"), "target": completion.Words(), "component": completion.Words(),
	}
}
