// Package detached reads upstreams that sign each file they publish with a
// detached OpenPGP signature beside it, and sign nothing else.
//
// # Parties
//
// The upstream's signing key, pinned in full, and whoever serves the files: the
// upstream's host, a mirror, a cache. Only the key is trusted.
//
// # Format
//
// A [Site] is data: where the index of versions is and how it is read, how the
// name of a file is made of version and platform, what is appended to it for
// the signature, and which file inside confirms the version. For Go:
//
//	https://go.dev/dl/?mode=json&include=all           the index, unsigned
//	https://go.dev/dl/go1.26.1.linux-amd64.tar.gz      the artifact
//	https://go.dev/dl/go1.26.1.linux-amd64.tar.gz.asc  its signature
//
// # Guarantees
//
// Fetch proves nothing: it brings the signature, and makes sure that the file
// is there. The release states what the download must prove, which is the
// signature over the file's bytes by a pinned key, judged as a release
// (verify.Release), and then the witness: a detached signature binds neither
// name nor version, so an old file, validly signed, could be served under a new
// name; the file inside that states the version cannot lie, being signed too.
//
// # Limits
//
// The index is unsigned. Whoever serves it can hide new versions, and the
// evidence says so. It never supplies a location, a size or a digest. The
// release's own evidence names no kind of proof, because nothing signed names
// the release: the proof is in the evidence of its artifact.
package detached

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A Site is how one upstream publishes. In the templates {version}, {platform},
// {format} and {exe} stand for the release at hand.
type Site struct {
	Base      string // what everything is below, ending in a slash
	Index     string // of versions, below Base
	Parse     func(index []byte) (manifests.Hint, error)
	Numbering manifests.Numbering

	File      string            // template of an artifact, below Base
	Signature string            // what is appended to it for the signature
	Platforms map[string]string // "os/arch" as this upstream spells it, where that is not os-arch
	Formats   map[string]string // of archives, by operating system; "" is every other

	Strip    int
	Witness  manifests.Witness // Contains is a template
	Commands []string          // templates; {exe} is ".exe" on Windows
	Env      map[string]string
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
// index names it or not.
func (s Source) Fetch(ctx context.Context, t manifests.Transport, q manifests.Query) (manifests.Catalog, error) {
	if q.Tool != "" && q.Tool != s.Tool {
		return nil, &manifests.UnknownToolError{Channel: s.Channel, Tool: q.Tool, Near: []string{s.Tool}}
	}
	q.Tool = s.Tool
	n := s.Site.Numbering
	hint, err := s.index(ctx, t)
	if err != nil && !(errors.Is(err, manifests.ErrNotFound) && n.Exact(n.Spell(q.Version))) {
		return nil, err // without an index only an exact version can be asked for
	}
	choice, err := hint.Choose(s.Channel, q.Request, n)
	if err != nil {
		return nil, err
	}
	release, err := s.release(ctx, t, q, choice.Version)
	if errors.Is(err, manifests.ErrNotFound) && choice.Missing != nil {
		return nil, choice.Missing // not in the index, and not to be had either
	} else if err != nil {
		return nil, err
	}
	release.Labels = choice.Labels
	if choice.Listed {
		release.Evidence.Notes = append(release.Evidence.Notes, manifests.Unsigned)
	}
	return manifests.Chosen{Asked: q.Request, Release: release, Hint: hint, Numbering: n}, nil
}

// release brings the signature of a version and makes sure that the file is there.
func (s Source) release(ctx context.Context, t manifests.Transport, q manifests.Query, version string) (manifests.Release, error) {
	ref := s.Site.Base + s.Site.fill(s.Site.File, version, q.Platform)
	data, err := manifests.ReadAll(ctx, t, ref+s.Site.Signature, manifests.MaxSignature)
	if err != nil {
		return manifests.Release{}, err
	}
	if len(data) == 0 {
		return manifests.Release{}, fmt.Errorf("%s: %w: it is empty", manifests.Redact(ref+s.Site.Signature), verify.ErrUntrusted)
	}
	file, _, err := t.Open(ctx, ref, 0)
	if err != nil {
		return manifests.Release{}, err
	}
	if err := file.Close(); err != nil {
		return manifests.Release{}, err
	}
	policy := verify.Policy{Keys: s.Keys, Threshold: s.Threshold, Now: q.Now, Use: verify.Release}
	return s.Site.release(s.Channel, s.Tool, version, q.Platform, ref, manifests.Signature{Data: data, Policy: policy}), nil
}

// index reads the hint.
func (s Source) index(ctx context.Context, t manifests.Transport) (manifests.Hint, error) {
	ref := s.Site.Base + s.Site.Index
	data, err := manifests.ReadAll(ctx, t, ref, manifests.MaxHint)
	if err != nil {
		return nil, err
	}
	hint, err := s.Site.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", manifests.Redact(ref), verify.ErrUntrusted, err)
	}
	return hint, nil
}

func (s Site) release(channel, tool, version string, host manifests.Platform, ref string, signature manifests.Signature) manifests.Release {
	witness := s.Witness
	witness.Contains = s.fill(witness.Contains, version, host)
	commands := make([]string, len(s.Commands))
	for i, command := range s.Commands {
		commands[i] = s.fill(command, version, host)
	}
	return manifests.Release{
		Channel: channel, Tool: tool, Version: version, Platform: host,
		Components: []string{tool},
		Artifacts: []manifests.Artifact{{
			Name: path.Base(ref), Component: tool, Refs: []string{ref},
			Integrity: manifests.Integrity{Signature: &signature},
			Layout:    manifests.Layout{Format: s.format(host), Strip: s.Strip},
			Witness:   &witness,
		}},
		Commands: commands,
		Env:      s.Env,
		Evidence: verify.Evidence{Name: manifests.Redact(ref)},
	}
}

func (s Site) format(host manifests.Platform) string {
	if format, ok := s.Formats[host.OS]; ok {
		return format
	}
	return s.Formats[""]
}

// fill writes a template out.
func (s Site) fill(template, version string, host manifests.Platform) string {
	platform, ok := s.Platforms[host.OS+"/"+host.Arch]
	if !ok {
		platform = host.OS + "-" + host.Arch
	}
	exe := ""
	if host.OS == "windows" {
		exe = ".exe"
	}
	return strings.NewReplacer("{version}", version, "{platform}", platform, "{format}", s.format(host), "{exe}", exe).Replace(template)
}
