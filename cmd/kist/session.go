package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/system"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/trust"
)

// A session is kist's opened directories and the state read from them.
type session struct {
	*install.Installer
	desk  *trust.Desk
	state plan.State
}

// open checks and opens kist's directories and reads what is installed. The
// caller must close the session.
func (a *app) open(ctx context.Context) (*session, error) {
	s, damaged, err := a.openAnyway(ctx)
	if err != nil {
		return nil, err
	}
	if damaged == nil && a.verb.changes {
		damaged = install.UnreadReceipt(s.state)
	}
	if damaged != nil {
		return nil, errors.Join(damaged, s.Close())
	}
	a.warnOfDamage(s)
	return s, nil
}

// withSession returns the run function of a verb that opens kist's directories, calls
// f, and closes them.
func (a *app) withSession(f func(ctx context.Context, s *session, args []string) (result, error)) func(context.Context, []string) (result, error) {
	return func(ctx context.Context, args []string) (result, error) {
		s, err := a.open(ctx)
		if err != nil {
			return nil, err
		}
		defer s.Close()
		return f(ctx, s, args)
	}
}

// withTools is withSession for a verb whose arguments are all tools. They are parsed
// before anything is opened.
func (a *app) withTools(f func(ctx context.Context, s *session, refs []trust.Ref) (result, error)) func(context.Context, []string) (result, error) {
	return func(ctx context.Context, args []string) (result, error) {
		refs, err := trust.ParseRefs(args)
		if err != nil {
			return nil, err
		}
		return a.withSession(func(ctx context.Context, s *session, _ []string) (result, error) {
			return f(ctx, s, refs)
		})(ctx, args)
	}
}

// openAnyway is like open, but returns damage of the current generation separately,
// with an empty state, so that uninstall --all can go on.
func (a *app) openAnyway(ctx context.Context) (s *session, damaged, err error) {
	if a.Dirs.Err != nil {
		return nil, nil, a.Dirs.Err
	}
	i, err := install.Open(ctx, install.Options{
		Dirs:      a.Dirs.Dirs,
		Host:      a.Host,
		Transport: a.artifacts(),
		Now:       a.now,
		Version:   kistVersion().Version,
		Random:    rand.Reader,
		LockWait:  a.LockWait,
		Command:   "kist " + a.path,
		Child:     a.Child,
		Jobs:      a.flags.jobs,
		Clock:     a.Now,
		Progress:  a.Progress(),
		OnChoice:  func(why string) { a.Detail("%s", why) },
		Warn:      func(text string) { a.Warn("%s", text) },
		Stages:    a.Stages,
		DryRun:    a.flags.dryRun,
		Linking: func(now, next record.Generation) {
			if a.linking != nil {
				a.linking(now, next)
			}
		},
		Documents: transport.Owns,
		Settings:  trust.OwnsSettings,
		Retire:    func(config *os.Root) error { return channels.Store{Root: config}.RetireAll() },
	})
	if err != nil {
		return nil, nil, err
	}
	if err := i.MayChange(); err != nil && a.verb.changes && !a.verb.mayOnlyRead {
		return nil, nil, errors.Join(err, i.Close())
	}
	if unmounted, ok := errors.AsType[*install.UnmountedError](i.MayChange()); ok {
		a.Warn("%v", unmounted)
	}
	st, err := i.State()
	if broken, ok := errors.AsType[*install.GenerationError](err); ok {
		return &session{i, a.desk(i), st}, broken, nil
	}
	if err != nil {
		i.Close()
		return nil, nil, err
	}
	return &session{i, a.desk(i), st}, nil, nil
}

// warnOfDamage warns of the damaged receipts of s, which are ignored.
func (a *app) warnOfDamage(s *session) {
	for _, id := range slices.Sorted(maps.Keys(s.state.Damaged)) {
		a.Warn("ignoring damaged receipt of %s: %v", id, s.state.Damaged[id])
	}
}

// warnOfMissing warns that installed files are missing from the disk, and says how
// to restore them.
func (a *app) warnOfMissing(missing *install.MissingError) {
	text := missing.Error()
	if advice := putBack(missing); advice != "" {
		text += "; " + advice
	}
	a.Warn("%s", text)
}

// orMissing returns err or, if err is nil, the first of lost. It warns of those
// that it does not return.
func (a *app) orMissing(err error, lost []*install.MissingError) error {
	if err == nil && len(lost) > 0 {
		err, lost = lost[0], lost[1:]
	}
	for _, missing := range lost {
		a.warnOfMissing(missing)
	}
	return err
}

// matching returns the installed releases that r means, newest first, all of one
// channel. If r names no channel, that is the tool's built-in channel, else the
// only channel it was installed from.
func (s *session) matching(r trust.Ref) ([]record.Head, error) {
	var found []record.Head
	var channels []string
	for _, have := range s.state.Installed() {
		if have.Tool == r.Name && (r.Channel == "" || r.Channel == have.Channel) {
			found = append(found, have)
			if !slices.Contains(channels, have.Channel) {
				channels = append(channels, have.Channel)
			}
		}
	}
	if len(channels) > 1 {
		own, builtin := trust.BuiltinChannel(r.Name)
		if !builtin || !slices.Contains(channels, own) {
			return nil, &trust.SeveralChannelsError{Tool: r.Name, Channels: channels}
		}
		found = slices.DeleteFunc(found, func(have record.Head) bool { return have.Channel != own })
	}
	found = slices.DeleteFunc(found, func(have record.Head) bool { return !means(r, have) })
	// An exact version means only itself, even if it is a prefix of another.
	if i := slices.IndexFunc(found, func(have record.Head) bool { return have.Version == r.Version }); i >= 0 {
		found = found[i : i+1]
	}
	if len(found) == 0 {
		return nil, s.notInstalled(r)
	}
	return found, nil
}

// named returns the single installed release that r means.
func (s *session) named(r trust.Ref) (record.Head, error) {
	found, err := s.matching(r)
	if err != nil {
		return record.Head{}, err
	}
	if len(found) > 1 {
		e := &severalVersionsError{Tool: r.String()}
		for _, have := range found {
			e.Refs = append(e.Refs, have.Ref())
		}
		return record.Head{}, e
	}
	return found[0], nil
}

// inUse returns the installed release to use for r: the default if it matches,
// else the newest match.
func (s *session) inUse(r trust.Ref) (record.Head, error) {
	found, err := s.matching(r)
	if err != nil {
		return record.Head{}, err
	}
	for _, have := range found {
		if s.isDefault(have) {
			return have, nil
		}
	}
	return found[0], nil
}

func (s *session) isDefault(r record.Head) bool {
	return s.state.Current.Defaults[r.Key()] == r.ID
}

// notInstalled returns the error that r is not installed, or, if a damaged receipt
// may be that of r, a *install.ReceiptError: then r may or may not be installed.
func (s *session) notInstalled(r trust.Ref) error {
	if r.Channel == system.Channel {
		return &trust.SystemError{Tool: r.Name}
	}
	for _, id := range slices.Sorted(maps.Keys(s.state.Damaged)) {
		if strings.Contains("-"+string(id), "-"+r.Name+"-") {
			return &install.ReceiptError{ID: id, Err: s.state.Damaged[id]}
		}
	}
	var tools, versions []string
	for _, have := range s.state.Installed() {
		tools = append(tools, have.Tool)
		if have.Tool == r.Name {
			versions = append(versions, have.Version)
		}
	}
	e := &notInstalledError{Ref: r}
	if len(versions) == 0 {
		e.Near = manifests.Near(r.Name, slices.Compact(slices.Sorted(slices.Values(tools))))
	}
	for _, v := range manifests.NearVersions(r.Version, versions) {
		e.Near = append(e.Near, r.Name+"@"+v)
	}
	return e
}

// artifacts returns the transport for files to install. With --offline it reads
// only local files.
func (a *app) artifacts() manifests.Transport {
	if a.flags.offline {
		return transport.Offline{From: a.Transport}
	}
	return a.Transport
}

// means reports whether r means the installed release have.
func means(r trust.Ref, have record.Head) bool {
	return r.Matches(have.Channel, have.Tool, have.Version, have.Labels)
}

// A severalVersionsError reports that several installed versions match.
type severalVersionsError struct {
	Tool string
	Refs []string // channel/tool@version, newest first
}

func (e *severalVersionsError) Error() string {
	return fmt.Sprintf("several versions of %s are installed: %s", e.Tool, strings.Join(e.Refs, ", "))
}
func (*severalVersionsError) Kind() string { return "usage" }

// A notInstalledError reports that no installed release matches.
type notInstalledError struct {
	Ref  trust.Ref
	Near []string
}

func (e *notInstalledError) Error() string { return fmt.Sprintf("%s is not installed", e.Ref) }
func (*notInstalledError) Kind() string    { return "not-installed" }
