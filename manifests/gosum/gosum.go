// Package gosum fetches Go toolchains as modules: the way the go command itself does,
// and with the same proof.
//
// # Parties
//
// A module proxy serves golang.org/toolchain, one zip for each version and platform,
// and relays the checksum database. Neither the proxy nor the path to it is trusted.
// The checksum database is an append-only log whose tree heads are signed with one
// Ed25519 key, [verify.GoChecksumKey].
//
// # Protocol
//
// Below a proxy's URL:
//
//	/sumdb/<database>/supported          must exist
//	/golang.org/toolchain/@v/list        one version per line, unsigned: a hint
//	/sumdb/<database>/lookup/<m>@<v>     record and signed tree head
//	/sumdb/<database>/tile/…             hashes that prove both
//	/golang.org/toolchain/@v/<v>.zip     the toolchain
//
// where <v> is v0.0.1-go<version>.<os>-<arch>. The format is that of
// go.dev/ref/mod#goproxy-protocol and go.dev/ref/mod#checksum-database.
//
// # Guarantees
//
// A release is returned only if its record is proved to be in a signed tree that
// continues the newest tree this channel has seen; the zip must then have the content
// hash of that record. The record covers name, version and platform, so an old zip
// cannot be served under a new name. No setting of the go command weakens this: only
// the URLs of GOPROXY's list are used, and after a failed proof the next proxy is never
// tried.
//
// # Limits
//
// The version list is unsigned. Its server can hide new versions, and the evidence says
// so; an exact version is fetched whether it is listed or not. The file modes in the
// zip are not covered by the hash and are ignored: Layout.Exec states them, as the go
// command does.
package gosum

import (
	"context"
	"errors"
	"path"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// Module is the module whose versions are Go toolchains.
const Module = "golang.org/toolchain"

// leastToolchain is how many bytes every toolchain of the module unpacks to at the
// least: they have some 240 MB, and nothing signed states how many.
const leastToolchain = 150_000_000

// A Source offers Go toolchains as the tool Tool of the channel Channel.
type Source struct {
	Channel, Tool string
	DB            verify.ChecksumDB
	Proxies       []Proxy // tried in order; see ParseProxies
}

// Fetch proves the one release that q requests. In addition to the errors of
// manifests.Source it returns *manifests.UnknownVersionError if every proxy that can be
// reached reports that the toolchain does not exist.
func (s Source) Fetch(ctx context.Context, t manifests.Transport, q manifests.Query) (manifests.Catalog, error) {
	if q.Tool != "" && q.Tool != s.Tool {
		return nil, &manifests.UnknownToolError{Channel: s.Channel, Tool: q.Tool, Near: []string{s.Tool}}
	}
	q.Tool = s.Tool
	q.Last.Channel = s.Channel
	return firstOf(s.Proxies, func(base string) (manifests.Catalog, error) {
		return s.fetch(ctx, proxy{t, base, s.DB}, q)
	})
}

func (s Source) fetch(ctx context.Context, p proxy, q manifests.Query) (manifests.Catalog, error) {
	if err := p.supported(ctx); err != nil {
		return nil, err
	}
	hint, err := p.list(ctx)
	_, page := errors.AsType[*manifests.PageError](err)
	useless := page || errors.Is(err, manifests.ErrNotFound) || errors.Is(err, verify.ErrUntrusted)
	if asked, _ := goNumbering.Read(q.Version); err != nil && !(useless && goNumbering.Exact(asked)) {
		return nil, unreachable(err) // without a list only an exact version can be resolved
	}
	choice, err := hint.Choose(s.Channel, q.Request, goNumbering)
	if err != nil {
		return nil, err
	}
	module := moduleVersion(choice.Version, q.Platform)
	proof, err := p.prove(ctx, q.Last, module)
	if errors.Is(err, errUnknown) {
		return nil, hint.Absent(s.Channel, q.Request, choice)
	} else if err != nil {
		return nil, err
	}
	release := s.release(choice.Version, q.Platform, p.zip(module), proof)
	release.Labels = choice.Labels
	if choice.Listed {
		release.Evidence.Notes = append(release.Evidence.Notes, manifests.Unsigned)
	}
	return manifests.SingleRelease{Asked: q.Request, Release: release, Hint: hint, Numbering: goNumbering, Newest: proof.Mark}, nil
}

// release describes a toolchain with the layout that the go command gives it:
// cmd/go/internal/toolchain.Exec sets the same execute bits and makes the same go.mod
// files, which no module zip may hold under their own name.
func (s Source) release(version string, host manifests.Platform, zip string, proof verify.TreeProof) manifests.Release {
	exe := ""
	if host.OS == "windows" {
		exe = ".exe"
	}
	return manifests.Release{
		Channel: s.Channel, Tool: s.Tool, Version: version, Platform: host,
		Components: []string{s.Tool},
		Artifacts: []manifests.Artifact{{
			Name: path.Base(zip), Component: s.Tool, Refs: []string{zip}, Unpacked: leastToolchain,
			Integrity: manifests.Integrity{Tree: &manifests.TreeHash{H1: proof.H1, Evidence: proof.Evidence}},
			Layout: manifests.Layout{
				Format: "zip", Strip: 2, // golang.org/toolchain@v…/
				Modeless: true, Exec: []string{"bin/**", "pkg/tool/**", "lib/go_?*_?*_exec", "lib/*/go_?*_?*_exec"},
				Copies: map[string]string{"_go.mod": "go.mod"},
			},
			Witness: &manifests.Witness{Path: "VERSION", Contains: "go" + version, WholeLine: true},
		}},
		Commands: []string{"bin/go" + exe, "bin/gofmt" + exe},
		Env:      map[string]string{"GOROOT": "{prefix}", "GOTOOLCHAIN": "local"},
		Evidence: proof.Evidence,
	}
}
