package manifests

import (
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/verify"
)

// A Release is one version of a tool for one platform: what to fetch and how to
// install it. A Catalog makes it. It has no effects.
type Release struct {
	Channel    string
	Tool       string
	Version    string
	Requested  string // the Request's version, as the user wrote it; update follows it
	Labels     []string
	Released   time.Time // when it was released, as a signed document states it; zero: none does
	Platform   Platform  // the host that the release was chosen for
	Origin     string    // of a channel with several origins, the name of the one that answered; else empty
	Components []string  // the names of the components that Artifacts provide
	Optional   []string  // those of Components that may be left out
	Profile    string    // the named set of components that was requested, for tools that have such sets
	Artifacts  []Artifact
	Files      []File    // written in addition to the content of the artifacts
	Listings   []Listing // files that list the installed components
	// Commands are patterns below the prefix (MatchCommand). Each executable
	// regular file that matches becomes a command with its base name, if
	// ValidCommand or MatchedCommand accepts that name.
	Commands []string
	// Env is the environment that the toolchain needs; "{prefix}" stands for its
	// prefix. An empty value unsets the variable. `kist run` applies it and
	// `kist env` shows it.
	Env      map[string]string
	Evidence verify.Evidence // of the document that names the release
	// Tree is the digest that the installed files must have (record.Receipt.TreeDigest),
	// if a project's lock states it. Zero: any.
	Tree verify.Digest
	// Expired is when the manifest that names the release expired, if it has: it is
	// accepted because a lock names that very manifest. Zero otherwise.
	Expired time.Time
}

// A File is a small file of the prefix whose content the source states or derives
// from verified data.
type File struct {
	Path string // below the prefix
	Data []byte
	Exec bool   // mode 0755 instead of 0644
	Link string // if not empty, the file is a symbolic link to this target
}

// A Listing is a file of the prefix that tells other programs which components are
// installed.
type Listing struct {
	Path string `json:"path"`           // below the prefix
	Head string `json:"head,omitempty"` // its first lines
	// Items are the lines for each component, by name.
	Items map[string]string `json:"items"`
}

// Text returns the content of the file if these components are installed.
func (l Listing) Text(components []string) []byte {
	text := l.Head
	for _, c := range components {
		text += l.Items[c]
	}
	return []byte(text)
}

// An Artifact is one downloadable file.
type Artifact struct {
	Name      string   // its file name, for messages
	Component string   // the component of the release that it provides
	Version   string   // of the component, if it has its own: that of a distribution's package
	Refs      []string // its locations, in order of preference
	Size      int64    // in bytes; 0 if no verified document states it, then MaxArtifact applies
	Unpacked  int64    // size of the files in it, or a lower bound of it; 0 if not known
	Integrity Integrity
	// Chunks are the digests of the parts of the file, if they are stated in
	// addition to Integrity.Digest. They verify each part as it arrives; the
	// digest of the whole file is still checked at the end.
	Chunks  verify.Chunks
	Layout  Layout
	Witness *Witness // a file inside that must confirm the version
	// Alternatives are other files that provide the same component, in order of
	// preference. One of them is installed if this file cannot be found. They have
	// no alternatives of their own.
	Alternatives []Artifact
}

// Integrity is how an artifact is verified: exactly one of the three is set.
type Integrity struct {
	Digest    verify.Digest
	Signature *Signature
	Tree      *TreeHash
}

// A Signature verifies an artifact by a detached OpenPGP signature over it. It covers
// neither the artifact's name nor its version, so such an artifact needs a Witness.
type Signature struct {
	Data   []byte // the signature block
	Policy verify.Policy
}

// A TreeHash verifies a zip by the h1 hash of its contents, which a checksum database
// states. Source: golang.org/x/mod/sumdb/dirhash.
type TreeHash struct {
	H1       string // "h1:<base64>"
	Evidence verify.Evidence
}

// A Layout is how the files of an artifact are placed in the prefix.
type Layout struct {
	Format string `json:"format"`          // one of Formats
	Strip  int    `json:"strip,omitempty"` // leading path elements to drop
	Into   string `json:"into,omitempty"`  // directory below the prefix; for format "file" the path of the file itself
	// Exec lists the files to make executable: path.Match patterns below the
	// prefix. A last element "**" matches everything below a directory.
	Exec []string `json:"exec,omitempty"`
	// Modeless ignores the modes in the archive, which a content hash does not
	// cover: it covers names and contents only. Files that match Exec are 0755,
	// all others 0644.
	Modeless bool `json:"modeless,omitempty"`
	// MergedUsr unpacks a .deb as on a system with a merged /usr: its top
	// directories bin, sbin, lib, lib32, lib64 and libx32 are the directories of
	// the same name below usr. Several such artifacts may contain the same path
	// if its type, content and mode are the same in each.
	MergedUsr bool `json:"merged_usr,omitempty"`
	// Installer is set if the archive was made by rust-installer.
	Installer *Installer `json:"installer,omitempty"`
	// Copies maps one base name to another. Each file with the first name is also
	// written with the second name in the same directory. The Go toolchain module
	// holds its go.mod files as _go.mod.
	Copies map[string]string `json:"copies,omitempty"`
}

// Same reports whether two layouts install the same files from an artifact.
func (l Layout) Same(other Layout) bool { return reflect.DeepEqual(l, other) }

// An Installer describes one component in an archive of rust-installer, version 3.
// The component is a directory of the archive (after Strip). Only the files that the
// directory's manifest.in lists are installed, relative to the directory.
// Source: rust-lang/rustup, src/dist/component/package.rs.
type Installer struct {
	// Dirs are the names that the directory may have. The archive has one of them.
	Dirs []string `json:"dirs"`
	// Manifest is the path below the prefix where manifest.in is installed.
	Manifest string `json:"manifest"`
}

// Formats are the artifact formats kist unpacks.
func Formats() []string {
	return []string{"tar", "tar.gz", "tar.xz", "tar.zst", "tar.bz2", "zip", "deb", "file"}
}

// A Witness is a file of the prefix that must contain a text, which confirms that
// the artifact is the version it should be.
type Witness struct {
	Path     string `json:"path"`
	Contains string `json:"contains"`
	// WholeLine requires a line that equals Contains, so that 1.2.10 does not
	// confirm 1.2.1.
	WholeLine bool `json:"whole_line,omitempty"`
}

// Ceilings on one release.
const (
	MaxArtifact  = 8 << 30 // bytes of one artifact
	MaxUnpacked  = 64 << 30
	MaxArtifacts = 1024
	MaxFiles     = 64 // of Release.Files, each of at most MaxManifest bytes
)

// Validate checks that every artifact of r has exactly one usable integrity, a
// location, sizes below the ceilings, and paths that stay inside the prefix, and that
// every detached signature has a Witness. Every release passes through Validate
// before it is installed. The error matches verify.ErrUntrusted.
func (r Release) Validate() error {
	fail := func(format string, args ...any) error {
		return verify.Untrusted("%s/%s %s: %s", r.Channel, r.Tool, r.Version, fmt.Sprintf(format, args...))
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
		if err := ValidPath(pattern); err != nil {
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
				return fail("artifact %s: this alternative is for another component, or has alternatives of its own", other.Name)
			}
		}
	}
	for _, l := range r.Listings {
		if err := ValidPath(l.Path); err != nil {
			return fail("listing %v", err)
		}
	}
	if len(r.Files) > MaxFiles {
		return fail("%d files, want at most %d", len(r.Files), MaxFiles)
	}
	for _, f := range r.Files {
		if err := ValidPath(f.Path); err != nil || len(f.Data) > MaxManifest {
			return fail("file %.100q of %d bytes: it is outside the prefix or too large", f.Path, len(f.Data))
		}
		if f.Link != "" && (len(f.Data) > 0 || f.Exec || path.IsAbs(f.Link) || ValidPath(path.Join(path.Dir(f.Path), f.Link)) != nil) {
			return fail("link %.100q to %.100q: it leaves the prefix, or has content or an executable bit", f.Path, f.Link)
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
			return fmt.Errorf("the signature has no data, keys or threshold")
		}
		if a.Witness == nil {
			return fmt.Errorf("a detached signature does not cover the version, so a witness is required")
		}
	}
	if t := a.Integrity.Tree; t != nil {
		stated++
		if !strings.HasPrefix(t.H1, "h1:") || t.Evidence.Kind != verify.ByTree || a.Layout.Format != "zip" {
			return fmt.Errorf("the content hash is not verified, or the artifact is not a zip")
		}
		if !a.Layout.Modeless {
			return fmt.Errorf("a content hash does not cover modes, so the layout must ignore them")
		}
	}
	if stated != 1 {
		return fmt.Errorf("it states %d integrities, want exactly one", stated)
	}
	if n := a.Chunks.Len(); n > 0 && (a.Integrity.Digest.IsZero() || int64(n) != (a.Size+verify.ChunkSize-1)/verify.ChunkSize) {
		return fmt.Errorf("it has %d chunks, but no digest or a size that does not match", n)
	}
	if len(a.Refs) == 0 {
		return fmt.Errorf("it has no location")
	}
	if a.Size < 0 || a.Size > MaxArtifact || a.Unpacked < 0 || a.Unpacked > MaxUnpacked {
		return fmt.Errorf("size %d or unpacked size %d is outside the limits", a.Size, a.Unpacked)
	}
	if a.Layout.Strip < 0 || a.Layout.Strip > 16 {
		return fmt.Errorf("strip is %d, want 0 to 16", a.Layout.Strip)
	}
	if !slices.Contains(Formats(), a.Layout.Format) {
		return fmt.Errorf("format %q is unknown", a.Layout.Format)
	}
	if a.Layout.Into != "" {
		if err := ValidPath(a.Layout.Into); err != nil {
			return err
		}
	} else if a.Layout.Format == "file" {
		return fmt.Errorf("the layout of a single file has no path")
	}
	if a.Layout.MergedUsr && a.Layout.Format != "deb" {
		return fmt.Errorf("a merged /usr requires format deb, not %s", a.Layout.Format)
	}
	if i := a.Layout.Installer; i != nil {
		if err := ValidPath(i.Manifest); err != nil {
			return err
		}
		if len(i.Dirs) == 0 || !strings.HasPrefix(a.Layout.Format, "tar") {
			return fmt.Errorf("an archive of rust-installer must be a tar and name a directory")
		}
	}
	if a.Witness != nil {
		if a.Witness.Contains == "" {
			return fmt.Errorf("the witness has no text to look for")
		}
		return ValidPath(a.Witness.Path)
	}
	return nil
}
