package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// blobs is a Source in memory.
type blobs map[verify.Digest][]byte

func (b blobs) add(mediaType string, data []byte) descriptor {
	d := verify.DigestOf(data)
	b[d] = data
	return descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}
}

func (b blobs) Manifest(_ context.Context, d verify.Digest) ([]byte, error) {
	data, ok := b[d]
	if !ok {
		return nil, incomplete(fs.ErrNotExist)
	}
	return data, nil
}

func (b blobs) Blob(ctx context.Context, d verify.Digest) (io.ReadCloser, error) {
	data, err := b.Manifest(ctx, d)
	return io.NopCloser(bytes.NewReader(data)), err
}

var amd64 = manifests.Platform{OS: "linux", Arch: "amd64"}

const baseConfig = `{"os":"linux","architecture":"amd64","config":{"Env":["A=b","PATH=/bin"],"Cmd":["sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created_by":"x"}],"more":1}`

// image adds an image with one layer.
func (b blobs) image(config string) descriptor {
	l := b.add(layerType, []byte("layer"))
	if strings.Contains(config, "%s") {
		config = fmt.Sprintf(config, l.Digest.Hex())
	}
	c := b.add(configType, []byte(config))
	return b.add(manifestType, encode(manifest{SchemaVersion: 2, Config: c, Layers: []descriptor{l}}))
}

func (b blobs) index(list ...descriptor) descriptor {
	return b.add(indexType, encode(index{SchemaVersion: 2, Manifests: list}))
}

func on(d descriptor, arch string) descriptor {
	d.Platform = &platform{OS: "linux", Architecture: arch}
	return d
}

// TestReadBase finds the image for the platform, and refuses everything else.
func TestReadBase(t *testing.T) {
	arm := strings.Replace(baseConfig, "amd64", "arm64", 1)
	for name, test := range map[string]struct {
		top  func(b blobs) descriptor
		want error
	}{
		"a manifest":           {func(b blobs) descriptor { return b.image(baseConfig) }, nil},
		"an index":             {func(b blobs) descriptor { return b.index(on(b.image(arm), "arm64"), on(b.image(baseConfig), "amd64")) }, nil},
		"without platforms":    {func(b blobs) descriptor { return b.index(b.image(arm), b.image(baseConfig)) }, nil},
		"an index in an index": {func(b blobs) descriptor { return b.index(b.index(b.image(baseConfig))) }, nil},
		"another platform":     {func(b blobs) descriptor { return b.index(on(b.image(arm), "arm64")) }, ErrNoBase},
		"that of its config":   {func(b blobs) descriptor { return b.image(arm) }, ErrNoBase},
		"an empty index":       {func(b blobs) descriptor { return b.index() }, ErrNoBase},
		"too many indices":     {func(b blobs) descriptor { return b.index(b.index(b.index(b.index(b.index(b.image(baseConfig)))))) }, verify.ErrUntrusted},
		"no JSON":              {func(b blobs) descriptor { return b.add("", []byte("x")) }, verify.ErrUntrusted},
		"a list":               {func(b blobs) descriptor { return b.add("", []byte("[]")) }, verify.ErrUntrusted},
		"an artifact":          {func(b blobs) descriptor { return b.add("", []byte(`{"config":{"mediaType":"x"}}`)) }, ErrNoBase},
		"a config of no JSON":  {func(b blobs) descriptor { return b.image("x") }, verify.ErrUntrusted},
		"a config of 2 layers": {func(b blobs) descriptor {
			return b.image(strings.Replace(baseConfig, `["sha`, `["sha256:%[1]s","sha`, 1))
		}, verify.ErrUntrusted},
		"an Env that is no list": {func(b blobs) descriptor { return b.image(strings.Replace(baseConfig, `["A=b","PATH=/bin"]`, `{}`, 1)) }, verify.ErrUntrusted},
		"null everywhere": {func(b blobs) descriptor {
			return b.image(`{"os":"linux","architecture":"amd64","config":null,"rootfs":null}`)
		}, verify.ErrUntrusted},
		"a missing manifest": {func(b blobs) descriptor { return b.index(descriptor{Digest: verify.DigestOf([]byte("x"))}) }, verify.ErrUntrusted},
		"a damaged manifest": {func(b blobs) descriptor {
			d := b.image(baseConfig)
			b[d.Digest] = append(b[d.Digest], ' ')
			return b.index(d)
		}, verify.ErrUntrusted},
		"a digest of another kind": {func(b blobs) descriptor {
			return b.add("", []byte(`{"manifests":[{"digest":"sha512:`+strings.Repeat("0", 128)+`","size":1}]}`))
		}, verify.ErrUntrusted},
		"a layer of another kind": {func(b blobs) descriptor {
			d := b.image(baseConfig)
			return b.add("", bytes.Replace(b[d.Digest], []byte("tar+gzip"), []byte("tar+xz"), 1))
		}, ErrNoBase},
		"too many layers": {func(b blobs) descriptor {
			l := b.add(layerType, nil)
			return b.add("", encode(manifest{Config: descriptor{MediaType: configType, Digest: l.Digest}, Layers: make([]descriptor, maxLayers+1)}))
		}, verify.ErrUntrusted},
		"a layer that is too large": {func(b blobs) descriptor {
			d := b.image(baseConfig)
			return b.add("", bytes.Replace(b[d.Digest], []byte(`"size":5`), []byte(`"size":9999999999`), 1))
		}, verify.ErrUntrusted},
	} {
		b := blobs{}
		top := test.top(b)
		base, err := ReadBase(t.Context(), name, b, b[top.Digest], amd64)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if err == nil && (base.layers() != 1 || base.Digest.IsZero()) {
			t.Errorf("%s: %+v", name, base)
		}
	}
}

// TestCopyLayers copies a base, and leaves nothing of one that is not whole.
func TestCopyLayers(t *testing.T) {
	b := blobs{}
	d := b.image(baseConfig)
	base, err := ReadBase(t.Context(), "x", b, b[d.Digest], amd64)
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	try := func() error {
		l, err := OpenLayout(root)
		if err != nil {
			t.Fatal(err)
		}
		_, err = base.copyLayers(t.Context(), l)
		if again := l.Abandon(); again != nil {
			t.Error(again)
		}
		if left, _ := fs.ReadDir(root.FS(), "."); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		return err
	}
	if err := try(); err != nil {
		t.Error(err)
	}
	layer := base.all[0].Digest
	for _, text := range []string{"lazer", "layer+", "lay", ""} {
		b[layer] = []byte(text)
		if err := try(); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestConfig: what the base says stays, but for the layers, the PATH and the user.
func TestConfig(t *testing.T) {
	b := blobs{}
	d := b.image(baseConfig)
	base, err := ReadBase(t.Context(), "x", b, b[d.Digest], amd64)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Base: base, Prefix: DefaultPrefix, User: "7", Platform: amd64}
	for range 2 { // the base is not changed
		c := newConfig(o, time.Unix(0, 0).UTC())
		c.addLayer(verify.DigestOf(nil), "why", o)
		text, err := c.encode()
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Created time.Time
			Config  struct {
				Env, Cmd []string
				User     string
			}
			More   int
			RootFS struct {
				DiffIDs []string `json:"diff_ids"`
			}
			History []json.RawMessage
		}
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got.Config) != "{[A=b PATH=/opt/kist/bin:/bin] [sh] 7}" || got.More != 1 || len(got.RootFS.DiffIDs) != 2 || len(got.History) != 2 || got.Created.Unix() != 0 {
			t.Errorf("%s", text)
		}
	}
	if env := withPath([]string{"PATH="}, "/x"); env[0] != "PATH=/x" {
		t.Error(env)
	}
}

func FuzzBase(f *testing.F) {
	b := blobs{}
	d := b.image(baseConfig)
	var m manifest
	if err := json.Unmarshal(b[d.Digest], &m); err != nil {
		f.Fatal(err)
	}
	f.Add(b[d.Digest], b[m.Config.Digest])
	f.Add(b[b.index(d).Digest], b[m.Config.Digest])
	f.Fuzz(func(t *testing.T, top, config []byte) {
		b := blobs{}
		c := b.add(configType, config)
		b.add("", top)
		if m := (manifest{}); json.Unmarshal(top, &m) == nil { // so that its config is found
			m.Config = c
			top = encode(m)
		}
		base, err := ReadBase(t.Context(), "x", b, top, amd64)
		if err != nil {
			return
		}
		img := newConfig(Options{Base: base, Prefix: DefaultPrefix}, time.Time{})
		text, err := img.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, p, err := parseConfig(text, len(base.all)); err != nil || !p.is(amd64) {
			t.Fatalf("%v: %s", err, text)
		}
	})
}
