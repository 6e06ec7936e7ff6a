package publishing

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/mirrortext"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/copies"
	"github.com/kist-tools/kist/install/mirror"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/verify"
)

func (a *verbs) mirrorCommand() *cobra.Command {
	return a.Family(cli.Publishing, "mirror", "Copy what tools need into a directory, for any static web server",
		`A mirror is a directory with copies of documents and artifacts of other channels,
built-in ones and those that you added, byte for byte and in the layout of their
origins. Nothing is signed again: clients prove everything as if it came from the
origin. The settings of clients (config.toml) name the mirror.

  kist mirror sync /srv/mirror go acme/zig --url https://mirror.example/
  kist mirror verify /srv/mirror`,
		a.mirrorSyncCommand(), a.mirrorVerifyCommand())
}

// withMirror calls run with the mirror in the directory dir. With create, it makes the
// directory if it is missing.
func (a *verbs) withMirror(ctx context.Context, dir string, create bool, run func(*mirror.Mirror) (cli.Result, error)) (r cli.Result, err error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s, err := a.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	root, err := install.OpenDir(a.Host, "mirror", path, create, func(text string) { a.Warn("%s", text) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &namedfiles.MissingError{Path: path}
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	defer a.EndProgress()
	return run(&mirror.Mirror{Root: root, Copier: a.copier(s)})
}

// copier returns what asks channels, and proves their answers, for the verbs that copy.
func (a *verbs) copier(s *toolset.Set) *copies.Copier {
	progress := a.Progress()
	if progress == nil {
		progress = func(install.Progress) {}
	}
	return &copies.Copier{
		HashZip: s.HashZip, Desk: s.Desk, Transport: s.Desk.Transport, Now: a.Started, Jobs: a.Flags.Jobs, LockWait: a.LockWait,
		About:    "kist " + a.VerbName + ", since " + a.Started.Format(time.TimeOnly),
		Progress: progress, Warn: func(text string) { a.Warn("%s", text) },
	}
}

func (a *verbs) mirrorSyncCommand() *cobra.Command {
	var wish mirror.Wish
	var parts plan.Parts
	var platforms []string
	var at string
	var locked bool
	last := -1
	return a.Command(cli.Verb{
		Use:   "sync DIR | oci://REGISTRY/REPOSITORY [TOOL…] [--locked] [--prune]",
		Short: "Copy what tools need from their channels into DIR",
		Long: `Copies the documents and artifacts by which each TOOL is installed, each proved
before it appears, and prints the config.toml by which clients use the mirror.
Without TOOL, what DIR holds is brought up to date. DIR/current leads to the
snapshot to serve, and changes in one step when everything is complete; an error
or an interrupt leaves it as it was, and the next run goes on from there. Older
versions stay until --prune removes what is not named any more: without TOOL,
what mirror.toml does not name, else what is not on the command line. With
--locked it copies what the kist.lock of this project names, for its platforms.

In a registry, the mirror is a bundle that a tag (head, if none is named) leads to
once all of it is there. It holds exactly what is named.`,
		Example: `kist mirror sync /srv/mirror go rust -c clippy --url https://mirror.example/
kist mirror sync /srv/mirror acme/zig --platform darwin/arm64 --last 3
kist mirror sync /srv/mirror --locked
kist mirror sync /srv/mirror --prune
kist mirror sync oci://registry.example/mirrors/tools go acme/zig`,
		Exits:     []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		ExitMeans: map[int]string{9: "refused for safety; DIR holds something other than a mirror"},
		Args:      cli.Between(1, 1000),
		Fetches:   true,
		Complete:  completion.AfterPath(a.Offers().Tools),
		Flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&platforms, "platform", nil, "copy what clients on `OS/ARCH` or OS/ARCH/LIBC need, in Go's names (repeatable; default: this machine)")
			f.IntVar(&last, "last", -1, "copy the newest `N` versions of each TOOL (default 1)")
			f.Lookup("last").DefValue = "0" // no default in the help: what mirror.toml says comes first
			f.BoolVar(&locked, "locked", false, "copy exactly what the project's kist.lock names, without TOOL")
			f.BoolVar(&wish.Prune, "prune", false, "remove what is not named any more")
			f.StringArrayVarP(&parts.Components, "component", "c", nil, "also copy component `NAME` (repeatable)")
			f.StringArrayVarP(&parts.Targets, "target", "t", nil, "also copy support for building for `TRIPLE` (repeatable)")
			f.StringVar(&parts.Profile, "profile", "", "copy the components of `PROFILE`: minimal, default or complete; default: minimal")
			f.StringVar(&at, "url", "", "print a config.toml for the `URL` where DIR/current is served, in this and later runs; default: its file URL")
		},
		Values: copyValues(),
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			if last < -1 || last == 0 || last > config.MaxLast {
				return nil, failure.Usage("mirror sync: --last %d: want 1 to %d", last, config.MaxLast)
			}
			if locked && last > 0 {
				return nil, failure.Usage("mirror sync: --locked takes no --last: kist.lock names the versions")
			}
			var err error
			if wish.Wish, err = a.copyWish(args[1:], parts, platforms, locked); err != nil {
				return nil, err
			}
			wish.Last = max(last, 0)
			if at != "" {
				if wish.URL, err = mirrortext.BaseURL(args[0], at); err != nil {
					return nil, err
				}
			}
			if manifests.IsRegistryRef(args[0]) {
				return a.syncRegistry(ctx, args[0], wish)
			}
			return a.withMirror(ctx, args[0], true, func(m *mirror.Mirror) (cli.Result, error) { return a.mirrorSync(ctx, m, wish) })
		},
	})
}

func (a *verbs) mirrorSync(ctx context.Context, m *mirror.Mirror, wish mirror.Wish) (cli.Result, error) {
	done, err := m.Sync(ctx, wish)
	if err != nil {
		return nil, err
	}
	for _, name := range done.Kept {
		a.Warn("%s stays: no record of kist lists it as it is", name)
	}
	base, err := mirrortext.BaseURL(m.Root.Name(), done.URL)
	if err != nil {
		return nil, err
	}
	r := mirrortext.NewSynced(m.Root.Name(), base, done)
	for _, line := range r.Notices() {
		a.Say("%s", line)
	}
	return r, nil
}

func (a *verbs) mirrorVerifyCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Use: "verify DIR", Short: "Prove everything in a mirror again, without the network",
		Long: `Proves each release that DIR/current holds by today's keys and rules, and each
artifact by its proof. Names what is missing, changed or stale, and notes files
that are not of the mirror. Files that no proof needs, such as those of older
versions, are compared with what was copied.`,
		Example:   "kist mirror verify /srv/mirror\nkist mirror verify /srv/mirror --json",
		Exits:     []int{0, 1, 2, 3, 4, 5, 8, 9},
		ExitMeans: map[int]string{1: "failed, or a file is missing", 3: "no such directory, mirror or channel"},
		Args:      cli.Exactly(1),
		Local:     true,
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			a.Flags.DryRun, a.Flags.Offline = true, true // nothing is stored, and nothing is asked elsewhere
			return a.withMirror(ctx, args[0], false, func(m *mirror.Mirror) (r cli.Result, err error) {
				scratch, remove, err := namedfiles.Scratch(a.Stages)
				if err != nil {
					return nil, err
				}
				defer func() { err = errors.Join(err, remove()) }()
				return verifyMirror(ctx, m, scratch)
			})
		},
	})
}

func verifyMirror(ctx context.Context, m *mirror.Mirror, scratch *os.Root) (cli.Result, error) {
	found, err := m.Verify(ctx, scratch)
	if err != nil {
		return nil, err
	}
	r := mirrortext.NewVerified(m.Root.Name(), found)
	if len(found.Problems) == 0 {
		return r, nil
	}
	text := fmt.Sprintf("%s in the mirror", term.Count(len(found.Problems), "problem"))
	switch worst := found.Worst(); { // the result says why
	case errors.Is(worst, verify.ErrUntrusted):
		return r, failure.New("untrusted", text)
	case errors.Is(worst, verify.ErrStale):
		return r, failure.New("stale", text)
	}
	return r, failure.New("drift", text)
}
