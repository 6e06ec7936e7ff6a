package manifests

import (
	"fmt"
	"path"
	"reflect"
	"strings"

	"github.com/kist-tools/kist/verify"
)

// A Release is one version of a tool for one platform: what to fetch and what
// becomes of it. It is made by a Catalog and has no effects.
type Release struct {
	Channel    string
	Tool       string
	Version    string
	Requested  string // the Request's version, as it was asked for; update follows it
	Labels     []string
	Platform   Platform // of the host it was chosen for
	Components []string // what Artifacts provide, by name
	Optional   []string // those of Components that the release can be without
	Profile    string   // the named set that Components began with, for tools that have such
	Artifacts  []Artifact
	Files      []File    // written beside what the artifacts hold
	Listings   []Listing // likewise, of the components that are installed
	// Commands are patterns below the prefix (MatchCommand); each executable
	// regular file that matches becomes a command of its base name, if that is
	// one that commands may have: see ValidCommand and MatchedCommand.
	Commands []string
	// Env is what the toolchain needs set; "{prefix}" stands for its prefix.
	// An empty value unsets. Applied by run and shown by env.
	Env      map[string]string
	Evidence verify.Evidence // of the document that names the release
}

// A File is a small file of the prefix whose content a source knows, because it
// is part of what was proved or follows from it.
type File struct {
	Path string // below the prefix
	Data []byte
	Exec bool   // mode 0755, not 0644
	Link string // not empty: it is a link that leads here, and nothing else
}

// A Listing is a file of the prefix in which other programs read which
// components there are.
type Listing struct {
	Path string `json:"path"`           // below the prefix
	Head string `json:"head,omitempty"` // how it begins
	// Items are its text for each component, by name, whole lines.
	Items map[string]string `json:"items"`
}

// Text is what the file holds where these components are installed.
func (l Listing) Text(components []string) []byte {
	text := l.Head
	for _, c := range components {
		text += l.Items[c]
	}
	return []byte(text)
}

// An Artifact is one downloadable file.
type Artifact struct {
	Name      string   // for people and messages: the file's name
	Component string   // which component of the release it is
	Refs      []string // where it can be had, in order of preference
	Size      int64    // in bytes; 0 where no proved document states it, then MaxArtifact applies
	Unpacked  int64    // size of the files in it, or the least that it can be; 0 if not known
	Integrity Integrity
	// Chunks, where they are stated beside Integrity.Digest, prove each part of
	// the file as it comes; the digest must hold in the end all the same.
	Chunks  verify.Chunks
	Layout  Layout
	Witness *Witness // a file inside that must confirm the version
	// Alternatives are other files that bring the same component, in order of
	// preference: one of them is installed where nobody has this one. They have
	// no alternatives of their own.
	Alternatives []Artifact
}

// Integrity is what an artifact must prove: exactly one of the three.
type Integrity struct {
	Digest    verify.Digest
	Signature *Signature
	Tree      *TreeHash
}

// A Signature proves an artifact by a detached OpenPGP signature over it, which
// binds neither its name nor its version: such an artifact needs a Witness.
type Signature struct {
	Data   []byte // the signature block
	Policy verify.Policy
}

// A TreeHash proves a zip by the h1 hash of its contents, which a checksum
// database states (golang.org/x/mod/sumdb/dirhash).
type TreeHash struct {
	H1       string // "h1:<base64>"
	Evidence verify.Evidence
}

// Layout says how an artifact becomes files of the prefix.
type Layout struct {
	Format string `json:"format"`          // one of Formats
	Strip  int    `json:"strip,omitempty"` // leading path elements to drop
	Into   string `json:"into,omitempty"`  // directory below the prefix; for format "file" the file's whole path
	// Exec names the files to make executable: path.Match patterns below the
	// prefix, in which a last element "**" means everything below.
	Exec []string `json:"exec,omitempty"`
	// Modeless: the archive's own modes do not count, since nothing proves them:
	// a content hash covers names and contents alone. Every file is 0644 but
	// those that Exec names.
	Modeless bool `json:"modeless,omitempty"`
	// MergedUsr: the archive is a .deb whose top directories bin, sbin, lib,
	// lib32, lib64 and libx32 are those of the same name below usr, as on a
	// system with a merged /usr. Such artifacts may hold the same path, where
	// type, content and mode are the same in each.
	MergedUsr bool `json:"merged_usr,omitempty"`
	// Installer says that the archive is one of rust-installer's.
	Installer *Installer `json:"installer,omitempty"`
	// Copies maps a base name to another: each file of the first name is
	// also written under the second in its directory. The Go toolchain module
	// holds go.mod files as _go.mod.
	Copies map[string]string `json:"copies,omitempty"`
}

// Same reports whether two layouts make the same files of an artifact.
func (l Layout) Same(other Layout) bool { return reflect.DeepEqual(l, other) }

// An Installer is how an archive of rust-installer, version 3, holds one
// component: in a directory of the archive (after Strip), of whose files only
// those are installed that its manifest.in lists, relative to that directory.
// Source: rust-lang/rustup, src/dist/component/package.rs.
type Installer struct {
	// Dirs are the names that the directory may have; one of them is there.
	Dirs []string `json:"dirs"`
	// Manifest is the path below the prefix at which manifest.in is kept.
	Manifest string `json:"manifest"`
}

// Formats are the artifact formats kist unpacks.
func Formats() []string {
	return []string{"tar", "tar.gz", "tar.xz", "tar.zst", "tar.bz2", "zip", "deb", "file"}
}

// A Witness is a file of the prefix that must hold a text.
type Witness struct {
	Path     string `json:"path"`
	Contains string `json:"contains"`
	// WholeLine demands that some line equals Contains, not merely holds it,
	// so that 1.2.1 is not witnessed by 1.2.10.
	WholeLine bool `json:"whole_line,omitempty"`
}

// Ceilings on what one release may be.
const (
	MaxArtifact  = 8 << 30 // bytes of one artifact
	MaxUnpacked  = 64 << 30
	MaxArtifacts = 1024
	MaxFiles     = 64 // of Release.Files, each of at most MaxManifest bytes
)

// Validate reports whether r states, for every artifact, what it must prove:
// exactly one usable integrity, a place to get it from, sizes below the
// ceilings, paths that stay inside the prefix, a Witness beside every detached
// signature. It is the one gate between a source and an install; its error
// matches verify.ErrUntrusted.
func (r Release) Validate() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%s/%s %s: %s: %w", r.Channel, r.Tool, r.Version, fmt.Sprintf(format, args...), verify.ErrUntrusted)
	}
	if err := ValidName(r.Channel); err != nil {
		return fail("channel: %v", err)
	}
	if err := ValidName(r.Tool); err != nil {
		return fail("tool: %v", err)
	}
	if err := ValidVersion(r.Version); err != nil {
		return fail("version: %v", err)
	}
	if len(r.Artifacts) == 0 || len(r.Artifacts) > MaxArtifacts {
		return fail("%d artifacts, want 1 to %d", len(r.Artifacts), MaxArtifacts)
	}
	for _, pattern := range r.Commands {
		if err := localPath(pattern); err != nil {
			return fail("command %v", err)
		}
		if err := ValidCommandPattern(pattern); err != nil {
			return fail("%v", err)
		}
	}
	for _, a := range r.Artifacts {
		if err := a.validate(); err != nil {
			return fail("artifact %s: %v", a.Name, err)
		}
		if len(a.Alternatives) > MaxArtifacts {
			return fail("artifact %s: %d alternatives, want at most %d", a.Name, len(a.Alternatives), MaxArtifacts)
		}
		for _, other := range a.Alternatives {
			if err := other.validate(); err != nil {
				return fail("artifact %s: %v", other.Name, err)
			}
			if other.Component != a.Component || len(other.Alternatives) > 0 {
				return fail("artifact %s: an alternative for another component, or with its own", other.Name)
			}
		}
	}
	for _, l := range r.Listings {
		if err := localPath(l.Path); err != nil {
			return fail("listing %v", err)
		}
	}
	if len(r.Files) > MaxFiles {
		return fail("%d files, want at most %d", len(r.Files), MaxFiles)
	}
	for _, f := range r.Files {
		if err := localPath(f.Path); err != nil || len(f.Data) > MaxManifest {
			return fail("file %.100q of %d bytes: outside the prefix or the limits", f.Path, len(f.Data))
		}
		if f.Link != "" && (len(f.Data) > 0 || f.Exec || path.IsAbs(f.Link) || localPath(path.Join(path.Dir(f.Path), f.Link)) != nil) {
			return fail("link %.100q to %.100q: it leaves the prefix, or is a file too", f.Path, f.Link)
		}
	}
	return nil
}

func (a Artifact) validate() error {
	stated := 0
	if !a.Integrity.Digest.IsZero() {
		stated++
	}
	if s := a.Integrity.Signature; s != nil {
		stated++
		if len(s.Data) == 0 || s.Policy.Keys == nil || s.Policy.Threshold < 1 {
			return fmt.Errorf("a signature without data, keys or threshold")
		}
		if a.Witness == nil {
			return fmt.Errorf("a detached signature binds no version: a witness is required")
		}
	}
	if t := a.Integrity.Tree; t != nil {
		stated++
		if !strings.HasPrefix(t.H1, "h1:") || t.Evidence.Kind != verify.ByTree || a.Layout.Format != "zip" {
			return fmt.Errorf("a content hash without proof, or not over a zip")
		}
		if !a.Layout.Modeless {
			return fmt.Errorf("a content hash covers no modes: the layout must not take them")
		}
	}
	if stated != 1 {
		return fmt.Errorf("%d integrities stated, want exactly one", stated)
	}
	if n := a.Chunks.Len(); n > 0 && (a.Integrity.Digest.IsZero() || int64(n) != (a.Size+verify.ChunkSize-1)/verify.ChunkSize) {
		return fmt.Errorf("%d chunks, without a digest or for another size", n)
	}
	if len(a.Refs) == 0 {
		return fmt.Errorf("no location")
	}
	if a.Size < 0 || a.Size > MaxArtifact || a.Unpacked < 0 || a.Unpacked > MaxUnpacked {
		return fmt.Errorf("size %d, unpacked %d: outside the limits", a.Size, a.Unpacked)
	}
	if a.Layout.Strip < 0 || a.Layout.Strip > 16 {
		return fmt.Errorf("strip %d: want 0 to 16", a.Layout.Strip)
	}
	known := false
	for _, f := range Formats() {
		known = known || f == a.Layout.Format
	}
	if !known {
		return fmt.Errorf("format %q is unknown", a.Layout.Format)
	}
	if a.Layout.Into != "" {
		if err := localPath(a.Layout.Into); err != nil {
			return err
		}
	} else if a.Layout.Format == "file" {
		return fmt.Errorf("a single file without a path")
	}
	if a.Layout.MergedUsr && a.Layout.Format != "deb" {
		return fmt.Errorf("a merged /usr that is no package")
	}
	if i := a.Layout.Installer; i != nil {
		if err := localPath(i.Manifest); err != nil {
			return err
		}
		if len(i.Dirs) == 0 || !strings.HasPrefix(a.Layout.Format, "tar") {
			return fmt.Errorf("an archive of rust-installer that is no tar, or names no directory")
		}
	}
	if a.Layout.MergedUsr && a.Layout.Format != "deb" {
		return fmt.Errorf("a merged /usr of a %s", a.Layout.Format)
	}
	if a.Witness != nil {
		if a.Witness.Contains == "" {
			return fmt.Errorf("a witness that confirms nothing")
		}
		return localPath(a.Witness.Path)
	}
	return nil
}

// localPath accepts a slash-separated path that stays below the prefix.
func localPath(p string) error {
	switch {
	case p == "", path.IsAbs(p), p != path.Clean(p), p == "..", strings.HasPrefix(p, "../"), strings.ContainsAny(p, "\\\x00"):
		return fmt.Errorf("path %q leaves the prefix or is not in its simplest form", p)
	}
	return nil
}
