package native

import (
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// maxList is the ceiling on the artifacts of a release and on each other list of a
// manifest; a longer list is a *manifests.FormatError. Only the size of the manifest limits the
// number of releases.
const maxList = 256

// A Manifest is the content of channel.toml.
type Manifest struct {
	Channel  string
	Serial   uint64 // at least 1; 0 in a draft
	Issued   time.Time
	Expires  time.Time
	Sets     []manifests.Set
	Releases []Release // newest first for versions that manifests.CompareVersions cannot order
	// Withdrawn are versions that must not be used, whether Releases still lists them or
	// not: someone may have installed them. At most MaxWithdrawn.
	Withdrawn []verify.Withdrawal
}

// Ceilings on what a manifest withdraws; more is a *manifests.FormatError.
const (
	MaxWithdrawn = 256 // tables
	MaxReason    = 300 // bytes of one reason
)

// A Release is one version of one tool, for every platform it was built for.
type Release struct {
	Tool      string
	Version   string
	Released  time.Time // when it was published; zero: not stated
	Labels    []string  // moving names such as "stable"; unique within a tool
	Commands  []string  // patterns below the prefix that become commands
	Witness   *Witness
	Artifacts []Artifact
}

// A Witness is a file of the prefix that must contain a text, which confirms that the
// archive is the version that the manifest states.
type Witness struct{ Path, Contains string }

// An Artifact is one file for one platform. Several artifacts for the same platform
// and component are alternatives: one of them is installed.
type Artifact struct {
	Platform  manifests.Platform
	Component string // the tool's name if the manifest states none
	Optional  bool   // installed only on request
	Path      string // relative to the manifest's directory; empty if URLs are stated
	URLs      []string
	Size      int64         // bytes, at least 1
	Unpacked  int64         // bytes of the files in it; 0: not stated
	SHA256    verify.Digest // of the file
	Chunks    verify.Chunks // of the file, zero if not stated
	Format    string        // one of manifests.Formats
	Strip     int           // leading path elements to drop
}

// Mark returns the serial and dates of m. digest is that of the signed bytes.
func (m *Manifest) Mark(digest verify.Digest) verify.Mark {
	return verify.Mark{Channel: m.Channel, Serial: m.Serial, Issued: m.Issued, Expires: m.Expires, Digest: digest}
}
