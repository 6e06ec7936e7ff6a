package rust

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

const (
	dist = "https://rust.example.org/mirror/dist/"
	host = "x86_64-unknown-linux-gnu"
	wasm = "wasm32-unknown-unknown"
	msvc = "x86_64-pc-windows-msvc"
)

var (
	now     = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	linux   = manifests.Platform{OS: "linux", Arch: "amd64", Libc: "gnu"}
	windows = manifests.Platform{OS: "windows", Arch: "amd64"}
)

// manifest returns a small manifest in upstream's form.
func manifest(number, date string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "manifest-version = \"2\"\ndate = %q\n", date)
	archive := func(file, kinds string) {
		b.WriteString("available = true\n")
		for _, kind := range strings.Fields(kinds) {
			prefix := map[string]string{"gz": "", "xz": "xz_", "zst": "zst_"}[kind]
			name := file + ".tar." + kind
			fmt.Fprintf(&b, "%surl = \"https://static.rust-lang.org/dist/%s/%s\"\n%shash = %q\n", prefix, date, name, prefix, verify.DigestOf([]byte(name)).Hex())
		}
	}
	pkg := func(name, kinds string, targets ...string) {
		fmt.Fprintf(&b, "\n[pkg.%s]\nversion = \"%s (59807616e 2026-04-14)\"\n", name, number)
		for _, target := range targets {
			fmt.Fprintf(&b, "[pkg.%s.target.%q]\n", name, target)
			archive(strings.TrimSuffix(name, "-preview")+"-"+number+"-"+target, kinds)
		}
	}
	pkg("rustc", "gz xz", host, msvc)
	pkg("cargo", "xz gz zst", host, msvc)
	pkg("rust-std", "xz", host, msvc, wasm)
	pkg("rust-docs", "gz xz", host, msvc)
	pkg("rust-mingw", "gz xz", "x86_64-pc-windows-gnu")
	pkg("clippy-preview", "gz xz", host, msvc)
	pkg("rustfmt-preview", "gz xz", host, msvc)
	b.WriteString("\n[pkg.rust-src]\nversion = \"" + number + "\"\n[pkg.rust-src.target.\"*\"]\n")
	archive("rust-src-"+number, "gz xz")
	b.WriteString("\n[pkg.miri-preview]\nversion = \"\"\n[pkg.miri-preview.target." + host + "]\navailable = false\n")
	pkg("rust", "gz xz", host, msvc)
	list := func(on, kind, pkg, target string) {
		fmt.Fprintf(&b, "[[pkg.rust.target.%s.%s]]\npkg = %q\ntarget = %q\n", on, kind, pkg, target)
	}
	for _, on := range []string{host, msvc} {
		for _, name := range []string{"rustc", "cargo", "rust-std", "rust-docs"} {
			list(on, "components", name, on)
		}
		list(on, "extensions", "rust-std", wasm)
		list(on, "extensions", "clippy-preview", on)
		list(on, "extensions", "rustfmt-preview", on)
		list(on, "extensions", "rust-src", "*")
	}
	list(host, "extensions", "miri-preview", host)
	b.WriteString(`
[renames.clippy]
to = "clippy-preview"
[renames.rustfmt]
to = "rustfmt-preview"
[renames.miri]
to = "miri-preview"
[profiles]
minimal = ["rustc", "cargo", "rust-std", "rust-mingw"]
default = ["rustc", "cargo", "rust-std", "rust-mingw", "rust-docs", "rustfmt-preview", "clippy-preview"]
complete = ["rustc", "cargo", "rust-std", "rust-mingw", "rust-docs", "rustfmt-preview", "clippy-preview", "rust-src", "miri-preview"]
[[artifacts.source-code.target."*"]]
url = "https://static.rust-lang.org/dist/rustc-src.tar.gz"
`)
	return b.String()
}

// A world is a publisher in this format with its own key.
type world struct {
	*manifesttest.Upstream
	key *verifytest.Key
}

// newWorld publishes manifests by their file's path below dist.
func newWorld(t *testing.T, files map[string]string) world {
	w := world{&manifesttest.Upstream{Files: map[string][]byte{}}, verifytest.NewKey(t, "rust", now.AddDate(-3, 0, 0))}
	for name, text := range files {
		w.Files[dist+name] = []byte(text)
		w.Files[dist+name+".asc"] = w.key.Sign(t, []byte(text), now.AddDate(0, -1, 0))
	}
	return w
}

func (w world) source(t *testing.T) Source {
	return Source{Channel: "mirror", URL: dist + ManifestName, Policy: verify.Policy{Keys: verifytest.Keyring(t, w.key), Threshold: 1}}
}

func ask(version string) manifests.Request {
	return manifests.Request{Tool: "rust", Version: version, Platform: linux}
}

func (w world) resolve(t *testing.T, r manifests.Request) (manifests.Release, error) {
	t.Helper()
	catalog, err := w.source(t).Fetch(t.Context(), w, manifests.Query{Request: r, Now: now})
	if err != nil {
		return manifests.Release{}, err
	}
	release, err := catalog.Resolve(r)
	if err != nil {
		return manifests.Release{}, err
	}
	return release, release.Validate()
}

// sample reads a file of testdata.
func sample(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			tb.Fatal(err)
		}
		if data, err = io.ReadAll(z); err != nil {
			tb.Fatal(err)
		}
	}
	return data
}

func writeFile(tb testing.TB, name string, data []byte) {
	tb.Helper()
	if err := os.WriteFile(name, data, 0o644); err != nil {
		tb.Fatal(err)
	}
}
