package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/unpack"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

func (a *app) publishVerifyCommand() *cobra.Command {
	var keys []string
	v := publish.Verification{}
	return a.command(verb{
		use: "verify DIR [--key FILE…] [--threshold N] [--partial]", short: "Verify a channel's directory as its users will",
		long: `Proves the signatures, the format, the freshness, and the size and digest of
every artifact in DIR; then plans every release for every platform, and unpacks
it as an install would. Without --key, by the keys of its keys.toml, else of its
publisher.asc. With --partial, for a mirror, files may be missing.`,
		example: "kist publish verify public/",
		exits:   []int{0, 1, 2, 3, 4, 5, 8},
		args:    exactly(1),
		local:   true,
		flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&keys, "key", nil, "a `FILE` of public keys that users were given (repeatable)")
			f.IntVar(&v.Threshold, "threshold", 1, "how many of these keys must have signed: `N`")
			f.BoolVar(&v.Partial, "partial", false, "for a mirror of some files: accept missing files, and report how many were checked")
		},
		run: func(ctx context.Context, args []string) (result, error) {
			if v.Threshold < 1 {
				return nil, usage("publish verify: --threshold %d: want at least 1", v.Threshold)
			}
			d, closeDir, err := a.openPublished(args[0])
			if err != nil {
				return nil, err
			}
			defer closeDir()
			if v.Keys, err = readFiles(keys, verify.MaxKeyring); err != nil {
				return nil, err
			}
			v.Now = a.now
			report, err := d.Verify(v)
			if err != nil {
				return nil, err
			}
			t := trial{app: a, dir: d, report: report, tried: map[string]bool{}}
			if err := t.all(ctx); err != nil {
				return nil, err
			}
			a.warnOfKeys(report.Findings)
			return publishVerified{
				Channel: report.Manifest.Channel, Releases: len(report.Manifest.Releases), Files: report.Files, Missing: report.Missing,
				Elsewhere: report.Elsewhere, Unpacked: len(t.tried), Bytes: report.Bytes, Evidence: report.Evidence, Notes: report.Notes,
			}, nil
		},
	})
}

// publishVerified is what publish verify checked successfully.
type publishVerified struct {
	Channel   string          `json:"channel"`
	Releases  int             `json:"releases"`
	Files     int             `json:"files"`
	Missing   int             `json:"missing,omitempty"`
	Elsewhere int             `json:"elsewhere,omitempty"`
	Unpacked  int             `json:"unpacked"` // number of different toolchains unpacked
	Bytes     int64           `json:"bytes"`
	Evidence  verify.Evidence `json:"evidence"`
	Notes     []string        `json:"notes,omitempty"`
}

func (r publishVerified) text(p *term.Page) {
	p.Line("channel %s · %s", r.Channel, proof(r.Evidence))
	p.Line("%s; %s of %s, as they were signed", term.Count(r.Releases, "release"), term.Count(r.Files, "file"), term.ByteSize(r.Bytes))
	p.Line("%s unpacked, as an install would", term.Count(r.Unpacked, "toolchain"))
	if r.Missing > 0 {
		field(p, "note", fmt.Sprintf("%d of %d files are here and were checked; %d missing", r.Files, r.Files+r.Missing, r.Missing))
	}
	if r.Elsewhere > 0 {
		field(p, "note", fmt.Sprintf("%s at other URLs, not checked", term.Count(r.Elsewhere, "artifact")))
	}
	for _, note := range r.Notes {
		field(p, "note", note)
	}
}

// A trial plans and unpacks what a channel's directory offers.
type trial struct {
	*app
	dir    publish.Dir
	report publish.Report
	tried  map[string]bool // unpacked already, by everything that affects the result
}

// all tries every release.
func (t trial) all(ctx context.Context) error {
	for _, r := range t.report.Manifest.Releases {
		if err := t.release(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// release tries one release on every platform that it is built for, with and without
// its optional components, and with every alternative artifact.
func (t trial) release(ctx context.Context, r native.Release) error {
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
	for _, host := range hosts(r) {
		for _, components := range asked {
			q := manifests.Request{Tool: r.Tool, Version: r.Version, Platform: host, Components: components}
			found, err := t.report.Catalog.Resolve(q)
			if unbuilt, ok := errors.AsType[*manifests.UnsupportedPlatformError](err); ok {
				if components != nil || host == anyHost() {
					continue // this component is not built for every platform
				}
				return verify.Untrusted("%s %s: for %s, a component that is not optional is missing (%v)", r.Tool, r.Version, host, unbuilt)
			}
			if err != nil {
				return err
			}
			for _, one := range alternatives(found) {
				left, complete, err := t.unpack(ctx, one, unmatched)
				if err != nil {
					where := host.String()
					if host == anyHost() {
						where = "any platform"
					}
					return fmt.Errorf("%s %s for %s: %w", r.Tool, r.Version, where, err)
				}
				unmatched, whole = left, whole && complete
			}
		}
	}
	if whole && len(unmatched) > 0 && t.report.Elsewhere == 0 {
		return verify.Untrusted("%s %s: no executable file of any platform matches the commands %s", r.Tool, r.Version, strings.Join(unmatched, ", "))
	}
	return nil
}

// hosts returns the platforms that a release is for: each that it names, on Linux with
// each C library unless one is named.
func hosts(r native.Release) (list []manifests.Platform) {
	add := func(p manifests.Platform) {
		if !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	for _, a := range r.Artifacts {
		switch p := a.Platform; {
		case p.IsAny():
		case p.OS == "linux" && p.Libc == "":
			p.Libc = "gnu"
			add(p)
			p.Libc = "musl"
			add(p)
		default:
			add(p)
		}
	}
	if slices.ContainsFunc(r.Artifacts, func(a native.Artifact) bool { return a.Platform.IsAny() }) {
		add(anyHost())
	}
	return list
}

// anyHost returns a platform that nothing is specifically built for.
func anyHost() manifests.Platform { return manifests.Platform{OS: "other", Arch: "other"} }

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

// unpack tries one choice of artifacts, if all their files are here: then complete is
// true. It returns the patterns that match nothing in them.
func (t trial) unpack(ctx context.Context, r manifests.Release, patterns []string) (unmatched []string, complete bool, err error) {
	if err := r.Validate(); err != nil {
		return nil, false, err
	}
	var archives []install.Packed
	key := fmt.Sprint(r.Tool, " ", r.Version)
	for _, a := range r.Artifacts {
		name, ok := t.local(a)
		if !ok {
			return patterns, false, nil
		}
		key += fmt.Sprintf(" %s %s %s %d %s", a.Component, a.Integrity.Digest.Hex(), a.Layout.Format, a.Layout.Strip, a.Layout.Into)
		archives = append(archives, install.Packed{Archive: unpack.Archive{Name: a.Name, Component: a.Component, Layout: a.Layout},
			Digest: a.Integrity.Digest, Open: func() (*os.File, error) { return t.dir.Open(name) }})
	}
	if t.tried[key] {
		return patterns, true, nil
	}
	if _, err := plan.Make(plan.State{}, plan.Change{Install: []manifests.Release{r}}); err != nil {
		return nil, false, verify.Untrusted("%s %s: %s", r.Tool, r.Version, err.Error())
	}
	entries, err := t.inspect(ctx, r, archives)
	if err != nil {
		return nil, false, err
	}
	t.tried[key] = true
	commands, _, err := plan.Commands(r.Commands, entries)
	if err != nil {
		return nil, false, err
	}
	if could := programs(entries); len(r.Commands) == 0 && len(could) > 0 {
		return nil, false, verify.Untrusted("%s %s: it has no commands (executable in it: %s)", r.Tool, r.Version, enumerate(could, false))
	}
	if len(commands) == 0 && len(r.Commands) > 0 {
		return nil, false, verify.Untrusted("%s %s: none of the files that its patterns match can be a command", r.Tool, r.Version)
	}
	return slices.DeleteFunc(slices.Clone(patterns), func(p string) bool { return matches([]string{p}, entries) }), true, nil
}

// inspect unpacks archives into one prefix, and checks the witnesses of r.
func (t trial) inspect(ctx context.Context, r manifests.Release, archives []install.Packed) (entries []record.Entry, err error) {
	scratch, remove, err := t.scratchDir()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if entries, err = install.Inspect(ctx, t.Child, scratch, r.Commands, archives...); err != nil {
		return nil, err
	}
	for _, a := range r.Artifacts {
		if err := install.Confirm(scratch, a); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// local returns the path of an artifact below the directory, if it exists there.
func (t trial) local(a manifests.Artifact) (name string, ok bool) {
	for _, ref := range a.Refs {
		escaped, local := strings.CutPrefix(ref, publish.Here)
		name, err := url.PathUnescape(escaped)
		if local && err == nil && t.dir.Has(name) {
			return name, true
		}
	}
	return "", false
}
