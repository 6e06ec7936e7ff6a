// Package mirror copies what tools need from their origins into a directory that any
// static web server can serve, and proves such a directory again without the network.
//
// # The directory
//
//	mirror.toml        the tools that the mirror holds (package config)
//	current            a link to the snapshot that is served
//	previous           a link to the snapshot that was served before
//	snapshots/N/       one snapshot: <host>[_<port>]/<path> for each URL (see Name)
//	snapshots/N.json   what that snapshot holds
//	store/             the files by digest, and downloads that are not complete
//	lock               held by the kist that is at work
//
// The files of all snapshots are hard links to those in store. A snapshot is complete
// before current leads to it, and never changes afterwards. Its record is written first,
// so that what a killed run leaves can be removed: like an installed toolchain, a
// snapshot is removed file by file as recorded, and what is not recorded stays.
//
// # What is copied
//
// [Mirror.Sync] asks the channels the same way as a client does, by package trust, with
// a transport that keeps what they read. A document is copied if the answer that it
// belongs to was proved, and an artifact if its own proof was checked. An upstream's
// unsigned list of versions is copied with the answer that it led to. Nothing is
// converted or signed again, so clients prove everything as if the origin had sent it.
//
// # What is trusted
//
// A file that was copied before, and still has the size and modification time that are
// recorded, is neither fetched nor read again by Sync. [Mirror.Verify] reads all of them.
// Clients trust none of them.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/install/internal/private"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// Names in the directory of a mirror.
const (
	Current      = "current"
	Previous     = "previous"
	snapshotsDir = "snapshots"
	storeDir     = "store"
	lockFile     = "lock"
	lostFound    = "lost+found" // of a file system that is a mirror
)

// Modes of files and directories, subject to the umask: a web server reads them.
const (
	fileMode fs.FileMode = 0o644
	dirMode  fs.FileMode = 0o755
)

// A Mirror is the directory of a mirror, and what kist needs to fill or to prove it. Its
// methods use Desk for themselves: they replace its transport, its cache and its
// platform.
type Mirror struct {
	Root      *os.Root
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

// ErrNotMirror is returned for a directory that holds other things than a mirror.
var ErrNotMirror = verify.NewClass("not a mirror", "refused", nil)

// ErrNoHoldings is returned for a directory that holds snapshots, but no mirror.toml.
var ErrNoHoldings = verify.NewClass("mirror.toml is missing", "refused", nil)

// ErrOwnOrigin is returned by Sync if config.toml names the mirror itself as the place
// to fetch from.
var ErrOwnOrigin = verify.NewClass("the mirror would be filled from itself", "refused", nil)

// ErrNoMirror is returned by Verify for a directory without a mirror.
var ErrNoMirror = verify.NewClass("there is no mirror here", "unknown", nil)

// ErrNothingNamed is returned by Sync if neither the caller nor the mirror names a tool.
var ErrNothingNamed = verify.NewClass("the mirror holds no tools yet, and none was named", "usage", nil)

// begin checks that the directory is a mirror or empty, and locks it.
func (m *Mirror) begin(ctx context.Context) (unlock func() error, err error) {
	if _, err := m.Root.Lstat(config.HoldingsFile); errors.Is(err, fs.ErrNotExist) {
		entries, err := rootfs.ReadDir(m.Root, ".")
		if err != nil {
			return nil, err
		}
		own := ""
		for _, e := range entries {
			switch name := e.Name(); {
			case name == lockFile, name == lostFound, rootfs.IsTemp(name):
			case name == Current, name == Previous, name == snapshotsDir, name == storeDir:
				own = name
			default:
				return nil, verify.Errorf(ErrNotMirror, "%s is not a mirror: it has no %s, and holds %.100q", m.Root.Name(), config.HoldingsFile, name)
			}
		}
		if own != "" {
			return nil, verify.Errorf(ErrNoHoldings, "%s has no %s, but holds %q", m.Root.Name(), config.HoldingsFile, own)
		}
	} else if err != nil {
		return nil, err
	}
	lock, err := rootfs.WaitLock(ctx, m.Root, lockFile, m.About, m.LockWait, m.waiting)
	if err != nil {
		return nil, err
	}
	return lock.Unlock, nil
}

// checkOrigins refuses a config.toml that leads to the directory of the mirror by a file
// URL: documents would be copied from the mirror for ever, and never be newer. Links in
// these URLs are not resolved.
func (m *Mirror) checkOrigins() error {
	dir := "/" + strings.Trim(filepath.ToSlash(m.Root.Name()), "/") // as in a file URL
	for _, mirror := range m.Desk.Config.Mirrors {
		for _, to := range mirror.To {
			u, err := url.Parse(to)
			if err != nil || u.Scheme != "file" {
				continue
			}
			if strings.HasPrefix(path.Clean(u.Path)+"/", dir+"/") {
				return verify.Errorf(ErrOwnOrigin, "config.toml names %s for %s, which is in the mirror to fill: %s", to, mirror.From, m.Root.Name())
			}
		}
	}
	return nil
}

func (m *Mirror) waiting(busy *rootfs.BusyError) {
	m.reporting.Lock()
	defer m.reporting.Unlock()
	m.Warn("waiting: " + busy.Error())
}

// holdings reads mirror.toml. A missing file holds nothing.
func (m *Mirror) holdings() (config.Holdings, error) {
	data, err := rootfs.ReadFile(m.Root, config.HoldingsFile, config.MaxHoldings)
	if errors.Is(err, fs.ErrNotExist) {
		return config.Holdings{}, nil
	}
	if err != nil {
		return config.Holdings{}, err
	}
	return config.ParseHoldings(config.HoldingsFile, data)
}

// cache returns the download cache in the directory root. Artifacts come from t.
func (m *Mirror) cache(root *os.Root, t manifests.Transport) download.Cache {
	return download.Cache{
		Root: root, Transport: t, About: m.About, Waiting: m.waiting, LockWait: m.LockWait,
		Turns: &download.Turns{}, Memory: private.NewBudget(memoryForArtifacts),
		Progress: func(stage, name string, done, total int64) {
			m.reporting.Lock()
			defer m.reporting.Unlock()
			m.Progress(install.Progress{Stage: install.Stage(stage), Name: name, Label: name, Done: done, Total: total})
		},
		HashZip: func(ctx context.Context, name string, zip *os.File, size int64, _ func(int64)) (string, error) {
			return m.HashZip(ctx, name, zip, size)
		},
	}
}

// memoryForArtifacts is how many bytes of artifacts are held in memory while they are
// proved. What does not fit goes to files without a name.
const memoryForArtifacts = 128 << 20

// conflictError reports that two URLs would be one file of the mirror.
func conflictError(name string) error {
	return fmt.Errorf("%s: two URLs that differ only in their query, user or scheme have different content, so they cannot be mirrored together", name)
}
