package mirror

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kist-tools/kist/install/copies"
	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// Ceilings on a record.
const (
	maxRecord   = 128 << 20 // bytes
	maxReleases = 100_000
)

// A record says what one snapshot holds.
type record struct {
	Format   int              `json:"format"` // 1
	Entries  []copies.File    `json:"entries"`
	Releases []copies.Release `json:"releases"`
	Origins  []string         `json:"origins"` // the beginnings of the URLs that were asked, as config.toml names them
	// Shared are those of Origins that are known only from artifacts of added channels.
	// Other channels may use these hosts too, so clients must also ask the origin.
	Shared []string `json:"shared,omitempty"`
	// Heads are the tree heads of checksum databases that this mirror has served, newest
	// last: clients know one of them, and need the proof that the newest one extends it.
	Heads []verify.Mark `json:"heads,omitempty"`
}

// blobOf returns the name of the file of e in the store, below the mirror.
func blobOf(e copies.File) string { return path.Join(storeDir, download.BlobFile(e.Digest)) }

// order sorts everything in r.
func (r *record) order() {
	slices.SortFunc(r.Entries, func(a, b copies.File) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(r.Releases, func(a, b copies.Release) int {
		return cmp.Or(strings.Compare(a.Question(), b.Question()), strings.Compare(a.Version, b.Version))
	})
	slices.Sort(r.Origins)
	r.Origins = slices.Compact(r.Origins)
	slices.Sort(r.Shared)
	r.Shared = slices.Compact(r.Shared)
}

// same reports whether r and other, both in order, say the same.
func (r record) same(other record) bool {
	a, errA := json.Marshal(r)
	b, errB := json.Marshal(other)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// parseRecord parses a record. It is refused if it names a file outside its snapshot.
func parseRecord(name string, data []byte) (r record, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err = d.Decode(&r); err == nil && d.Decode(&struct{}{}) != io.EOF {
		err = errors.New("there is something after its end")
	}
	switch {
	case err != nil:
	case r.Format != 1:
		err = fmt.Errorf("format %d is not known", r.Format)
	case len(r.Entries) > copies.MaxFiles || len(r.Heads) > copies.MaxHeads || len(r.Releases) > maxReleases:
		err = errors.New("it is over its limits")
	}
	seen := make(map[string]bool, len(r.Entries))
	for _, e := range r.Entries {
		if err != nil {
			break
		}
		err = manifests.ValidPath(e.Path)
		if err == nil && (e.Digest.Algorithm() != "sha256" || e.Size < 0 || seen[e.Path]) {
			err = fmt.Errorf("entry %.100q is not valid", e.Path)
		}
		seen[e.Path] = true
	}
	if err != nil {
		return record{}, &RecordError{name, err}
	}
	return r, nil
}

// A RecordError reports that the record of a snapshot is damaged, or missing if it matches
// fs.ErrNotExist.
type RecordError struct {
	Name string
	Err  error
}

func (e *RecordError) Error() string {
	if errors.Is(e.Err, fs.ErrNotExist) {
		return e.Name + " is missing"
	}
	return fmt.Sprintf("%s is damaged: %v", e.Name, e.Err)
}
func (*RecordError) Kind() string    { return "drift" }
func (e *RecordError) Unwrap() error { return e.Err }

// snapshotDir returns the directory of snapshot n, and recordFile the file of its record.
func snapshotDir(n uint64) string { return snapshotsDir + "/" + strconv.FormatUint(n, 10) }
func recordFile(n uint64) string  { return snapshotDir(n) + ".json" }

// readRecord reads the record of snapshot n; of 0, which is none, it is empty.
func readRecord(root *os.Root, n uint64) (record, error) {
	if n == 0 {
		return record{Format: 1}, nil
	}
	name := filepath.Join(root.Name(), filepath.FromSlash(recordFile(n)))
	data, err := rootfs.ReadFile(root, recordFile(n), maxRecord)
	if err != nil {
		return record{}, &RecordError{name, err}
	}
	return parseRecord(name, data)
}

// readLink returns the number of the snapshot that the link name leads to, 0 if there is
// no link. Anything else of that name is an *rootfs.ObstacleError.
func readLink(root *os.Root, name string) (uint64, error) {
	info, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := root.Readlink(name)
		if err != nil {
			return 0, err
		}
		digits, ok := strings.CutPrefix(target, snapshotsDir+"/")
		if n, err := strconv.ParseUint(digits, 10, 64); ok && err == nil && snapshotDir(n) == target && n > 0 {
			return n, nil
		}
	}
	return 0, &rootfs.ObstacleError{Path: root.Name() + "/" + name, Reason: "is not a link to a snapshot"}
}

// records returns the numbers of all snapshots that have a record, in order.
func records(root *os.Root) (all []uint64, err error) {
	entries, err := rootfs.ReadDir(root, snapshotsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), ".json")
		if n, err := strconv.ParseUint(digits, 10, 64); ok && err == nil && recordFile(n) == snapshotsDir+"/"+e.Name() && n > 0 {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, err
}

// noFileIsDirectory returns an error if one path lies below another, as no files can.
func noFileIsDirectory(entries map[string]copies.File) error {
	for name := range entries {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, file := entries[dir]; file {
				return verify.Errorf(copies.ErrName, "%s and %s: a mirror of files cannot hold both", dir, name)
			}
		}
	}
	return nil
}
