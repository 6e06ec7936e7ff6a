package publish

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/durable"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// An Addition is one file to be offered.
type Addition struct {
	Tool, Version string
	Labels        []string        // taken from the tool's other releases
	Commands      []string        // added to those of the release
	Witness       *native.Witness // nil keeps the release's
	// Artifact states Platform, Component (empty: the tool), Optional, Format
	// and Strip; the rest is found out.
	Artifact native.Artifact
	Name     string        // base name of the file
	Content  io.ReadSeeker // read from its start, twice
	// Inspect may look into the stored file. It returns the size of the files
	// in it, 0 if it can't be known cheaply, or refuses it with an error that names
	// it. May be nil.
	Inspect func(f *os.File, r native.Release, a native.Artifact) (unpacked int64, err error)
}

// Added says what Add did.
type Added struct {
	Artifact native.Artifact
	Release  native.Release // as the draft has it now
	Replaced bool           // the release had such an artifact before
	Moved    []string       // labels that another release of the tool lost
}

// Add copies a file into the directory, by its content, and puts it into the
// draft, which it makes of what is published where there is none. In a release
// that is there already, the artifact takes the place of one for the same
// platform and component in the same format. It returns an *InputError for what
// no manifest can hold, before anything is written.
func (d Dir) Add(a Addition) (Added, error) {
	s, err := d.load()
	if err != nil {
		return Added{}, err
	}
	m, err := s.work()
	if err != nil {
		return Added{}, err
	}
	if err := a.measure(); err != nil {
		return Added{}, fmt.Errorf("%s: %w", a.Name, err)
	}
	done := a.put(m)
	if _, err := m.Encode(); err != nil {
		return Added{}, &InputError{err.Error()}
	}
	if err := d.store(a); err != nil {
		return Added{}, fmt.Errorf("%s: %w", a.Name, err)
	}
	if a.Inspect != nil {
		f, err := durable.Open(d.Root, a.Artifact.Path)
		if err != nil {
			return Added{}, err
		}
		a.Artifact.Unpacked, err = a.Inspect(f, done.Release, a.Artifact)
		f.Close() // opened for reading
		if err != nil {
			return Added{}, errors.Join(err, d.discard(a.Artifact.Path))
		}
		again := a.put(m)
		done.Artifact, done.Release = again.Artifact, again.Release
	}
	return done, d.write(DraftFile, m)
}

// measure completes the artifact by what the file is.
func (a *Addition) measure() error {
	if path.Base(a.Name) != a.Name || a.Name == "." || a.Name == ".." {
		return &InputError{fmt.Sprintf("%q is not the name of a file", a.Name)}
	}
	if _, err := a.Content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h, chunker := sha256.New(), verify.NewChunker()
	size, err := io.Copy(io.MultiWriter(h, chunker), a.Content)
	if err != nil {
		return err
	}
	if size == 0 {
		return &InputError{"the file is empty"}
	}
	digest := verify.SHA256([sha256.Size]byte(h.Sum(nil)))
	a.Artifact.Path, a.Artifact.URLs = blobsDir+"/"+digest.Hex()+"/"+a.Name, nil
	a.Artifact.Size, a.Artifact.SHA256, a.Artifact.Chunks = size, digest, chunker.Chunks()
	if a.Artifact.Component == "" {
		a.Artifact.Component = a.Tool
	}
	return nil
}

// store copies the content to where the artifact says, unless it is there.
func (d Dir) store(a Addition) error {
	at := a.Artifact
	if d.verifyFile(at) == nil {
		return nil
	}
	for _, dir := range []string{blobsDir, path.Dir(at.Path)} {
		if err := durable.Mkdir(d.Root, dir, 0o755); err != nil {
			return err
		}
	}
	if _, err := a.Content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := durable.Copy(d.Root, at.Path, a.Content, perm); err != nil {
		return err
	}
	if err := d.verifyFile(at); err != nil {
		return fmt.Errorf("it changed while it was copied: %w", errors.Join(err, d.discard(at.Path)))
	}
	return nil
}

// discard removes a file that was refused, unless a manifest names it.
func (d Dir) discard(name string) error {
	for _, file := range []string{ManifestFile, DraftFile, UnsignedFile} {
		data, err := d.read(file, manifests.MaxManifest)
		if err != nil {
			return err
		}
		if data == nil {
			continue
		}
		m, err := parse(file, data)
		if err != nil {
			return err
		}
		for _, r := range m.Releases {
			if slices.ContainsFunc(r.Artifacts, func(a native.Artifact) bool { return a.Path == name }) {
				return nil
			}
		}
	}
	if err := durable.Remove(d.Root, name); err != nil {
		return err
	}
	rest, err := durable.ReadDir(d.Root, path.Dir(name))
	if err != nil || len(rest) > 0 { // the same content under another name
		return err
	}
	return d.Root.Remove(path.Dir(name))
}

// put enters a into m.
func (a Addition) put(m *native.Manifest) Added {
	var done Added
	at := -1
	for i := range m.Releases {
		r := &m.Releases[i]
		switch {
		case r.Tool != a.Tool:
		case r.Version == a.Version:
			at = i
		default:
			r.Labels = slices.DeleteFunc(r.Labels, func(l string) bool {
				moved := slices.Contains(a.Labels, l)
				if moved {
					done.Moved = append(done.Moved, l)
				}
				return moved
			})
		}
	}
	if at < 0 {
		// The newest comes first, which is what counts for versions without an order.
		at = slices.IndexFunc(m.Releases, func(r native.Release) bool { return r.Tool == a.Tool })
		if at < 0 {
			at = len(m.Releases)
		}
		m.Releases = slices.Insert(m.Releases, at, native.Release{Tool: a.Tool, Version: a.Version})
	}
	r := &m.Releases[at]
	r.Labels = union(r.Labels, a.Labels)
	r.Commands = union(r.Commands, a.Commands)
	if a.Witness != nil {
		r.Witness = a.Witness
	}
	same := slices.IndexFunc(r.Artifacts, func(b native.Artifact) bool {
		return b.Platform == a.Artifact.Platform && b.Component == a.Artifact.Component && b.Format == a.Artifact.Format
	})
	if done.Replaced = same >= 0; done.Replaced {
		r.Artifacts[same] = a.Artifact
	} else {
		r.Artifacts = append(r.Artifacts, a.Artifact)
	}
	done.Artifact, done.Release = a.Artifact, *r
	return done
}

func union(have, more []string) []string {
	for _, s := range more {
		if !slices.Contains(have, s) {
			have = append(have, s)
		}
	}
	return have
}
