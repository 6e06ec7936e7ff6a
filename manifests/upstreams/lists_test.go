package upstreams_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

const base = "https://mirror.example.org/dist/"

var (
	linux = manifests.Platform{OS: "linux", Arch: "amd64", Libc: "gnu"}
	musl  = manifests.Platform{OS: "linux", Arch: "amd64", Libc: "musl"}
)

// serve publishes a copy of tool's upstream.
func serve(tb testing.TB, tool string, worlds ...manifesttest.World) *manifesttest.Upstream {
	files := map[string][]byte{}
	for name, data := range manifesttest.Lists(tb, tool, worlds...) {
		files[base+name] = data
	}
	return &manifesttest.Upstream{Files: files}
}

func mirrorSource(tb testing.TB, tool string, policy verify.Policy) manifests.Source {
	source, err := upstreams.Mirror{Channel: "twin", Format: "checksums", Base: base, Tools: []string{tool},
		Keys: policy.Keys, Threshold: policy.Threshold}.Source()
	if err != nil {
		tb.Fatal(err)
	}
	return source
}

// prove checks the artifact of r as an install does.
func prove(tb testing.TB, r manifests.Release, t manifests.Transport) error {
	artifact := r.Artifacts[0]
	data, err := manifests.ReadAll(tb.Context(), t, artifact.Refs[0], 1<<20)
	if err != nil {
		return err
	}
	if err := verify.Check(artifact.Name, bytes.NewReader(data), -1, artifact.Integrity.Digest); err != nil {
		return err
	}
	if artifact.Witness == nil {
		return nil
	}
	files, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	for _, f := range files.File {
		if _, name, _ := strings.Cut(f.Name, "/"); name != artifact.Witness.Path {
			continue
		}
		in, err := f.Open()
		if err != nil {
			return err
		}
		text, err := io.ReadAll(in)
		if err == nil && !bytes.Contains(text, []byte(artifact.Witness.Contains)) {
			err = fmt.Errorf("the witness does not confirm it: %w", verify.ErrUntrusted)
		}
		return err
	}
	return fmt.Errorf("no witness: %w", verify.ErrUntrusted)
}

// TestEverySourceSuite runs the tests that every source must pass on upstreams with
// signed lists.
func TestEverySourceSuite(t *testing.T) {
	for _, tool := range upstreams.MirrorTools("checksums") {
		hints := map[string][]string{
			"node":  {"index.json", "v1.2.0/SHASUMS256.txt", "v1.2.0/SHASUMS256.txt.sig"}, // a clear-signed list exists as well
			"bun":   {"releases.atom"},
			"cmake": {"releases.atom"},
		}[tool]
		if hints == nil {
			hints = []string{tool + "/index.json", tool + "/1.2.0/" + tool + "_1.2.0_SHA256SUMS.72D7468F.sig"}
		}
		for i := range hints {
			hints[i] = base + hints[i]
		}
		t.Run(tool, func(t *testing.T) {
			manifesttest.Run(t, manifesttest.Fixture{
				Hints: hints, Use: verify.Release,
				Serve: func(tb testing.TB, w manifesttest.World) map[string][]byte {
					w.Name = ""
					return serve(tb, tool, w).Files
				},
				Source: func(tb testing.TB, policy verify.Policy) manifests.Source { return mirrorSource(tb, tool, policy) },
				Request: func(version string) manifests.Request {
					return manifests.Request{Tool: tool, Version: version, Platform: linux}
				},
				Prove: func(tb testing.TB, r manifests.Release, u *manifesttest.Upstream) error { return prove(tb, r, u) },
			})
		})
	}
}

// world is a published version, signed a month ago.
func world(key *verifytest.Key, version string) manifesttest.World {
	return manifesttest.World{Version: version, Issued: now.AddDate(0, -1, 0), Signers: []*verifytest.Key{key}, Signed: now.AddDate(0, -1, 0)}
}

func fetch(t *testing.T, tool string, key *verifytest.Key, u *manifesttest.Upstream, version string, p manifests.Platform) (manifests.Release, error) {
	t.Helper()
	q := manifests.Query{Request: manifests.Request{Tool: tool, Version: version, Platform: p}, Now: now}
	catalog, err := mirrorSource(t, tool, verify.Policy{Keys: verifytest.Keyring(t, key), Threshold: 1}).Fetch(t.Context(), u, q)
	if err != nil {
		return manifests.Release{}, err
	}
	release, err := catalog.Resolve(q.Request)
	if err == nil {
		err = release.Validate()
	}
	return release, err
}

// TestAnOldVersionUnderANewName serves all of an older version, validly signed, under
// the name of a newer one.
func TestAnOldVersionUnderANewName(t *testing.T) {
	key := verifytest.NewKey(t, "release", now.AddDate(-1, 0, 0))
	for _, tool := range upstreams.MirrorTools("checksums") {
		u := serve(t, tool, world(key, "1.2.0"), world(key, "1.1.0"))
		for name := range u.Files {
			if old := strings.ReplaceAll(name, "1.2.0", "1.1.0"); old != name {
				u.Files[name] = u.Files[old]
			}
		}
		release, err := fetch(t, tool, key, u, "1.2.0", linux)
		if err == nil {
			err = prove(t, release, u)
		}
		if !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s: %v", tool, err)
		}
		release, err = fetch(t, tool, key, u, "1.1.0", linux)
		if err == nil {
			err = prove(t, release, u)
		}
		if err != nil {
			t.Errorf("%s: the honest twin: %v", tool, err)
		}
	}
}

func TestEachRowOnEachPlatform(t *testing.T) {
	key := verifytest.NewKey(t, "release", now.AddDate(-1, 0, 0))
	mac := manifests.Platform{OS: "darwin", Arch: "arm64"}
	for _, test := range []struct {
		tool, file, command string // no file: not built for this platform
		platform            manifests.Platform
	}{
		{"node", "v1.2.0/node-v1.2.0-linux-x64.tar.gz", "bin/npm", linux},
		{"node", "v1.2.0/node-v1.2.0-darwin-arm64.tar.gz", "bin/node", mac},
		{"node", "v1.2.0/node-v1.2.0-win-x64.zip", "node.exe", manifests.Platform{OS: "windows", Arch: "amd64"}},
		{"node", "", "", musl},
		{"node", "", "", manifests.Platform{OS: "linux", Arch: "riscv64", Libc: "gnu"}},
		{"node", "", "", manifests.Platform{OS: "linux", Arch: "s390x", Libc: "gnu"}}, // the list has it for other platforms only
		{"bun", "releases/download/bun-v1.2.0/bun-linux-x64.zip", "bun", linux},
		{"bun", "releases/download/bun-v1.2.0/bun-linux-x64-musl.zip", "bun", musl},
		{"bun", "", "", manifests.Platform{OS: "linux", Arch: "arm64", Libc: "musl"}},
		{"terraform", "terraform/1.2.0/terraform_1.2.0_linux_amd64.zip", "terraform", linux},
		{"terraform", "terraform/1.2.0/terraform_1.2.0_linux_amd64.zip", "terraform", musl},
		{"nomad", "nomad/1.2.0/nomad_1.2.0_linux_amd64.zip", "nomad", linux},
		{"nomad", "", "", musl},
		{"vault", "vault/1.2.0/vault_1.2.0_darwin_arm64.zip", "vault", mac},
		{"cmake", "releases/download/v1.2.0/cmake-1.2.0-linux-x86_64.tar.gz", "bin/ctest", linux},
		{"cmake", "releases/download/v1.2.0/cmake-1.2.0-macos-universal.tar.gz", "CMake.app/Contents/bin/*", mac},
		{"cmake", "", "", musl},
	} {
		u := serve(t, test.tool, world(key, "1.2.0"))
		for _, asked := range []string{"1.2.0", ""} {
			release, err := fetch(t, test.tool, key, u, asked, test.platform)
			var unsupported *manifests.UnsupportedPlatformError
			if test.file == "" {
				if !errors.As(err, &unsupported) || len(unsupported.Have) == 0 {
					t.Errorf("%s@%s for %s: %v", test.tool, asked, test.platform, err)
				}
				continue
			}
			if err != nil || release.Artifacts[0].Refs[0] != base+test.file || !slices.Contains(release.Commands, test.command) {
				t.Errorf("%s@%s for %s: %+v, %v", test.tool, asked, test.platform, release.Artifacts, err)
			}
			if slices.Contains(release.Evidence.Notes, manifests.Unsigned) != (asked == "") {
				t.Errorf("%s@%s: notes %v", test.tool, asked, release.Evidence.Notes)
			}
		}
	}
}

func TestTwinNeedsAnUpstreamOfItsFormat(t *testing.T) {
	keys := verifytest.Keyring(t, verifytest.NewKey(t, "release", now.AddDate(-1, 0, 0)))
	for _, tool := range []string{"go", "nothing"} {
		if _, err := (upstreams.Mirror{Channel: "twin", Format: "checksums", Base: base, Tools: []string{tool}, Keys: keys, Threshold: 1}).Source(); err == nil {
			t.Errorf("a twin of %s", tool)
		}
	}
	source, err := upstreams.Mirror{Channel: "twin", Format: "checksums", Base: base, Tools: []string{"vault", "nomad"}, Keys: keys, Threshold: 1}.Source()
	if err != nil {
		t.Fatal(err)
	}
	var unknown *manifests.UnknownToolError
	if _, err := source.Fetch(t.Context(), &manifesttest.Upstream{}, manifests.Query{Request: manifests.Request{Tool: "node"}, Now: now}); !errors.As(err, &unknown) {
		t.Error(err)
	}
}
