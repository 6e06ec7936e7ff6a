package publish

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// An Addition is one file to be offered.
type Addition struct {
	Tool, Version string
	Labels        []string        // moved here from the tool's other releases
	Commands      []string        // added to those of the release
	Usual         []string        // commands of a release that would have none
	Witness       *native.Witness // nil: the release's does not change
	// Artifact states Platform, Component (empty: the tool), Optional, Format,
	// Strip and Unpacked. Size, digest and chunks are those that Measure returned.
	// Add sets Path.
	Artifact native.Artifact
	Name     string // base name of the file
	// Open opens the file, to be read once from its start.
	Open func() (io.ReadCloser, error)
}

// Measure reads a file to its end and returns its size, digest and chunks.
func Measure(r io.Reader) (native.Artifact, error) {
	h, chunker := sha256.New(), verify.NewChunker()
	size, err := io.Copy(io.MultiWriter(h, chunker), r)
	if err != nil {
		return native.Artifact{}, err
	}
	if size == 0 {
		return native.Artifact{}, manifests.Invalid("the file is empty")
	}
	return native.Artifact{Size: size, SHA256: verify.SHA256([sha256.Size]byte(h.Sum(nil))), Chunks: chunker.Chunks()}, nil
}

// Added is the result of one Addition.
type Added struct {
	Artifact native.Artifact
	Release  native.Release // with the artifact
	Replaced bool           // the artifact replaced an earlier one
	Moved    []string       // labels that moved from other releases of the tool
}

// A Draft is a changed draft that is not written yet.
type Draft struct {
	dir      Dir
	manifest *native.Manifest
	list     []Addition
}

// Begin reads the draft, else the manifest that waits for signatures, else the published
// one.
func (d Dir) Begin() (*Draft, error) {
	_, m, err := d.loadWork()
	if err != nil {
		return nil, err
	}
	return &Draft{dir: d, manifest: m}, nil
}

// Add puts files into the draft, and returns one result for each. In an existing
// release, an artifact replaces the one for the same platform and component in the same
// format. Nothing is written before Write. The error matches manifests.ErrInput for a file that no
// manifest can describe, or that users could not install.
func (w *Draft) Add(list []Addition) ([]Added, error) {
	type slot struct {
		tool, version, component, format string
		platform                         manifests.Platform
	}
	x, names, added := indexReleases(w.manifest), map[slot]string{}, make([]Added, len(list))
	w.list = slices.Clone(list)
	for i := range w.list {
		a := &w.list[i]
		if err := a.complete(); err != nil {
			return nil, fmt.Errorf("%s: %w", a.Name, err)
		}
		s := slot{a.Tool, a.Version, a.Artifact.Component, a.Artifact.Format, a.Artifact.Platform}
		if other, ok := names[s]; ok {
			return nil, manifests.Invalid("%s and %s are both %s of %s %s for %s in format %s", other, a.Name, s.component, s.tool, s.version, s.platform, s.format)
		}
		names[s] = a.Name
		added[i] = x.add(*a)
	}
	w.manifest.Releases = x.list()
	touched := map[[2]string]bool{}
	for i, a := range w.list {
		touched[[2]string{a.Tool, a.Version}] = true
		added[i].Release = *x.versions[[2]string{a.Tool, a.Version}]
	}
	if err := checkDraft(w.manifest, func(r native.Release) bool { return touched[[2]string{r.Tool, r.Version}] }); err != nil {
		return nil, err
	}
	return added, nil
}

// complete checks a, and sets the fields of its artifact that follow from others.
func (a *Addition) complete() error {
	if path.Base(a.Name) != a.Name || a.Name == "." || a.Name == ".." {
		return manifests.Invalid("%q is not the name of a file", a.Name)
	}
	a.Artifact.Path, a.Artifact.URLs = blobsDir+"/"+a.Artifact.SHA256.Hex()+"/"+a.Name, nil
	if a.Artifact.Component == "" {
		a.Artifact.Component = a.Tool
	}
	if err := CheckPlatform(a.Artifact.Platform); err != nil {
		return manifests.Invalid("%v", err)
	}
	return nil
}

// Write copies the files into the directory, named by their content, and writes the
// draft. If it fails, it removes what it copied.
func (w *Draft) Write() error {
	var stored []string
	batch := rootfs.NewBatch(w.dir.Root, perm)
	err := rootfs.Mkdir(w.dir.Root, blobsDir, 0o755)
	for i := 0; i < len(w.list) && err == nil; i++ {
		a := w.list[i]
		if slices.Contains(stored, a.Artifact.Path) || w.dir.verifyFile(a.Artifact) == nil {
			continue
		}
		stored = append(stored, a.Artifact.Path)
		if err = w.store(batch, a); err != nil {
			err = fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	if err == nil {
		err = batch.Commit()
	}
	if err == nil {
		err = w.dir.write(DraftFile, w.manifest)
	}
	if err == nil {
		return nil
	}
	return errors.Join(err, batch.Discard(), w.dir.discard(stored))
}

// store copies the file of a to the path of its artifact.
func (w *Draft) store(batch *rootfs.Batch, a Addition) error {
	content, err := a.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	if err := batch.Mkdir(path.Dir(a.Artifact.Path), 0o755); err != nil {
		return err
	}
	h := sha256.New()
	size, err := batch.Copy(a.Artifact.Path, io.TeeReader(content, h))
	if err != nil {
		return err
	}
	if got := verify.SHA256([sha256.Size]byte(h.Sum(nil))); size != a.Artifact.Size || got != a.Artifact.SHA256 {
		return fmt.Errorf("it changed while it was copied: %w", &verify.DigestError{Name: a.Name, Want: a.Artifact.SHA256, Got: got})
	}
	return nil
}

// discard removes files that Write stored before it failed, unless a manifest names them.
func (d Dir) discard(stored []string) error {
	if len(stored) == 0 {
		return nil
	}
	named, err := d.namedFiles()
	if err != nil {
		return err
	}
	for _, name := range stored {
		if !named[name] {
			err = errors.Join(err, rootfs.Remove(d.Root, name), d.removeEmpty(path.Dir(name)))
		}
	}
	return errors.Join(err, d.removeEmpty(blobsDir))
}

// removeEmpty removes a directory if it is empty.
func (d Dir) removeEmpty(dir string) error {
	rest, err := rootfs.ReadDir(d.Root, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || len(rest) > 0 {
		return err
	}
	return rootfs.Remove(d.Root, dir)
}

// namedFiles returns the paths that a manifest of the directory names: the published
// one, the one that waits for signatures, the draft, or one that is being signed elsewhere.
func (d Dir) namedFiles() (map[string]bool, error) {
	named := map[string]bool{}
	for _, file := range []string{ManifestFile, NextFile, DraftFile, UnsignedFile} {
		data, err := d.read(file, manifests.MaxManifest)
		if err != nil {
			return nil, err
		}
		if data == nil {
			continue
		}
		m, err := parse(file, data)
		if err != nil {
			return nil, err
		}
		for _, r := range m.Releases {
			for _, a := range r.Artifacts {
				named[a.Path] = true
			}
		}
	}
	return named, nil
}
