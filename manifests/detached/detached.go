// Package detached reads upstreams that sign each file they publish with a
// detached OpenPGP signature beside it, and sign nothing else.
//
// # Parties
//
// The upstream's signing keys, pinned in full, and whoever serves the files: the
// upstream's host, a mirror, a cache. Only the keys are trusted.
//
// # Format
//
// A [Site] is data: where the index of versions is and how it is read, how the
// name of a file is made of version and platform, where its signature is, and
// which file inside confirms the version. For Go:
//
//	https://go.dev/dl/?mode=json&include=all           the index, unsigned
//	https://go.dev/dl/go1.26.1.linux-amd64.tar.gz      the artifact
//	https://go.dev/dl/go1.26.1.linux-amd64.tar.gz.asc  its signature
//
// The signature may be armored or binary.
//
// # Guarantees
//
// Fetch proves nothing: it brings the signature, refuses one that could count
// for no content at all, and makes sure that the file is there. The release
// states what the download must prove, which is the signature over the file's
// bytes by a pinned key, judged as a release (verify.Release), and then the
// witness: a detached signature binds neither name nor version, so an old file,
// validly signed, could be served under a new name; the file inside that states
// the version cannot lie, being signed too.
//
// # Limits
//
// The index is unsigned. Whoever serves it can hide new versions, and the
// evidence says so. It never supplies a location, a size or a digest. The date
// that it gives a version is used for one thing: a signature from more than a
// day before is refused, so that a key which has expired cannot sign new
// releases as of old. The release's own evidence names no kind of proof, because
// nothing signed names the release: the proof is in the evidence of its artifact.
//
// Nothing binds the platform. A file of the right version for another machine,
// served under a wrong name, is installed, and does not run.
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

// A Site is how one upstream publishes. Its templates may hold
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
// A template of a place is below Base, or a URL of its own for what upstream
// keeps on another host.
type Site struct {
	Base      string // what everything is below, ending in a slash
	Index     string // of versions
	Parse     func(index []byte) (manifests.Hint, error)
	Numbering manifests.Numbering

	File string // template of an artifact's place
	// Signature is what is appended to the artifact's place for that of its
	// signature; or, if it holds {name}, the template of that place.
	Signature string
	// Platforms are what the upstream builds for, as os/arch or os/arch/libc, each
	// as it spells it, which may be a template. What is not among them is spelled os-arch.
	Platforms map[string]string
	// Distros are the Linux distributions that the upstream builds for, such as
	// "debian12" and "ubuntu24.04", each as it spells it, which may be a template;
	// "" is every other.
	Distros map[string]string
	Layouts map[string]Layout // by operating system; "" is every other
}

// A Layout is how an artifact becomes a toolchain. All but Format and Strip are templates.
type Layout struct {
	Format   string // one of manifests.Formats
	Strip    int
	Witness  manifests.Witness
	Commands []string
	Env      map[string]string // values are no templates; see manifests.Release
}

// At is s as a mirror or a private twin at base has it, static files all of them:
// everything is below base, what upstream keeps on another host by its path
// alone, and an index that upstream makes for a query is without the query, or
// "index.json" where nothing else is left.
func (s Site) At(base string) Site {
	fold := func(place string) string {
		if _, rest, absolute := strings.Cut(place, "://"); absolute {
			_, place, _ = strings.Cut(rest, "/")
		}
		return place
	}
	index, _, _ := strings.Cut(fold(s.Index), "?")
	s.Base, s.Index, s.File, s.Signature = base, cmp.Or(index, "index.json"), fold(s.File), fold(s.Signature)
	return s
}

// A Source offers what a Site publishes as the tool Tool of the channel Channel.
type Source struct {
	Channel, Tool string
	Site          Site
	Keys          *verify.Keyring
	Threshold     int
}

// Fetch chooses the release that q asks for and brings its signature. Besides
// the errors of manifests.Source it returns *manifests.UnknownVersionError and
// *manifests.UnsupportedPlatformError. An exact version is asked for whether the
// index names it or not. Asked for no platform, it offers the versions of every
// platform, but no artifact.
func (s Source) Fetch(ctx context.Context, t manifests.Transport, q manifests.Query) (manifests.Catalog, error) {
	ref := s.filler("", manifests.Request{}).place(s.Site.Index)
	index := manifests.Index{Channel: s.Channel, Tool: s.Tool, Ref: ref, Parse: s.parse, Numbering: s.Site.Numbering}
	return index.Fetch(ctx, t, q, func(q manifests.Query, choice manifests.Choice) (manifests.Release, error) {
		return s.release(ctx, t, q, choice)
	})
}

// release brings the signature of a version and makes sure that the file is there.
func (s Source) release(ctx context.Context, t manifests.Transport, q manifests.Query, choice manifests.Choice) (manifests.Release, error) {
	f := s.filler(choice.Version, q.Request)
	if q.Platform.IsAny() && len(s.Site.Platforms) > 0 {
		return manifests.Release{Channel: s.Channel, Tool: s.Tool, Version: choice.Version}, nil
	}
	ref := f.place(s.Site.File)
	signed := f.signature(ref)
	policy := verify.Policy{Keys: s.Keys, Threshold: s.Threshold, Now: q.Now, Use: verify.Release, Released: choice.Date}
	data, err := manifests.ReadAll(ctx, t, signed, manifests.MaxSignature)
	if err == nil {
		err = policy.Foresee(manifests.Redact(signed), data)
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

// unsigned is the error for a file that is there without a signature.
func (s Source) unsigned(ref string) error {
	refused := &verify.SignatureError{Name: manifests.Redact(ref), Need: s.Threshold, Rules: []string{"there is no signature file beside it"}}
	for _, pin := range s.Keys.Pins() {
		refused.Wanted = append(refused.Wanted, pin.Primary)
	}
	return refused
}

// parse reads the index. What it does not say of platforms, the Site does.
func (s Source) parse(index []byte) (manifests.Hint, error) {
	hint, err := s.Site.Parse(index)
	for i, v := range hint {
		if slices.Equal(v.Platforms, []manifests.Platform{{}}) && len(s.Site.Platforms) > 0 {
			hint[i].Platforms = s.Site.platforms()
		}
	}
	return hint, err
}

// describe says what becomes of the file at ref.
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
		if p, err := manifests.ParsePlatform(text); err == nil { // the table's test finds the others
			list = append(list, p)
		}
	}
	return list
}

// A filler writes templates out for one version on one host.
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

// fill writes out template, and what it says of platform and distribution, which
// may be templates themselves.
func (f filler) fill(template string) string {
	distro, ok := f.site.Distros[f.distro]
	if !ok {
		distro = f.site.Distros[""]
	}
	template = strings.ReplaceAll(template, "{distro}", distro)
	template = strings.ReplaceAll(template, "{platform}", f.platform())
	return f.fields.Replace(template)
}

// platform spells the platform of f's Site that serves the host best.
func (f filler) platform() string {
	spelled, best := f.host.OS+"-"+f.host.Arch, 0
	for text, as := range f.site.Platforms {
		if p, err := manifests.ParsePlatform(text); err == nil && p.Fit(f.host) > best {
			spelled, best = as, p.Fit(f.host)
		}
	}
	return spelled
}

// place is the ref that a template names.
func (f filler) place(template string) string {
	if !strings.Contains(template, "://") {
		template = f.site.Base + template
	}
	// Some object stores read a bare + in a path as a space.
	return strings.ReplaceAll(f.fill(template), "+", "%2B")
}

// name is that of the artifact's file.
func (f filler) name() string { return path.Base(f.fill(f.site.File)) }

func (f filler) signature(artifact string) string {
	if s := f.site.Signature; strings.Contains(s, "{name}") {
		return f.place(strings.ReplaceAll(s, "{name}", f.name()))
	}
	return artifact + f.site.Signature
}
