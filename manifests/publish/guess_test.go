package publish_test

import (
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/publish"
)

func TestGuessName(t *testing.T) {
	for name, want := range map[string]publish.Guess{
		// As upstreams name their files.
		"zig-linux-x86_64-0.14.0.tar.xz":                     {"zig", "0.14.0", "linux/amd64", "tar.xz"},
		"zig-x86_64-linux-0.16.0-dev.1+abc123.tar.xz":        {"zig", "0.16.0-dev.1+abc123", "linux/amd64", "tar.xz"},
		"node-v22.11.0-darwin-arm64.tar.gz":                  {"node", "22.11.0", "darwin/arm64", "tar.gz"},
		"node-v22.11.0-win-x64.zip":                          {"node", "22.11.0", "windows/amd64", "zip"},
		"go1.26.8.linux-amd64.tar.gz":                        {"go", "1.26.8", "linux/amd64", "tar.gz"},
		"go1.27rc1.windows-arm64.zip":                        {"go", "1.27rc1", "windows/arm64", "zip"},
		"tool_1.2.3_windows_amd64.zip":                       {"tool", "1.2.3", "windows/amd64", "zip"},
		"Tool_1.2.3_Darwin_x86_64.tar.gz":                    {"tool", "1.2.3", "darwin/amd64", "tar.gz"},
		"tool-aarch64-unknown-linux-musl":                    {"tool", "", "linux/arm64/musl", ""},
		"ripgrep-14.1.0-x86_64-unknown-linux-musl.tar.gz":    {"ripgrep", "14.1.0", "linux/amd64/musl", "tar.gz"},
		"bat-v0.24.0-i686-pc-windows-msvc.zip":               {"bat", "0.24.0", "windows/386", "zip"},
		"fd-v10.1.0-x86_64-pc-windows-gnu.zip":               {"fd", "10.1.0", "windows/amd64", "zip"},
		"fd-v10.1.0-arm-unknown-linux-gnueabihf.tar.gz":      {"fd", "10.1.0", "linux/arm/gnu", "tar.gz"},
		"deno-aarch64-apple-darwin.zip":                      {"deno", "", "darwin/arm64", "zip"},
		"gh_2.40.1_macOS_arm64.zip":                          {"gh", "2.40.1", "darwin/arm64", "zip"},
		"cmake-3.31.0-rc1-linux-aarch64.tar.gz":              {"cmake", "3.31.0-rc1", "linux/arm64", "tar.gz"},
		"python3-3.13.0a1-linux-ppc64le.tar.zst":             {"python3", "3.13.0a1", "linux/ppc64le", "tar.zst"},
		"openssl-1.1.1w-linux-s390x.tar.bz2":                 {"openssl", "1.1.1w", "linux/s390x", "tar.bz2"},
		"7zip-24.08-linux64.tar.xz":                          {"7zip", "24.08", "linux/amd64", "tar.xz"},
		"jdk-21_linux-x64_any.tgz":                           {"jdk", "21", "", "tar.gz"},
		"tool-2026-11-01-freebsd-amd64.txz":                  {"tool", "2026-11-01", "freebsd/amd64", "tar.xz"},
		"hello-1.0.tar.gz":                                   {"hello", "1.0", "", "tar.gz"},
		"hello-1.0-any.tar.gz":                               {"hello", "1.0", "any", "tar.gz"},
		"jq_1.7.1_amd64.deb":                                 {"jq", "1.7.1", "linux/amd64", "deb"},
		"jq-windows-amd64.exe":                               {"jq", "", "windows/amd64", "file"},
		"wasm-pack-v0.13.0-x86_64-unknown-linux-musl.tar.gz": {"wasm-pack", "0.13.0", "linux/amd64/musl", "tar.gz"},
		"tool-1.386-linux-386.zip":                           {"tool", "1.386", "linux/386", "zip"},
		"apple-1.0-linux-amd64.zip":                          {"apple", "1.0", "linux/amd64", "zip"},
		// What could be meant otherwise is not guessed.
		"bun-linux-x64-baseline.zip":                          {"", "", "linux/amd64", "zip"},
		"llvm-mingw-20240619-ucrt-x86_64.zip":                 {"", "20240619", "", "zip"},
		"hugo_0.120.4_darwin-universal.tar.gz":                {"hugo", "0.120.4", "", "tar.gz"},
		"gcc-arm-none-eabi-10.3-2021.10-x86_64-linux.tar.bz2": {"", "10.3", "", "tar.bz2"},
		"tool-1.2.3-macos-11.0-arm64.zip":                     {"", "", "darwin/arm64", "zip"},
		"tool-1.2.3-linux.tar.gz":                             {"tool", "1.2.3", "", "tar.gz"},
		"tool-1.2.3-linux-amd64.tar.gz.sha256":                {"", "1.2.3", "linux/amd64", ""},
		"tool-1.2.3-solaris-arm64.tar.gz":                     {"tool", "1.2.3", "", "tar.gz"},
		"a.rar":                                               {"a.rar", "", "", ""},
		"":                                                    {},
	} {
		if got := publish.GuessName(name); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

func TestGuessFormat(t *testing.T) {
	for _, test := range []struct{ name, head, want string }{
		{"a.tar.gz", "", "tar.gz"}, {"A.TGZ", "", "tar.gz"}, {"a.tar.xz", "", "tar.xz"}, {"a.tar.zst", "", "tar.zst"}, {"a.tbz2", "", "tar.bz2"},
		{"a.tar", "", "tar"}, {"a.zip", "", "zip"}, {"a.deb", "", "deb"}, {"a.exe", "", "file"},
		{"download", "\x1f\x8b\x08", "tar.gz"}, {"download", "PK\x03\x04", "zip"}, {"download", "\x7fELF\x02", "file"},
		{"download", strings.Repeat("\x00", 257) + "ustar\x00", "tar"},
		{"tool-aarch64-unknown-linux-musl", "#!/bin/sh\n", "file"},
		{"a", "", ""}, {"a.gz", "", ""}, {"a.rar", "Rar!", ""}, {"hello", "#!/bin/sh\n", ""},
		{"tool-1.2.3-linux-amd64.tar.gz.sha256", "0123", ""}, {"tool-linux-amd64.asc", "-----BEGIN", ""}, {"tool-1.2.3-linux-amd64.txt", "", ""},
	} {
		if got := publish.GuessFormat(test.name, []byte(test.head)); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestCompanions(t *testing.T) {
	for _, name := range []string{"SHA256SUMS", "tool_1.0_checksums.txt", "tool-1.0-linux-amd64.sha256", "tool-1.0-linux-amd64.tar.gz.asc",
		"tool-linux-amd64.SIG", "tool-1.0-linux-amd64.sbom.json"} {
		if got := publish.GuessFormat(name, []byte("\x7fELF")); got != "" || !publish.IsCompanion(name) {
			t.Errorf("%s is added as %q", name, got)
		}
	}
	for _, name := range []string{"tool-1.0-linux-amd64", "sha256sum-1.0-linux-amd64", "asc-1.0-linux-amd64.tar.gz", "json-linux-amd64"} {
		if publish.GuessFormat(name, nil) == "" || publish.IsCompanion(name) {
			t.Errorf("%s is not added", name)
		}
	}
}

func TestGuessStrip(t *testing.T) {
	for paths, want := range map[string]int{
		"zig-0.14.0 zig-0.14.0/zig zig-0.14.0/lib/std": 1, "zig-0.14.0/zig": 1, "top/a other/b": 0, "zig": 0, "": 0,
		"bin bin/zig": 0, "usr/bin/zig": 0, "zig-0.14.0/zig README": 0,
	} {
		if got, dropped := publish.GuessStrip(strings.Fields(paths)); got != want || (got == 1) != (dropped != "") {
			t.Errorf("%s: got %d %q, want %d", paths, got, dropped, want)
		}
	}
}

// What is guessed of any name can be entered, and an extension never becomes part of it.
func FuzzGuessName(f *testing.F) {
	for _, name := range []string{"zig-linux-x86_64-0.14.0.tar.xz", "go1.26.8.linux-amd64.tar.gz", "tool-aarch64-unknown-linux-musl", "-v1_|.", "a-1.0+.zip"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		g := publish.GuessName(name)
		if g.Tool != "" && manifests.ValidName(g.Tool) != nil || g.Version != "" && manifests.ValidVersion(g.Version) != nil {
			t.Errorf("%q: %+v", name, g)
		}
		if g.Platform == "" {
			return
		}
		p, err := manifests.ParsePlatform(g.Platform)
		if err == nil {
			err = publish.CheckPlatform(p)
		}
		if err != nil {
			t.Errorf("%q: %v", name, err)
		}
	})
}

func TestCheckPlatform(t *testing.T) {
	for platform, want := range map[string]string{
		"any": "", "linux/amd64": "", "linux/arm64/musl": "", "linux/arm/gnu": "", "windows/386": "", "plan9/mips": "", "openbsd/mips64": "",
		"linux/x86_64": "say linux/amd64", "macos/aarch64": "say darwin/arm64", "win/x64": "say windows/amd64", "linux/amd64/glibc": "say linux/amd64/gnu",
		"linux/z80": `no architecture "z80"`, "templeos/amd64": `no system "templeos"`, "darwin/386": "no architecture", "darwin/arm64/musl": "no C library",
		"linux/amd64/uclibc": "no C library",
	} {
		p, err := manifests.ParsePlatform(platform)
		if err != nil {
			t.Fatal(err)
		}
		if err = publish.CheckPlatform(p); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", platform, err, want)
		}
	}
}

func TestEqualVersions(t *testing.T) {
	for versions, want := range map[string]int{
		"1.0 1.0.0": 2, "v1.1.0 1.1.0": 2, "1.0 2.0 01.0": 2, "1.0-rc1 1.0.0-rc1": 2, "1.0+5 1.0.0+5": 2,
		"1.0 1.0.1": 0, "1.0-rc1 1.0": 0, "21.0.5+10 21.0.5+11": 0, "nightly stable": 0, "1.0+1 1.0": 0,
	} {
		if got := publish.EqualVersions(strings.Fields(versions)); len(got) != want {
			t.Errorf("%s: got %v", versions, got)
		}
	}
}
