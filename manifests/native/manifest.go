package native

import (
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// MaxList is the ceiling on the artifacts of a release and on each other list of a
// manifest; over it is a *FormatError. How many releases there are is bounded by
// the size of the manifest alone.
const MaxList = 256

// A Manifest is the content of channel.toml.
type Manifest struct {
	Channel  string
	Serial   uint64 // at least 1; 0 in a draft
	Issued   time.Time
	Expires  time.Time
	Releases []Release // newest first where versions have no order of their own
}

// A Release is one version of one tool, for every platform it was built for.
type Release struct {
	Tool      string
	Version   string
	Labels    []string // moving names; within a tool each is given once
	Commands  []string // patterns below the prefix that become commands
	Witness   *Witness
	Artifacts []Artifact
}

// A Witness is a file of the prefix that must hold a text, which confirms that
// the archive is what the manifest says it is.
type Witness struct{ Path, Contains string }

// An Artifact is one file for one platform. Several for the same platform and
// component are alternatives, of which one is installed.
type Artifact struct {
	Platform  manifests.Platform
	Component string // the tool's name where the manifest states none
	Optional  bool   // installed on request only
	Path      string // relative to the manifest's directory; either this or URLs
	URLs      []string
	Size      int64         // bytes, at least 1
	Unpacked  int64         // bytes of the files in it; 0: not stated
	SHA256    verify.Digest // of the file
	Chunks    verify.Chunks // of the file, zero if not stated
	Format    string        // one of manifests.Formats
	Strip     int           // leading path elements to drop
}

// Mark returns what freshness is judged by; digest is that of the signed bytes.
func (m *Manifest) Mark(digest verify.Digest) verify.Mark {
	return verify.Mark{Channel: m.Channel, Serial: m.Serial, Issued: m.Issued, Expires: m.Expires, Digest: digest}
}
