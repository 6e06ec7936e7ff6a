// Package record defines what kist stores about installs: the Receipt of an installed
// release, with all its paths, and the Generation, the set of receipts, defaults and
// command links in force. It encodes and parses them, without side effects.
//
// Both documents carry a format number. Later versions of kist read all earlier
// formats. An unknown format or field is an error, because a program that removes files
// by a record it only half understands can delete a home directory.
package record

import (
	"encoding/hex"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// Format is the format number this package writes.
const Format = 1

// An ID identifies an installed release, its prefix and its receipt:
// <channel>-<tool>-<version>-<8 random hex digits>, the version escaped.
type ID string

// NewID returns the ID of a release. The four random bytes keep a second install of the
// same version from using the same directory.
func NewID(channel, tool, version string, random [4]byte) ID {
	return ID(channel + "-" + tool + "-" + manifests.EscapeVersion(version) + "-" + hex.EncodeToString(random[:]))
}

// Valid reports whether id is one path element of the characters that IDs may have.
func (id ID) Valid() bool {
	return len(id) > 9 && len(id) < 255 && !strings.Contains(string(id), "..") && id[0] != '.' &&
		strings.Trim(string(id), "abcdefghijklmnopqrstuvwxyz0123456789._+-") == ""
}

// Type is the type of an Entry.
type Type string

// The types of entry. A prefix holds no others.
const (
	File Type = "file"
	Dir  Type = "dir"
	Link Type = "link"
)

// An Entry is one path below a prefix.
type Entry struct {
	Path      string // slash-separated, local to the prefix
	Type      Type
	Mode      fs.FileMode   // permission bits of a file or directory
	Size      int64         // bytes of a file
	Digest    verify.Digest // of a file, SHA-256
	Target    string        // of a link
	Component string        // the component it belongs to
	Stamp     Stamp         // of a file; zero if none can be relied on
}

// A Command is a file of a prefix that can be linked as a command.
type Command struct {
	Name string `json:"name"`
	Path string `json:"path"` // slash-separated, local to the prefix
}

// A Head is a receipt without its entries. It comes first in the file, so that listing
// what is installed does not require reading every path.
type Head struct {
	Format  int    `json:"format"`
	ID      ID     `json:"id"`
	Channel string `json:"channel"`
	Tool    string `json:"tool"`
	Version string `json:"version"`
	// Requested is how the user specified the version. Update follows a label, a
	// version line (manifests.IsVersionLine), or, if it is empty, the channel's
	// default. "=" followed by Version, and a Version that is not a line, are pinned.
	Requested  string              `json:"requested,omitempty"`
	Labels     []string            `json:"labels,omitempty"`
	Platform   manifests.Platform  `json:"platform"`
	Components []string            `json:"components,omitempty"`
	Optional   []string            `json:"optional,omitempty"` // those of Components that can be removed
	Listings   []manifests.Listing `json:"listings,omitempty"` // the files of the prefix that list the components
	Profile    string              `json:"profile,omitempty"`  // the named set of components that was installed
	Evidence   verify.Evidence     `json:"evidence"`           // of the document that named the release
	Artifacts  []Artifact          `json:"artifacts"`          // what was unpacked
	Commands   []Command           `json:"commands,omitempty"`
	Env        map[string]string   `json:"env,omitempty"` // "{prefix}" is replaced by the prefix
	Prefix     string              `json:"prefix"`        // absolute, with links resolved, at the time of the install
	Installed  time.Time           `json:"installed"`
	Kist       string              `json:"kist"` // version of kist that wrote the receipt
	// Sandbox names the sandbox in which the archives were unpacked, or is "none".
	// Empty: not recorded.
	Sandbox string `json:"sandbox,omitempty"`
	// FilesProved reports that the digests of the entries were computed while the bytes
	// that Artifacts prove were unpacked. Older receipts lack it: nothing in them ties
	// a file to its archive.
	FilesProved bool `json:"files_proved,omitempty"`
	// StampsReadAt is when the Stamps of the entries had been read (see SealedAt).
	StampsReadAt time.Time `json:"sealed,omitzero"`
	// Expired is when the manifest that named the release had expired, if it had at the
	// time of the install: it was accepted because a lock named that very manifest.
	Expired time.Time `json:"expired,omitzero"`
	// Removed reports that the release was uninstalled. Entries are then only the
	// paths that were left because they had changed.
	Removed bool `json:"removed,omitempty"`
}

// A Receipt is the record of one installed release, with all its paths.
type Receipt struct {
	Head
	Entries []Entry // parents before children
}

// An Artifact is a downloaded file that was unpacked, and the evidence that proved it.
type Artifact struct {
	Name      string `json:"name"`
	Component string `json:"component,omitempty"`
	// Version is that of the component, if it has its own, such as a package of a
	// distribution. Older receipts lack it.
	Version string `json:"version,omitempty"`
	// URL is the http or https location that the release states for the file, without a
	// user and password. A mirror may have served it. Older receipts lack it.
	URL      string          `json:"url,omitempty"`
	Size     int64           `json:"size"`
	Digest   verify.Digest   `json:"digest"` // SHA-256 of the file as downloaded
	Evidence verify.Evidence `json:"evidence"`
	// Layout is how the artifact was unpacked. The same artifact and layout give the
	// same files.
	Layout manifests.Layout `json:"layout,omitzero"`
}

// Paths returns the set of the paths of all entries.
func (r Receipt) Paths() map[string]bool {
	paths := make(map[string]bool, len(r.Entries))
	for _, e := range r.Entries {
		paths[e.Path] = true
	}
	return paths
}

// Ref returns the release's name for people: channel/tool@version.
func (r Head) Ref() string { return r.Channel + "/" + r.Tool + "@" + r.Version }

// Key returns the tool's name: channel/tool.
func (r Head) Key() string { return r.Channel + "/" + r.Tool }

// Alias returns the stable path of r's prefix below toolchains/.
func (r Head) Alias() string { return path.Join(r.Channel, r.Tool, manifests.EscapeVersion(r.Version)) }

// A CommandLink is a command in force: its name and its target below prefixes/, or below
// the prefix of a release in another store.
type CommandLink struct {
	Name   string `json:"name"`
	ID     ID     `json:"id"`
	Target string `json:"target"`           // path below the prefix
	Prefix string `json:"prefix,omitempty"` // absolute path of the prefix in another store; empty: in this one
}

// A Generation is the numbered set of receipts, defaults and links in force.
type Generation struct {
	Format   int           `json:"format"`
	Number   uint64        `json:"number"`           // counts up from 1; zero: nothing installed yet
	Parent   uint64        `json:"parent,omitempty"` // the generation to which rollback returns
	Made     time.Time     `json:"made"`
	Receipts []ID          `json:"receipts"`
	Defaults map[string]ID `json:"defaults,omitempty"` // by channel/tool
	Links    []CommandLink `json:"links,omitempty"`    // sorted by name
	// Shims are the names of the commands, sorted, that a launcher starts: it runs the
	// release that a project uses, else the one that Links names.
	Shims []string `json:"shims,omitempty"`
	// Removing lists the releases whose files are removed after the switch to this
	// generation. After a crash, the next writer finishes the removal.
	Removing []ID `json:"removing,omitempty"`
	// Freeing lists the releases that only older generations name, and whose files are
	// removed after the switch. Unlike those of Removing they leave their generations, which
	// stay if they hold other releases (see Freed).
	Freeing []ID `json:"freeing,omitempty"`
	// Freed names the releases, as channel/tool@version, that left this generation because
	// their files were removed. Rollback cannot return to such a generation; it only holds
	// its other releases.
	Freed []string `json:"freed,omitempty"`
}

// Has reports whether g names id.
func (g Generation) Has(id ID) bool {
	return slices.Contains(g.Receipts, id)
}

// Names returns the names, sorted, of the commands that g puts into the bin directory.
func (g Generation) Names() []string {
	names := slices.Clone(g.Shims)
	for _, l := range g.Links {
		names = append(names, l.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
