package main

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) installCommand() *cobra.Command {
	var want plan.Parts
	var makeDefault, noDefault bool
	return a.command(verb{
		group: toolchains, use: "install [TOOL…]",
		short: "Install toolchains, each proved before it is unpacked",
		long: `Fetches what the channel of each TOOL offers, proves it by the channel's pinned
keys, and unpacks it into a directory of its own. All of them are installed, or
none. The first version of a tool becomes its default: its commands are linked
into the bin directory. What is installed already needs no network.

Without TOOL, it installs what the project asks for in the rust-toolchain.toml
(or rust-toolchain) of this directory or the nearest one above it.`,
		example: "kist install go@1.25 acme/zig",
		exits:   []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		args:    between(0, 1000),
		changes: true,
		fetches: true,
		flags: func(f *pflag.FlagSet) {
			f.StringArrayVarP(&want.Components, "component", "c", nil, "also install component `NAME` (repeatable)")
			f.StringArrayVarP(&want.Targets, "target", "t", nil, "also install support for building for `TRIPLE`, as the tool spells it (repeatable)")
			f.StringVar(&want.Profile, "profile", "", "which components to begin with: `PROFILE` is minimal, default or complete; default: minimal")
			f.BoolVar(&makeDefault, "default", false, "make this version the default, replacing the current one")
			f.BoolVar(&noDefault, "no-default", false, "link no commands")
		},
		complete: a.completeTools,
		values: map[string]completion.Completer{
			"component": a.completeComponents, "target": completion.Words(), "profile": completion.Words("minimal", "default", "complete"),
		},
		run: func(ctx context.Context, args []string) (result, error) {
			if makeDefault && noDefault {
				return nil, usage("install: --default and --no-default exclude each other")
			}
			if err := want.Validate(); err != nil {
				return nil, usage("install: %v", err)
			}
			refs, err := trust.ParseRefs(args)
			if err != nil {
				return nil, err
			}
			if len(refs) == 0 {
				project, err := a.projectTool()
				if err != nil {
					return nil, err
				}
				refs, want = []trust.Ref{project.Tool}, project.With(want)
			}
			links := plan.FirstBecomesDefault
			switch {
			case makeDefault:
				links = plan.AlwaysDefault
			case noDefault:
				links = plan.NoLinks
			}
			s, err := a.open(ctx)
			if err != nil {
				return nil, err
			}
			defer s.Close()
			return a.install(ctx, s, refs, want, links)
		},
	})
}

func (a *app) install(ctx context.Context, s *session, refs []trust.Ref, want plan.Parts, links plan.Links) (result, error) {
	c := plan.Change{Links: links, Follow: map[record.ID]string{}}
	var already []record.Head
	for _, ref := range refs {
		want := want
		have, satisfied := s.satisfies(ref, want)
		if have.ID != "" {
			missing := s.Missing(have)
			if missing != nil && !missing.Gone() {
				return nil, missing
			}
			if missing != nil {
				a.Warn("%v; installing it again", missing)
				satisfied, want = false, want.WithThoseOf(have)
			}
		}
		if satisfied {
			if plan.Follows(have, ref.Version) {
				c.Follow[have.ID] = ref.Version
			}
			already = append(already, have)
			if links == plan.AlwaysDefault {
				c.Default = append(c.Default, have.ID)
			}
			continue
		}
		asked := ref.Version
		if have.ID != "" { // installed, but without these components
			ref = trust.Ref{Channel: have.Channel, Name: have.Tool, Version: "=" + have.Version}
		}
		o, err := s.desk.Pick(ctx, ref)
		if err != nil {
			return nil, err
		}
		q := s.desk.Request(ref)
		q.Components, q.Targets, q.Profile = want.Components, want.Targets, want.Profile
		a.Detail("asking channel %s for %s", o.Name, ref)
		r, err := s.desk.Resolve(ctx, o, q)
		if have.ID != "" && (errors.Is(err, manifests.ErrOffline) || isUnknownVersion(err)) {
			if same, ok := a.resolveByOriginalLabel(ctx, s, o, q, have); ok {
				r, err = same, nil
			}
		}
		if err != nil {
			return nil, err
		}
		if have, ok := s.holds(r); ok && s.Missing(have) == nil { // r turned out to be installed
			if plan.Follows(have, asked) {
				c.Follow[have.ID] = asked
			}
			already = append(already, have)
		}
		c.Install = append(c.Install, r)
	}
	return a.change(ctx, s, c, already)
}

// resolveByOriginalLabel resolves the label that have was installed by, for when its
// exact version is not available: a mirror may have only the manifest of a label. ok
// is false unless the label still means that version.
func (a *app) resolveByOriginalLabel(ctx context.Context, s *session, o trust.Binding, q manifests.Request, have record.Head) (r manifests.Release, ok bool) {
	if have.Requested == have.Version {
		return manifests.Release{}, false
	}
	q.Version = have.Requested
	a.Detail("asking channel %s for %s", o.Name, trust.Ref{Channel: have.Channel, Name: have.Tool, Version: have.Requested})
	r, err := s.desk.Resolve(ctx, o, q)
	return r, err == nil && r.Version == have.Version
}

func isUnknownVersion(err error) bool {
	_, ok := errors.AsType[*manifests.UnknownVersionError](err)
	return ok
}

// satisfies finds an installed release that ref means: one with all of want, or else
// one that only lacks components. A bare name means the tool's built-in channel, if
// it has one, and in it a version that was installed by a bare name or labelled
// stable, not any version.
func (s *session) satisfies(ref trust.Ref, want plan.Parts) (have record.Head, all bool) {
	if ref.Channel == "" {
		ref.Channel, _ = trust.BuiltinChannel(ref.Name)
	}
	found, err := s.matching(ref)
	if err != nil {
		return record.Head{}, false
	}
	if ref.Version == "" {
		found = slices.DeleteFunc(found, func(r record.Head) bool {
			return r.Requested != "" && !slices.Contains(r.Labels, "stable")
		})
	}
	slices.SortStableFunc(found, func(a, b record.Head) int { return s.rank(a) - s.rank(b) })
	for _, r := range found {
		if want.IsIn(r) {
			return r, true
		}
		if have.ID == "" {
			have = r
		}
	}
	return have, false
}

// holds finds the installed release that is r, with all of its components.
func (s *session) holds(r manifests.Release) (record.Head, bool) {
	for _, have := range s.state.Installed() {
		if have.Channel == r.Channel && have.Tool == r.Tool && have.Version == r.Version && have.Platform == r.Platform &&
			(plan.Parts{Components: r.Components}).IsIn(have) {
			return have, true
		}
	}
	return record.Head{}, false
}

// rank orders a default before other releases.
func (s *session) rank(r record.Head) int {
	if s.isDefault(r) {
		return 0
	}
	return 1
}
