package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/system"
	"github.com/kist-tools/kist/manifests/trust"
)

// The places where ensure looks for a tool. Without --prefer it looks in the first
// three, in this order; it uses the network only if --prefer names it. fromBundled
// always comes right after fromInstalled.
const (
	fromSystem    = "system"
	fromInstalled = "installed"
	fromBundled   = "bundled" // from a channel in a directory of this machine
	fromNetwork   = "network"
)

func (a *app) ensureCommand() *cobra.Command {
	var prefer []string
	return a.command(verb{
		group: toolchains, use: "ensure 'TOOL>=V'",
		short: "Find a tool that is new enough, or get it",
		long: `Finds a version that satisfies the requirement and prints where it is: first the
system's command on PATH, then an installed toolchain, then what a channel that
you added from a directory of this machine has, which is then installed. If none
does, the exit code is 3.

--prefer names the places to look in first, in order: system, installed and
network. Only if network is named may kist fetch, and it then installs what the
channel calls stable, as kist install does, unless that is too old.

Quote 'TOOL>=V', or the shell treats > as a redirection. TOOL@V asks
for a version as kist install does. system/TOOL is only the system's, and
CHANNEL/TOOL only that channel's.`,
		example: "kist ensure 'rust>=1.63' --prefer system,installed,network",
		exits:   []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		args:    exactly(1),
		changes: true, mayOnlyRead: true,
		fetches: true,
		flags: func(f *pflag.FlagSet) {
			f.StringSliceVar(&prefer, "prefer", nil, "look first in `PLACES`: of system, installed and network, with commas; default: system,installed")
		},
		complete: completion.First(a.completeDemanded),
		values:   map[string]completion.Completer{"prefer": completion.List(completion.Words(fromSystem, fromInstalled, fromNetwork))},
		run: func(ctx context.Context, args []string) (result, error) {
			d, err := trust.ParseDemand(args[0])
			if err != nil {
				return nil, err
			}
			places, err := placesOf(prefer)
			if err != nil {
				return nil, err
			}
			s, err := a.open(ctx)
			if err != nil {
				return nil, err
			}
			defer s.Close()
			return a.ensure(ctx, s, d, places)
		},
	})
}

// placesOf returns the places to look in: those that the user prefers, then the others
// that need no network.
func placesOf(prefer []string) (places []string, err error) {
	for _, p := range prefer {
		switch {
		case p != fromSystem && p != fromInstalled && p != fromNetwork:
			return nil, usage("ensure: --prefer %s: want system, installed or network, with commas between several", p)
		case slices.Contains(places, p):
			return nil, usage("ensure: --prefer names %s twice", p)
		}
		places = append(places, p)
	}
	for _, p := range []string{fromSystem, fromInstalled} {
		if !slices.Contains(places, p) {
			places = append(places, p)
		}
	}
	return slices.Insert(places, slices.Index(places, fromInstalled)+1, fromBundled), nil
}

// An ensureResult is the tool that satisfies the demand.
type ensureResult struct {
	Tool    string `json:"tool"`
	Version string `json:"version"`
	Channel string `json:"channel"`
	From    string `json:"from"`           // system, installed, bundled or network
	Path    string `json:"path,omitempty"` // of its command, or of its prefix if kist knows no command
	// Change tells what was installed, or with --dry-run would be.
	Change *changeResult `json:"change,omitempty"`
}

func (r ensureResult) text(p *term.Page) {
	if r.Change != nil {
		r.Change.text(p)
	}
	if r.Path != "" {
		p.Line("%s %s · channel %s · %s", r.Tool, r.Version, r.Channel, r.Path)
	}
}

// An unmetError reports that no place satisfies the demand, and what was found instead.
type unmetError struct {
	Demand trust.Demand
	Seen   []string // one line for each place
	Asked  bool     // the network was asked
	Err    error    // why a place could not be checked, or nil
}

func (e *unmetError) Error() string {
	return fmt.Sprintf("nothing satisfies %s: %s", e.Demand, strings.Join(e.Seen, "; "))
}

func (e *unmetError) Kind() string {
	if e.Err != nil {
		return ""
	}
	return "unmet"
}
func (e *unmetError) Unwrap() error { return e.Err }

// A finder looks in one place for a tool that satisfies d. It returns r when found;
// otherwise seen describes what was found instead, or err why the place could not be
// checked.
type finder func(ctx context.Context, s *session, d trust.Demand) (r *ensureResult, seen string, err error)

// ensure looks in one place after the other. It skips a place that d rules out by
// naming a channel, and goes on past a place that cannot be reached or lacks the tool.
func (a *app) ensure(ctx context.Context, s *session, d trust.Demand, places []string) (result, error) {
	in := map[string]finder{fromSystem: a.ensureSystem, fromInstalled: a.ensureInstalled, fromBundled: a.ensureBundled, fromNetwork: a.ensureNetwork}
	unmet := &unmetError{Demand: d}
	for _, place := range places {
		onlySystem := d.Channel == system.Channel
		if onlySystem && place != fromSystem || !onlySystem && d.Channel != "" && place == fromSystem {
			continue
		}
		r, seen, err := in[place](ctx, s, d)
		switch {
		case r != nil:
			if unmet.Err != nil {
				a.Warn("could not check online: %v", unmet.Err)
			}
			return *r, err
		case err != nil:
			if !absent(err) {
				return nil, err
			}
			unmet.Err, seen = err, err.Error()
		}
		if seen != "" && !slices.Contains(unmet.Seen, seen) {
			unmet.Seen = append(unmet.Seen, seen)
		}
		unmet.Asked = unmet.Asked || place == fromNetwork
	}
	if !unmet.Asked && d.Channel != system.Channel {
		unmet.Seen = append(unmet.Seen, "the network was not asked")
	}
	return nil, unmet
}

// absent reports whether err only means that a place lacks the tool or cannot be
// reached.
func absent(err error) bool {
	v := kindOf(err).verdict
	return v == lacking || v == unreachable
}

// ensureSystem looks for the system's command: the first of its name on PATH that kist
// did not install. Only that one is asked for its version, since it is the one that a
// shell would run.
func (a *app) ensureSystem(ctx context.Context, s *session, d trust.Demand) (*ensureResult, string, error) {
	t, known := system.Lookup(d.Name)
	if !known && d.Channel == system.Channel {
		return nil, "", &manifests.UnknownToolError{Channel: system.Channel, Tool: d.Name, Near: manifests.Near(d.Name, system.Names())}
	}
	if !known {
		return nil, fmt.Sprintf("kist cannot ask the system for its %s", d.Name), nil
	}
	search := a.searchPath()
	path := search.Find(t.Command, s.linkedCommands())
	if path == "" {
		return nil, fmt.Sprintf("the system has no %s on PATH", t.Command), ctx.Err()
	}
	a.Detail("asking %s for its version", path)
	version, err := search.Version(ctx, a.Ask, t, path, a.Environ)
	switch {
	case err != nil:
		return nil, fmt.Sprintf("%s does not tell its version: %v", path, err), ctx.Err()
	case !d.MetBy(version):
		return nil, fmt.Sprintf("%s is %s", path, version), nil
	}
	return &ensureResult{Tool: d.Name, Version: version, Channel: system.Channel, From: fromSystem, Path: path}, "", nil
}

// linkedCommands returns the names of the commands that kist linked.
func (s *session) linkedCommands() (names []string) {
	for _, l := range s.state.Current.Links {
		names = append(names, l.Name)
	}
	return names
}

// ensureInstalled returns the default if that satisfies d, else the newest release
// that does.
func (a *app) ensureInstalled(_ context.Context, s *session, d trust.Demand) (*ensureResult, string, error) {
	all, err := s.matching(trust.Ref{Channel: d.Channel, Name: d.Name})
	if _, none := errors.AsType[*notInstalledError](err); none {
		return nil, fmt.Sprintf("no %s is installed", trust.Ref{Channel: d.Channel, Name: d.Name}), nil
	}
	if err != nil {
		return nil, "", err
	}
	slices.SortStableFunc(all, func(a, b record.Head) int { return s.rank(a) - s.rank(b) })
	var refs, lost []string
	for _, r := range all {
		if !d.MetBy(trust.OwnNumber(r.Evidence, r.Version)) && !(d.AtLeast == "" && means(d.Ref, r)) {
			refs = append(refs, r.Ref())
			continue
		}
		found := s.ensured(r, fromInstalled)
		missing := s.missingEnsured(r)
		if missing == nil {
			return found, "", nil
		}
		lost = append(lost, missing.Error())
	}
	if len(refs) > 0 {
		lost = append(lost, "installed: "+strings.Join(refs, ", "))
	}
	return nil, strings.Join(lost, "; "), nil
}

func (s *session) ensured(r record.Head, from string) *ensureResult {
	return &ensureResult{Tool: r.Tool, Version: r.Version, Channel: r.Channel, From: from,
		Path: filepath.Join(s.Prefix(r.ID), ownCommand(r))}
}

// missingEnsured returns an error if the prefix of r, or the path that ensured reports,
// is missing from the disk, else nil.
func (s *session) missingEnsured(r record.Head) *install.MissingError {
	if missing := s.MissingAt(r, ""); missing != nil {
		return missing
	}
	return s.MissingAt(r, ownCommand(r))
}

// ownCommand returns the path, below the prefix of r, of the command named after the
// tool, or "" if there is none.
func ownCommand(r record.Head) string {
	commands := []string{r.Tool}
	if t, ok := system.Lookup(r.Tool); ok {
		commands = []string{t.Command, r.Tool}
	}
	for _, c := range commands {
		if below, ok := commandPath(r, c); ok {
			return below
		}
	}
	return ""
}

// ensureBundled installs from a channel that the user added from a local directory, if
// the archives are local too.
func (a *app) ensureBundled(ctx context.Context, s *session, d trust.Demand) (*ensureResult, string, error) {
	err := s.MayChange()
	if owner, ok := errors.AsType[*install.OwnerError](err); ok {
		return nil, owner.Error(), nil
	}
	if err != nil {
		return nil, "", err
	}
	o, err := s.desk.Pick(ctx, d.Ref)
	if err != nil && !absent(err) {
		return nil, "", err
	}
	if err != nil || o.Settings == nil || !isLocal(o.Settings.URL) {
		return nil, "", nil
	}
	r, seen, err := a.ensureFrom(ctx, s, d, o, fromBundled)
	if err != nil && absent(err) {
		return r, err.Error(), nil
	}
	return r, seen, err
}

// isLocal reports whether ref is a file URL.
func isLocal(ref string) bool { return strings.HasPrefix(ref, "file:") }

// ensureNetwork asks the channel over the network, and installs its answer if that
// satisfies d.
func (a *app) ensureNetwork(ctx context.Context, s *session, d trust.Demand) (*ensureResult, string, error) {
	if err := s.MayChange(); err != nil {
		return nil, "", err
	}
	o, err := s.desk.Pick(ctx, d.Ref)
	if err != nil {
		return nil, "", err
	}
	return a.ensureFrom(ctx, s, d, o, fromNetwork)
}

// ensureFrom resolves d in channel o, and installs the release if it satisfies d.
func (a *app) ensureFrom(ctx context.Context, s *session, d trust.Demand, o trust.Binding, from string) (*ensureResult, string, error) {
	a.Detail("asking channel %s for %s", o.Name, d)
	release, err := s.desk.Resolve(ctx, o, s.desk.Request(d.Ref))
	if err != nil {
		return nil, "", err
	}
	if d.AtLeast != "" && !d.MetBy(trust.OwnNumber(release.Evidence, release.Version)) {
		return nil, fmt.Sprintf("channel %s has %s", o.Name, release.Version), nil
	}
	if have, ok := s.holds(release); ok {
		missing := s.missingEnsured(have)
		switch {
		case missing == nil:
			return s.ensured(have, fromInstalled), "", nil
		case !missing.Gone():
			return nil, "", missing
		}
		a.Warn("%v; installing it again", missing)
		q := s.desk.Request(trust.Ref{Channel: have.Channel, Name: have.Tool, Version: "=" + have.Version})
		q.Components, q.Profile = have.Components, have.Profile
		if release, err = s.desk.Resolve(ctx, o, q); err != nil {
			return nil, "", err
		}
	}
	for _, artifact := range release.Artifacts {
		if from == fromBundled && !slices.ContainsFunc(artifact.Refs, isLocal) {
			return nil, fmt.Sprintf("channel %s has %s elsewhere", o.Name, artifact.Name), nil
		}
	}
	done, err := a.change(ctx, s, plan.Change{Install: []manifests.Release{release}}, nil)
	change, ok := done.(changeResult)
	if !ok {
		return nil, "", err
	}
	r := &ensureResult{Tool: release.Tool, Version: release.Version, Channel: release.Channel, From: from}
	if have, ok := s.holds(release); ok && s.missingEnsured(have) == nil {
		r = s.ensured(have, from)
	}
	r.Change = &change
	return r, "", err
}
