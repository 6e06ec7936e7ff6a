// Package checksums reads upstreams that sign, for each version, one list of the
// SHA-256 digests of its files.
//
// # Parties
//
// The upstream's signing keys are pinned in full. Whoever serves the files (the
// upstream's host, a mirror, a cache) is not trusted.
//
// # Format
//
// A [Site] is data: where the index of versions is and how to parse it, where the files
// of a version are, what its list is called and how it is signed, and how a file's name
// is made from version and platform. For Node.js:
//
//	https://nodejs.org/dist/index.json                                   the index, unsigned
//	https://nodejs.org/dist/v22.11.0/SHASUMS256.txt                      the list
//	https://nodejs.org/dist/v22.11.0/SHASUMS256.txt.sig                  its signature, or else
//	https://nodejs.org/dist/v22.11.0/SHASUMS256.txt.asc                  the list, clear-signed
//	https://nodejs.org/dist/v22.11.0/node-v22.11.0-linux-x64.tar.gz      the artifact
//
// A list has a line for each file: 64 hexadecimal digits, a space, a space or an
// asterisk, and the name. See [ParseList].
//
// # Guarantees
//
// Fetch proves the list as part of one immutable release (verify.Release), and finds in
// it the exact name of the requested file, once. The name holds the version and the
// platform, so the list of another version proves nothing here, however validly signed
// and under whatever name it is served. If an upstream uses the same file names in
// every version, the Site has a witness: a file inside that states the version.
//
// # Limits
//
// The index is unsigned. Its server can hide versions, invent some, and call an old one
// the newest; the evidence says so, and a version requested by its number needs no
// index. No location and no digest comes from the index. The date it gives for a
// version is used for one thing: a signature from more than a day before is refused, so
// that an expired key cannot sign new releases with an old date. That refusal is the
// date's only effect: an index that lies about it, or omits it, gains no more than
// having no date at all.
//
// Nothing signed states that a version is the newest, or that it was withdrawn.
package checksums

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A Site describes how one upstream publishes. In the templates, {tool}, {version},
// {platform} and {format} stand for those of the release.
type Site struct {
	Base      string // URL that contains everything, ending in a slash
	Index     string // template: the index of versions, below Base
	Parse     func(index []byte) (manifests.VersionIndex, error)
	Numbering manifests.Numbering

	Dir   string // template: directory of a version's files, below Base, ending in a slash
	Lists []List // in order of preference; the next is used if one does not exist
	File  string // template: an artifact's name, in Dir and in the list
	// Platforms are the platforms that the upstream builds for, mapped to its spelling.
	// Builds against glibc name the C library.
	Platforms map[string]string
	Layouts   map[string]Layout // by operating system; "" is every other
	// Witness confirms the version if File does not hold it. Contains is a template; in
	// Path, {exe} is ".exe" on Windows.
	Witness *manifests.Witness
	Env     map[string]string
}

// A List is one form in which a version's list is published.
type List struct {
	Name      string // template, in Dir
	Signature string // suffix of the signature's name; empty: the list is clear-signed
}

// A Layout describes how an artifact becomes a toolchain.
type Layout struct {
	Format   string   // one of manifests.Formats
	Also     []string // other formats that at least some versions are published in
	Strip    int
	Commands []string
	Files    []manifests.File
}

// A Source offers what a Site publishes as the tool Tool of the channel Channel.
type Source struct {
	Channel, Tool string
	Site          Site
	Keys          *verify.Keyring
	Threshold     int
}

// Fetch chooses the version that q requests and proves its list. In addition to the
// errors of manifests.Source it returns *manifests.UnknownVersionError and
// *manifests.UnsupportedPlatformError. An exact version is fetched whether the index
// lists it or not. Without a platform it proves the list and offers the versions of
// every platform, but no artifact.
func (s Source) Fetch(ctx context.Context, t manifests.Transport, q manifests.Query) (manifests.Catalog, error) {
	index := manifests.Index{Channel: s.Channel, Tool: s.Tool, Ref: s.Site.Base + s.fill(s.Site.Index, "", ""), Parse: s.Site.Parse, Numbering: s.Site.Numbering, Spare: true}
	return index.Fetch(ctx, t, q, func(q manifests.Query, choice manifests.Match) (manifests.Release, error) {
		return s.release(ctx, t, q, choice)
	})
}

// release proves the list of the chosen version and finds the file for q.Platform.
func (s Source) release(ctx context.Context, t manifests.Transport, q manifests.Query, choice manifests.Match) (manifests.Release, error) {
	version := choice.Version
	files := s.files(version)
	platform, built := best(files, q.Platform)
	if !built && !q.Platform.IsAny() {
		if choice.Missing != nil {
			return manifests.Release{}, choice.Missing
		}
		return manifests.Release{}, s.unsupported(q.Platform, version, files)
	}
	doc, err := s.list(ctx, t, version, verify.Policy{
		Keys: s.Keys, Threshold: s.Threshold, Now: q.Now, Use: verify.Release, Released: choice.Date})
	if err != nil {
		return manifests.Release{}, err
	}
	fail := func(err error) error {
		return fmt.Errorf("%s: %w: %w", doc.Evidence().Name, verify.ErrUntrusted, err)
	}
	list, err := ParseList(doc)
	if err != nil {
		return manifests.Release{}, fail(err)
	}
	listed := maps.Clone(files)
	maps.DeleteFunc(listed, func(_ manifests.Platform, name string) bool { return !list.Has(name) })
	release := manifests.Release{Channel: s.Channel, Tool: s.Tool, Version: version, Platform: q.Platform, Evidence: doc.Evidence()}
	switch {
	case len(listed) == 0:
		return manifests.Release{}, fail(fmt.Errorf("it names no file of %s %s, so it belongs to something else", s.Tool, version))
	case q.Platform.IsAny():
		return release, nil
	case listed[platform] == "":
		return manifests.Release{}, s.unsupported(q.Platform, version, listed)
	}
	if release, err = s.describe(release, platform, list); err != nil {
		return manifests.Release{}, fail(err)
	}
	return release, nil
}

// list fetches and proves the version's list in the first form that exists.
func (s Source) list(ctx context.Context, t manifests.Transport, version string, policy verify.Policy) (verify.Document, error) {
	dir := s.Site.Base + s.fill(s.Site.Dir, version, "")
	for _, l := range s.Site.Lists {
		doc, err := l.prove(ctx, t, dir+s.fill(l.Name, version, ""), policy)
		if !errors.Is(err, manifests.ErrNotFound) {
			return doc, err
		}
	}
	// A list without any signature is not trusted; no list at all is not found.
	first := s.Site.Lists[0]
	return manifests.ReadSigned(ctx, t, dir+s.fill(first.Name, version, ""), first.Signature, policy)
}

func (l List) prove(ctx context.Context, t manifests.Transport, ref string, policy verify.Policy) (verify.Document, error) {
	if l.Signature == "" {
		msg, err := manifests.ReadAll(ctx, t, ref, MaxList+manifests.MaxSignature)
		if err != nil {
			return verify.Document{}, err
		}
		return policy.Clearsigned(manifests.Redact(ref), msg)
	}
	signature, err := manifests.ReadAll(ctx, t, ref+l.Signature, manifests.MaxSignature)
	if err != nil {
		return verify.Document{}, err
	}
	data, err := manifests.ReadAll(ctx, t, ref, MaxList)
	if err != nil {
		return verify.Document{}, err
	}
	return policy.Detached(manifests.Redact(ref), data, signature)
}

// describe adds to r the artifact for platform, with its other formats as alternatives.
func (s Source) describe(r manifests.Release, platform manifests.Platform, list Digests) (manifests.Release, error) {
	layout := s.Site.layout(platform)
	witness, err := s.witness(r.Version, platform)
	if err != nil {
		return r, err
	}
	var all []manifests.Artifact
	for i, format := range append([]string{layout.Format}, layout.Also...) {
		name := s.name(r.Version, platform, format)
		if i > 0 && !list.Has(name) {
			continue
		}
		digest, err := list.Digest(name)
		if err != nil {
			return r, err
		}
		all = append(all, manifests.Artifact{
			Name: name, Component: s.Tool, Refs: []string{s.Site.Base + s.fill(s.Site.Dir, r.Version, "") + name},
			Integrity: manifests.Integrity{Digest: digest},
			Layout:    manifests.Layout{Format: format, Strip: layout.Strip},
			Witness:   witness,
		})
	}
	all[0].Alternatives = all[1:]
	r.Components, r.Artifacts = []string{s.Tool}, all[:1]
	r.Commands, r.Files, r.Env = layout.Commands, layout.Files, s.Site.Env
	return r, nil
}

// witness returns the file that must confirm the version, or nil if the file names do.
func (s Source) witness(version string, platform manifests.Platform) (*manifests.Witness, error) {
	if s.Site.Witness == nil {
		if !strings.Contains(s.Site.File, "{version}") {
			return nil, verify.Untrusted("%s: its files have the same names in every version, and nothing else confirms the version", s.Channel)
		}
		return nil, nil
	}
	witness := *s.Site.Witness
	witness.Contains = s.fill(witness.Contains, version, "")
	exe := ""
	if platform.OS == "windows" {
		exe = ".exe"
	}
	witness.Path = strings.ReplaceAll(witness.Path, "{exe}", exe)
	return &witness, nil
}

// files returns the name of the version's file for each platform that the upstream
// builds for.
func (s Source) files(version string) map[manifests.Platform]string {
	files := map[manifests.Platform]string{}
	for text := range s.Site.Platforms {
		platform, err := manifests.ParsePlatform(text)
		if err != nil {
			continue // an error in the table, which its test finds
		}
		files[platform] = s.name(version, platform, s.Site.layout(platform).Format)
	}
	return files
}

// name returns the name of the version's file for a platform of the table.
func (s Source) name(version string, platform manifests.Platform, format string) string {
	file := strings.ReplaceAll(s.Site.File, "{format}", format)
	return s.fill(file, version, s.Site.Platforms[platform.String()])
}

// best returns the platform in files that fits host best.
func best(files map[manifests.Platform]string, host manifests.Platform) (platform manifests.Platform, ok bool) {
	for p := range files {
		if p.Fit(host) > platform.Fit(host) || p.Fit(host) > 0 && !ok {
			platform, ok = p, true
		}
	}
	return platform, ok
}

func (s Source) unsupported(host manifests.Platform, version string, files map[manifests.Platform]string) error {
	return &manifests.UnsupportedPlatformError{Tool: s.Tool, Version: version, Platform: host, Have: slices.Collect(maps.Keys(files))}
}

func (s Site) layout(platform manifests.Platform) Layout {
	if layout, ok := s.Layouts[platform.OS]; ok {
		return layout
	}
	return s.Layouts[""]
}

// fill fills in a template.
func (s Source) fill(template, version, platform string) string {
	return strings.NewReplacer("{tool}", s.Tool, "{version}", version, "{platform}", platform).Replace(template)
}

// parseDay parses a date of an index; an invalid one is zero.
func parseDay(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return time.Time{}
	}
	return t
}
