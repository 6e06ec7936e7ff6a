package oci_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/transport/oci"
	"github.com/kist-tools/kist/verify"
)

func TestChallenges(t *testing.T) {
	type parameters = map[string]string
	for name, test := range map[string]struct {
		values []string
		want   []oci.Challenge
	}{
		"none":            {nil, nil},
		"basic":           {[]string{`Basic realm="x"`}, []oci.Challenge{{Scheme: "basic", Parameters: parameters{"realm": "x"}}}},
		"bearer":          {[]string{`Bearer realm="https://a.example/token",service="a",scope="repository:x:pull,push"`}, []oci.Challenge{{Scheme: "bearer", Parameters: parameters{"realm": "https://a.example/token", "service": "a", "scope": "repository:x:pull,push"}}}},
		"two in one":      {[]string{`Basic realm="a, b", Bearer REALM = c , service=d`}, []oci.Challenge{{Scheme: "basic", Parameters: parameters{"realm": "a, b"}}, {Scheme: "bearer", Parameters: parameters{"realm": "c", "service": "d"}}}},
		"two values":      {[]string{`Basic`, `Bearer realm=c`}, []oci.Challenge{{Scheme: "basic", Parameters: parameters{}}, {Scheme: "bearer", Parameters: parameters{"realm": "c"}}}},
		"escaped":         {[]string{`Basic realm="a\"b"`}, []oci.Challenge{{Scheme: "basic", Parameters: parameters{"realm": `a"b`}}}},
		"without its end": {[]string{`Basic realm="a`}, []oci.Challenge{{Scheme: "basic", Parameters: parameters{}}, {Scheme: "realm", Parameters: parameters{}}}},
		"too long":        {[]string{`Basic realm="` + strings.Repeat("a", 1<<15) + `"`}, nil},
		"nonsense":        {[]string{`"`, "\x00", "=,="}, nil},
	} {
		if got := oci.ParseChallenges(test.values); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func FuzzChallenges(f *testing.F) {
	f.Add(`Bearer realm="https://a.example/token",service="a\"",scope=x, Basic realm=y`)
	f.Fuzz(func(t *testing.T, value string) {
		if list := oci.ParseChallenges([]string{value}); len(list) > 16 {
			t.Errorf("%d challenges", len(list))
		}
	})
}

func index(change func(*oci.Index)) []byte {
	x := oci.Index{SchemaVersion: 2, MediaType: oci.IndexType, ArtifactType: oci.ChannelArtifact,
		Manifests: []oci.Descriptor{{MediaType: oci.ManifestType, ArtifactType: oci.ChannelArtifact, Digest: "sha256:" + strings.Repeat("a", 64), Size: 10}}}
	change(&x)
	data, _ := json.Marshal(x)
	return data
}

func TestParseIndex(t *testing.T) {
	for name, test := range map[string]struct {
		data []byte
		want error // nil: accepted
	}{
		"right":                 {index(func(*oci.Index) {}), nil},
		"an image":              {index(func(x *oci.Index) { x.ArtifactType = "" }), verify.ErrUntrusted},
		"another media type":    {index(func(x *oci.Index) { x.MediaType = oci.ManifestType }), verify.ErrUntrusted},
		"no documents":          {index(func(x *oci.Index) { x.Manifests[0].ArtifactType = oci.ToolArtifact }), verify.ErrUntrusted},
		"another digest":        {index(func(x *oci.Index) { x.Manifests[0].Digest = "sha512:" + strings.Repeat("a", 128) }), verify.ErrUntrusted},
		"a digest in capitals":  {index(func(x *oci.Index) { x.Manifests[0].Digest = "sha256:" + strings.Repeat("A", 64) }), verify.ErrUntrusted},
		"a path instead of one": {index(func(x *oci.Index) { x.Manifests[0].Digest = "../../x" }), verify.ErrUntrusted},
		"documents without end": {index(func(x *oci.Index) { x.Manifests[0].Size = oci.MaxManifest + 1 }), verify.ErrUntrusted},
		"a negative size":       {index(func(x *oci.Index) { x.Manifests[0].Size = -1 }), verify.ErrUntrusted},
		"a size that is a text": {[]byte(`{"manifests":[{"size":"1"}]}`), verify.ErrUntrusted},
		"two documents of JSON": {append(index(func(*oci.Index) {}), '{', '}'), verify.ErrUntrusted},
		"nothing":               {nil, verify.ErrUntrusted},
		"over the ceiling":      {append(index(func(*oci.Index) {}), make([]byte, oci.MaxManifest)...), verify.ErrUntrusted},
	} {
		x, err := oci.ParseIndex(test.data)
		if err == nil {
			_, err = x.Documents()
		}
		if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func manifest(names ...string) oci.Manifest {
	empty, _ := oci.Empty()
	m := oci.Manifest{SchemaVersion: 2, MediaType: oci.ManifestType, ArtifactType: oci.ChannelArtifact, Config: empty}
	for _, name := range names {
		d := oci.Describe(oci.DocumentType, []byte(name))
		d.Annotations = map[string]string{oci.TitleKey: name}
		m.Layers = append(m.Layers, d)
	}
	return m
}

func TestParseManifest(t *testing.T) {
	encode := func(m oci.Manifest) []byte {
		data, _ := json.Marshal(m)
		return data
	}
	files, err := oci.ParseManifest(encode(manifest("channel.toml", "keys/1.toml")))
	if err != nil || len(files) != 2 || files["keys/1.toml"].Size != int64(len("keys/1.toml")) {
		t.Errorf("the right one: %v, %v", files, err)
	}
	other := manifest("channel.toml")
	other.ArtifactType = oci.ToolArtifact
	unsized := manifest("channel.toml")
	unsized.Layers[0].Digest = ""
	for name, data := range map[string][]byte{
		"a tool's": encode(other), "no digest": encode(unsized), "a name twice": encode(manifest("a", "a")),
		"no name": encode(manifest("")), "a name that leaves": encode(manifest("../a")), "an absolute name": encode(manifest("/a")),
		"a list": []byte("[]"), "over the ceiling": make([]byte, oci.MaxManifest+1),
	} {
		if _, err := oci.ParseManifest(data); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(index(func(*oci.Index) {}))
	f.Add([]byte(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.kist.channel.v1","layers":[{"digest":"sha256:","annotations":{"org.opencontainers.image.title":"a"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if x, err := oci.ParseIndex(data); err == nil {
			if d, err := x.Documents(); err == nil && (d.Size < 0 || d.Size > oci.MaxManifest) {
				t.Errorf("documents of %d bytes", d.Size)
			}
		}
		files, err := oci.ParseManifest(data)
		if err != nil && !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%v", err)
		}
		for name, d := range files {
			if _, err := d.SHA256(); err != nil || d.Size < 0 || manifests.ValidPath(name) != nil {
				t.Errorf("accepted %q: %+v", name, d)
			}
		}
	})
}
