package trial

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

// Releases plans and unpacks every release of dir, whose verification is report: for
// each platform that a release is built for, with and without its optional components,
// and with every alternative artifact. It leaves out a choice with a file that is not in
// dir. unpacked is how many different toolchains it unpacked. The error for a release
// that users could not install, or not as it was meant, matches verify.ErrUntrusted.
func (u Unpacker) Releases(ctx context.Context, dir publish.Dir, report publish.Report) (unpacked int, err error) {
	t := releases{u, dir, report, map[string]bool{}}
	for _, r := range report.Manifest.Releases {
		if err := t.try(ctx, r); err != nil {
			return 0, err
		}
	}
	return len(t.tried), nil
}

// releases are what a channel's directory offers.
type releases struct {
	Unpacker
	dir    publish.Dir
	report publish.Report
	tried  map[string]bool // unpacked already, by everything that affects the result
}

// try plans and unpacks one release.
func (t releases) try(ctx context.Context, r native.Release) error {
	refuse := func(format string, args ...any) error {
		return verify.Untrusted("%s %s: %s", r.Tool, r.Version, fmt.Sprintf(format, args...))
	}
	var optional []string
	for _, a := range r.Artifacts {
		if a.Optional && !slices.Contains(optional, a.Component) {
			optional = append(optional, a.Component)
		}
	}
	asked := [][]string{nil}
	if optional != nil {
		asked = append(asked, optional)
	}
	unmatched, whole := slices.Clone(r.Commands), true
	for _, platform := range platforms(r) {
		for _, components := range asked {
			q := manifests.Request{Tool: r.Tool, Version: r.Version, Platform: platform, Components: components}
			found, err := t.report.Catalog.Resolve(q)
			if unbuilt, ok := errors.AsType[*manifests.UnsupportedPlatformError](err); ok {
				if components != nil || platform == otherPlatform() {
					continue // this component is not built for every platform
				}
				return refuse("for %s, a component that is not optional is missing (%v)", platform, unbuilt)
			}
			if err != nil {
				return err
			}
			for _, one := range alternatives(found) {
				left, complete, err := t.tryOne(ctx, one, unmatched)
				if err != nil {
					where := platform.String()
					if platform == otherPlatform() {
						where = "any platform"
					}
					return fmt.Errorf("%s %s for %s: %w", r.Tool, r.Version, where, err)
				}
				unmatched, whole = left, whole && complete
			}
		}
	}
	if whole && len(unmatched) > 0 && t.report.Elsewhere == 0 {
		return refuse("no executable file of any platform matches the commands %s", strings.Join(unmatched, ", "))
	}
	return nil
}

// platforms returns the platforms that a release is for: each that it names, on Linux
// with each C library unless one is named.
func platforms(r native.Release) (list []manifests.Platform) {
	add := func(p manifests.Platform) {
		if !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	anywhere := false
	for _, a := range r.Artifacts {
		switch p := a.Platform; {
		case p.IsAny():
			anywhere = true
		case p.OS == "linux" && p.Libc == "":
			p.Libc = "gnu"
			add(p)
			p.Libc = "musl"
			add(p)
		default:
			add(p)
		}
	}
	if anywhere {
		add(otherPlatform())
	}
	return list
}

// otherPlatform returns a platform that nothing is specifically built for.
func otherPlatform() manifests.Platform { return manifests.Platform{OS: "other", Arch: "other"} }

// alternatives returns r, and r with each alternative artifact in turn.
func alternatives(r manifests.Release) []manifests.Release {
	all := []manifests.Release{r}
	for i, a := range r.Artifacts {
		for _, b := range a.Alternatives {
			other := r
			other.Artifacts = slices.Clone(r.Artifacts)
			other.Artifacts[i] = b
			all = append(all, other)
		}
	}
	return all
}

// tryOne plans and unpacks one choice of artifacts, if all their files are here: then
// complete is true. It returns those of patterns that match nothing in them.
func (t releases) tryOne(ctx context.Context, r manifests.Release, patterns []string) (unmatched []string, complete bool, err error) {
	if err := r.Validate(); err != nil {
		return nil, false, err
	}
	refuse := func(rule string) error { return verify.Untrusted("%s %s: %s", r.Tool, r.Version, rule) }
	var archives []install.Packed
	key := fmt.Sprint(r.Tool, " ", r.Version)
	for _, a := range r.Artifacts {
		name, ok := t.local(a)
		if !ok {
			return patterns, false, nil
		}
		key += fmt.Sprintf(" %s %s %s %d %s", a.Component, a.Integrity.Digest.Hex(), a.Layout.Format, a.Layout.Strip, a.Layout.Into)
		archives = append(archives, install.Packed{Name: a.Name, Component: a.Component, Layout: a.Layout,
			Digest: a.Integrity.Digest, Open: func() (*os.File, error) { return t.dir.Open(name) }})
	}
	if t.tried[key] {
		return patterns, true, nil
	}
	if _, err := plan.Make(plan.State{}, plan.Change{Install: []manifests.Release{r}}); err != nil {
		return nil, false, refuse(err.Error())
	}
	err = t.unpack(ctx, r.Commands, archives, func(prefix *os.Root, entries []record.Entry) error {
		for _, a := range r.Artifacts {
			if err := install.Confirm(prefix, a); err != nil {
				return err
			}
		}
		commands, _, err := plan.Commands(r.Commands, entries)
		if err != nil {
			return err
		}
		// As in Add, programs of other components need not be commands.
		own := slices.DeleteFunc(slices.Clone(entries), func(e record.Entry) bool { return e.Component != r.Tool })
		if could := programs(own); len(r.Commands) == 0 && len(could) > 0 {
			return refuse("it has no commands (" + executables(could) + ")")
		}
		if len(commands) == 0 && len(r.Commands) > 0 {
			return refuse("none of the files that its patterns match can be a command")
		}
		for _, p := range patterns {
			if !matches([]string{p}, entries) {
				unmatched = append(unmatched, p)
			}
		}
		return nil
	})
	t.tried[key] = err == nil
	return unmatched, err == nil, err
}

// local returns the path of an artifact below the directory, if it exists there.
func (t releases) local(a manifests.Artifact) (name string, ok bool) {
	for _, ref := range a.Refs {
		escaped, local := strings.CutPrefix(ref, publish.Here)
		name, err := url.PathUnescape(escaped)
		if local && err == nil && t.dir.Has(name) {
			return name, true
		}
	}
	return "", false
}
