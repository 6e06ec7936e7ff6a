// Package push sends a published channel to a repository of an OCI registry.
//
// [Arrange] computes what the registry is to hold: an index, the manifest of the channel's
// documents, and for each tool manifests of its artifacts. It has no effects, and the same
// channel always gives the same bytes. [Push.Run] then sends what the registry lacks, and
// at last moves the tag by which users find it.
package push

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/manifests/transport/oci"
	"github.com/kist-tools/kist/verify"
)

// maxLayers is how many artifacts one manifest lists. Registries accept manifests of 4 MiB
// (oci.MaxManifest), and an entry takes up to some 500 bytes.
const maxLayers = 1000

// A Blob is content that the registry is to hold.
type Blob struct {
	Name   string // for messages
	Digest verify.Digest
	Size   int64
	Data   []byte // nil: the file Name of the channel's directory
}

// A Group is a manifest, and the blobs that it refers to.
type Group struct {
	Descriptor oci.Descriptor
	Data       []byte
	Blobs      []Blob
}

// An Edition is what a registry is to hold of one edition of a channel.
type Edition struct {
	Channel string
	Serial  uint64
	Groups  []Group // first that of the documents
	Index   []byte
}

// Arrange returns the edition that consists of the manifest m and of documents, which
// include m's text. Artifacts that m does not name by a path are not part of it.
func Arrange(m *native.Manifest, documents []publish.PublishedDocument) (Edition, error) {
	e := Edition{Channel: m.Channel, Serial: m.Serial}
	group, err := documentsGroup(documents)
	if err != nil {
		return e, err
	}
	e.Groups = append(e.Groups, group)
	var tools []string
	blobs := map[string][]Blob{}
	seen := map[[2]string]bool{} // by tool and digest: releases may share a file
	for _, r := range m.Releases {
		if _, known := blobs[r.Tool]; !known {
			tools, blobs[r.Tool] = append(tools, r.Tool), nil
		}
		for _, a := range r.Artifacts {
			key := [2]string{r.Tool, a.SHA256.Hex()}
			if a.Path == "" || seen[key] {
				continue
			}
			seen[key] = true
			blobs[r.Tool] = append(blobs[r.Tool], Blob{Name: a.Path, Digest: a.SHA256, Size: a.Size})
		}
	}
	for _, tool := range tools {
		for rest := blobs[tool]; len(rest) > 0; {
			n := min(len(rest), maxLayers)
			group, err := toolGroup(tool, rest[:n])
			if err != nil {
				return e, err
			}
			e.Groups, rest = append(e.Groups, group), rest[n:]
		}
	}
	index := oci.Index{SchemaVersion: 2, MediaType: oci.IndexType, ArtifactType: oci.ChannelArtifact,
		Annotations: map[string]string{oci.ChannelKey: m.Channel, oci.SerialKey: strconv.FormatUint(m.Serial, 10)}}
	for _, g := range e.Groups {
		index.Manifests = append(index.Manifests, g.Descriptor)
	}
	e.Index, err = encode(index)
	return e, err
}

func documentsGroup(documents []publish.PublishedDocument) (Group, error) {
	var blobs []Blob
	var types []string
	for _, d := range documents {
		kind := oci.DocumentType
		if len(d.Path) > 4 && d.Path[len(d.Path)-4:] == ".asc" {
			kind = oci.SignatureType
		}
		types = append(types, kind)
		blobs = append(blobs, Blob{Name: d.Path, Digest: verify.DigestOf(d.Data), Size: int64(len(d.Data)), Data: d.Data})
	}
	return newGroup(oci.ChannelArtifact, nil, blobs, func(i int) string { return types[i] })
}

func toolGroup(tool string, blobs []Blob) (Group, error) {
	return newGroup(oci.ToolArtifact, map[string]string{oci.ToolKey: tool}, blobs, func(int) string { return oci.FileType })
}

// newGroup returns the manifest that lists blobs.
func newGroup(artifact string, annotations map[string]string, blobs []Blob, mediaType func(i int) string) (Group, error) {
	empty, data := oci.Empty()
	m := oci.Manifest{SchemaVersion: 2, MediaType: oci.ManifestType, ArtifactType: artifact, Config: empty, Annotations: annotations}
	for i, b := range blobs {
		m.Layers = append(m.Layers, oci.Descriptor{MediaType: mediaType(i), Digest: "sha256:" + b.Digest.Hex(), Size: b.Size,
			Annotations: map[string]string{oci.TitleKey: b.Name}})
	}
	text, err := encode(m)
	if err != nil {
		return Group{}, err
	}
	g := Group{Descriptor: oci.Describe(oci.ManifestType, text), Data: text}
	g.Descriptor.ArtifactType, g.Descriptor.Annotations = artifact, annotations
	g.Blobs = append([]Blob{{Name: "the empty configuration", Digest: verify.DigestOf(data), Size: empty.Size, Data: data}}, blobs...)
	return g, nil
}

// encode encodes an index or a manifest.
func encode(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err == nil && len(data) > oci.MaxManifest {
		err = fmt.Errorf("too much for a registry: %w", &manifests.TooLargeError{Name: "a manifest of it", Limit: oci.MaxManifest})
	}
	return data, err
}
