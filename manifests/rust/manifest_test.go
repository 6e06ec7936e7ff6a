package rust

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func TestParseChecksTheWholeManifest(t *testing.T) {
	good := manifest("1.95.0", "2026-04-16")
	if _, err := parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	if _, err := parse([]byte(good + "\n[what-comes-later]\nkey = 1\n[pkg.rustc.target." + host + ".later]\nx = 1\n")); err != nil {
		t.Errorf("keys that are not read: %v", err)
	}
	hash := verify.DigestOf([]byte("rust-src-1.95.0.tar.gz")).Hex()
	const url = `"https://static.rust-lang.org/dist/2026-04-16/rust-src-1.95.0.tar.gz"`
	component := "[[pkg.rust.target." + host + ".components]]\npkg = \"cargo\"\ntarget = \"" + host + "\"\n"
	for name, test := range map[string]struct{ old, new, rule string }{
		"version 1":                  {`manifest-version = "2"`, `manifest-version = "1"`, "not 2"},
		"version 3":                  {`manifest-version = "2"`, `manifest-version = "3"`, "not 2"},
		"a number as version":        {`manifest-version = "2"`, `manifest-version = 2`, "not a string"},
		"no version":                 {`manifest-version = "2"`, ``, "missing"},
		"keys in capitals":           {`manifest-version = "2"`, `Manifest-Version = "2"`, "missing"},
		"no date":                    {`date = "2026-04-16"`, ``, "date is missing"},
		"another kind of date":       {`date = "2026-04-16"`, `date = "16.4.2026"`, "YYYY-MM-DD"},
		"an impossible day":          {`date = "2026-04-16"`, `date = "2026-02-30"`, "YYYY-MM-DD"},
		"a date of TOML":             {`date = "2026-04-16"`, `date = 2026-04-16`, "not a string"},
		"no toml":                    {`[renames.clippy]`, `[renames.clippy`, "line"},
		"a table twice":              {`[renames.clippy]`, `[renames.rustfmt]`, "line"},
		"no pkg.rust":                {"\n[pkg.rust]\n", "\n[pkg.rusty]\n", ""},
		"short hash":                 {hash, hash[:62], "hash"},
		"no hash":                    {"hash = \"" + hash + "\"", "", "hash is missing"},
		"another digest":             {hash, "sha512:" + hash, "hash"},
		"hash of nothing":            {hash, "", "hash"},
		"hash in words":              {hash, strings.Repeat("z", 64), "hash"},
		"no url":                     {"url = " + url, "", "url is missing"},
		"url of a directory":         {url, `"https://static.rust-lang.org/dist/"`, "not the URL of a file"},
		"url with a password":        {url, `"https://u:hunter2@static.rust-lang.org/x"`, "not the URL of a file"},
		"url with a query":           {url, `"https://static.rust-lang.org/x?y"`, "not the URL of a file"},
		"url of another scheme":      {url, `"ftp://static.rust-lang.org/x"`, "not the URL of a file"},
		"a path as url":              {url, `"/etc/passwd"`, "not the URL of a file"},
		"url without a host":         {url, `"https:///x"`, "not the URL of a file"},
		"available without url":      {"available = false", "available = true", "no url"},
		"availability missing":       {"available = false", "", "available is missing"},
		"availability not boolean":   {"available = false", `available = "no"`, "not true or false"},
		"a missing component":        {component, strings.Replace(component, "cargo", "crago", 1), "does not exist"},
		"a missing target":           {component, strings.Replace(component, `target = "x86_64`, `target = "x86_65`, 1), "does not exist"},
		"a component without target": {component, strings.Replace(component, "target = ", "where = ", 1), "target is missing"},
		"components elsewhere":       {"[pkg.rustfmt-preview.target.\"" + host + "\"]\n", "[pkg.rustfmt-preview.target.\"" + host + "\"]\ncomponents = [{}]\n", "only pkg.rust"},
		"a list of numbers":          {"available = false", "available = false\nextensions = 3", "not a list of"},
		"a rename to nothing":        {`to = "clippy-preview"`, `to = "clippy-review"`, "does not exist"},
		"a rename to a list":         {`to = "clippy-preview"`, `to = ["clippy-preview"]`, "not a string"},
		"a profile of numbers":       {`minimal = ["rustc"`, `minimal = [1`, "not a string"},
		"a package with a slash":     {"[pkg.rust-mingw]", "[pkg.\"../rust-mingw\"]\nversion = \"1\"\n[pkg.\"../rust-mingw\".target]\n[pkg.rust-mingw]", "name"},
		"a target with a slash":      {`target."x86_64-pc-windows-gnu"`, `target."x86_64/../.."`, "name"},
		"a target in capitals":       {`target."x86_64-pc-windows-gnu"`, `target."X86_64"`, "name"},
		"not utf-8":                  {"[renames.clippy]", "# \xff\n[renames.clippy]", "line"},
	} {
		bad := strings.Replace(good, test.old, test.new, 1)
		if bad == good {
			t.Errorf("%s: nothing was changed", name)
		}
		_, err := parse([]byte(bad))
		var format *manifests.FormatError
		if !errors.As(err, &format) || !errors.Is(err, verify.ErrUntrusted) || !strings.Contains(err.Error(), test.rule) {
			t.Errorf("%s: %v, want %q", name, err, test.rule)
		} else if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: it shows a password, or takes several lines: %v", name, err)
		}
	}
	if _, err := parseDocument(verify.Document{}); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a manifest that was not proved: %v", err)
	}
}

func TestCeilings(t *testing.T) {
	good := manifest("1.95.0", "2026-04-16")
	before, after, _ := strings.Cut(good, "[renames.clippy]\n")
	after = "[renames.clippy]\n" + after
	name := func(i int) string { return fmt.Sprintf("x%d", i) }
	for kind, test := range map[string]struct {
		have, limit int
		part        func(i int) string
	}{
		"packages": {10, maxPackages, func(i int) string { return "[pkg." + name(i) + "]\nversion = \"\"\n[pkg." + name(i) + ".target]\n" }},
		"targets":  {2, maxTargets, func(i int) string { return "[pkg.cargo.target." + name(i) + "]\navailable = false\n" }},
		"renames":  {3, maxPackages, func(i int) string { return "[renames." + name(i) + "]\nto = \"cargo\"\n" }},
		"components": {4, maxList, func(int) string {
			return "[[pkg.rust.target." + host + ".components]]\npkg = \"cargo\"\ntarget = \"" + host + "\"\n"
		}},
	} {
		var many strings.Builder
		for i := range test.limit - test.have {
			many.WriteString(test.part(i))
		}
		if _, err := parse([]byte(before + many.String() + after)); err != nil {
			t.Errorf("%s at the limit: %v", kind, err)
		}
		many.WriteString(test.part(test.limit))
		if _, err := parse([]byte(before + many.String() + after)); err == nil || !strings.Contains(err.Error(), "over the limit") {
			t.Errorf("%s over the limit: %v", kind, err)
		}
	}
}

// TestParseReal reads the real manifest of 1.95.0.
func TestParseReal(t *testing.T) {
	m, err := parse(sample(t, "channel-rust-1.95.0-2026-04-16.toml.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if m.Number != "1.95.0" || m.Date != "2026-04-16" || len(m.packages) != 21 || len(m.host) != 32 || len(m.renames) < 8 || len(m.profiles) != 3 {
		t.Errorf("%s of %s: %d packages, %d hosts, %d renames, %d profiles", m.Number, m.Date, len(m.packages), len(m.host), len(m.renames), len(m.profiles))
	}
	if n := len(m.host[host]); n != 162 {
		t.Errorf("%d components for %s", n, host)
	}
	absent := 0
	for _, targets := range m.packages {
		for _, target := range targets {
			if !target.available {
				absent++
			}
		}
	}
	if absent != 285 {
		t.Errorf("%d are not available", absent)
	}
	c := &catalog{channel: "rust", url: Upstream, name: releaseName{Channel: "1.95.0"}, manifest: m}
	r := ask("1.95.0")
	for profile, want := range map[string]string{"": "cargo rust-std rustc", "default": "cargo clippy rust-docs rust-std rustc rustfmt"} {
		r.Profile = profile
		release, err := c.Resolve(r)
		if err == nil {
			err = release.Validate()
		}
		if got := strings.Join(release.Components, " "); got != want || err != nil {
			t.Errorf("%s: %s, %v", profile, got, err)
		}
	}
	r.Profile = "complete" // has components that only exist in a nightly
	var unavailable *manifests.UnknownPartError
	if _, err := c.Resolve(r); !errors.As(err, &unavailable) || unavailable.Name != "miri" {
		t.Errorf("complete: %v", err)
	}
	r.Profile, r.Targets = "", []string{wasm, "aarch64-linux-android"}
	release, err := c.Resolve(r)
	if err != nil || !slices.Contains(release.Components, "rust-std-aarch64-linux-android") {
		t.Errorf("targets: %v, %v", release.Components, err)
	}
	for _, p := range platforms() {
		if _, ok := m.packages["rust"][p.triple]; !ok {
			t.Errorf("no toolchain for %s, %s", p.Platform, p.triple)
		}
	}
}

func TestNames(t *testing.T) {
	for text, want := range map[string]releaseName{
		"stable": {"stable", ""}, "beta": {"beta", ""}, "nightly": {"nightly", ""}, "1.95": {"1.95", ""}, "1.95.0": {"1.95.0", ""},
		"1.95.0-beta": {"1.95.0-beta", ""}, "1.95.0-beta.1": {"1.95.0-beta.1", ""}, "1.95-beta": {"1.95-beta", ""},
		"nightly-2026-11-01": {"nightly", "2026-11-01"}, "beta-2026-11-01": {"beta", "2026-11-01"}, "1.95.0-2026-04-16": {"1.95.0", "2026-04-16"},
	} {
		got, ok := parseName(text)
		if !ok || got != want || got.String() != text {
			t.Errorf("%s: %+v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "Stable", "stable-", "-2026-11-01", "nightly-2026-11-1", "nightly-2026-13-01", "1", "1.", "1.95.", "1.95.0.0",
		"1.95.0-rc.1", "1.95.0-beta.", "1.95.0-beta.x", "1.95.0-beta-1", "v1.95.0", "stable-x86_64-unknown-linux-gnu", "../stable", "1.9999999999"} {
		if got, ok := parseName(text); ok {
			t.Errorf("%q: %+v", text, got)
		}
	}
	for text, fixed := range map[string]bool{"stable": false, "1.95": false, "1.95.0": true, "1.95.0-beta": false, "1.95.0-beta.1": true, "1.95-beta": false,
		"nightly-2026-11-01": true, "stable-2026-11-01": true} {
		if n, _ := parseName(text); n.fixed() != fixed {
			t.Errorf("%s: fixed %v", text, n.fixed())
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(manifest("1.95.0", "2026-04-16")))
	f.Add([]byte("manifest-version = \"2\"\ndate = \"2026-04-16\"\n[pkg.rust]\nversion = \"1.95.0\"\n[pkg.rust.target.\"*\"]\navailable = false\n"))
	f.Add([]byte("pkg = [1]"))
	f.Add([]byte("[renames]\nx = 1\n[profiles]\ny = [[]]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parse(data)
		if err != nil {
			if !errors.Is(err, verify.ErrUntrusted) {
				t.Errorf("not a refusal: %v", err)
			}
			return
		}
		c := &catalog{channel: "rust", url: Upstream, manifest: m}
		for host := range m.host {
			for _, p := range platforms() {
				if p.triple != host {
					continue
				}
				release, err := c.Resolve(manifests.Request{Tool: Tool, Platform: p.Platform, Profile: "default"})
				if err != nil {
					continue
				}
				for _, a := range release.Artifacts {
					if a.Integrity.Digest.IsZero() || len(a.Refs) != 1 || a.Layout.Installer == nil {
						t.Errorf("artifact %+v", a)
					}
				}
			}
		}
	})
}
