package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// Media types. OCI image-spec 1.1, media-types.md; the last ones are Docker's, for the
// same content.
const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"

	dockerConfig = "application/vnd.docker.container.image.v1+json"
)

// layerTypes are the types of layers that a base may have, and what they are called in the
// image.
func layerTypes() map[string]string {
	return map[string]string{
		layerType: layerType,
		"application/vnd.docker.image.rootfs.diff.tar.gzip": layerType,
		"application/vnd.oci.image.layer.v1.tar":            "application/vnd.oci.image.layer.v1.tar",
		"application/vnd.docker.image.rootfs.diff.tar":      "application/vnd.oci.image.layer.v1.tar",
		"application/vnd.oci.image.layer.v1.tar+zstd":       "application/vnd.oci.image.layer.v1.tar+zstd",
	}
}

// Ceilings, in bytes.
const (
	maxManifest = 4 << 20 // of an index and of a manifest, as in most registries
	maxConfig   = 4 << 20
	maxLayer    = 8 << 30 // compressed
	layoutText  = `{"imageLayoutVersion":"1.0.0"}`
)

// A descriptor refers to a blob. OCI image-spec 1.1, descriptor.md.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      verify.Digest     `json:"digest"`
	Size        int64             `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// check checks what blobs are found by.
func (d descriptor) check(limit int64) error {
	switch {
	case d.Digest.IsZero() || d.Digest.Algorithm() != "sha256":
		return errors.New("a blob without a SHA-256 digest")
	case d.Size < 0 || d.Size > limit:
		return fmt.Errorf("blob %s of %d bytes; at most %d are read", d.Digest.Hex(), d.Size, limit)
	}
	return nil
}

// A platform is what an image runs on. OCI image-spec 1.1, image-index.md. Its fields have
// the values of Go's GOOS and GOARCH.
type platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant,omitempty"`
}

func (p platform) String() string { return p.OS + "/" + p.Architecture }

// is reports whether images for p run on q.
func (p platform) is(q manifests.Platform) bool { return p.OS == q.OS && p.Architecture == q.Arch }

// A manifest is the manifest of an image. OCI image-spec 1.1, manifest.md.
type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType,omitempty"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

// An index lists manifests and other indices. OCI image-spec 1.1, image-index.md.
type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType,omitempty"`
	Manifests     []descriptor `json:"manifests"`
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

// A config is the configuration of an image. OCI image-spec 1.1, config.md. Fields that
// kist does not know stay as the base has them.
type config struct {
	all     map[string]json.RawMessage
	process map[string]json.RawMessage // of all: config
	rootfs  struct {
		Type    string          `json:"type"`
		DiffIDs []verify.Digest `json:"diff_ids"`
	}
	history []json.RawMessage // one entry for each layer, and for each step without one
	untold  bool              // the base has no such history
}

// newConfig returns the configuration of the image that o describes, without its layers.
func newConfig(o Options, created time.Time) *config {
	c := &config{all: map[string]json.RawMessage{}, process: map[string]json.RawMessage{}}
	c.rootfs.Type = "layers"
	if o.Base != nil {
		c = o.Base.config.clone()
	} else {
		c.all["os"], c.all["architecture"] = encode(o.Platform.OS), encode(o.Platform.Arch)
	}
	c.all["created"] = encode(created)
	var env []string
	_ = json.Unmarshal(c.process["Env"], &env) // parseConfig has checked it
	c.process["Env"] = encode(withPath(env, o.Prefix+"/"+binDir))
	if o.User != "" {
		c.process["User"] = encode(o.User)
	}
	return c
}

// withPath returns env with dir first on its PATH.
func withPath(env []string, dir string) []string {
	env = slices.Clone(env)
	i := slices.IndexFunc(env, func(v string) bool { return strings.HasPrefix(v, "PATH=") })
	if i < 0 {
		return append(env, "PATH="+dir+":"+systemPath)
	}
	if rest := strings.TrimPrefix(env[i], "PATH="); rest != "" {
		dir += ":" + rest
	}
	env[i] = "PATH=" + dir
	return env
}

// addLayer adds a layer of kist's, whose history says why it is there.
func (c *config) addLayer(content verify.Digest, why string, o Options) {
	c.rootfs.DiffIDs = append(c.rootfs.DiffIDs, content)
	if c.untold {
		return
	}
	c.history = append(c.history, encode(struct {
		Created json.RawMessage `json:"created"`
		By      string          `json:"created_by"`
		Comment string          `json:"comment"`
	}{c.all["created"], "kist image", why}))
}

func (c *config) clone() *config {
	d := *c
	d.all, d.process = map[string]json.RawMessage{}, map[string]json.RawMessage{}
	for k, v := range c.all {
		d.all[k] = v
	}
	for k, v := range c.process {
		d.process[k] = v
	}
	d.rootfs.DiffIDs, d.history = slices.Clone(c.rootfs.DiffIDs), slices.Clone(c.history)
	return &d
}

func (c *config) encode() ([]byte, error) {
	c.all["config"], c.all["rootfs"] = encode(c.process), encode(c.rootfs)
	if !c.untold {
		c.all["history"] = encode(c.history)
	}
	text := encode(c.all)
	if len(text) > maxConfig {
		return nil, &manifests.TooLargeError{Name: "the configuration of the image", Limit: maxConfig}
	}
	return text, nil
}

// parseConfig parses the configuration of a base with a number of layers.
func parseConfig(data []byte, layers int) (*config, platform, error) {
	c := &config{all: map[string]json.RawMessage{}, process: map[string]json.RawMessage{}}
	var p platform
	err := errors.Join(json.Unmarshal(data, &c.all), json.Unmarshal(data, &p))
	for _, field := range []struct {
		name string
		into any
	}{{"config", &c.process}, {"rootfs", &c.rootfs}, {"history", &c.history}} {
		if text, ok := c.all[field.name]; ok && err == nil {
			err = json.Unmarshal(text, field.into)
		}
	}
	if text, ok := c.process["Env"]; ok && err == nil {
		err = json.Unmarshal(text, new([]string))
	}
	if err == nil && (c.rootfs.Type != "layers" || len(c.rootfs.DiffIDs) != layers) {
		err = fmt.Errorf("it has %d layers, and its manifest %d", len(c.rootfs.DiffIDs), layers)
	}
	if err != nil {
		return nil, p, verify.Untrusted("its configuration: %w", err)
	}
	told := 0
	for _, entry := range c.history {
		var step struct {
			Empty bool `json:"empty_layer"`
		}
		if json.Unmarshal(entry, &step) == nil && !step.Empty {
			told++
		}
	}
	c.untold = told != layers
	if c.process == nil { // "config": null
		c.process = map[string]json.RawMessage{}
	}
	return c, p, nil
}
