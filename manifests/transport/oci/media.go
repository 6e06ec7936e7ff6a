package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// Media types. Those of the OCI are from its image specification, version 1.1.
const (
	IndexType    = "application/vnd.oci.image.index.v1+json"
	ManifestType = "application/vnd.oci.image.manifest.v1+json"
	EmptyType    = "application/vnd.oci.empty.v1+json"

	ChannelArtifact = "application/vnd.kist.channel.v1" // of an index and of the manifest of its documents
	ToolArtifact    = "application/vnd.kist.tool.v1"    // of a manifest of a tool's files
	DocumentType    = "application/vnd.kist.channel.v1+toml"
	SignatureType   = "application/pgp-signature"
	FileType        = "application/octet-stream"
)

// Annotations.
const (
	TitleKey   = "org.opencontainers.image.title" // of a layer: the path of its file, below the directory of the channel
	ChannelKey = "tools.kist.channel"             // of an index: the channel
	SerialKey  = "tools.kist.serial"              // of an index: the serial of its manifest
	ToolKey    = "tools.kist.tool"                // of a tool's manifest
)

// MaxManifest is the ceiling on an index or a manifest of a registry, in bytes. The OCI
// distribution specification asks registries to accept at least that much.
const MaxManifest = 4 << 20

// A Descriptor names a manifest or a blob by its digest.
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	Annotations  map[string]string `json:"annotations,omitempty"`
}

// Describe returns the descriptor of data.
func Describe(mediaType string, data []byte) Descriptor {
	return Descriptor{MediaType: mediaType, Digest: "sha256:" + verify.DigestOf(data).Hex(), Size: int64(len(data))}
}

// SHA256 returns the digest of d. Other algorithms are an error.
func (d Descriptor) SHA256() (verify.Digest, error) {
	digest, err := verify.ParseDigest(d.Digest)
	if err == nil && (digest.Algorithm() != "sha256" || d.Digest != "sha256:"+digest.Hex()) {
		err = fmt.Errorf("%.100q is not a SHA-256 digest", d.Digest)
	}
	return digest, err
}

// Empty returns the empty configuration that artifacts refer to, and its content.
func Empty() (Descriptor, []byte) {
	data := []byte("{}")
	return Describe(EmptyType, data), data
}

// An Index lists the manifests of a channel: first that of its documents, then those of
// the files of each tool. What it refers to is all that the channel has, so that copying
// it copies the channel, and no registry removes any of it as unused.
type Index struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Manifests     []Descriptor      `json:"manifests"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// A Manifest lists files: the documents of a channel, or the artifacts of a tool.
type Manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        Descriptor        `json:"config"`
	Layers        []Descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// ParseIndex parses the index of a channel. It proves nothing. The error matches
// verify.ErrUntrusted.
func ParseIndex(data []byte) (Index, error) {
	var x Index
	if err := decode(data, &x, IndexType); err != nil {
		return Index{}, err
	}
	if x.MediaType != IndexType || x.ArtifactType != ChannelArtifact {
		return Index{}, verify.Untrusted("it is %.100q of %.100q, not a channel of kist", x.MediaType, x.ArtifactType)
	}
	return x, nil
}

// Documents returns the descriptor of the manifest of the channel's documents.
func (x Index) Documents() (Descriptor, error) {
	for _, d := range x.Manifests {
		if d.ArtifactType != ChannelArtifact || d.MediaType != ManifestType {
			continue
		}
		if _, err := d.SHA256(); err != nil {
			return Descriptor{}, verify.Untrusted("%v", err)
		}
		if d.Size < 0 || d.Size > MaxManifest {
			return Descriptor{}, &manifests.TooLargeError{Name: "the manifest of the channel's documents", Limit: MaxManifest}
		}
		return d, nil
	}
	return Descriptor{}, verify.Untrusted("it names no manifest of type %s", ChannelArtifact)
}

// ParseManifest parses the manifest of a channel's documents, and returns them by path.
// It proves nothing. The error matches verify.ErrUntrusted.
func ParseManifest(data []byte) (map[string]Descriptor, error) {
	var m Manifest
	if err := decode(data, &m, ManifestType); err != nil {
		return nil, err
	}
	if m.MediaType != ManifestType || m.ArtifactType != ChannelArtifact {
		return nil, verify.Untrusted("it is %.100q of %.100q, not the documents of a channel", m.MediaType, m.ArtifactType)
	}
	files := map[string]Descriptor{}
	for _, layer := range m.Layers {
		name := layer.Annotations[TitleKey]
		if err := manifests.ValidPath(name); err != nil {
			return nil, verify.Untrusted("a document: %v", err)
		}
		if _, twice := files[name]; twice {
			return nil, verify.Untrusted("it names %q twice", name)
		}
		if _, err := layer.SHA256(); err != nil || layer.Size < 0 {
			return nil, verify.Untrusted("%q has no size or SHA-256 digest", name)
		}
		files[name] = layer
	}
	return files, nil
}

// decode decodes one JSON document.
func decode(data []byte, into any, name string) error {
	if len(data) > MaxManifest {
		return &manifests.TooLargeError{Name: name, Limit: MaxManifest}
	}
	d := json.NewDecoder(strings.NewReader(string(data)))
	err := d.Decode(into)
	if err == nil && d.More() {
		err = errors.New("more than one document")
	}
	if err != nil {
		return verify.Untrusted("not %s: %v", name, err)
	}
	return nil
}
