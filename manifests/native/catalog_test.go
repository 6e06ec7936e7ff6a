package native_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// catalogOf returns a catalog of one tool, without verification.
func catalogOf(releases ...native.Release) *native.Catalog {
	for i := range releases {
		releases[i].Tool = "zig"
		if releases[i].Artifacts == nil {
			releases[i].Artifacts = []native.Artifact{file("any", "zig", "tar.gz", releases[i].Version)}
		}
	}
	return native.NewCatalog(&native.Manifest{Channel: "acme", Serial: 1, Releases: releases}, verify.Document{},
		native.Source{URL: "https://x.example/channel.toml", Granted: func(string) bool { return true }})
}

func file(platform, component, format, content string) native.Artifact {
	p, err := manifests.ParsePlatform(platform)
	if err != nil {
		panic(err)
	}
	return native.Artifact{Platform: p, Component: component, Path: "blobs/" + component + "-" + content + "." + format,
		Size: 1, SHA256: verify.DigestOf([]byte(content)), Format: format}
}

func versions(list ...string) []native.Release {
	var all []native.Release
	for _, v := range list {
		all = append(all, native.Release{Version: v})
	}
	return all
}

func labelled(releases []native.Release, labels map[int]string) []native.Release {
	for i, l := range labels {
		releases[i].Labels = []string{l}
	}
	return releases
}

func TestResolveVersion(t *testing.T) {
	numbered := catalogOf(labelled(versions("1.9.0", "1.10.1", "1.10.0", "2.0.0-rc1"), map[int]string{0: "stable", 3: "next"})...)
	plain := catalogOf(versions("1.9.0", "1.10.1", "1.10.0")...)
	named := catalogOf(versions("b-newest", "c-older", "a-oldest")...)
	clashing := catalogOf(labelled(versions("1.9.0", "1.10.1", "latest-ish"), map[int]string{0: "latest", 2: "1.10"})...)
	early := catalogOf(versions("1.10.1-rc.9", "1.9rc1", "1.10.0", "1.10.1rc2", "1.8")...)
	lines := catalogOf(versions("1.20", "1.21", "1.20.14", "1.20.3", "1.22rc1", "odd")...)
	only := catalogOf(versions("3.13.0a1", "3.13.0rc2", "3.13.0b4")...)
	mixed := catalogOf(versions("edge-case", "1.0-rc1")...)
	for _, test := range []struct {
		catalog     *native.Catalog
		asked, want string
	}{
		{numbered, "", "1.9.0"}, // stable
		{numbered, "stable", "1.9.0"},
		{numbered, "next", "2.0.0-rc1"},
		{numbered, "latest", "1.9.0"}, // as a bare name
		{numbered, "2", ""},           // pre-releases match in full only
		{plain, "latest", "1.10.1"},
		{early, "", "1.10.0"},
		{early, "latest", "1.10.0"},
		{early, "1.10", "1.10.0"},
		{early, "1.9", ""},
		{lines, "1.20", "1.20.14"},
		{lines, "=1.20", "1.20"},
		{lines, "=1.20.1", ""},
		{lines, "1.20.3", "1.20.3"},
		{lines, "", "1.21"},
		{only, "", "3.13.0rc2"},
		{only, "latest", "3.13.0rc2"},
		{only, "3.13", ""},
		{mixed, "", "1.0-rc1"}, // a version that cannot be ordered is not the newest
		{mixed, "edge-case", "edge-case"},
		{numbered, "1", "1.10.1"},
		{numbered, "1.10", "1.10.1"},
		{numbered, "1.10.0", "1.10.0"},
		{numbered, "2.0.0-rc1", "2.0.0-rc1"},
		{plain, "", "1.10.1"},
		{named, "", "b-newest"},
		{named, "latest", "b-newest"},
		{named, "a-oldest", "a-oldest"},
		{clashing, "latest", "1.9.0"},    // the label wins over the newest
		{clashing, "1.10", "latest-ish"}, // the label wins over a prefix
		{clashing, "1.10.1", "1.10.1"},
	} {
		r, err := test.catalog.Resolve(manifests.Request{Tool: "zig", Version: test.asked})
		if r.Version != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%q: got %s, %v, want %s", test.asked, r.Version, err, test.want)
		}
	}
}

func TestResolveUnknown(t *testing.T) {
	optional := file("linux/amd64", "docs", "zip", "docs")
	optional.Optional = true
	c := catalogOf(native.Release{Version: "1.10.1", Labels: []string{"stable"},
		Artifacts: []native.Artifact{file("linux/amd64", "zig", "tar.gz", "1"), file("linux/arm64/musl", "zig", "tar.gz", "2"), optional}})
	linux := manifests.Platform{OS: "linux", Arch: "amd64", Libc: "gnu"}
	for name, test := range map[string]struct {
		request manifests.Request
		want    error
	}{
		"tool":      {manifests.Request{Tool: "zigg"}, &manifests.UnknownToolError{Channel: "acme", Tool: "zigg", Near: []string{"zig"}}},
		"version":   {manifests.Request{Tool: "zig", Version: "1.10.2"}, &manifests.UnknownVersionError{Channel: "acme", Tool: "zig", Version: "1.10.2", Near: []string{"1.10.1"}}},
		"label":     {manifests.Request{Tool: "zig", Version: "stabel"}, &manifests.UnknownVersionError{Channel: "acme", Tool: "zig", Version: "stabel", Near: []string{"stable"}}},
		"component": {manifests.Request{Tool: "zig", Platform: linux, Components: []string{"doc"}}, &manifests.UnknownPartError{Tool: "zig", Version: "1.10.1", Part: "component", Name: "doc", Near: []string{"docs"}}},
		"platform": {manifests.Request{Tool: "zig", Platform: manifests.Platform{OS: "darwin", Arch: "arm64"}},
			&manifests.UnsupportedPlatformError{Tool: "zig", Version: "1.10.1", Platform: manifests.Platform{OS: "darwin", Arch: "arm64"},
				Have: []manifests.Platform{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm64", Libc: "musl"}}}},
		"C library": {manifests.Request{Tool: "zig", Platform: manifests.Platform{OS: "linux", Arch: "arm64", Libc: "gnu"}},
			&manifests.UnsupportedPlatformError{Tool: "zig", Version: "1.10.1", Platform: manifests.Platform{OS: "linux", Arch: "arm64", Libc: "gnu"},
				Have: []manifests.Platform{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm64", Libc: "musl"}}}},
		"optional component elsewhere": {manifests.Request{Tool: "zig", Platform: manifests.Platform{OS: "linux", Arch: "arm64", Libc: "musl"}, Components: []string{"docs"}},
			&manifests.UnsupportedPlatformError{Tool: "zig", Version: "1.10.1", Platform: manifests.Platform{OS: "linux", Arch: "arm64", Libc: "musl"},
				Have: []manifests.Platform{{OS: "linux", Arch: "amd64"}}}},
	} {
		if _, err := c.Resolve(test.request); !reflect.DeepEqual(err, test.want) {
			t.Errorf("%s: got %#v\nwant %#v", name, err, test.want)
		}
	}
	if _, err := c.Resolve(manifests.Request{Tool: "zig", Platform: linux, Components: []string{"docs"}}); err != nil {
		t.Errorf("a known component: %v", err)
	}
}

func TestResolveArtifacts(t *testing.T) {
	docs := file("any", "docs", "zip", "docs")
	docs.Optional = true
	src := file("any", "src", "tar.xz", "src")
	elsewhere := file("linux/amd64", "zig", "tar.gz", "gz")
	elsewhere.Path, elsewhere.URLs = "", []string{"https://mirror.example/zig.tar.gz"}
	c := catalogOf(native.Release{Version: "1", Artifacts: []native.Artifact{
		file("any", "zig", "zip", "any"),
		file("linux/amd64", "zig", "zip", "zip"), file("linux/amd64", "zig", "tar.xz", "xz"),
		file("linux/amd64", "zig", "tar.gz", "gz"), elsewhere,
		file("linux/amd64/musl", "zig", "zip", "musl"),
		file("linux/arm64", "zig", "zip", "arm-zip"), file("linux/arm64", "zig", "tar.zst", "arm-zst"),
		docs, src,
	}})
	for _, test := range []struct {
		platform   string
		components []string
		want       []string // component and first ref
	}{
		{"linux/amd64/gnu", nil, []string{"zig blobs/zig-gz.tar.gz", "src blobs/src-src.tar.xz"}},
		{"linux/amd64/musl", nil, []string{"zig blobs/zig-musl.zip", "src blobs/src-src.tar.xz"}},
		{"linux/arm64/musl", nil, []string{"zig blobs/zig-arm-zst.tar.zst", "src blobs/src-src.tar.xz"}},
		{"darwin/arm64", nil, []string{"zig blobs/zig-any.zip", "src blobs/src-src.tar.xz"}},
		{"darwin/arm64", []string{"docs"}, []string{"zig blobs/zig-any.zip", "docs blobs/docs-docs.zip", "src blobs/src-src.tar.xz"}},
		{"darwin/arm64", []string{"src", "zig"}, []string{"zig blobs/zig-any.zip", "src blobs/src-src.tar.xz"}},
	} {
		platform, err := manifests.ParsePlatform(test.platform)
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Resolve(manifests.Request{Tool: "zig", Platform: platform, Components: test.components})
		if err != nil {
			t.Errorf("%s: %v", test.platform, err)
			continue
		}
		var got, components []string
		for _, a := range r.Artifacts {
			got = append(got, a.Component+" "+a.Refs[0][len("https://x.example/"):])
			components = append(components, a.Component)
		}
		if !slices.Equal(got, test.want) || !slices.Equal(components, r.Components) {
			t.Errorf("%s %q: got %q, components %q", test.platform, test.components, got, r.Components)
		}
		if err := r.Validate(); err != nil {
			t.Error(err)
		}
	}
	r, err := c.Resolve(manifests.Request{Tool: "zig", Platform: manifests.Platform{OS: "linux", Arch: "amd64"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"https://x.example/blobs/zig-gz.tar.gz", "https://mirror.example/zig.tar.gz"}; !slices.Equal(r.Artifacts[0].Refs, want) {
		t.Errorf("the same file elsewhere: refs %q, want %q", r.Artifacts[0].Refs, want)
	}
	var others []string
	for _, a := range r.Artifacts[0].Alternatives {
		others = append(others, a.Name+" "+a.Layout.Format)
	}
	if want := []string{"zig-xz.tar.xz tar.xz", "zig-zip.zip zip"}; !slices.Equal(others, want) {
		t.Errorf("alternatives %q, want %q", others, want)
	}
}

// TestResolveChunks checks that chunks stated for one location of a file apply to all.
func TestResolveChunks(t *testing.T) {
	plain := file("any", "zig", "tar.gz", "x")
	plain.Size = 2 * verify.ChunkSize
	chunked := plain
	chunked.Path, chunked.Chunks = "mirror/zig.tar.gz", chunksFor(plain.Size)
	for name, artifacts := range map[string][]native.Artifact{"first": {chunked, plain}, "second": {plain, chunked}, "none": {plain}} {
		r, err := catalogOf(native.Release{Version: "1", Artifacts: artifacts}).Resolve(manifests.Request{Tool: "zig"})
		if err != nil {
			t.Fatal(err)
		}
		want := chunked.Chunks
		if name == "none" {
			want = verify.Chunks{}
		}
		if a := r.Artifacts[0]; a.Chunks != want || len(a.Refs) != len(artifacts) || r.Validate() != nil {
			t.Errorf("%s: %+v, %v", name, a, r.Validate())
		}
	}
}

func TestResolveSingleFile(t *testing.T) {
	for _, test := range []struct {
		commands []string
		path     string
		urls     []string
		into     string
	}{
		{[]string{"bin/*", "bin/zig", "zag"}, "blobs/zig-1-linux", nil, "bin/zig"},
		{nil, "blobs/zig-1-linux", nil, "zig-1-linux"},
		{[]string{"zig-*"}, "blobs/zig-1-linux", nil, "zig-1-linux"},
		{[]string{"zig-*"}, "", []string{"https://x.example/d/zig-2%20b?q=1"}, "zig-2 b"},
	} {
		a := file("any", "zig", "file", "x")
		a.Path, a.URLs = test.path, test.urls
		r, err := catalogOf(native.Release{Version: "1", Commands: test.commands, Artifacts: []native.Artifact{a}}).Resolve(manifests.Request{Tool: "zig"})
		if err != nil {
			t.Fatal(err)
		}
		layout := r.Artifacts[0].Layout
		if layout.Into != test.into {
			t.Errorf("%q: into %q, want %q", test.commands, layout.Into, test.into)
		}
		if err := r.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestWitnessIsInMainComponent(t *testing.T) {
	witness := &native.Witness{Path: "VERSION", Contains: "1"}
	for _, test := range []struct {
		components []string
		want       int
	}{{[]string{"docs", "zig", "src"}, 1}, {[]string{"docs", "src"}, 1}, {[]string{"zig"}, 0}} {
		var artifacts []native.Artifact
		for _, c := range test.components {
			artifacts = append(artifacts, file("any", c, "tar", c), file("any", c, "tar.gz", c+"-gz"))
		}
		r, err := catalogOf(native.Release{Version: "1", Witness: witness, Artifacts: artifacts}).Resolve(manifests.Request{Tool: "zig"})
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range r.Artifacts {
			if (a.Witness != nil) != (i == test.want) {
				t.Errorf("%q: component %s has witness %v", test.components, a.Component, a.Witness)
			}
			if len(a.Alternatives) != 1 || a.Alternatives[0].Witness != a.Witness {
				t.Errorf("%q: component %s has alternatives %+v", test.components, a.Component, a.Alternatives)
			}
		}
	}
}

func TestUngrantedToolsDoNotExist(t *testing.T) {
	m := &native.Manifest{Channel: "acme", Releases: []native.Release{
		{Tool: "zig", Version: "1", Artifacts: []native.Artifact{file("any", "zig", "tar", "z")}},
		{Tool: "go", Version: "1", Artifacts: []native.Artifact{file("any", "go", "tar", "g")}},
	}}
	c := native.NewCatalog(m, verify.Document{}, native.Source{URL: "https://x.example/channel.toml", Granted: func(tool string) bool { return tool == "zig" }})
	if _, err := c.Resolve(manifests.Request{Tool: "zig"}); err != nil {
		t.Errorf("granted: %v", err)
	}
	var unknown *manifests.UnknownToolError
	if _, err := c.Resolve(manifests.Request{Tool: "go"}); !errors.As(err, &unknown) {
		t.Errorf("not granted: %v", err)
	}
	if got := c.Versions(""); len(got) != 1 || got[0].Tool != "zig" {
		t.Errorf("versions %+v", got)
	}
	none := native.NewCatalog(m, verify.Document{}, native.Source{URL: "https://x.example/channel.toml"})
	if got := none.Versions(""); len(got) != 0 {
		t.Errorf("without a grant: %+v", got)
	}
}

func TestVersionsNewestFirst(t *testing.T) {
	c := catalogOf(versions("1.9.0", "1.10.1", "1.10.1-rc1")...)
	var got []string
	for _, v := range c.Versions("zig") {
		got = append(got, v.Version)
	}
	if want := []string{"1.10.1", "1.10.1-rc1", "1.9.0"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestResolveBelow(t *testing.T) {
	numbered := catalogOf(labelled(versions("2.0.0", "1.10.1", "1.10.0", "1.11.0-rc1", "1.9.0"), map[int]string{1: "stable", 4: "lts"})...)
	for _, test := range []struct{ asked, below, want string }{
		{"", "", "1.10.1"}, {"", "1.10.1", "1.10.0"}, {"stable", "1.10.1", "1.10.0"}, {"latest", "1.10.0", "1.9.0"}, {"1.10", "1.10.1", "1.10.0"},
		{"lts", "1.10.0", "1.9.0"}, {"lts", "1.9.0", ""}, {"", "1.9.0", ""}, {"1.10", "1.10.0", ""}, {"=1.10.1", "1.10.1", ""},
	} {
		r, err := numbered.Resolve(manifests.Request{Tool: "zig", Version: test.asked, Below: test.below, Platform: manifests.Platform{OS: "linux", Arch: "amd64"}})
		if (err == nil) != (test.want != "") || r.Version != test.want || err != nil && !manifests.IsUnknown(err) {
			t.Errorf("%+v: %s, %v", test, r.Version, err)
		}
	}
}
