package main

import (
	"context"
	"crypto/rand"
	"errors"
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
)

// A session is one use of what is installed.
type session struct {
	*install.Installer
	state plan.State
}

// open judges and opens kist's directories and reads what is installed. The
// caller closes the session.
func (a *app) open(ctx context.Context) (*session, error) {
	s, damaged, err := a.openAnyway(ctx)
	if err != nil {
		return nil, err
	}
	if damaged == nil && a.verb.changes {
		damaged = install.Unread(s.state)
	}
	if damaged != nil {
		return nil, errors.Join(damaged, s.Close())
	}
	a.warnOfDamage(s)
	return s, nil
}

// openAnyway is open for those who remove everything: where the record of what
// is in force is damaged, that is told apart, and the session knows of nothing.
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
		Rate:      a.meter.Rate,
		Progress:  a.progress(),
		Chosen:    a.chosen,
		Warn:      func(text string) { a.warn("%s", text) },
		Stages:    a.Stages,
		DryRun:    a.flags.dryRun,
		Linking: func(now, next record.Generation) {
			if a.linking != nil {
				a.linking(now, next)
			}
		},
		Documents: transport.Owns,
		Settings:  ownSettings,
		Retire:    func(config *os.Root) error { return channels.Store{Root: config}.RetireAll() },
	})
	if err != nil {
		return nil, nil, err
	}
	if err := i.MayChange(); err != nil && a.verb.changes && !a.verb.mayOnlyRead {
		return nil, nil, errors.Join(err, i.Close())
	}
	if unmounted, ok := errors.AsType[*install.UnmountedError](i.MayChange()); ok {
		a.warn("%v", unmounted)
	}
	st, err := i.State()
	if broken, ok := errors.AsType[*install.GenerationError](err); ok {
		return &session{i, st}, broken, nil
	}
	if err != nil {
		i.Close()
		return nil, nil, err
	}
	return &session{i, st}, nil, nil
}

// warnOfDamage tells which receipts of s are passed over.
func (a *app) warnOfDamage(s *session) {
	for _, id := range slices.Sorted(maps.Keys(s.state.Damaged)) {
		a.warn("the receipt of %s is passed over: %v", id, s.state.Damaged[id])
	}
}

// warnOfMissing tells that something installed is not on the disk, and what puts it back.
func (a *app) warnOfMissing(missing *install.MissingError) {
	text := missing.Error()
	if advice := putBack(missing); advice != "" {
		text += "; " + advice
	}
	a.warn("%s", text)
}

// orMissing returns err, or where that is nil an error for the first of what is not on the
// disk. It warns of what it does not return.
func (a *app) orMissing(err error, lost []*install.MissingError) error {
	if err == nil && len(lost) > 0 {
		err, lost = lost[0], lost[1:]
	}
	for _, missing := range lost {
		a.warnOfMissing(missing)
	}
	return err
}

// matching returns the installed releases that r means, newest first, all of
// one channel: without one named it is the tool's built-in channel, else the
// only one it was installed from.
func (s *session) matching(r toolRef) ([]record.Head, error) {
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
		own, builtin := builtinChannel(r.Name)
		if !builtin || !slices.Contains(channels, own) {
			return nil, &severalChannelsError{Tool: r.Name, Channels: channels}
		}
		found = slices.DeleteFunc(found, func(have record.Head) bool { return have.Channel != own })
	}
	found = slices.DeleteFunc(found, func(have record.Head) bool { return !r.satisfiedBy(have) })
	// An exact version is meant exactly, even where it begins another.
	if i := slices.IndexFunc(found, func(have record.Head) bool { return have.Version == r.Version }); i >= 0 {
		found = found[i : i+1]
	}
	if len(found) == 0 {
		return nil, s.notInstalled(r)
	}
	return found, nil
}

// named returns the single installed release that r means.
func (s *session) named(r toolRef) (record.Head, error) {
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

// inUse returns the installed release that r means when it is to be used: the
// default if that is one, else the newest.
func (s *session) inUse(r toolRef) (record.Head, error) {
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

// notInstalled says so, unless a receipt that cannot be read may be that of r:
// then nothing can be said of r, nor done to it.
func (s *session) notInstalled(r toolRef) error {
	if r.Channel == system.Channel {
		return &systemChannelError{r.Name}
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

// artifacts is the transport for files to install: offline, only what lies on
// this machine.
func (a *app) artifacts() manifests.Transport {
	if a.flags.offline {
		return transport.Offline{From: a.Transport}
	}
	return a.Transport
}
