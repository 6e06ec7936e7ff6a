package signedfiles

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// A Site describes how one upstream publishes. Its templates may hold
//
//	{tool}      the tool's name
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

	// File is the URL template of an artifact; its last element is the name in a list.
	File string
	// Lists are the signed lists of a version's files, in order of preference: the next
	// is used if one does not exist. Empty: each file is signed.
	Lists []List
	// Signature is the suffix that makes the signature's URL from the artifact's; or,
	// if it holds {name}, the template of that URL. Unused with Lists.
	Signature string
	// Platforms are the platforms that the upstream builds for, as os/arch or
	// os/arch/libc, mapped to its spelling, which may be a template. With Lists no other
	// is offered; else others are spelled os-arch.
	Platforms map[string]string
	// Distros are the Linux distributions that the upstream builds for, such as
	// "debian12" and "ubuntu24.04", mapped to its spelling, which may be a template; ""
	// is every other.
	Distros map[string]string
	Layouts map[string]Layout // by operating system; "" is every other
}

// Beginnings returns the beginnings of all URLs of s, up to what a template decides: Base
// first, then those of templates on other hosts.
func (s Site) Beginnings() []string {
	all := []string{s.Base}
	templates := []string{s.Index, s.File, s.Signature}
	for _, l := range s.Lists {
		templates = append(templates, l.Name)
	}
	for _, t := range templates {
		start, _, _ := strings.Cut(t, "{")
		start = start[:strings.LastIndex(start, "/")+1]
		if strings.Contains(start, "://") && !slices.Contains(all, start) {
			all = append(all, start)
		}
	}
	return all
}

// A List is one form in which a version's list is published.
type List struct {
	Name      string // URL template
	Signature string // suffix of the signature's name; empty: the list is clear-signed
}

// A Layout describes how an artifact becomes a toolchain. Witness and Commands are
// templates.
type Layout struct {
	Format string   // one of manifests.Formats
	Also   []string // other formats in the lists of at least some versions
	Strip  int
	// Witness confirms the version. It may be empty if File holds the version and is
	// found in a signed list.
	Witness  manifests.Witness
	Commands []string
	Files    []manifests.File
	Env      map[string]string // see manifests.Release
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
	s.Lists = slices.Clone(s.Lists)
	for i := range s.Lists {
		s.Lists[i].Name = relative(s.Lists[i].Name)
	}
	return s
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

// best returns the platform that fits host best, or the zero Platform if none does.
func best(platforms []manifests.Platform, host manifests.Platform) (platform manifests.Platform) {
	fit := 0
	for _, p := range platforms {
		if p.Fit(host) > fit {
			platform, fit = p, p.Fit(host)
		}
	}
	return platform
}

// A filler fills in templates for one version on one host.
type filler struct {
	site    Site
	version string
	host    manifests.Platform
	format  string
	fields  *strings.Replacer
	spelled *strings.Replacer // what the Site spells, which may hold fields
}

func (s Source) filler(version string, r manifests.Request) filler {
	numbers, _, _ := strings.Cut(version, "+")
	numbers, _, _ = strings.Cut(numbers, "-")
	part := strings.SplitN(numbers, ".", 3)
	exe := ""
	if r.Platform.OS == "windows" {
		exe = ".exe"
	}
	distro, ok := s.Site.Distros[r.Distro]
	if !ok {
		distro = s.Site.Distros[""]
	}
	platform, ok := s.Site.Platforms[best(s.Site.platforms(), r.Platform).String()]
	if !ok {
		platform = r.Platform.OS + "-" + r.Platform.Arch
	}
	distro = strings.ReplaceAll(distro, "{platform}", platform)
	return filler{s.Site, version, r.Platform, s.Site.layout(r.Platform).Format, strings.NewReplacer(
		"{tool}", s.Tool, "{version}", version, "{version_}", strings.ReplaceAll(version, "+", "_"),
		"{major}", part[0], "{series}", strings.Join(part[:min(2, len(part))], "."), "{exe}", exe),
		strings.NewReplacer("{distro}", distro, "{platform}", platform)}
}

// fill fills in template.
func (f filler) fill(template string) string {
	template = strings.ReplaceAll(f.spelled.Replace(template), "{format}", f.format)
	return f.fields.Replace(template)
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

// signature returns the URL of the artifact's signature.
func (f filler) signature() string {
	if s := f.site.Signature; strings.Contains(s, "{name}") {
		return f.url(strings.ReplaceAll(s, "{name}", f.name()))
	}
	return f.url(f.site.File) + f.site.Signature
}
