package cli

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"

	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// Desk returns the desk that binds channels for this command, and asks them through t.
// state may be nil until kist's directories are open.
func (a *App) Desk(state trust.State, t *transport.Mirrored) *trust.Desk {
	d := &trust.Desk{
		State: state, Transport: t, Config: t.Config, Now: a.Started,
		Platform: a.Platform, Distro: a.Distro, Glibc: a.Glibc, AptSources: a.AptSources,
		GoProxy:      func(ctx context.Context) string { return a.GoProxy(ctx, a.SearchPath()) },
		OwnKeys:      a.OwnKeys,
		MachineRules: a.machineRules,
		Offline:      a.Flags.Offline, CacheOnly: a.Verb.Local, DryRun: a.Flags.DryRun, MinimumAge: a.Flags.MinimumAge,
		Notify:     a.sayOnce(),
		Warn:       func(text string) { a.Warn("%s", text) },
		KeysStored: func() { a.keysChanged = true },
	}
	if b := a.From; b != nil { // which need not have what this machine's own settings lead to
		d.Offline, d.AptSources = false, b.AptSources
		d.GoProxy = func(context.Context) string { return b.GoProxies() }
	}
	return d
}

// sayOnce returns a function that prints each line once: an origin that cannot be reached
// is met again with every tool.
func (a *App) sayOnce() func(line, cause string) {
	var mu sync.Mutex
	said := map[string]bool{}
	return func(line, cause string) {
		mu.Lock()
		defer mu.Unlock()
		if !said[line] {
			said[line] = true
			a.SayWithCause(line, cause)
		}
	}
}

// machineRules reads the policy file of this machine's administrator, if there is one.
func (a *App) machineRules() ([]channels.Rules, error) {
	if a.Dirs.Machine == "" {
		return nil, nil
	}
	file := filepath.Join(a.Dirs.Machine, channels.RulesFile)
	data, err := namedfiles.Read(file, channels.MaxRules)
	if _, missing := errors.AsType[*namedfiles.MissingError](err); missing {
		return nil, nil
	}
	if err != nil {
		return nil, &channels.RulesError{File: file, Err: err}
	}
	rules, err := channels.ParseRules(file, data)
	return []channels.Rules{rules}, err
}

// WarnOfKeys prints a warning for each finding about a publisher's own keys.
func (a *App) WarnOfKeys(findings []verify.Finding) {
	for _, f := range findings {
		a.Warn("%s; %s", f.Problem, strings.TrimSuffix(f.Remedy, "."))
	}
}

// Offers returns what completes words from what is on this machine.
func (a *App) Offers() completion.Machine { return completion.Machine{Args: a.Args, Read: a.peek} }

// peek calls read with the toolchains of this machine, without waiting for other kist
// processes. It does nothing if they cannot be read.
func (a *App) peek(read func(*toolset.Set)) {
	a.LockWait = 0
	if a.Flags.Store != "" && a.useStore() != nil {
		return
	}
	s, err := a.Open(context.Background())
	if err != nil {
		return
	}
	defer s.Close()
	read(s)
}
