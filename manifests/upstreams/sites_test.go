package upstreams_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/therootcompany/xz"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

const base = "https://mirror.example.org/dist/"

var (
	linux = manifests.Platform{OS: "linux", Arch: "amd64", Libc: "gnu"}
	musl  = manifests.Platform{OS: "linux", Arch: "amd64", Libc: "musl"}
)

// siteTools returns the tools whose upstreams sign files, by list or one by one.
func siteTools() []string {
	return slices.Concat(upstreams.MirrorTools("checksums"), upstreams.MirrorTools("detached"))
}

// serve publishes a copy of tool's upstream.
func serve(tb testing.TB, tool string, worlds ...manifesttest.World) *manifesttest.Upstream {
	files := map[string][]byte{}
	for name, data := range manifesttest.Publish(tb, tool, worlds...) {
		files[base+strings.ReplaceAll(name, "+", "%2B")] = data
	}
	return &manifesttest.Upstream{Files: files}
}

func mirrorSource(tb testing.TB, tool, base string, policy verify.Policy) manifests.Source {
	format, _ := upstreams.MirrorFormat(tool)
	source, err := upstreams.Mirror{Channel: "twin", Format: format, Base: base, Tools: []string{tool},
		Keys: policy.Keys, Threshold: policy.Threshold}.Source()
	if err != nil {
		tb.Fatal(err)
	}
	return source
}

// prove checks the artifact of r as an install does: its digest or signature, its
// witness, and that its commands exist.
func prove(tb testing.TB, r manifests.Release, t manifests.Transport) error {
	artifact := r.Artifacts[0]
	data, err := manifests.ReadAll(tb.Context(), t, artifact.Refs[0], 1<<20)
	if err != nil {
		return err
	}
	if signature := artifact.Integrity.Signature; signature != nil {
		_, err = signature.Policy.File(artifact.Name, bytes.NewReader(data), signature.Data)
	} else {
		err = verify.Check(artifact.Name, bytes.NewReader(data), -1, artifact.Integrity.Digest)
	}
	if err != nil {
		return err
	}
	files, err := unpacked(data, artifact.Layout)
	if err != nil {
		return err
	}
	if w := artifact.Witness; w != nil {
		text, ok := files[w.Path]
		confirmed := bytes.Contains(text, []byte(w.Contains))
		if w.WholeLine {
			confirmed = slices.Contains(strings.Split(string(text), "\n"), w.Contains)
		}
		if !ok || !confirmed {
			return fmt.Errorf("witness %s does not hold %q: %w", w.Path, w.Contains, verify.ErrUntrusted)
		}
	}
	for name := range files {
		if ok, _ := path.Match(r.Commands[0], name); ok {
			return nil
		}
	}
	return fmt.Errorf("no command matches %s: %w", r.Commands[0], verify.ErrUntrusted)
}

func unpacked(data []byte, layout manifests.Layout) (map[string][]byte, error) {
	files := map[string][]byte{}
	add := func(name string, r io.Reader) error {
		parts := strings.SplitN(name, "/", layout.Strip+1)
		text, err := io.ReadAll(r)
		files[parts[len(parts)-1]] = text
		return err
	}
	var in io.Reader
	var err error
	switch layout.Format {
	case "zip":
		z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return nil, err
		}
		for _, f := range z.File {
			r, err := f.Open()
			if err == nil {
				err = add(f.Name, r)
			}
			if err != nil {
				return nil, err
			}
		}
		return files, nil
	case "tar.gz":
		in, err = gzip.NewReader(bytes.NewReader(data))
	case "tar.xz":
		in, err = xz.NewReader(bytes.NewReader(data), 0)
	default:
		err = errors.New("another format: " + layout.Format)
	}
	if err != nil {
		return nil, err
	}
	for t := tar.NewReader(in); ; {
		h, err := t.Next()
		if err == io.EOF {
			return files, nil
		}
		if err == nil {
			err = add(h.Name, t)
		}
		if err != nil {
			return nil, err
		}
	}
}

// build turns a version of the suite into one of tool: a JDK has a build number.
func build(tool, version string) string {
	if tool == "java" && !strings.Contains(version, "+") {
		return version + "+7"
	}
	return version
}

// TestEverySourceSuite runs the tests that every source must pass on every upstream
// whose files are signed.
func TestEverySourceSuite(t *testing.T) {
	step := short.Step(t, 3)
	for i, tool := range siteTools() {
		if i%step != 0 {
			continue
		}
		t.Run(tool, func(t *testing.T) {
			publish := func(tb testing.TB, w manifesttest.World) map[string][]byte {
				w.Name, w.Version = "", build(tool, w.Version)
				return serve(tb, tool, w).Files
			}
			var hints []string
			for ref := range publish(t, manifesttest.World{Version: "1.2.0"}) {
				if !strings.Contains(ref, "1.2.0") {
					hints = append(hints, ref)
				}
			}
			switch format, _ := upstreams.MirrorFormat(tool); {
			case tool == "node": // a clear-signed list exists as well
				hints = append(hints, base+"v1.2.0/SHASUMS256.txt", base+"v1.2.0/SHASUMS256.txt.sig")
			case format == "checksums" && tool != "bun" && tool != "cmake": // another signature exists as well
				hints = append(hints, base+tool+"/1.2.0/"+tool+"_1.2.0_SHA256SUMS.72D7468F.sig")
			}
			manifesttest.Run(t, manifesttest.Fixture{
				Hints: hints, Use: verify.Release, Serve: publish,
				Source: func(tb testing.TB, policy verify.Policy) manifests.Source {
					return mirrorSource(tb, tool, base, policy)
				},
				Request: func(version string) manifests.Request {
					return manifests.Request{Tool: tool, Version: build(tool, version), Platform: linux}
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

func fetch(t *testing.T, tool, distro string, key *verifytest.Key, u *manifesttest.Upstream, version string, p manifests.Platform) (manifests.Release, error) {
	t.Helper()
	q := manifests.Query{Request: manifests.Request{Tool: tool, Version: version, Platform: p, Distro: distro}, Now: now}
	policy := verify.Policy{Keys: verifytest.Keyring(t, key), Threshold: 1}
	catalog, err := mirrorSource(t, tool, base, policy).Fetch(t.Context(), u, q)
	if err != nil {
		return manifests.Release{}, err
	}
	release, err := catalog.Resolve(q.Request)
	if err == nil {
		err = release.Validate()
	}
	return release, err
}

// TestAnOldVersionUnderANewName serves all of an older version, validly signed, under the
// name of a newer one. A signature over a file covers neither its name nor its version,
// so the content must confirm the version.
func TestAnOldVersionUnderANewName(t *testing.T) {
	key := verifytest.NewKey(t, "release", now.AddDate(-1, 0, 0))
	rename := strings.NewReplacer("1.2.0", "1.1.0", "/1.2/", "/1.1/")
	for _, tool := range siteTools() {
		older, newer := build(tool, "1.1.0"), build(tool, "1.2.0")
		u := serve(t, tool, world(key, newer), world(key, older))
		honest := serve(t, tool, world(key, newer), world(key, older))
		for name := range u.Files {
			if old := rename.Replace(name); old != name {
				u.Files[name] = honest.Files[old]
			}
		}
		release, err := fetch(t, tool, "", key, u, newer, linux)
		if format, _ := upstreams.MirrorFormat(tool); format == "detached" && err != nil {
			t.Errorf("%s: nothing but the witness can tell, and yet: %v", tool, err)
			continue
		} else if err == nil {
			if err = prove(t, release, u); err != nil && !strings.Contains(err.Error(), "witness") {
				t.Errorf("%s: not refused for its witness: %v", tool, err)
			}
		}
		if !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s: %v", tool, err)
		}
		for _, version := range []string{older, newer} {
			release, err := fetch(t, tool, "", key, honest, version, linux)
			if err == nil {
				err = prove(t, release, honest)
			}
			if err != nil {
				t.Errorf("%s: the honest twin %s: %v", tool, version, err)
			}
		}
	}
}

func TestEachRowOnEachPlatform(t *testing.T) {
	key := verifytest.NewKey(t, "release", now.AddDate(-1, 0, 0))
	mac := manifests.Platform{OS: "darwin", Arch: "arm64"}
	arm := manifests.Platform{OS: "linux", Arch: "arm64", Libc: "gnu"}
	risc := manifests.Platform{OS: "linux", Arch: "mips64", Libc: "gnu"}
	for _, test := range []struct {
		tool, asked, distro string
		platform            manifests.Platform
		file, command       string // no file: not built for this platform
	}{
		{"java", "21.0.5+11", "", linux, "temurin21-binaries/releases/download/jdk-21.0.5%2B11/OpenJDK21U-jdk_x64_linux_hotspot_21.0.5_11.tar.gz", "bin/*"},
		{"java", "jdk-21.0.5+11", "", arm, "temurin21-binaries/releases/download/jdk-21.0.5%2B11/OpenJDK21U-jdk_aarch64_linux_hotspot_21.0.5_11.tar.gz", "bin/*"},
		{"java", "21", "", mac, "temurin21-binaries/releases/download/jdk-21.0.5%2B11/OpenJDK21U-jdk_aarch64_mac_hotspot_21.0.5_11.tar.gz", "Contents/Home/bin/*"},
		{"java", "21.0.5", "", linux, "temurin21-binaries/releases/download/jdk-21.0.5%2B11/OpenJDK21U-jdk_x64_linux_hotspot_21.0.5_11.tar.gz", "bin/*"},
		{"java", "", "", linux, "temurin21-binaries/releases/download/jdk-21.0.5%2B11/OpenJDK21U-jdk_x64_linux_hotspot_21.0.5_11.tar.gz", "bin/*"},
		{"java", "lts", "", linux, "temurin21-binaries/releases/download/jdk-21.0.5%2B11/OpenJDK21U-jdk_x64_linux_hotspot_21.0.5_11.tar.gz", "bin/*"},
		{"java", "latest", "", linux, "temurin23-binaries/releases/download/jdk-23%2B37/OpenJDK23U-jdk_x64_linux_hotspot_23_37.tar.gz", "bin/*"},
		{"java", "23", "", linux, "temurin23-binaries/releases/download/jdk-23%2B37/OpenJDK23U-jdk_x64_linux_hotspot_23_37.tar.gz", "bin/*"},
		{"java", "21", "", risc, "", ""},
		{"julia", "1.13.0", "", linux, "linux/x64/1.13/julia-1.13.0-linux-x86_64.tar.gz", "bin/julia"},
		{"julia", "1.13", "", arm, "linux/aarch64/1.13/julia-1.13.0-linux-aarch64.tar.gz", "bin/julia"},
		{"julia", "1.13", "", musl, "", ""},
		{"julia", "1.13", "", manifests.Platform{OS: "windows", Arch: "amd64"}, "", ""}, // an installer only
		{"swift", "6.1", "", linux, "swift-6.1-release/ubi9/swift-6.1-RELEASE/swift-6.1-RELEASE-ubi9.tar.gz", "usr/bin/swift"},
		{"swift", "", "debian12", linux, "swift-6.1-release/debian12/swift-6.1-RELEASE/swift-6.1-RELEASE-debian12.tar.gz", "usr/bin/swiftc"},
		{"swift", "stable", "ubuntu24.04", linux, "swift-6.1-release/ubuntu2404/swift-6.1-RELEASE/swift-6.1-RELEASE-ubuntu24.04.tar.gz", "usr/bin/swiftc"},
		{"swift", "6.1", "arch", arm, "swift-6.1-release/ubi9-aarch64/swift-6.1-RELEASE/swift-6.1-RELEASE-ubi9-aarch64.tar.gz", "usr/bin/swiftc"},
		{"swift", "", "", musl, "", ""},
		{"swift", "", "", mac, "", ""}, // a signed installer package
		{"gradle", "8.10", "", linux, "distributions/gradle-8.10-bin.zip", "bin/gradle"},
		{"gradle", "", "", musl, "distributions/gradle-8.10-bin.zip", "bin/gradle"},
		{"gradle", "", "", manifests.Platform{OS: "windows", Arch: "amd64"}, "distributions/gradle-8.10-bin.zip", "bin/gradle.bat"},
		{"helm", "v4.0.1", "", linux, "helm-v4.0.1-linux-amd64.tar.gz", "helm"},
		{"helm", "4", "", mac, "helm-v4.0.1-darwin-arm64.tar.gz", "helm"},
		{"helm", "", "", risc, "", ""},
		{"llvm", "21.1.0", "", linux, "releases/download/llvmorg-21.1.0/LLVM-21.1.0-Linux-X64.tar.xz", "bin/clang"},
		{"llvm", "", "", musl, "", ""},
		{"node", "", "", linux, "v1.2.0/node-v1.2.0-linux-x64.tar.gz", "bin/npm"},
		{"node", "", "", mac, "v1.2.0/node-v1.2.0-darwin-arm64.tar.gz", "bin/node"},
		{"node", "", "", manifests.Platform{OS: "windows", Arch: "amd64"}, "v1.2.0/node-v1.2.0-win-x64.zip", "node.exe"},
		{"node", "", "", musl, "", ""},
		{"node", "", "", manifests.Platform{OS: "linux", Arch: "riscv64", Libc: "gnu"}, "", ""},
		{"node", "", "", manifests.Platform{OS: "linux", Arch: "s390x", Libc: "gnu"}, "", ""}, // the list has it for other platforms only
		{"bun", "", "", linux, "releases/download/bun-v1.2.0/bun-linux-x64.zip", "bun"},
		{"bun", "", "", musl, "releases/download/bun-v1.2.0/bun-linux-x64-musl.zip", "bun"},
		{"bun", "", "", manifests.Platform{OS: "linux", Arch: "arm64", Libc: "musl"}, "", ""},
		{"terraform", "", "", linux, "terraform/1.2.0/terraform_1.2.0_linux_amd64.zip", "terraform"},
		{"terraform", "", "", musl, "terraform/1.2.0/terraform_1.2.0_linux_amd64.zip", "terraform"},
		{"nomad", "", "", linux, "nomad/1.2.0/nomad_1.2.0_linux_amd64.zip", "nomad"},
		{"nomad", "", "", musl, "", ""},
		{"vault", "", "", mac, "vault/1.2.0/vault_1.2.0_darwin_arm64.zip", "vault"},
		{"cmake", "", "", linux, "releases/download/v1.2.0/cmake-1.2.0-linux-x86_64.tar.gz", "bin/ctest"},
		{"cmake", "", "", mac, "releases/download/v1.2.0/cmake-1.2.0-macos-universal.tar.gz", "CMake.app/Contents/bin/*"},
		{"cmake", "", "", musl, "", ""},
		{"maven", "3.9.9", "", mac, "maven-3/3.9.9/binaries/apache-maven-3.9.9-bin.tar.gz", "bin/mvn"},
	} {
		versions := map[string][]string{"java": {"23+37", "21.0.5+11", "17.0.13+11"}, "julia": {"1.13.0"}, "swift": {"6.1"},
			"gradle": {"8.10"}, "helm": {"4.0.1"}, "llvm": {"21.1.0"}, "maven": {"3.9.9"}}[test.tool]
		asks := []string{test.asked}
		if versions == nil {
			versions, asks = []string{"1.2.0"}, []string{"", "1.2.0"}
		}
		var worlds []manifesttest.World
		for _, v := range versions {
			worlds = append(worlds, world(key, v))
		}
		u := serve(t, test.tool, worlds...)
		for _, asked := range asks {
			release, err := fetch(t, test.tool, test.distro, key, u, asked, test.platform)
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
			if unsigned := slices.Contains(release.Evidence.Notes, manifests.Unsigned); asked == "" && !unsigned || asked == "1.2.0" && unsigned {
				t.Errorf("%s@%s: notes %v", test.tool, asked, release.Evidence.Notes)
			}
		}
	}
}

func TestJavaHomeIsWhereTheArchiveHasIt(t *testing.T) {
	key := verifytest.NewKey(t, "release", now.AddDate(-1, 0, 0))
	u := serve(t, "java", world(key, "21.0.5+11"))
	for platform, want := range map[manifests.Platform]string{linux: "{prefix}", {OS: "darwin", Arch: "arm64"}: "{prefix}/Contents/Home"} {
		release, err := fetch(t, "java", "", key, u, "21", platform)
		if err == nil {
			err = prove(t, release, u)
		}
		if err != nil || release.Env["JAVA_HOME"] != want {
			t.Errorf("%s: %v, %v", platform, release.Env, err)
		}
	}
}

// TestSignatureOlderThanReleaseIsRefused checks that a signature from long before the
// date in the index is refused: its key may have been lost since.
func TestSignatureOlderThanReleaseIsRefused(t *testing.T) {
	key := verifytest.NewKey(t, "release", now.AddDate(-1, 0, 0))
	for _, tool := range []string{"gradle", "swift"} {
		w := world(key, "1.2.0")
		w.Signed = w.Issued.Add(-72 * time.Hour)
		if _, err := fetch(t, tool, "", key, serve(t, tool, w), "", linux); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s: %v", tool, err)
		}
		w.Signed = w.Issued.Add(-time.Hour)
		if _, err := fetch(t, tool, "", key, serve(t, tool, w), "", linux); err != nil {
			t.Errorf("%s: the honest twin: %v", tool, err)
		}
	}
}

// TestRowsWithoutKeysNeedTheUsers checks that rows whose keys kist lacks are not
// channels, but work with the user's keys.
func TestRowsWithoutKeysNeedTheUsers(t *testing.T) {
	for _, tool := range []string{"llvm", "maven"} {
		reason, known := upstreams.Refusal(tool)
		if _, ok := upstreams.Lookup(tool); ok || !known || !strings.Contains(reason, "key") || !slices.Contains(upstreams.MirrorTools("detached"), tool) {
			t.Errorf("%s: built in %v, refused because %q", tool, ok, reason)
		}
	}
}

// TestJuliasCompromisedKeyIsRefused uses upstream's own signature. Julia's releases
// before 1.13 are signed by a key that was compromised and never revoked.
func TestJuliasCompromisedKeyIsRefused(t *testing.T) {
	old, err := os.ReadFile("../internal/signedfiles/testdata/julia-1.10.0-linux-x86_64.tar.gz.asc")
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile("../internal/signedfiles/testdata/julia-versions.json")
	if err != nil {
		t.Fatal(err)
	}
	const bin = "https://julialang-s3.julialang.org/bin/"
	const file = bin + "linux/x64/1.10/julia-1.10.0-linux-x86_64.tar.gz"
	u := &manifesttest.Upstream{Files: map[string][]byte{bin + "versions.json": list, file: nil, file + ".asc": old}}
	julia, _ := upstreams.Lookup("julia")
	source, err := julia.Source(upstreams.Machine{})
	if err != nil {
		t.Fatal(err)
	}
	for _, asked := range []string{"", "1.10", "1.10.0"} {
		q := manifests.Query{Request: manifests.Request{Tool: "julia", Version: asked, Platform: linux}, Now: now}
		_, err := source.Fetch(t.Context(), u, q)
		if !errors.Is(err, verify.ErrUntrusted) || !strings.Contains(err.Error(), "compromised") ||
			!strings.Contains(err.Error(), "3673DF529D9049477F76B37566E3C7DC03D6E495") {
			t.Errorf("%q: %v", asked, err)
		}
	}
	if slices.Contains(u.Asked(), file) {
		t.Error("the archive was not requested")
	}
}

// TestListingNeedsNoProof checks that versions are listed without a provable release:
// the list is only a hint.
func TestListingNeedsNoProof(t *testing.T) {
	key, stranger := verifytest.NewKey(t, "release", now.AddDate(-1, 0, 0)), verifytest.NewKey(t, "stranger", now.AddDate(-1, 0, 0))
	for _, tool := range siteTools() {
		u := serve(t, tool, world(stranger, build(tool, "1.2.0")), world(key, build(tool, "1.1.0")))
		q := manifests.Query{Request: manifests.Request{Tool: tool, Platform: linux, List: true}, Now: now}
		source := mirrorSource(t, tool, base, verify.Policy{Keys: verifytest.Keyring(t, key), Threshold: 1})
		catalog, err := source.Fetch(t.Context(), u, q)
		if err != nil || len(catalog.Versions(tool)) != 2 || len(u.Asked()) != 1 {
			t.Errorf("%s: %v; asked for %v", tool, err, u.Asked())
			continue
		}
		if release, err := catalog.Resolve(q.Request); err == nil {
			t.Errorf("%s: a list gave the release %+v", tool, release)
		}
		q.List = false
		if _, err := source.Fetch(t.Context(), u, q); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s: %v", tool, err)
		}
	}
}

func TestMirrorNeedsAnUpstreamOfItsFormat(t *testing.T) {
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
