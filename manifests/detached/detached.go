// Package detached reads upstreams that sign each published file with a detached
// OpenPGP signature next to it, and sign nothing else.
//
// # Parties
//
// The upstream's signing keys are pinned in full. Whoever serves the files (the
// upstream's host, a mirror, a cache) is not trusted.
//
// # Format
//
// A [Site] is data: where the index of versions is and how to parse it, how a file's
// name is made from version and platform, where its signature is, and which file inside
// confirms the version. For Go:
//
//	https://go.dev/dl/?mode=json&include=all           the index, unsigned
//	https://go.dev/dl/go1.26.1.linux-amd64.tar.gz      the artifact
//	https://go.dev/dl/go1.26.1.linux-amd64.tar.gz.asc  its signature
//
// The signature may be armored or binary.
//
// # Guarantees
//
// Fetch proves nothing itself: it fetches the signature, refuses one that could not be
// valid for any content, and checks that the file exists. The release states what the
// download must prove: the signature over the file's bytes by a pinned key, checked as
// a release (verify.Release), and then the witness. A detached signature covers neither
// name nor version, so an old file, validly signed, could be served under a new name;
// the file inside that states the version is signed too, so it reveals that.
//
// # Limits
//
// The index is unsigned. Its server can hide new versions, and the evidence says so. It
// never supplies a location, a size or a digest. The date it gives for a version is
// used for one thing: a signature from more than a day before is refused, so that an
// expired key cannot sign new releases with an old date. The release's own evidence
// names no kind of proof, because nothing signed names the release: the proof is in the
// evidence of its artifact.
//
// Nothing proves the platform. A file of the right version for another machine, served
// under a wrong name, is installed, and does not run.
package detached

import (
	"cmp"
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A Site describes how one upstream publishes. Its templates may hold
//
//	{version}   the release at hand, 21.0.5+11
//	{version_}  the same with "_" for "+", 21.0.5_11
//	{major}     its first number, 21
//	{series}    its first two numbers, 21.0
//	{platform}  as Platforms spells it
//	{distro}    as Distros spells it
//	{format}    of the archive
//	{exe}       ".exe" on Windows
//	{name}      of the artifact's file; in Signature only
//
// A URL template is relative to Base, or absolute for what upstream keeps on another
// host.
type Site struct {
	Base      string // URL that contains everything, ending in a slash
	Index     string // URL template of the index of versions
	Parse     func(index []byte) (manifests.VersionIndex, error)
	Numbering manifests.Numbering

	File string // URL template of an artifact
	// Signature is the suffix that makes the signature's URL from the artifact's; or,
	// if it holds {name}, the template of that URL.
	Signature string
	// Platforms are the platforms that the upstream builds for, as os/arch or
	// os/arch/libc, mapped to its spelling, which may be a template. Others are spelled
	// os-arch.
	Platforms map[string]string
	// Distros are the Linux distributions that the upstream builds for, such as
	// "debian12" and "ubuntu24.04", mapped to its spelling, which may be a template; ""
	// is every other.
	Distros map[string]string
	Layouts map[string]Layout // by operating system; "" is every other
}

// A Layout describes how an artifact becomes a toolchain. All fields but Format and
// Strip are templates.
type Layout struct {
	Format   string // one of manifests.Formats
	Strip    int
	Witness  manifests.Witness
	Commands []string
	Env      map[string]string // values are not templates; see manifests.Release
}

// At returns s for a mirror or private copy at base that serves static files:
// everything is below base; absolute URLs keep only their path; and the index drops its
// query, and is called "index.json" if nothing else is left.
func (s Site) At(base string) Site {
	relative := func(url string) string {
		if _, rest, absolute := strings.Cut(url, "://"); absolute {
			_, url, _ = strings.Cut(rest, "/")
		}
		return url
	}
	index, _, _ := strings.Cut(relative(s.Index), "?")
	s.Base, s.Index, s.File, s.Signature = base, cmp.Or(index, "index.json"), relative(s.File), relative(s.Signature)
	return s
}

// A Source offers what a Site publishes as the tool Tool of the channel Channel.
type Source struct {
	Channel, Tool string
	Site          Site
	Keys          *verify.Keyring
	Threshold     int
}

// Fetch chooses the release that q requests and fetches its signature. In addition to
// the errors of manifests.Source it returns *manifests.UnknownVersionError and
// *manifests.UnsupportedPlatformError. An exact version is fetched whether the index
// lists it or not. Without a platform it offers the versions of every platform, but no
// artifact.
func (s Source) Fetch(ctx context.Context, t manifests.Transport, q manifests.Query) (manifests.Catalog, error) {
	ref := s.filler("", manifests.Request{}).url(s.Site.Index)
	index := manifests.Index{Channel: s.Channel, Tool: s.Tool, Ref: ref, Parse: s.parse, Numbering: s.Site.Numbering}
	return index.Fetch(ctx, t, q, func(q manifests.Query, choice manifests.Match) (manifests.Release, error) {
		return s.release(ctx, t, q, choice)
	})
}

// release fetches the signature of a version and checks that the file exists.
func (s Source) release(ctx context.Context, t manifests.Transport, q manifests.Query, choice manifests.Match) (manifests.Release, error) {
	f := s.filler(choice.Version, q.Request)
	if q.Platform.IsAny() && len(s.Site.Platforms) > 0 {
		return manifests.Release{Channel: s.Channel, Tool: s.Tool, Version: choice.Version}, nil
	}
	ref := f.url(s.Site.File)
	signed := f.signature(ref)
	policy := verify.Policy{Keys: s.Keys, Threshold: s.Threshold, Now: q.Now, Use: verify.Release, Released: choice.Date}
	data, err := manifests.ReadAll(ctx, t, signed, manifests.MaxSignature)
	if err == nil {
		err = policy.Precheck(manifests.Redact(signed), data)
	}
	if err != nil && !errors.Is(err, manifests.ErrNotFound) {
		return manifests.Release{}, err
	}
	if missing := manifests.CheckExists(ctx, t, ref); missing != nil {
		return manifests.Release{}, missing
	}
	if err != nil {
		return manifests.Release{}, s.unsigned(ref)
	}
	return s.describe(f, ref, manifests.Signature{Data: data, Policy: policy}), nil
}

// unsigned returns the error for a file that exists without a signature.
func (s Source) unsigned(ref string) error {
	refused := &verify.SignatureError{Name: manifests.Redact(ref), Need: s.Threshold, Rules: []string{"there is no signature file beside it"}}
	for _, pin := range s.Keys.Pins() {
		refused.Wanted = append(refused.Wanted, pin.Primary)
	}
	return refused
}

// parse reads the index. Where it gives no platforms, parse adds those of the Site.
func (s Source) parse(index []byte) (manifests.VersionIndex, error) {
	hint, err := s.Site.Parse(index)
	for i, v := range hint {
		if slices.Equal(v.Platforms, []manifests.Platform{{}}) && len(s.Site.Platforms) > 0 {
			hint[i].Platforms = s.Site.platforms()
		}
	}
	return hint, err
}

// describe returns the release made of the file at ref.
func (s Source) describe(f filler, ref string, signature manifests.Signature) manifests.Release {
	layout := s.Site.layout(f.host)
	witness := layout.Witness
	witness.Path, witness.Contains = f.fill(witness.Path), f.fill(witness.Contains)
	commands := make([]string, len(layout.Commands))
	for i, command := range layout.Commands {
		commands[i] = f.fill(command)
	}
	return manifests.Release{
		Channel: s.Channel, Tool: s.Tool, Version: f.version, Platform: f.host,
		Components: []string{s.Tool},
		Artifacts: []manifests.Artifact{{
			Name: f.name(), Component: s.Tool, Refs: []string{ref},
			Integrity: manifests.Integrity{Signature: &signature},
			Layout:    manifests.Layout{Format: layout.Format, Strip: layout.Strip},
			Witness:   &witness,
		}},
		Commands: commands,
		Env:      layout.Env,
		Evidence: verify.Evidence{Name: manifests.Redact(ref)},
	}
}

func (s Site) layout(host manifests.Platform) Layout {
	if layout, ok := s.Layouts[host.OS]; ok {
		return layout
	}
	return s.Layouts[""]
}

func (s Site) platforms() (list []manifests.Platform) {
	for text := range s.Platforms {
		if p, err := manifests.ParsePlatform(text); err == nil { // the table's test finds bad entries
			list = append(list, p)
		}
	}
	return list
}

// A filler fills in templates for one version on one host.
type filler struct {
	site    Site
	version string
	host    manifests.Platform
	distro  string
	fields  *strings.Replacer
}

func (s Source) filler(version string, r manifests.Request) filler {
	numbers, _, _ := strings.Cut(version, "+")
	numbers, _, _ = strings.Cut(numbers, "-")
	part := strings.SplitN(numbers, ".", 3)
	exe := ""
	if r.Platform.OS == "windows" {
		exe = ".exe"
	}
	return filler{s.Site, version, r.Platform, r.Distro, strings.NewReplacer(
		"{version}", version, "{version_}", strings.ReplaceAll(version, "+", "_"),
		"{major}", part[0], "{series}", strings.Join(part[:min(2, len(part))], "."),
		"{format}", s.Site.layout(r.Platform).Format, "{exe}", exe)}
}

// fill fills in template. Its values for platform and distribution may be templates
// themselves.
func (f filler) fill(template string) string {
	distro, ok := f.site.Distros[f.distro]
	if !ok {
		distro = f.site.Distros[""]
	}
	template = strings.ReplaceAll(template, "{distro}", distro)
	template = strings.ReplaceAll(template, "{platform}", f.platform())
	return f.fields.Replace(template)
}

// platform returns the spelling of the Site's platform that fits the host best.
func (f filler) platform() string {
	spelled, best := f.host.OS+"-"+f.host.Arch, 0
	for text, spelling := range f.site.Platforms {
		if p, err := manifests.ParsePlatform(text); err == nil && p.Fit(f.host) > best {
			spelled, best = spelling, p.Fit(f.host)
		}
	}
	return spelled
}

// url returns the URL that a template names.
func (f filler) url(template string) string {
	if !strings.Contains(template, "://") {
		template = f.site.Base + template
	}
	// Some object stores read a bare + in a path as a space.
	return strings.ReplaceAll(f.fill(template), "+", "%2B")
}

// name returns the artifact's file name.
func (f filler) name() string { return path.Base(f.fill(f.site.File)) }

func (f filler) signature(artifact string) string {
	if s := f.site.Signature; strings.Contains(s, "{name}") {
		return f.url(strings.ReplaceAll(s, "{name}", f.name()))
	}
	return artifact + f.site.Signature
}
