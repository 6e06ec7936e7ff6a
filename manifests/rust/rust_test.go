package rust

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
	"github.com/kist-tools/kist/verify/verifytest"
)

// everything returns a manifest for each name, each with its own version.
func everything() map[string]string {
	return map[string]string{
		"channel-rust-stable.toml":             manifest("1.95.0", "2026-04-16"),
		"channel-rust-1.95.toml":               manifest("1.95.0", "2026-04-16"),
		"channel-rust-1.95.0.toml":             manifest("1.95.0", "2026-04-16"),
		"channel-rust-beta.toml":               manifest("1.96.0-beta.3", "2026-05-02"),
		"channel-rust-1.96.0-beta.3.toml":      manifest("1.96.0-beta.3", "2026-05-02"),
		"channel-rust-nightly.toml":            manifest("1.97.0-nightly", "2026-11-20"),
		"2026-11-01/channel-rust-nightly.toml": manifest("1.97.0-nightly", "2026-11-01"),
		"2026-04-16/channel-rust-stable.toml":  manifest("1.95.0", "2026-04-16"),
	}
}

func TestFetchByName(t *testing.T) {
	w := newWorld(t, everything())
	for _, test := range []struct {
		asked, version, labels, line string
		fixed                        bool
	}{
		{"", "1.95.0", "stable", "stable", false},
		{"stable", "1.95.0", "stable", "stable", false},
		{"latest", "1.95.0", "stable", "stable", false},
		{"1.95", "1.95.0", "", "1.95", false},
		{"1.95.0", "1.95.0", "", "", true},
		{"beta", "1.96.0-beta.3", "beta", "beta", false},
		{"1.96.0-beta.3", "1.96.0-beta.3", "", "", true},
		{"nightly", "nightly-2026-11-20", "nightly", "nightly", false},
		{"nightly-2026-11-01", "nightly-2026-11-01", "", "", true},
		{"stable-2026-04-16", "1.95.0", "stable-2026-04-16", "", true},
	} {
		catalog, err := w.source(t).Fetch(t.Context(), w, manifests.Query{Request: ask(test.asked), Now: now})
		if err != nil {
			t.Errorf("%q: %v", test.asked, err)
			continue
		}
		mark := catalog.Mark()
		if mark.Line != test.line || mark.Fixed != test.fixed || mark.IsZero() || mark.Digest.IsZero() || !mark.Expires.IsZero() {
			t.Errorf("%q: mark %+v", test.asked, mark)
		}
		release, err := catalog.Resolve(ask(test.asked))
		if err == nil {
			err = release.Validate()
		}
		if err != nil || release.Version != test.version || strings.Join(release.Labels, " ") != test.labels {
			t.Errorf("%q: %s %v, %v", test.asked, release.Version, release.Labels, err)
		}
		e := release.Evidence
		if e.Kind != verify.ByDetached || !slices.Contains(e.Notes, noExpiry) || e.Mark == nil || !e.Mark.Issued.Equal(mark.Issued) {
			t.Errorf("%q: evidence %+v", test.asked, e)
		}
		list := catalog.Versions("rust")
		if len(list) != 1 || list[0].Version != test.version || list[0].Unsigned || !list[0].Date.Equal(mark.Issued) || len(catalog.Versions("go")) != 0 {
			t.Errorf("%q: versions %+v", test.asked, list)
		}
		if _, err := catalog.Resolve(ask(test.version)); err != nil {
			t.Errorf("%q, then the version it proved: %v", test.asked, err)
		}
		if _, err := catalog.Resolve(ask("1.94.0")); err == nil {
			t.Errorf("%q answers for another version", test.asked)
		}
	}
}

func TestFetchRefusesUnknownNames(t *testing.T) {
	w := newWorld(t, everything())
	for asked, near := range map[string]string{"1.99.0": "", "1.94": "", "nightly-2026-11-02": "", "stabel": "stable", "1": "", "lts": "", "1.95.0.1": "",
		"1.95.0-rc.1": "", "nightly-x86_64-unknown-linux-gnu": "nightly", "../stable": "", "nightly-2026-13-01": "nightly", "Stable": "stable"} {
		var unknown *manifests.UnknownVersionError
		_, err := w.resolve(t, ask(asked))
		if !errors.As(err, &unknown) || unknown.Version != asked || errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%q: %v", asked, err)
		} else if near != "" && !slices.Contains(unknown.Near, near) {
			t.Errorf("%q: near it %v", asked, unknown.Near)
		}
	}
	other := ask("")
	other.Tool = "go"
	var tool *manifests.UnknownToolError
	if _, err := w.resolve(t, other); !errors.As(err, &tool) {
		t.Errorf("another tool: %v", err)
	}
	empty := newWorld(t, nil)
	if _, err := empty.resolve(t, ask("")); !errors.Is(err, manifests.ErrNotFound) {
		t.Errorf("nothing there: %v", err)
	}
	for _, url := range []string{"https://rust.example.org/dist/", "https://rust.example.org/dist/channel-rust-lts.toml", "ftp://rust.example.org/dist/" + ManifestName,
		dist + "channel-rust-nightly-2026-11-01.toml", dist + ManifestName + "?x=1", "https://u:secret@rust.example.org/dist/x"} {
		s := w.source(t)
		s.URL = url
		if _, err := s.Fetch(t.Context(), w, manifests.Query{Now: now}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestFetchRefusesAnotherRelease checks that the proved version must be the requested
// one.
func TestFetchRefusesAnotherRelease(t *testing.T) {
	for name, test := range map[string]struct{ file, asked, number, date string }{
		"stable as nightly":  {"channel-rust-nightly.toml", "nightly", "1.95.0", "2026-04-16"},
		"nightly as stable":  {"channel-rust-stable.toml", "", "1.97.0-nightly", "2026-11-20"},
		"beta as stable":     {"channel-rust-stable.toml", "stable", "1.96.0-beta.3", "2026-05-02"},
		"stable as beta":     {"channel-rust-beta.toml", "beta", "1.96.0", "2026-05-02"},
		"1.94 as 1.95":       {"channel-rust-1.95.toml", "1.95", "1.94.1", "2026-03-01"},
		"1.9 as 1.95":        {"channel-rust-1.95.toml", "1.95", "1.9.5", "2026-03-01"},
		"a beta as 1.95":     {"channel-rust-1.95.toml", "1.95", "1.95.0-beta.1", "2026-03-01"},
		"1.95.1 as 1.95.0":   {"channel-rust-1.95.0.toml", "1.95.0", "1.95.1", "2026-03-01"},
		"another beta":       {"channel-rust-1.96.0-beta.3.toml", "1.96.0-beta.3", "1.96.0-beta.2", "2026-05-02"},
		"another day":        {"2026-11-01/channel-rust-nightly.toml", "nightly-2026-11-01", "1.97.0-nightly", "2026-10-31"},
		"no version":         {"channel-rust-stable.toml", "", "", "2026-04-16"},
		"an invalid version": {"channel-rust-stable.toml", "", "../../x", "2026-04-16"},
	} {
		if _, err := newWorld(t, map[string]string{test.file: manifest(test.number, test.date)}).resolve(t, ask(test.asked)); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s: %v", name, err)
		}
		right := map[string][2]string{"nightly": {"1.97.0-nightly", "2026-11-20"}, "": {"1.95.0", "2026-04-16"}, "stable": {"1.95.0", "2026-04-16"},
			"beta": {"1.96.0-beta.3", "2026-05-02"}, "1.95": {"1.95.1", "2026-04-16"}, "1.95.0": {"1.95.0", "2026-04-16"},
			"1.96.0-beta.3": {"1.96.0-beta.3", "2026-05-02"}, "nightly-2026-11-01": {"1.97.0-nightly", "2026-11-01"}}[test.asked]
		if _, err := newWorld(t, map[string]string{test.file: manifest(right[0], right[1])}).resolve(t, ask(test.asked)); err != nil {
			t.Errorf("honest twin of %s: %v", name, err)
		}
	}
}

// TestOriginIsMapped checks that URLs in upstream's signed bytes are mapped to the
// mirror that serves them.
func TestOriginIsMapped(t *testing.T) {
	text := manifest("1.95.0", "2026-04-16")
	const upstream = "https://static.rust-lang.org/dist/2026-04-16/rustc-1.95.0-" + host + ".tar.gz"
	file := "2026-04-16/rustc-1.95.0-" + host + ".tar.gz"
	for _, test := range []struct{ url, in, want string }{
		{dist + ManifestName, upstream, dist + file},
		{"https://u:pw@rust.example.org/x/dist/" + ManifestName, upstream, "https://u:pw@rust.example.org/x/dist/" + file},
		{"file:///srv/rust/dist/" + ManifestName, upstream, "file:///srv/rust/dist/" + file},
		{"http://127.0.0.1:8099/dist/" + ManifestName, "http://127.0.0.1:8099/files/rustc.tar.gz", "http://127.0.0.1:8099/files/rustc.tar.gz"},
		{"http://127.0.0.1:8099/dist/" + ManifestName, "https://cdn.example.org/rustc.tar.gz", "https://cdn.example.org/rustc.tar.gz"},
		{dist + ManifestName, "https://static.rust-lang.org/other/rustc.tar.gz", "https://static.rust-lang.org/other/rustc.tar.gz"},
		{dist + ManifestName, "http://127.0.0.1:8099/files/rustc.tar.gz", ""},
		{dist + ManifestName, "file:///etc/passwd", ""},
		{"file:///srv/rust/dist/" + ManifestName, "http://127.0.0.1:8099/files/rustc.tar.gz", ""},
		{dist + ManifestName, "https://static.rust-lang.org/dist/../../rustc.tar.gz", ""},
		{dist + ManifestName, "https://static.rust-lang.org/dist/%2e%2e/rustc.tar.gz", ""},
	} {
		w := newWorld(t, nil)
		data := []byte(strings.Replace(text, upstream, test.in, 1))
		w.Files[test.url], w.Files[test.url+".asc"] = data, w.key.Sign(t, data, now.AddDate(0, -1, 0))
		s := w.source(t)
		s.URL = test.url
		catalog, err := s.Fetch(t.Context(), w, manifests.Query{Request: ask(""), Now: now})
		var release manifests.Release
		if err == nil {
			release, err = catalog.Resolve(ask(""))
		}
		if test.want == "" {
			if !errors.Is(err, verify.ErrUntrusted) {
				t.Errorf("%s in %s: %v", test.in, test.url, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s in %s: %v", test.in, test.url, err)
			continue
		}
		i := slices.IndexFunc(release.Artifacts, func(a manifests.Artifact) bool { return a.Component == "rustc" })
		if got := release.Artifacts[i].Refs; len(got) != 1 || got[0] != test.want {
			t.Errorf("%s in %s: %v", test.in, test.url, got)
		}
		if f := release.Files[len(release.Files)-1]; string(f.Data) != string(data) {
			t.Errorf("%s: the signed bytes were rewritten", test.url)
		}
	}
}

func TestSuite(t *testing.T) {
	for _, test := range []struct {
		name, asked string
		freshness   manifesttest.Freshness
	}{{"a name that moves", "stable", manifesttest.Daily}, {"an exact version", "1.2.0", manifesttest.Undated}} {
		t.Run(test.name, func(t *testing.T) {
			manifesttest.Run(t, manifesttest.Fixture{
				Freshness: test.freshness,
				Serve: func(tb testing.TB, w manifesttest.World) map[string][]byte {
					at := dist + "channel-rust-" + test.asked + ".toml"
					data := []byte(manifest(w.Version, w.Issued.Format("2006-01-02")))
					files := map[string][]byte{at: data, at + ".asc": {}}
					if len(w.Signers) > 0 {
						files[at+".asc"] = verifytest.Cosign(tb, data, w.Signed, w.Signers...)
					}
					return files
				},
				Source: func(tb testing.TB, policy verify.Policy) manifests.Source {
					return Source{Channel: "mirror", URL: dist + ManifestName, Policy: policy}
				},
				Request: func(string) manifests.Request { return ask(test.asked) },
			})
		})
	}
}

// TestRealManifest proves the Rust project's own manifest of 2019 by the project's key.
func TestRealManifest(t *testing.T) {
	keys, err := keyrings.Lookup("rust")
	if err != nil {
		t.Fatal(err)
	}
	u := &manifesttest.Upstream{Files: map[string][]byte{
		Upstream:          sample(t, "channel-rust-stable-2019-09-26.toml.gz"),
		Upstream + ".asc": sample(t, "channel-rust-stable-2019-09-26.toml.asc"),
	}}
	s := Source{Channel: "rust", URL: Upstream, Policy: verify.Policy{Keys: keys, Threshold: 1}}
	catalog, err := s.Fetch(t.Context(), u, manifests.Query{Request: ask(""), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	r := ask("stable")
	r.Components = []string{"clippy", "rust-src"}
	r.Targets = []string{wasm}
	release, err := catalog.Resolve(r)
	if err == nil {
		err = release.Validate()
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(release.Components, " "); release.Version != "1.38.0" || got != "cargo clippy rust-src rust-std rust-std-"+wasm+" rustc" {
		t.Errorf("%s: %s", release.Version, got)
	}
	want := "https://static.rust-lang.org/dist/2019-09-26/cargo-0.39.0-" + host + ".tar.gz"
	if a := release.Artifacts[0]; a.Refs[0] != want || a.Name != "cargo-0.39.0-"+host+".tar.gz" {
		t.Errorf("artifact %+v", a)
	}
	signer := release.Evidence.Signers[0]
	if signer.Primary != "108F66205EAEB0AAA8DD5E1C85AB96E6FA1BE5FE" || signer.Key != "C13466B7E169A085188632165CB4A9347B3B09DC" || !signer.Pinned {
		t.Errorf("signed by %+v", signer)
	}
	stranger := s
	stranger.Policy.Keys = verifytest.Keyring(t, verifytest.NewKey(t, "stranger", now.AddDate(-9, 0, 0)))
	if _, err := stranger.Fetch(t.Context(), u, manifests.Query{Request: ask(""), Now: now}); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("by another key: %v", err)
	}
	u.Tell(Upstream, manifesttest.Flipped(100_000))
	if _, err := s.Fetch(t.Context(), u, manifests.Query{Request: ask(""), Now: now}); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("with one bit flipped: %v", err)
	}
}
