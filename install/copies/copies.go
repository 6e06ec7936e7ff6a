// Package copies finds, fetches and proves what clients need to install tools: the
// documents and the artifacts, each by the URL that it came from, byte for byte. Package
// mirror lays them out for web servers, package bundles puts them into one file.
//
// # What is copied
//
// [Copier.Collect] asks the channels the same way as a client does, by package trust, with
// a transport that keeps what they read. A document is copied if the answer that it
// belongs to was proved, and an artifact if its own proof was checked. An upstream's
// unsigned list of versions is copied with the answer that it led to. Nothing is
// converted or signed again, so clients prove everything as if the origin had sent it.
//
// # How copies are proved
//
// A [Prover] resolves releases that were copied from the copies alone, by today's keys and
// rules, and proves their artifacts.
package copies

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/install/internal/private"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// A Copier is what it takes to ask channels, and to prove what they answer. Its methods
// use Desk for themselves: they replace its transport, its cache and its platform. A
// Copier must not be copied.
type Copier struct {
	Desk      *trust.Desk
	Transport manifests.Transport // fetches from the origins
	Now       time.Time
	Jobs      int // concurrent downloads
	LockWait  time.Duration
	About     string // what this kist does, for others that wait
	// HashZip is the method of install.Installer.
	HashZip  func(ctx context.Context, name string, zip *os.File, size int64) (h1 string, err error)
	Progress func(install.Progress)
	Warn     func(text string)

	reporting sync.Mutex
}

// A File is a copy of what one URL served.
type File struct {
	Path     string        `json:"path"`   // Name(URL)
	Digest   verify.Digest `json:"digest"` // SHA-256
	Size     int64         `json:"size"`
	Modified int64         `json:"modified"`      // nanoseconds since 1970
	Key      string        `json:"key,omitempty"` // of an artifact, see download.Key; "": a document
	// Validators are what the server stated with a document, to ask for it only if it
	// has changed.
	Validators manifests.Validators `json:"validators,omitzero"`
	URL        string               `json:"-"` // of a file that Collect returned; may hold a password
}

// IsUnchanged reports whether info is that of the file that f records, by size and time.
func (f File) IsUnchanged(info fs.FileInfo) bool {
	return info.Mode().IsRegular() && info.Size() == f.Size && info.ModTime().UnixNano() == f.Modified
}

// A Release is a release that was copied, as it was asked for.
type Release struct {
	Channel    string             `json:"channel"`
	Tool       string             `json:"tool"`
	Asked      string             `json:"asked,omitempty"` // the version of the request
	Version    string             `json:"version"`
	Platform   manifests.Platform `json:"platform"`
	Components []string           `json:"components,omitempty"`
	Targets    []string           `json:"targets,omitempty"`
	Profile    string             `json:"profile,omitempty"`
}

// String returns the release in one line.
func (h Release) String() string {
	return fmt.Sprintf("%s/%s@%s for %s", h.Channel, h.Tool, h.Version, h.Platform)
}

// Question returns what identifies the request that h answered.
func (h Release) Question() string {
	return strings.Join(slices.Concat([]string{h.Channel, h.Tool, h.Asked, h.Platform.String(), h.Profile}, h.Components, h.Targets), "\x00")
}

// A Store is where copies lie, by digest.
type Store struct {
	Documents *os.Root // has the directory of download.BlobFile
	Artifacts *os.Root // the root of a download.Cache; may be Documents
	// Mode is that of the files, subject to the umask; 0: only their owner reads them.
	Mode fs.FileMode
}

func (s Store) mode() fs.FileMode {
	if s.Mode == 0 {
		return 0o600
	}
	return s.Mode
}

// Waiting warns that this kist waits for another one.
func (c *Copier) Waiting(busy *rootfs.BusyError) {
	c.reporting.Lock()
	defer c.reporting.Unlock()
	c.Warn("waiting: " + busy.Error())
}

// cache returns the download cache in the directory root. Artifacts come from t.
func (c *Copier) cache(root *os.Root, t manifests.Transport) download.Cache {
	return download.Cache{
		Root: root, Transport: t, About: c.About, Waiting: c.Waiting, LockWait: c.LockWait,
		Turns: &download.Turns{}, Memory: private.NewBudget(memoryForArtifacts),
		Progress: func(stage, name string, done, total int64) {
			c.reporting.Lock()
			defer c.reporting.Unlock()
			c.Progress(install.Progress{Stage: install.Stage(stage), Name: name, Label: name, Done: done, Total: total})
		},
		HashZip: func(ctx context.Context, name string, zip *os.File, size int64, _ func(int64)) (string, error) {
			return c.HashZip(ctx, name, zip, size)
		},
	}
}

// memoryForArtifacts is how many bytes of artifacts are held in memory while they are
// proved. What does not fit goes to files without a name.
const memoryForArtifacts = 128 << 20

// ConflictError returns the error that two URLs would be one file, called name.
func ConflictError(name string) error {
	return fmt.Errorf("%s: two URLs that differ only in their query, user or scheme have different content, so they cannot be copied together", name)
}

// Ceilings on what is copied together.
const (
	MaxFiles = 250_000
	MaxHeads = 64 // earlier tree heads of a checksum database
)
