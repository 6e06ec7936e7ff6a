// Package lockfile defines kist.lock: which release of each tool a project uses, on which
// platforms, and what exactly was proved about it.
//
// A lock only narrows. What it names must still be proved by the channel's keys like any
// other release; the lock then demands that it is this very release: the same bytes,
// proved by the same keys. Only if the user asks for it with --as-of-bundle, a manifest
// that the lock names counts although it has expired. Nothing in a lock says where bytes
// come from, and no key in it is trusted because it is in it.
package lockfile

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/tomldoc"
	"github.com/kist-tools/kist/verify"
)

// Name is the name of the file.
const Name = "kist.lock"

// Ceilings on a lock.
const (
	MaxFile      = 8 << 20 // bytes
	maxTools     = 256
	maxPlatforms = 64
	maxFiles     = 2 * manifests.MaxArtifacts
	maxNames     = 1024 // components, targets and signers of a tool
)

// A Lock is the content of kist.lock, its tools sorted by their requests.
type Lock struct{ Tools []Tool }

// A Tool is one request of the project, and the release that answers it.
type Tool struct {
	Ask        string // as a user would type it: "go@1.26", "node >=20"
	Components []string
	Targets    []string
	Profile    string

	Channel, Name, Version string
	Origin                 string // of a channel with several, the one that published the files
	Proof                  Proof
	Platforms              []Platform // sorted
}

// A Proof says how the release was proved when the lock was made.
type Proof struct {
	Kind    verify.Kind          // empty if only signatures of the files prove it
	Signers []verify.Fingerprint // primary keys, sorted
	Serial  uint64               // of the manifest; 0 if it has none
	Issued  time.Time            // of the manifest; zero if it has none
	Digest  verify.Digest        // of the manifest; zero if it has none
	// Lines are the digests of the manifests of a channel with one for each of several
	// lines of releases, such as a distribution's suites, sorted.
	Lines []verify.Digest
}

// A Platform is what a release consists of on one platform.
type Platform struct {
	Platform manifests.Platform
	Tree     verify.Digest // of the installed files (record.TreeDigest); zero if not known
	Files    []File        // sorted
}

// A File is one file to download, known by what proves it. Exactly one of Digest, H1 and
// Signature is set.
type File struct {
	Component string        `json:"component"`
	Name      string        `json:"name"`
	Size      int64         `json:"size,omitempty"`     // bytes; 0 if no proved document states it
	Digest    verify.Digest `json:"digest,omitzero"`    // SHA-256 or SHA-512
	H1        string        `json:"h1,omitempty"`       // the content hash of a Go module
	Signature verify.Digest `json:"signature,omitzero"` // SHA-256 of the detached signature, which fixes the bytes that it is for
}

// Key returns what the tool is called: channel/name.
func (t Tool) Key() string { return t.Channel + "/" + t.Name }

// On returns what t consists of on a platform.
func (t Tool) On(p manifests.Platform) (Platform, bool) {
	i := slices.IndexFunc(t.Platforms, func(have Platform) bool { return have.Platform == p })
	if i < 0 {
		return Platform{}, false
	}
	return t.Platforms[i], true
}

// Encode returns the text of l: one block for each tool, in a fixed order, so that
// changes are easy to read and to merge.
func (l Lock) Encode() []byte {
	var w bytes.Buffer
	w.WriteString("# kist lock writes this file. Commit it, and do not edit it.\nformat = 1\n")
	tools := slices.Clone(l.Tools)
	slices.SortFunc(tools, compareTools)
	for _, t := range tools {
		w.WriteString("\n[[tool]]\n")
		pair(&w, "ask", t.Ask)
		pair(&w, "components", t.Components)
		pair(&w, "targets", t.Targets)
		pair(&w, "profile", t.Profile)
		pair(&w, "channel", t.Channel)
		pair(&w, "name", t.Name)
		pair(&w, "version", t.Version)
		pair(&w, "origin", t.Origin)
		pair(&w, "proof", string(t.Proof.Kind))
		var signers []string
		for _, f := range t.Proof.Signers {
			signers = append(signers, string(f))
		}
		pair(&w, "signers", signers)
		if t.Proof.Serial > 0 {
			fmt.Fprintf(&w, "serial = %d\n", t.Proof.Serial)
		}
		if !t.Proof.Issued.IsZero() {
			fmt.Fprintf(&w, "issued = %s\n", t.Proof.Issued.UTC().Format(time.RFC3339))
		}
		pair(&w, "manifest", hexOf(t.Proof.Digest))
		var lines []string
		for _, d := range t.Proof.Lines {
			lines = append(lines, hexOf(d))
		}
		pair(&w, "manifests", lines)
		for _, p := range t.Platforms {
			w.WriteString("\n  [[tool.platform]]\n  ")
			pair(&w, "platform", p.Platform.String())
			if !p.Tree.IsZero() {
				w.WriteString("  ")
				pair(&w, "tree", hexOf(p.Tree))
			}
			w.WriteString("  files = [\n")
			for _, f := range p.Files {
				fmt.Fprintf(&w, "    { %s },\n", f.text())
			}
			w.WriteString("  ]\n")
		}
	}
	return w.Bytes()
}

// pair writes a key and its value, a string or a list of strings, unless it is empty.
func pair(w *bytes.Buffer, key string, value any) {
	switch value := value.(type) {
	case string:
		if value != "" {
			fmt.Fprintf(w, "%s = %s\n", key, tomldoc.Quote(value))
		}
	case []string:
		if len(value) > 0 {
			fmt.Fprintf(w, "%s = %s\n", key, tomldoc.QuoteList(value))
		}
	}
}

func (f File) text() string {
	parts := []string{"component = " + tomldoc.Quote(f.Component), "name = " + tomldoc.Quote(f.Name)}
	if f.Size > 0 {
		parts = append(parts, "size = "+strconv.FormatInt(f.Size, 10))
	}
	switch {
	case !f.Digest.IsZero():
		parts = append(parts, f.Digest.Algorithm()+" = "+tomldoc.Quote(f.Digest.Hex()))
	case f.H1 != "":
		parts = append(parts, "h1 = "+tomldoc.Quote(f.H1))
	default:
		parts = append(parts, "signature = "+tomldoc.Quote(f.Signature.Hex()))
	}
	return strings.Join(parts, ", ")
}

// hexOf returns the hex digits of d, "" if it is zero.
func hexOf(d verify.Digest) string {
	if d.IsZero() {
		return ""
	}
	return d.Hex()
}

func compareTools(a, b Tool) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Channel, b.Channel), strings.Compare(a.Ask, b.Ask))
}

func compareFiles(a, b File) int {
	return cmp.Or(strings.Compare(a.Component, b.Component), strings.Compare(a.Name, b.Name))
}
