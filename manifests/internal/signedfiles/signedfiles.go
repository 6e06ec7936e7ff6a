// Package signedfiles reads upstreams that sign the files they publish: either one list
// of the SHA-256 digests of a version's files, or each file with an OpenPGP signature
// next to it.
//
// # Parties
//
// The upstream's signing keys are pinned in full. Whoever serves the files (the
// upstream's host, a mirror, a cache) is not trusted.
//
// # Format
//
// A [Site] is data: where the index of versions is and how to parse it, how a file's
// name is made from version and platform, and what is signed. Node.js signs lists:
//
//	https://nodejs.org/dist/index.json                                   the index, unsigned
//	https://nodejs.org/dist/v22.11.0/SHASUMS256.txt                      the list
//	https://nodejs.org/dist/v22.11.0/SHASUMS256.txt.sig                  its signature, or else
//	https://nodejs.org/dist/v22.11.0/SHASUMS256.txt.asc                  the list, clear-signed
//	https://nodejs.org/dist/v22.11.0/node-v22.11.0-linux-x64.tar.gz      the artifact
//
// A list has a line for each file: 64 hexadecimal digits, a space, a space or an
// asterisk, and the name. See [ParseList]. Go signs each file:
//
//	https://go.dev/dl/?mode=json&include=all           the index, unsigned
//	https://go.dev/dl/go1.26.1.linux-amd64.tar.gz      the artifact
//	https://go.dev/dl/go1.26.1.linux-amd64.tar.gz.asc  its signature
//
// Signatures may be armored or binary.
//
// # Guarantees of lists
//
// Fetch proves the list as part of one immutable release (verify.Release), and finds in
// it the exact name of the requested file, once. The name holds the version and the
// platform, so the list of another version proves nothing here, however validly signed
// and under whatever name it is served. If an upstream uses the same file names in
// every version, the Layout has a witness: a file inside that states the version.
//
// # Guarantees of signed files
//
// Fetch proves nothing itself: it fetches the signature, refuses one that could not be
// valid for any content, and checks that the file exists. The release states what the
// download must prove: the signature over the file's bytes by a pinned key, checked as
// a release (verify.Release), and then the witness. A detached signature covers neither
// name nor version, so an old file, validly signed, could be served under a new name;
// the file inside that states the version is signed too, so it reveals that. The
// release's own evidence names no kind of proof, because nothing signed names the
// release: the proof is in the evidence of its artifact.
//
// # Limits
//
// The index is unsigned. Its server can hide versions, invent some, and call an old one
// the newest; the evidence says so, and a version requested by its number needs no
// index. No location, size or digest comes from the index. The date it gives for a
// version is used for one thing: a signature from more than a day before is refused, so
// that an expired key cannot sign new releases with an old date. An index that lies
// about the date, or omits it, gains no more than having no date at all.
//
// Nothing signed states that a version is the newest, or that it was withdrawn. Where
// each file is signed, nothing proves the platform: a file of the right version for
// another machine, served under a wrong name, is installed, and does not run.
package signedfiles

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A Source offers what a Site publishes as the tool Tool of the channel Channel.
type Source struct {
	Channel, Tool string
	Site          Site
	Keys          *verify.Keyring
	Threshold     int
}

// Fetch chooses the version that q requests and proves its list, or fetches its file's
// signature. In addition to the errors of manifests.Source it returns
// *manifests.UnknownVersionError and *manifests.UnsupportedPlatformError. An exact
// version is fetched whether the index lists it or not. Without a platform it offers
// the versions of every platform, but no artifact; a list is proved all the same.
func (s Source) Fetch(ctx context.Context, t manifests.Transport, q manifests.Query) (manifests.Catalog, error) {
	lists := len(s.Site.Lists) > 0
	index := manifests.Index{Channel: s.Channel, Tool: s.Tool, Ref: s.filler("", manifests.Request{}).url(s.Site.Index),
		Parse: s.parse, Numbering: s.Site.Numbering, Spare: lists}
	return index.Fetch(ctx, t, q, func(q manifests.Query, choice manifests.Match) (manifests.Release, error) {
		policy := verify.Policy{Keys: s.Keys, Threshold: s.Threshold, Now: q.Now, Use: verify.Release, Released: choice.Date}
		if lists {
			return s.listed(ctx, t, q, choice, policy)
		}
		return s.signed(ctx, t, q, choice, policy)
	})
}

// parse reads the index. For a Site that signs each file, where only the index says
// which files there are, it adds the platforms of the Site if the index names none.
func (s Source) parse(index []byte) (manifests.VersionIndex, error) {
	list, err := s.Site.Parse(index)
	if len(s.Site.Lists) > 0 || len(s.Site.Platforms) == 0 {
		return list, err
	}
	for i, v := range list {
		if slices.Equal(v.Platforms, []manifests.Platform{{}}) {
			list[i].Platforms = s.Site.platforms()
		}
	}
	return list, err
}

// listed proves the list of the chosen version and finds the file for q.Platform.
func (s Source) listed(ctx context.Context, t manifests.Transport, q manifests.Query, choice manifests.Match, policy verify.Policy) (manifests.Release, error) {
	none := manifests.Release{}
	unsupported := &manifests.UnsupportedPlatformError{Tool: s.Tool, Version: choice.Version, Platform: q.Platform, Have: s.Site.platforms()}
	platform := best(unsupported.Have, q.Platform)
	if platform.IsAny() && !q.Platform.IsAny() {
		if choice.Missing != nil {
			return none, choice.Missing
		}
		return none, unsupported
	}
	doc, err := s.list(ctx, t, choice.Version, policy)
	if err != nil {
		return none, err
	}
	fail := func(err error) (manifests.Release, error) {
		return none, fmt.Errorf("%s: %w: %w", doc.Evidence().Name, verify.ErrUntrusted, err)
	}
	list, err := ParseList(doc)
	if err != nil {
		return fail(err)
	}
	named := func(p manifests.Platform) bool {
		return list.Has(s.filler(choice.Version, manifests.Request{Platform: p}).name())
	}
	unsupported.Have = slices.DeleteFunc(unsupported.Have, func(p manifests.Platform) bool { return !named(p) })
	f := s.filler(choice.Version, manifests.Request{Platform: platform})
	switch {
	case len(unsupported.Have) == 0:
		return fail(fmt.Errorf("it names no file of %s %s, so it belongs to something else", s.Tool, choice.Version))
	case q.Platform.IsAny():
		return manifests.Release{Channel: s.Channel, Tool: s.Tool, Version: choice.Version, Evidence: doc.Evidence()}, nil
	case !named(platform):
		return none, unsupported
	}
	var artifacts []manifests.Artifact
	for i, format := range append([]string{f.format}, s.Site.layout(platform).Also...) {
		f.format = format
		if i > 0 && !list.Has(f.name()) {
			continue
		}
		digest, err := list.Digest(f.name())
		if err != nil {
			return fail(err)
		}
		artifact, err := s.artifact(f, manifests.Integrity{Digest: digest})
		if err != nil {
			return fail(err)
		}
		artifacts = append(artifacts, artifact)
	}
	artifacts[0].Alternatives = artifacts[1:]
	return s.release(f, q.Platform, artifacts[0], doc.Evidence()), nil
}

// list fetches and proves the version's list in the first form that exists.
func (s Source) list(ctx context.Context, t manifests.Transport, version string, policy verify.Policy) (verify.Document, error) {
	f := s.filler(version, manifests.Request{})
	for _, l := range s.Site.Lists {
		doc, err := l.prove(ctx, t, f.url(l.Name), policy)
		if !errors.Is(err, manifests.ErrNotFound) {
			return doc, err
		}
	}
	// A list without any signature is not trusted; no list at all is not found.
	first := s.Site.Lists[0]
	return manifests.ReadSigned(ctx, t, manifests.SignedRef{Ref: f.url(first.Name), Suffix: first.Signature}, policy)
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

// signed fetches the signature of the chosen version's file and checks that the file
// exists.
func (s Source) signed(ctx context.Context, t manifests.Transport, q manifests.Query, choice manifests.Match, policy verify.Policy) (manifests.Release, error) {
	none := manifests.Release{}
	if q.Platform.IsAny() && len(s.Site.Platforms) > 0 {
		return manifests.Release{Channel: s.Channel, Tool: s.Tool, Version: choice.Version}, nil
	}
	f := s.filler(choice.Version, q.Request)
	ref := f.url(s.Site.File)
	data, err := manifests.ReadAll(ctx, t, f.signature(), manifests.MaxSignature)
	if err == nil {
		err = policy.Precheck(manifests.Redact(f.signature()), data)
	}
	if err != nil && !errors.Is(err, manifests.ErrNotFound) {
		return none, err
	}
	if missing := manifests.CheckExists(ctx, t, ref); missing != nil {
		return none, missing
	}
	if err != nil {
		return none, policy.Unsigned(manifests.Redact(ref))
	}
	artifact, err := s.artifact(f, manifests.Integrity{Signature: &manifests.Signature{Data: data, Policy: policy}})
	if err != nil {
		return none, err
	}
	return s.release(f, q.Platform, artifact, verify.Evidence{Name: manifests.Redact(ref)}), nil
}

// artifact returns the file that f names. A file of which neither a signed name nor a
// witness confirms the version is an error.
func (s Source) artifact(f filler, integrity manifests.Integrity) (manifests.Artifact, error) {
	layout := s.Site.layout(f.host)
	a := manifests.Artifact{
		Name: f.name(), Component: s.Tool, Refs: []string{f.url(s.Site.File)}, Integrity: integrity,
		Layout: manifests.Layout{Format: f.format, Strip: layout.Strip},
	}
	if layout.Witness.Path != "" {
		witness := layout.Witness
		witness.Path, witness.Contains = f.fill(witness.Path), f.fill(witness.Contains)
		a.Witness = &witness
	} else if len(s.Site.Lists) == 0 || !strings.Contains(path.Base(s.Site.File), "{version}") {
		return a, verify.Untrusted("%s: nothing signed in its files or their names confirms the version", s.Channel)
	}
	return a, nil
}

// release returns the toolchain that the artifact makes.
func (s Source) release(f filler, platform manifests.Platform, a manifests.Artifact, evidence verify.Evidence) manifests.Release {
	layout := s.Site.layout(f.host)
	commands := make([]string, len(layout.Commands))
	for i, command := range layout.Commands {
		commands[i] = f.fill(command)
	}
	return manifests.Release{
		Channel: s.Channel, Tool: s.Tool, Version: f.version, Platform: platform, Evidence: evidence,
		Components: []string{s.Tool}, Artifacts: []manifests.Artifact{a},
		Commands: commands, Files: layout.Files, Env: layout.Env,
	}
}
