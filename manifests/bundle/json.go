package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// An index is index.json. OCI image-spec 1.1, image-index.md.
type index struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType,omitempty"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Manifests     []descriptor      `json:"manifests"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// A manifest is the manifest of a bundle. OCI image-spec 1.1, manifest.md.
type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// A descriptor refers to a blob. OCI image-spec 1.1, descriptor.md.
type descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       verify.Digest     `json:"digest"`
	Size         int64             `json:"size"`
	Data         []byte            `json:"data,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
}

// emptyConfig is the config of a manifest without one. OCI image-spec 1.1, manifest.md.
func emptyConfig() descriptor {
	return descriptor{MediaType: emptyType, Digest: verify.DigestOf([]byte(empty)), Size: int64(len(empty)), Data: []byte(empty)}
}

// encode returns v as JSON.
func encode(v any) []byte {
	var w bytes.Buffer
	e := json.NewEncoder(&w)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // v has no value without a JSON form
	}
	return bytes.TrimSuffix(w.Bytes(), []byte("\n"))
}

// decode parses data, called name, which holds one value of v's type and no field that the
// type lacks.
func decode(name string, data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil && d.Decode(&struct{}{}) != io.EOF {
		err = errors.New("there is something after its end")
	}
	if err != nil {
		return verify.Untrusted("%s: %w", name, err)
	}
	return nil
}

// checkLayoutFile checks oci-layout. OCI image-spec 1.1, image-layout.md.
func checkLayoutFile(data []byte) error {
	var l struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := decode(layoutFile, data, &l); err != nil {
		return err
	}
	if l.Version != layoutVersion {
		return verify.Untrusted("%s: version %.20q is not known", layoutFile, l.Version)
	}
	return nil
}

// parseIndex returns the descriptor of the one manifest of a bundle. Its error matches
// ErrNotBundle if the index is of something else.
func parseIndex(data []byte) (d descriptor, err error) {
	// The indices of other layouts have fields that bundles lack, such as a platform.
	var any struct {
		Manifests []struct {
			ArtifactType string `json:"artifactType"`
		} `json:"manifests"`
	}
	if err := json.Unmarshal(data, &any); err != nil {
		return d, verify.Untrusted("%s: %w", indexFile, err)
	}
	var i index
	err = decode(indexFile, data, &i)
	switch {
	case len(any.Manifests) != 1:
		return d, verify.Errorf(ErrNotBundle, "an OCI image layout with %d manifests: a bundle has one", len(any.Manifests))
	case any.Manifests[0].ArtifactType != "" && any.Manifests[0].ArtifactType != ArtifactType:
		return d, verify.Errorf(ErrNotBundle, "an OCI image layout of %.100q", any.Manifests[0].ArtifactType)
	case err != nil:
		return d, err
	}
	d = i.Manifests[0]
	if i.SchemaVersion != 2 || i.MediaType != "" && i.MediaType != indexType || i.ArtifactType != "" || d.MediaType != manifestType || d.Data != nil {
		return d, verify.Untrusted("%s: it is not that of a bundle", indexFile)
	}
	return d, checkDescriptor(indexFile, d, maxManifest)
}

// parseManifest returns the descriptor of the first layer of a bundle, and its files. Its
// error matches ErrNotBundle if the manifest is of something else.
func parseManifest(data []byte) (contents descriptor, files []File, err error) {
	const name = "the manifest"
	var kind struct {
		ArtifactType string `json:"artifactType"`
	}
	if err := json.Unmarshal(data, &kind); err != nil {
		return contents, nil, verify.Untrusted("%s: %w", name, err)
	}
	if kind.ArtifactType != ArtifactType {
		return contents, nil, verify.Errorf(ErrNotBundle, "an OCI image layout of something else")
	}
	var m manifest
	if err := decode(name, data, &m); err != nil {
		return contents, nil, err
	}
	if c, want := m.Config, emptyConfig(); m.SchemaVersion != 2 || m.MediaType != manifestType || c.MediaType != want.MediaType ||
		c.Digest != want.Digest || c.Size != want.Size || c.Data != nil && string(c.Data) != empty {
		return contents, nil, verify.Untrusted("%s: it is not that of a bundle", name)
	}
	if len(m.Layers) == 0 || len(m.Layers) > MaxFiles+1 {
		return contents, nil, verify.Untrusted("%s: it has %d layers, want 1 to %d", name, len(m.Layers), MaxFiles+1)
	}
	contents = m.Layers[0]
	if contents.MediaType != contentsType || contents.Data != nil {
		return contents, nil, verify.Untrusted("%s: its first layer does not say what is in the bundle", name)
	}
	if err := checkDescriptor(name, contents, MaxContents); err != nil {
		return contents, nil, err
	}
	seen := map[verify.Digest]bool{}
	for _, d := range m.Layers[1:] {
		f, err := fileOf(d)
		if err == nil && seen[f.Digest] {
			err = fmt.Errorf("it is named twice")
		}
		if err != nil {
			return contents, nil, verify.Untrusted("%s: blob %s: %w", name, d.Digest.Hex(), err)
		}
		seen[f.Digest] = true
		files = append(files, f)
	}
	return contents, files, nil
}

func checkDescriptor(name string, d descriptor, limit int64) error {
	if d.Digest.Algorithm() != "sha256" || d.Size < 0 || d.Size > limit {
		return verify.Untrusted("%s: it names a blob without a SHA-256 digest, or with a size over %d bytes", name, limit)
	}
	return nil
}

// fileOf returns the file that a layer is.
func fileOf(d descriptor) (f File, err error) {
	if err := checkDescriptor("its layer", d, manifests.MaxArtifact); err != nil {
		return f, err
	}
	f = File{URLs: strings.Split(d.Annotations[URLs], " "), Digest: d.Digest, Size: d.Size, Artifact: d.MediaType == artifactType}
	if d.MediaType != artifactType && d.MediaType != documentType || d.Data != nil {
		return f, fmt.Errorf("it is of type %.100q", d.MediaType)
	}
	if len(f.URLs) > maxURLs {
		return f, fmt.Errorf("it has %d URLs, over the limit of %d", len(f.URLs), maxURLs)
	}
	for i, u := range f.URLs {
		key, err := Key(u)
		if err != nil || key != u || len(u) > maxURL || i > 0 && f.URLs[i-1] >= u {
			return f, fmt.Errorf("the URLs that served it are not stated as they must be")
		}
	}
	return f, nil
}

// indexFiles returns the position of each URL in files.
func indexFiles(files []File) (map[string]int, error) {
	byURL := map[string]int{}
	for i, f := range files {
		for _, u := range f.URLs {
			if _, taken := byURL[u]; taken {
				return nil, verify.Untrusted("the manifest: two blobs are said to be served by %s", manifests.Redact(u))
			}
			byURL[u] = i
		}
	}
	return byURL, nil
}

// encodeManifest returns the manifest of a bundle, and its index.
func encodeManifest(contents []byte, files []File) (theManifest, theIndex []byte) {
	m := manifest{SchemaVersion: 2, MediaType: manifestType, ArtifactType: ArtifactType, Config: emptyConfig(),
		Layers: []descriptor{{MediaType: contentsType, Digest: verify.DigestOf(contents), Size: int64(len(contents))}}}
	for _, f := range files {
		d := descriptor{MediaType: documentType, Digest: f.Digest, Size: f.Size, Annotations: map[string]string{URLs: strings.Join(f.URLs, " ")}}
		if f.Artifact {
			d.MediaType = artifactType
		}
		m.Layers = append(m.Layers, d)
	}
	theManifest = encode(m)
	return theManifest, encode(index{SchemaVersion: 2, MediaType: indexType, Manifests: []descriptor{
		{MediaType: manifestType, Digest: verify.DigestOf(theManifest), Size: int64(len(theManifest)), ArtifactType: ArtifactType}}})
}

// merge returns files with one File for each digest, sorted by digest.
func merge(files []File) (merged []File) {
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b File) int { return strings.Compare(a.Digest.Hex(), b.Digest.Hex()) })
	for _, f := range files {
		if last := len(merged) - 1; last >= 0 && merged[last].Digest == f.Digest {
			merged[last].URLs = append(merged[last].URLs, f.URLs...)
			merged[last].Artifact = merged[last].Artifact || f.Artifact
			continue
		}
		f.URLs = slices.Clone(f.URLs)
		merged = append(merged, f)
	}
	for i := range merged {
		slices.Sort(merged[i].URLs)
		merged[i].URLs = slices.Compact(merged[i].URLs)
	}
	return merged
}
