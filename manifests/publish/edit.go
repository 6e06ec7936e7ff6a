package publish

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// An index finds the releases of a manifest while it is changed.
type index struct {
	order    map[string][]*native.Release // by tool, in the manifest's order
	tools    []string                     // in the manifest's order
	versions map[[2]string]*native.Release
}

func indexReleases(m *native.Manifest) *index {
	x := &index{order: map[string][]*native.Release{}, versions: map[[2]string]*native.Release{}}
	for _, r := range m.Releases {
		x.append(r.Tool, &r)
	}
	return x
}

// append adds r after the tool's other releases.
func (x *index) append(tool string, r *native.Release) {
	if len(x.order[tool]) == 0 {
		x.tools = append(x.tools, tool)
	}
	x.order[tool] = append(x.order[tool], r)
	x.versions[[2]string{tool, r.Version}] = r
}

// add adds the artifact of a, and its release if that is new.
func (x *index) add(a Addition) Added {
	r := x.versions[[2]string{a.Tool, a.Version}]
	if r == nil {
		// The newest comes first: for versions without an order, the first is the latest.
		r = &native.Release{Tool: a.Tool, Version: a.Version}
		others := x.order[a.Tool]
		x.order[a.Tool] = nil
		x.append(a.Tool, r)
		if others != nil {
			x.tools = x.tools[:len(x.tools)-1]
		}
		x.order[a.Tool] = append(x.order[a.Tool], others...)
	}
	done := Added{Artifact: a.Artifact, Moved: x.moveLabels(r, a.Labels)}
	r.Labels = appendNew(r.Labels, a.Labels)
	if r.Commands = appendNew(r.Commands, a.Commands); len(r.Commands) == 0 {
		r.Commands = appendNew(nil, a.Usual)
	}
	if a.Witness != nil {
		r.Witness = a.Witness
	}
	same := slices.IndexFunc(r.Artifacts, func(b native.Artifact) bool {
		return b.Platform == a.Artifact.Platform && b.Component == a.Artifact.Component && b.Format == a.Artifact.Format
	})
	if done.Replaced = same >= 0; done.Replaced {
		r.Artifacts = slices.Clone(r.Artifacts)
		r.Artifacts[same] = a.Artifact
		r.Released = time.Time{} // users get other files from now on
	} else {
		r.Artifacts = append(r.Artifacts, a.Artifact)
	}
	return done
}

// moveLabels removes labels from the other releases of r's tool, and returns those that
// one of them had.
func (x *index) moveLabels(r *native.Release, labels []string) (moved []string) {
	if len(labels) == 0 {
		return nil
	}
	for _, other := range x.order[r.Tool] {
		if other == r {
			continue
		}
		other.Labels = slices.DeleteFunc(slices.Clone(other.Labels), func(l string) bool {
			if slices.Contains(labels, l) {
				moved = append(moved, l)
				return true
			}
			return false
		})
	}
	return moved
}

// list returns all releases, those of a tool together, in the manifest's order of tools.
func (x *index) list() (all []native.Release) {
	for _, tool := range x.tools {
		for _, r := range x.order[tool] {
			all = append(all, *r)
		}
	}
	return all
}

// appendNew appends those of more that have does not contain.
func appendNew(have, more []string) []string {
	have = slices.Clone(have)
	for _, s := range more {
		if !slices.Contains(have, s) {
			have = append(have, s)
		}
	}
	return have
}

// An Edit replaces the commands and labels of a release. A nil list changes nothing.
type Edit struct {
	Commands []string
	Labels   []string // empty but not nil: the release has none
}

// Edited is the result of an Edit.
type Edited struct {
	Tool     string   `json:"tool"`
	Version  string   `json:"version"`
	Commands []string `json:"commands"`
	Labels   []string `json:"labels,omitempty"`
	Moved    []string `json:"labels_moved,omitempty"` // labels that moved here from other releases
}

// Edit changes the commands and labels of one release in the draft. Errors are
// *manifests.UnknownToolError, *manifests.UnknownVersionError and manifests.ErrInput, before
// anything is written.
func (d Dir) Edit(tool, version string, e Edit) (Edited, error) {
	_, m, err := d.loadWork()
	if err != nil {
		return Edited{}, err
	}
	x := indexReleases(m)
	r := x.versions[[2]string{tool, version}]
	if r == nil {
		return Edited{}, unknownRelease(m, tool, version)
	}
	var done Edited
	if e.Commands != nil && len(e.Commands) == 0 {
		return done, manifests.Invalid("a release has commands")
	}
	if e.Commands != nil {
		r.Commands = appendNew(nil, e.Commands)
	}
	if e.Labels != nil {
		done.Moved = x.moveLabels(r, e.Labels)
		r.Labels = appendNew(nil, e.Labels)
	}
	m.Releases = x.list()
	if err := checkDraft(m, func(other native.Release) bool { return other.Tool == tool && other.Version == version }); err != nil {
		return Edited{}, err
	}
	done.Tool, done.Version, done.Commands, done.Labels = tool, version, r.Commands, r.Labels
	return done, d.write(DraftFile, m)
}

// Remove removes releases from the draft; each is a tool and a version. Prune removes
// their files. Errors are *manifests.UnknownToolError, *manifests.UnknownVersionError and,
// if a set needs one of them, manifests.ErrInput, before anything is written.
func (d Dir) Remove(releases ...[2]string) error {
	_, m, err := d.loadWork()
	if err != nil {
		return err
	}
	for _, one := range releases {
		if !slices.ContainsFunc(m.Releases, func(r native.Release) bool { return [2]string{r.Tool, r.Version} == one }) {
			return unknownRelease(m, one[0], one[1])
		}
	}
	m.Releases = slices.DeleteFunc(m.Releases, func(r native.Release) bool {
		return slices.Contains(releases, [2]string{r.Tool, r.Version})
	})
	if err := m.CheckSets(); err != nil {
		return manifests.Invalid("%v", err)
	}
	return d.write(DraftFile, m)
}

func unknownRelease(m *native.Manifest, tool, version string) error {
	var tools, versions []string
	for _, r := range m.Releases {
		tools = append(tools, r.Tool)
		if r.Tool == tool {
			versions = append(versions, r.Version)
		}
	}
	if versions == nil {
		slices.Sort(tools)
		return &manifests.UnknownToolError{Channel: m.Channel, Tool: tool, Near: manifests.Near(tool, slices.Compact(tools))}
	}
	return &manifests.UnknownVersionError{Channel: m.Channel, Tool: tool, Version: version, Near: manifests.Near(version, versions)}
}

// Pruned is what Prune removed and kept.
type Pruned struct {
	Removed []string `json:"removed,omitempty"` // paths
	Bytes   int64    `json:"bytes"`             // size of the removed files
	Kept    []string `json:"kept,omitempty"`    // files that no manifest names, not in a directory named after their digest
}

// Prune removes the blobs that no manifest of the directory names: neither the
// published one nor the one that waits for signatures, the draft, or stamped bytes. A
// blob is a regular file blobs/<sha256>/<name> with that digest. Prune keeps all other
// files and lists them in Kept. With dryRun nothing is removed.
func (d Dir) Prune(dryRun bool) (Pruned, error) {
	var done Pruned
	if _, err := d.load(); err != nil {
		return done, err
	}
	named, err := d.namedFiles()
	if err != nil {
		return done, err
	}
	err = fs.WalkDir(d.Root.FS(), blobsDir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || named[name] {
			return err
		}
		blob, size, err := d.isBlob(name, e)
		if err != nil {
			return err
		}
		if !blob {
			done.Kept = append(done.Kept, name)
			return nil
		}
		done.Removed, done.Bytes = append(done.Removed, name), done.Bytes+size
		if dryRun {
			return nil
		}
		return d.drop(name)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return done, nil
	}
	for _, name := range done.Removed {
		if dryRun || err != nil {
			break
		}
		err = d.removeEmpty(path.Dir(name))
	}
	return done, err
}

// isBlob reports whether the file's digest is the name of its directory.
func (d Dir) isBlob(name string, e fs.DirEntry) (blob bool, size int64, err error) {
	digest, _, ok := strings.Cut(strings.TrimPrefix(name, blobsDir+"/"), "/")
	if !ok || path.Dir(name) != blobsDir+"/"+digest || !e.Type().IsRegular() {
		return false, 0, nil
	}
	f, err := rootfs.OpenRegular(d.Root, name)
	if err != nil {
		return false, 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return verify.SHA256([sha256.Size]byte(h.Sum(nil))).Hex() == digest, size, err
}
