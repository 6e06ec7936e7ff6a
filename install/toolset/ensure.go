package toolset

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/system"
	"github.com/kist-tools/kist/manifests/trust"
)

// The places where a Search looks for a tool. Bundled always comes right after
// Installed.
const (
	System    = "system"
	Installed = "installed"
	bundled   = "bundled" // a channel in a directory of this machine
	Network   = "network"
)

// Places returns the places to look in: those that the user prefers, then the others
// that need no network.
func Places(prefer []string) (places []string, err error) {
	for _, p := range prefer {
		switch {
		case p != System && p != Installed && p != Network:
			return nil, fmt.Errorf("%s: want system, installed or network, with commas between several", p)
		case slices.Contains(places, p):
			return nil, fmt.Errorf("names %s twice", p)
		}
		places = append(places, p)
	}
	for _, p := range []string{System, Installed} {
		if !slices.Contains(places, p) {
			places = append(places, p)
		}
	}
	return slices.Insert(places, slices.Index(places, Installed)+1, bundled), nil
}

// A Search looks for a tool that satisfies a demand.
type Search struct {
	*Set
	Demand  trust.Demand
	Path    host.SearchPath
	Ask     host.AskFunc // asks a command of the system for its version
	Environ []string
	// Absent reports whether an error only means that a place lacks the tool or cannot
	// be reached, so that the next place counts.
	Absent func(error) bool
	// Install installs a release. done is false if nothing was changed; an error may come
	// with work that is done.
	Install func(context.Context, manifests.Release) (done bool, err error)
}

// A Found is a tool that satisfies a demand.
type Found struct {
	Tool    string `json:"tool"`
	Version string `json:"version"`
	Channel string `json:"channel"`
	From    string `json:"from"`           // system, installed, bundled or network
	Path    string `json:"path,omitempty"` // of its command, or of its prefix if kist knows no command
}

// An UnmetError reports that no place satisfies the demand, and what was found instead.
type UnmetError struct {
	Demand trust.Demand
	Seen   []string // one line for each place
	Asked  bool     // the network was asked
	Err    error    // why a place could not be checked, or nil
}

func (e *UnmetError) Error() string {
	return fmt.Sprintf("nothing satisfies %s: %s", e.Demand, strings.Join(e.Seen, "; "))
}
func (e *UnmetError) Unwrap() error { return e.Err }
func (e *UnmetError) Kind() string {
	if e.Err != nil {
		return ""
	}
	return "unmet"
}

// Run looks in one place after the other. It skips a place that the demand rules out by
// naming a channel, and goes on past a place that cannot be reached or lacks the tool. An
// error may come with what was found: its installation then has left something undone.
func (f *Search) Run(ctx context.Context, places []string) (*Found, error) {
	unmet := &UnmetError{Demand: f.Demand}
	onlySystem := f.Demand.Channel == system.Channel
	for _, place := range places {
		if onlySystem && place != System || !onlySystem && f.Demand.Channel != "" && place == System {
			continue
		}
		found, seen, err := f.lookIn(ctx, place)
		switch {
		case found != nil:
			if unmet.Err != nil {
				f.Warn("could not check online: %v", unmet.Err)
			}
			return found, err
		case err != nil && !f.Absent(err):
			return nil, err
		case err != nil:
			seen = err.Error()
			if place != bundled {
				unmet.Err = err
			}
		}
		if seen != "" && !slices.Contains(unmet.Seen, seen) {
			unmet.Seen = append(unmet.Seen, seen)
		}
		unmet.Asked = unmet.Asked || place == Network
	}
	if !unmet.Asked && !onlySystem {
		unmet.Seen = append(unmet.Seen, "the network was not asked")
	}
	return nil, unmet
}

// lookIn returns what it found in place; or seen, which describes what it saw instead; or
// err, why the place could not be checked.
func (f *Search) lookIn(ctx context.Context, place string) (found *Found, seen string, err error) {
	switch place {
	case System:
		return f.inSystem(ctx)
	case Installed:
		return f.installed()
	}
	return f.inChannel(ctx, place)
}

// inSystem looks for the system's command: the first of its name on PATH that kist did
// not install. Only that one is asked for its version, since it is the one that a shell
// would run.
func (f *Search) inSystem(ctx context.Context) (*Found, string, error) {
	name := f.Demand.Name
	t, known := system.Lookup(name)
	if !known && f.Demand.Channel == system.Channel {
		return nil, "", &manifests.UnknownToolError{Channel: system.Channel, Tool: name, Near: manifests.Near(name, system.Names())}
	}
	if !known {
		return nil, fmt.Sprintf("kist cannot ask the system for its %s", name), nil
	}
	path := f.Path.Find(t.Command, f.State.Current.Names())
	if path == "" {
		return nil, fmt.Sprintf("the system has no %s on PATH", t.Command), ctx.Err()
	}
	f.Detail("asking %s for its version", path)
	version, err := f.Path.Version(ctx, f.Ask, t, path, f.Environ)
	switch {
	case err != nil:
		return nil, fmt.Sprintf("%s does not tell its version: %v", path, err), ctx.Err()
	case !f.Demand.MetBy(version):
		return nil, fmt.Sprintf("%s is %s", path, version), nil
	}
	return &Found{name, version, system.Channel, System, path}, "", nil
}

// installed finds the default if that satisfies the demand, else the newest release that
// does.
func (f *Search) installed() (*Found, string, error) {
	ref := trust.Ref{Channel: f.Demand.Channel, Name: f.Demand.Name}
	all, err := f.Matching(ref)
	if _, none := errors.AsType[*NotInstalledError](err); none {
		return nil, fmt.Sprintf("no %s is installed", ref), nil
	}
	if err != nil {
		return nil, "", err
	}
	f.defaultsFirst(all)
	var refs, seen []string
	for _, r := range all {
		if !f.Demand.MetBy(trust.OwnNumber(r.Evidence, r.Version)) && !(f.Demand.AtLeast == "" && Means(f.Demand.Ref, r)) {
			refs = append(refs, r.Ref())
			continue
		}
		missing := f.missing(r)
		if missing == nil {
			return f.found(r, Installed), "", nil
		}
		seen = append(seen, missing.Error())
	}
	if len(refs) > 0 {
		seen = append(seen, "installed: "+strings.Join(refs, ", "))
	}
	return nil, strings.Join(seen, "; "), nil
}

func (f *Search) found(r record.Head, from string) *Found {
	return &Found{r.Tool, r.Version, r.Channel, from, filepath.Join(f.Prefix(r.ID), ownCommand(r))}
}

// missing returns an error if the prefix of r, or the path that found reports, is missing
// from the disk, else nil.
func (f *Search) missing(r record.Head) *install.MissingError {
	if missing := f.MissingAt(r, ""); missing != nil {
		return missing
	}
	return f.MissingAt(r, ownCommand(r))
}

// ownCommand returns the path, below the prefix of r, of the command named after the
// tool, or "" if there is none.
func ownCommand(r record.Head) string {
	if t, ok := system.Lookup(r.Tool); ok {
		if below, ok := CommandPath(r, t.Command); ok {
			return below
		}
	}
	below, _ := CommandPath(r, r.Tool)
	return below
}

// inChannel asks the channel of the demand, and installs its answer if that satisfies the
// demand. As a bundled one counts only a channel that the user added from a local
// directory, and only with archives that are local too.
func (f *Search) inChannel(ctx context.Context, from string) (*Found, string, error) {
	err := f.MayChange()
	if owner, ok := errors.AsType[*install.OwnerError](err); ok && from == bundled {
		return nil, owner.Error(), nil
	}
	if err != nil {
		return nil, "", err
	}
	b, err := f.Desk.Pick(ctx, f.Demand.Ref)
	switch {
	case from == bundled && err == nil && (b.Settings == nil || !isLocal(b.Settings.URL)), from == bundled && err != nil && f.Absent(err):
		return nil, "", nil
	case err != nil:
		return nil, "", err
	}
	f.Detail("asking channel %s for %s", b.Name, f.Demand)
	r, err := f.Desk.Resolve(ctx, b, f.Desk.Request(f.Demand.Ref))
	if err != nil {
		return nil, "", err
	}
	if f.Demand.AtLeast != "" && !f.Demand.MetBy(trust.OwnNumber(r.Evidence, r.Version)) {
		return nil, fmt.Sprintf("channel %s has %s", b.Name, r.Version), nil
	}
	if have, ok := f.holding(r); ok {
		missing := f.missing(have)
		switch {
		case missing == nil:
			return f.found(have, Installed), "", nil
		case !missing.Gone():
			return nil, "", missing
		}
		f.Warn("%v; installing it again", missing)
		if r, err = f.release(ctx, Want{}, f.Demand.Ref, have, plan.Parts{}.WithThoseOf(have)); err != nil {
			return nil, "", err
		}
	}
	for _, artifact := range r.Artifacts {
		if from == bundled && !slices.ContainsFunc(artifact.Refs, isLocal) {
			return nil, fmt.Sprintf("channel %s has %s elsewhere", b.Name, artifact.Name), nil
		}
	}
	done, err := f.Install(ctx, r)
	if !done {
		return nil, "", err
	}
	if have, ok := f.holding(r); ok && f.missing(have) == nil {
		return f.found(have, from), "", err
	}
	return &Found{Tool: r.Tool, Version: r.Version, Channel: r.Channel, From: from}, "", err
}

// isLocal reports whether ref is a file URL.
func isLocal(ref string) bool { return strings.HasPrefix(ref, "file:") }
