package rust

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
)

func TestResolveChooses(t *testing.T) {
	w := newWorld(t, everything())
	const minimal = "cargo rust-std rustc"
	for _, test := range []struct {
		profile             string
		components, targets []string
		want                string
	}{
		{"", nil, nil, minimal},
		{"minimal", nil, nil, minimal},
		{"default", nil, nil, "cargo clippy rust-docs rust-std rustc rustfmt"},
		{"", []string{"clippy", "rust-src"}, []string{wasm}, "cargo clippy rust-src rust-std rust-std-" + wasm + " rustc"},
		{"", []string{"clippy-preview"}, nil, "cargo clippy rust-std rustc"},
		{"", []string{"clippy-preview-" + host, "clippy-" + host, "clippy"}, nil, "cargo clippy rust-std rustc"},
		{"", []string{"rust-std-" + wasm, "rust-std-" + host, "rustc"}, []string{host, wasm}, "cargo rust-std rust-std-" + wasm + " rustc"},
		{"default", []string{"rust-src", "rustfmt"}, nil, "cargo clippy rust-docs rust-src rust-std rustc rustfmt"},
	} {
		r := ask("1.95.0")
		r.Profile, r.Components, r.Targets = test.profile, test.components, test.targets
		release, err := w.resolve(t, r)
		if err != nil {
			t.Errorf("%+v: %v", test, err)
			continue
		}
		if got := strings.Join(release.Components, " "); got != test.want || len(release.Artifacts) != len(release.Components) {
			t.Errorf("%+v: %s", test, got)
		}
		// Installed components can be requested by their names in the receipt.
		again := ask("1.95.0")
		again.Components = release.Components
		if second, err := w.resolve(t, again); err != nil || !slices.Equal(second.Components, release.Components) {
			t.Errorf("%+v: again %v, %v", test, second.Components, err)
		}
	}
}

func TestResolveDescribesTheLayout(t *testing.T) {
	r := ask("1.95.0")
	r.Components, r.Targets = []string{"clippy", "rust-src"}, []string{wasm}
	release, err := newWorld(t, everything()).resolve(t, r)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct{ component, file, format, dirs, manifest string }{
		{"cargo", "cargo-1.95.0-" + host + ".tar.zst", "tar.zst", "cargo-" + host + " cargo", "manifest-cargo-" + host},
		{"clippy", "clippy-1.95.0-" + host + ".tar.gz", "tar.gz", "clippy-preview-" + host + " clippy-preview", "manifest-clippy-preview-" + host},
		{"rust-src", "rust-src-1.95.0.tar.gz", "tar.gz", "rust-src", "manifest-rust-src"},
		{"rust-std", "rust-std-1.95.0-" + host + ".tar.xz", "tar.xz", "rust-std-" + host + " rust-std", "manifest-rust-std-" + host},
		{"rust-std-" + wasm, "rust-std-1.95.0-" + wasm + ".tar.xz", "tar.xz", "rust-std-" + wasm + " rust-std", "manifest-rust-std-" + wasm},
		{"rustc", "rustc-1.95.0-" + host + ".tar.gz", "tar.gz", "rustc-" + host + " rustc", "manifest-rustc-" + host},
	} {
		a := release.Artifacts[i]
		if a.Component != want.component || a.Name != want.file || a.Layout.Format != want.format || a.Layout.Strip != 1 ||
			strings.Join(a.Layout.Installer.Dirs, " ") != want.dirs || a.Layout.Installer.Manifest != "lib/rustlib/"+want.manifest ||
			a.Refs[0] != dist+"2026-04-16/"+want.file || a.Integrity.Digest.IsZero() || a.Size != 0 {
			t.Errorf("artifact %+v, layout %+v", a, a.Layout.Installer)
		}
	}
	cargo, formats := release.Artifacts[0], []string{}
	for _, other := range cargo.Alternatives {
		formats = append(formats, other.Layout.Format)
		layout := other.Layout
		layout.Format = cargo.Layout.Format
		if other.Component != "cargo" || other.Refs[0] != dist+"2026-04-16/cargo-1.95.0-"+host+"."+other.Layout.Format || !layout.Same(cargo.Layout) ||
			other.Integrity.Digest.IsZero() || other.Integrity.Digest == cargo.Integrity.Digest {
			t.Errorf("alternative %+v of %+v", other, cargo)
		}
	}
	if !slices.Equal(formats, []string{"tar.gz", "tar.xz"}) || len(release.Artifacts[3].Alternatives) != 0 {
		t.Errorf("alternatives %q of cargo, %d of rust-std", formats, len(release.Artifacts[3].Alternatives))
	}
	if err := release.Validate(); err != nil {
		t.Error(err)
	}
	if got := release.Commands; !slices.Equal(got, []string{"bin/*"}) || len(release.Env) != 0 || release.Profile != "minimal" {
		t.Errorf("commands %v, environment %v, profile %q", got, release.Env, release.Profile)
	}
	files := map[string]string{}
	for _, f := range release.Files {
		files[f.Path] = string(f.Data)
	}
	list := "cargo-" + host + "\nclippy-preview-" + host + "\nrust-src\nrust-std-" + host + "\nrust-std-" + wasm + "\nrustc-" + host + "\n"
	if l := release.Listings[0]; l.Path != "lib/rustlib/components" || string(l.Text(release.Components)) != list ||
		string(l.Text([]string{"cargo", "rustc"})) != "cargo-"+host+"\nrustc-"+host+"\n" {
		t.Errorf("listing %+v", l)
	}
	// The format is rustup's: testdata/multirust-config.toml is its own.
	inOrder := []string{"cargo", "clippy", "rust-docs", "rust-std", "rustc", "rustfmt"}
	r.Profile = "default"
	if whole, err := newWorld(t, everything()).resolve(t, r); err != nil || whole.Listings[1].Path != "lib/rustlib/multirust-config.toml" ||
		string(whole.Listings[1].Text(inOrder)) != string(sample(t, "multirust-config.toml")) {
		t.Errorf("listing %+v, %v", whole.Listings, err)
	}
	if len(files) != 2 || files["lib/rustlib/rust-installer-version"] != "3" ||
		files["lib/rustlib/multirust-channel-manifest.toml"] != manifest("1.95.0", "2026-04-16") {
		t.Errorf("files %v", files)
	}
	onWindows := ask("1.95.0")
	onWindows.Platform = windows
	if release, err = newWorld(t, everything()).resolve(t, onWindows); err != nil || !slices.Equal(release.Commands, []string{"bin/*.exe"}) ||
		release.Artifacts[0].Name != "cargo-1.95.0-"+msvc+".tar.zst" {
		t.Errorf("on Windows: %+v, %v", release, err)
	}
}

func TestResolveRefuses(t *testing.T) {
	w := newWorld(t, everything())
	with := func(change func(*manifests.Request)) error {
		r := ask("1.95.0")
		change(&r)
		_, err := w.resolve(t, r)
		return err
	}
	for name, near := range map[string]string{"clipy": "clippy", "rust-std-wasm32-unknown-unknow": "rust-std-" + wasm, "rust-mingw": "", "nothing-like-it": "",
		"rust": "", "reproducible-artifacts": ""} {
		var unknown *manifests.UnknownPartError
		err := with(func(r *manifests.Request) { r.Components = []string{name} })
		if !errors.As(err, &unknown) || unknown.Name != name || near != "" && !slices.Contains(unknown.Near, near) {
			t.Errorf("component %s: %v", name, err)
		}
	}
	var unavailable *manifests.UnknownPartError
	if err := with(func(r *manifests.Request) { r.Components = []string{"miri"} }); !errors.As(err, &unavailable) || unavailable.Name != "miri" {
		t.Errorf("a component that is listed and was not built: %v", err)
	}
	if err := with(func(r *manifests.Request) { r.Profile = "complete" }); !errors.As(err, &unavailable) || unavailable.Name != "miri" {
		t.Errorf("a profile with a component that was not built: %v", err)
	}
	var target *manifests.UnknownPartError
	if err := with(func(r *manifests.Request) { r.Targets = []string{"wasm32-unknown-unknow"} }); !errors.As(err, &target) || !slices.Equal(target.Near, []string{wasm}) {
		t.Errorf("target: %v", err)
	}
	var profile *manifests.UnknownPartError
	if err := with(func(r *manifests.Request) { r.Profile = "minimum" }); !errors.As(err, &profile) || !slices.Equal(profile.Near, []string{"minimal"}) {
		t.Errorf("profile: %v", err)
	}
	var platform *manifests.UnsupportedPlatformError
	for _, p := range []manifests.Platform{{OS: "linux", Arch: "arm64", Libc: "gnu"}, {OS: "linux", Arch: "amd64", Libc: "musl"}, {OS: "plan9", Arch: "amd64"}, {}} {
		if err := with(func(r *manifests.Request) { r.Platform = p }); !errors.As(err, &platform) || len(platform.Have) != 2 {
			t.Errorf("platform %s: %v", p, err)
		}
	}
}

// TestWithoutProfiles reads a manifest from before profiles existed.
func TestWithoutProfiles(t *testing.T) {
	text, _, _ := strings.Cut(manifest("1.35.0", "2019-05-23"), "[profiles]")
	w := newWorld(t, map[string]string{"channel-rust-1.35.0.toml": text})
	for _, profile := range []string{"", "minimal", "complete"} {
		r := ask("1.35.0")
		r.Profile = profile
		release, err := w.resolve(t, r)
		if err != nil || strings.Join(release.Components, " ") != "cargo rust-docs rust-std rustc" {
			t.Errorf("%q: %v, %v", profile, release.Components, err)
		}
	}
}

func TestTriples(t *testing.T) {
	for _, test := range []struct{ os, arch, libc, want string }{
		{"linux", "amd64", "gnu", host}, {"linux", "amd64", "", host}, {"linux", "amd64", "musl", "x86_64-unknown-linux-musl"},
		{"linux", "arm64", "gnu", "aarch64-unknown-linux-gnu"}, {"darwin", "arm64", "", "aarch64-apple-darwin"},
		{"windows", "amd64", "", msvc}, {"linux", "s390x", "musl", ""}, {"plan9", "amd64", "", ""}, {"", "", "", ""},
	} {
		if got := triple(manifests.Platform{OS: test.os, Arch: test.arch, Libc: test.libc}); got != test.want {
			t.Errorf("%s/%s/%s: %q", test.os, test.arch, test.libc, got)
		}
	}
}
