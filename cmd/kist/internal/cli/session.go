package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/projectfiles"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/credentials"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/transport/oci"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// Open checks and opens kist's directories and reads what is installed. The
// caller must close the session.
func (a *App) Open(ctx context.Context) (*toolset.Set, error) {
	s, damaged, err := a.OpenAnyway(ctx)
	if err != nil {
		return nil, err
	}
	if damaged == nil && a.Verb.Changes {
		damaged = install.UnreadReceipt(s.State)
	}
	if damaged != nil {
		return nil, errors.Join(damaged, s.Close())
	}
	a.WarnOfDamage(s)
	return s, nil
}

// WithSession returns the run function of a verb that opens kist's directories, calls
// f, and closes them.
func (a *App) WithSession(f func(ctx context.Context, s *toolset.Set, args []string) (Result, error)) func(context.Context, []string) (Result, error) {
	return func(ctx context.Context, args []string) (Result, error) {
		s, err := a.Open(ctx)
		if err != nil {
			return nil, err
		}
		defer s.Close()
		return f(ctx, s, args)
	}
}

// WithTools is WithSession for a verb whose arguments are all tools. They are parsed
// before anything is opened.
func (a *App) WithTools(f func(ctx context.Context, s *toolset.Set, refs []trust.Ref) (Result, error)) func(context.Context, []string) (Result, error) {
	return func(ctx context.Context, args []string) (Result, error) {
		refs, err := trust.ParseRefs(args)
		if err != nil {
			return nil, err
		}
		return a.WithSession(func(ctx context.Context, s *toolset.Set, _ []string) (Result, error) {
			return f(ctx, s, refs)
		})(ctx, args)
	}
}

// OpenAnyway is like Open, but returns damage of the current generation separately,
// with an empty state, so that uninstall --all can go on.
func (a *App) OpenAnyway(ctx context.Context) (s *toolset.Set, damaged, err error) {
	if a.Dirs.Err != nil {
		return nil, nil, a.Dirs.Err
	}
	from := a.transport()
	i, err := install.Open(ctx, a.options(a.Dirs.Dirs, from))
	if err != nil {
		return nil, nil, err
	}
	if err := i.MayChange(); err != nil && a.Verb.Changes && !a.Verb.mayRead(err) {
		return nil, nil, errors.Join(err, i.Close())
	}
	if unmounted, ok := errors.AsType[*install.UnmountedError](i.MayChange()); ok {
		a.Warn("%v", unmounted)
	}
	st, err := i.State()
	s = &toolset.Set{Installer: i, Desk: a.Desk(i, from), State: st, Warn: a.Warn, Tell: a.Say, Detail: a.Detail}
	damaged, broken := errors.AsType[*install.GenerationError](err)
	if err != nil && !broken {
		return nil, nil, errors.Join(err, i.Close())
	}
	if err := a.addLayers(ctx, s, from); err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	if broken {
		return s, damaged, nil
	}
	if moved := i.Relocated(st); moved != nil && a.VerbName != "" && a.VerbName != "repair" { // not in a completion
		a.Warn("%v; %s", moved, failure.RepairRelocated)
	}
	return s, nil, nil
}

// options returns the options of an Installer of this run.
func (a *App) options(dirs install.Dirs, from manifests.Transport) install.Options {
	return install.Options{
		Dirs:      dirs,
		Host:      a.Host,
		Transport: from,
		Now:       a.Started,
		Version:   a.Build.Version,
		Random:    rand.Reader,
		LockWait:  a.LockWait,
		Command:   "kist " + a.VerbName,
		Child:     a.Child,
		Jobs:      a.Flags.Jobs,
		Clock:     a.Now,
		Progress:  a.Progress(),
		OnChoice:  func(why string) { a.Detail("%s", why) },
		Warn:      func(text string) { a.Warn("%s", text) },
		Stages:    a.Stages,
		DryRun:    a.Flags.DryRun,
		Elsewhere: a.Verb.Elsewhere,
		Locked:    a.Locked,
		Kist:      a.Program,
		Linking: func(now, next record.Generation) {
			if a.linking != nil {
				a.linking(now, next)
			}
		},
		Documents: transport.Owns,
		FindDocument: func(cache *os.Root, d verify.Digest) (string, bool) {
			return transport.Find(cache, manifests.DocumentsDir, d)
		},
		Settings:     trust.OwnsSettings,
		Retire:       func(config *os.Root) error { return channels.Store{Root: config}.RetireAll() },
		ProjectFiles: projectfiles.FileNames(),
	}
}

// OpenScratch opens a new store at dir, an absolute path, for toolchains that are not for
// this machine. Its channels and its cache are those of s. The caller must close it before s.
func (a *App) OpenScratch(ctx context.Context, s *toolset.Set, dir string) (*toolset.Set, error) {
	dirs := install.StoreDirs(dir)
	dirs.Cache = a.Dirs.Cache
	i, err := install.Open(ctx, a.options(dirs, s.Desk.Transport))
	if err != nil {
		return nil, err
	}
	st, err := i.State()
	if err != nil {
		return nil, errors.Join(err, i.Close())
	}
	return &toolset.Set{Installer: i, Desk: s.Desk, State: st, Warn: a.Warn, Detail: a.Detail}, nil
}

// addLayers adds the stores that config.toml names to s. A file that cannot be parsed names
// none, with a warning; nor does one that this user may not read. A verb that asks channels
// may end with the same error: Finish warns if it does not.
func (a *App) addLayers(ctx context.Context, s *toolset.Set, from *transport.Mirrored) error {
	if from.Err != nil && !errors.Is(from.Err, fs.ErrPermission) {
		a.badConfig = from.Err
		if a.Verb.Local {
			a.warnOfConfig(nil)
		}
	}
	return s.AddLayers(ctx, a.stores, a.Host)
}

// warnOfConfig warns of a config.toml that cannot be used, unless err, with which the verb
// ends, says so.
func (a *App) warnOfConfig(err error) {
	if a.badConfig != nil && !errors.Is(err, a.badConfig) {
		a.Warn("%v; the stores that it may name are left out", a.badConfig)
	}
}

// WarnOfDamage warns of the damaged receipts of s, which are ignored.
func (a *App) WarnOfDamage(s *toolset.Set) {
	for _, id := range slices.Sorted(maps.Keys(s.State.Damaged)) {
		a.Warn("ignoring damaged receipt of %s: %v", id, s.State.Damaged[id])
	}
	for _, l := range s.Layers {
		for _, id := range slices.Sorted(maps.Keys(l.State.Damaged)) {
			a.Warn("store %s: ignoring damaged receipt of %s: %v", l.Dir, id, l.State.Damaged[id])
		}
	}
}

// transport returns the transport that fetches all bytes, by way of the mirrors and with
// the credentials that config.toml names. With --offline it reads only local files, and
// with --from only the bundle, which has the origins' own URLs.
func (a *App) transport() *transport.Mirrored {
	c, err := a.Dirs.ReadConfig(a.Host)
	a.stores, a.config, a.configErr = c.Stores, c, err
	if a.From != nil {
		c.Mirrors = nil
		return &transport.Mirrored{From: a.From, Config: c, Err: err}
	}
	from := a.Transport(a.logins(c))
	if a.Flags.Offline {
		from = transport.Offline(from)
	}
	return &transport.Mirrored{From: from, Config: c, Err: err, Detail: func(text string) { a.Detail("%s", text) }}
}

// Registry returns what sends to registries, with the credentials that config.toml and the
// files of docker and podman have.
func (a *App) Registry() (*oci.Transport, error) {
	c, err := a.Dirs.ReadConfig(a.Host)
	if err != nil {
		return nil, err
	}
	logins, network := a.logins(c), a.Network
	network.Credential, network.Login = logins.Credential, logins.Login
	return oci.New(network), nil
}

// logins returns what finds the credentials of this command.
func (a *App) logins(c config.Config) transport.Logins {
	f := a.credentials(c)
	return transport.Logins{Credential: f.For, Login: f.ForRegistry}
}

func (a *App) credentials(c config.Config) *credentials.Finder {
	own := append([]string{filepath.Join(a.Dirs.Data, "kist")}, c.Stores...)
	return &credentials.Finder{
		Config:  c,
		Netrc:   credentials.NetrcFile(a.Getenv, a.Dirs.Home, runtime.GOOS),
		Docker:  credentials.DockerFiles(a.Getenv, a.Dirs.Home),
		User:    a.Host,
		Own:     own,
		Environ: credentials.HelperEnviron(a.Environ, host.ParsePath(a.Getenv("PATH"), a.Dirs.Bin, own...).PathWithoutKist()),
		Ask:     a.AskHelper,
		Warn:    func(text string) { a.Warn("%s", text) },
	}
}

// ExplainLack returns err, which wants failed with, as it is printed: if the bundle that
// everything is taken from lacks one of them, that is why.
func (a *App) ExplainLack(s *toolset.Set, wants []toolset.Want, err error) error {
	if a.From == nil {
		return err
	}
	for _, w := range wants {
		if _, satisfied := s.Satisfying(w); satisfied {
			continue
		}
		if lacking := a.From.Explain(err, w.Ref, a.Platform); lacking != err {
			return lacking
		}
	}
	return err
}
