package upstreams

import (
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/signedfiles"
)

// node: nodejs.org/dist; nodejs/nodejs-dist-indexer, nodejs/node tools/install.py. The
// tar.gz decodes in a fraction of the time of the tar.xz, which is half its size.
func node() signedfiles.Site {
	return signedfiles.Site{
		Base: "https://nodejs.org/dist/", Index: "index.json",
		Parse: signedfiles.ParseNode, Numbering: manifests.SemverNumbering(),
		Lists: []signedfiles.List{
			{Name: "v{version}/SHASUMS256.txt", Signature: ".sig"},
			{Name: "v{version}/SHASUMS256.txt.asc"}, // alone with some old releases
		},
		File: "v{version}/node-v{version}-{platform}.{format}",
		Platforms: map[string]string{
			"linux/amd64/gnu": "linux-x64", "linux/arm64/gnu": "linux-arm64", "linux/arm/gnu": "linux-armv7l",
			"linux/ppc64le/gnu": "linux-ppc64le", "linux/s390x/gnu": "linux-s390x", "linux/386/gnu": "linux-x86",
			"darwin/amd64": "darwin-x64", "darwin/arm64": "darwin-arm64",
			"windows/amd64": "win-x64", "windows/arm64": "win-arm64", "windows/386": "win-x86",
		},
		Layouts: map[string]signedfiles.Layout{
			"": {Format: "tar.gz", Also: []string{"tar.xz"}, Strip: 1, Commands: []string{"bin/node", "bin/npm", "bin/npx", "bin/corepack"},
				Files: []manifests.File{npmPrefix()}},
			"windows": {Format: "zip", Strip: 1, Commands: []string{"node.exe", "npm.cmd", "npx.cmd", "corepack.cmd"}},
		},
	}
}

// npmPrefix makes "npm install -g" install below ~/.local, whose bin is where commands
// go, and not into the toolchain, which never changes. It is npm's own file for
// packagers and overrides only npm's defaults: any setting of the user takes
// precedence. Upstream's builds for Windows have one for the same purpose. Source: npm,
// config/npmrc, "Built-in config file".
func npmPrefix() manifests.File {
	return manifests.File{Path: "lib/node_modules/npm/npmrc", Data: []byte("prefix=${HOME}/.local\n")}
}

// hashicorp: releases.hashicorp.com; hashicorp/hc-install. libc is the C library that
// its programs for Linux need: "" for none, or "/gnu".
func hashicorp(libc string) signedfiles.Site {
	platforms := map[string]string{
		"darwin/amd64": "darwin_amd64", "darwin/arm64": "darwin_arm64",
		"windows/amd64": "windows_amd64", "windows/386": "windows_386", "windows/arm64": "windows_arm64",
		"freebsd/amd64": "freebsd_amd64", "freebsd/386": "freebsd_386", "freebsd/arm": "freebsd_arm",
		"openbsd/amd64": "openbsd_amd64", "openbsd/386": "openbsd_386", "solaris/amd64": "solaris_amd64",
	}
	for _, arch := range []string{"amd64", "arm64", "386", "arm", "s390x", "ppc64le"} {
		platforms["linux/"+arch+libc] = "linux_" + arch
	}
	list := "{tool}/{version}/{tool}_{version}_SHA256SUMS"
	return signedfiles.Site{
		Base: "https://releases.hashicorp.com/", Index: "{tool}/index.json",
		Parse: signedfiles.ParseHashiCorp, Numbering: manifests.SemverNumbering(),
		Lists: []signedfiles.List{
			{Name: list, Signature: ".72D7468F.sig"}, // by the key of this ID
			{Name: list, Signature: ".sig"},
		},
		File:      "{tool}/{version}/{tool}_{version}_{platform}.{format}",
		Platforms: platforms,
		Layouts:   map[string]signedfiles.Layout{"": {Format: "zip", Commands: []string{"{tool}{exe}"}}},
	}
}

// cmake: Kitware/CMake's releases.
func cmake() signedfiles.Site {
	return signedfiles.Site{
		Base: "https://github.com/Kitware/CMake/", Index: "releases.atom",
		Parse: signedfiles.ParseReleases("v"), Numbering: manifests.SemverNumbering(),
		Lists: []signedfiles.List{{Name: "releases/download/v{version}/cmake-{version}-SHA-256.txt", Signature: ".asc"}},
		File:  "releases/download/v{version}/cmake-{version}-{platform}.{format}",
		Platforms: map[string]string{
			"linux/amd64/gnu": "linux-x86_64", "linux/arm64/gnu": "linux-aarch64",
			"darwin/amd64": "macos-universal", "darwin/arm64": "macos-universal",
			"windows/amd64": "windows-x86_64", "windows/386": "windows-i386", "windows/arm64": "windows-arm64",
		},
		Layouts: map[string]signedfiles.Layout{
			"":       {Format: "tar.gz", Strip: 1, Commands: []string{"bin/cmake", "bin/ctest", "bin/cpack", "bin/ccmake"}},
			"darwin": {Format: "tar.gz", Strip: 1, Commands: []string{"CMake.app/Contents/bin/*"}},
			"windows": {Format: "zip", Strip: 1,
				Commands: []string{"bin/cmake.exe", "bin/ctest.exe", "bin/cpack.exe"}},
		},
	}
}

// bun: oven-sh/bun's releases, packages/bun-release. Its file names are the same in
// every version, so the program itself must state its version.
func bun() signedfiles.Site {
	return signedfiles.Site{
		Base: "https://github.com/oven-sh/bun/", Index: "releases.atom",
		Parse: signedfiles.ParseReleases("bun-v"), Numbering: manifests.SemverNumbering(),
		Lists: []signedfiles.List{{Name: "releases/download/bun-v{version}/SHASUMS256.txt.asc"}},
		File:  "releases/download/bun-v{version}/bun-{platform}.{format}",
		Platforms: map[string]string{
			"linux/amd64/gnu": "linux-x64", "linux/arm64/gnu": "linux-aarch64",
			"linux/amd64/musl": "linux-x64-musl", "linux/arm64/musl": "linux-aarch64-musl",
			"darwin/amd64": "darwin-x64", "darwin/arm64": "darwin-aarch64", "windows/amd64": "windows-x64",
		},
		Layouts: map[string]signedfiles.Layout{"": {
			Format: "zip", Strip: 1, Commands: []string{"bun{exe}"},
			// The beginning of its crash reports: "Bun v1.2.20 (6ad208bc) Linux x64".
			Witness: manifests.Witness{Path: "bun{exe}", Contains: "Bun v{version} ("},
		}},
	}
}
