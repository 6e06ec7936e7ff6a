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
// Package copies finds, fetches and proves it.
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
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/kist-tools/kist/install/copies"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/rootfs"
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

// A Mirror is the directory of a mirror, and what kist needs to fill or to prove it.
type Mirror struct {
	Root *os.Root
	*copies.Copier
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
	lock, err := rootfs.WaitLock(ctx, m.Root, lockFile, m.About, m.LockWait, m.Waiting)
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
