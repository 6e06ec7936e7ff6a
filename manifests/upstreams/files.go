package upstreams

import (
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/signedfiles"
)

// These upstreams sign each file. The witness of each archive confirms the version
// inside; the comment on a row names the sources of its facts.

// goDownloads: go.dev/dl; golang/website, internal/dl.
func goDownloads() signedfiles.Site {
	layout := signedfiles.Layout{
		Format: "tar.gz", Strip: 1, // go/
		Witness:  manifests.Witness{Path: "VERSION", Contains: "go{version}", WholeLine: true},
		Commands: []string{"bin/go{exe}", "bin/gofmt{exe}"},
		Env:      map[string]string{"GOROOT": "{prefix}", "GOTOOLCHAIN": "local"},
	}
	return signedfiles.Site{
		Base: "https://go.dev/dl/", Index: "?mode=json&include=all",
		Parse: signedfiles.ParseGo, Numbering: manifests.GoNumbering(),
		File: "go{version}.{platform}.{format}", Signature: ".asc",
		Platforms: map[string]string{"linux/arm": "linux-armv6l"},
		Layouts:   map[string]signedfiles.Layout{"": layout, "windows": zipped(layout)},
	}
}

// zipped returns l with the format zip.
func zipped(l signedfiles.Layout) signedfiles.Layout {
	l.Format = "zip"
	return l
}

// julia: julialang.org, downloads/manual-downloads and bin/versions.json. Its
// package depot stays where upstream puts it, in ~/.julia.
func julia() signedfiles.Site {
	layout := signedfiles.Layout{
		Format: "tar.gz", Strip: 1, // julia-1.13.0/
		Witness: manifests.Witness{Path: "include/julia/julia_version.h",
			Contains: `#define JULIA_VERSION_STRING "{version}"`, WholeLine: true},
		Commands: []string{"bin/julia{exe}"},
	}
	return signedfiles.Site{
		Base: "https://julialang-s3.julialang.org/bin/", Index: "versions.json",
		Parse: signedfiles.ParseJulia, Numbering: manifests.SemverNumbering(),
		File: "{platform}.{format}", Signature: ".asc",
		Platforms: map[string]string{
			"linux/amd64/gnu":   "linux/x64/{series}/julia-{version}-linux-x86_64",
			"linux/arm64/gnu":   "linux/aarch64/{series}/julia-{version}-linux-aarch64",
			"linux/386/gnu":     "linux/x86/{series}/julia-{version}-linux-i686",
			"linux/ppc64le/gnu": "linux/ppc64le/{series}/julia-{version}-linux-ppc64le",
			"linux/amd64/musl":  "musl/x64/{series}/julia-{version}-musl-x86_64",
			"darwin/amd64":      "mac/x64/{series}/julia-{version}-mac64",
			"darwin/arm64":      "mac/aarch64/{series}/julia-{version}-macaarch64",
			"freebsd/amd64":     "freebsd/x64/{series}/julia-{version}-freebsd-x86_64",
		},
		Layouts: map[string]signedfiles.Layout{"": layout},
	}
}

// temurin: Eclipse Temurin, adoptium/temurin<N>-binaries and the Adoptium API.
// The index holds the fifty newest releases, some two years of every line.
func temurin() signedfiles.Site {
	layout := func(format, home, commands string) signedfiles.Layout {
		return signedfiles.Layout{
			Format: format, Strip: 1, // jdk-21.0.5+11/
			Witness: manifests.Witness{Path: home + "release",
				Contains: `IMPLEMENTOR_VERSION="Temurin-{version}"`, WholeLine: true},
			Commands: []string{home + commands},
			Env:      map[string]string{"JAVA_HOME": "{prefix}" + javaHome(home)},
		}
	}
	return signedfiles.Site{
		Base:  "https://github.com/adoptium/",
		Index: "https://api.adoptium.net/v3/info/release_versions?image_type=jdk&project=jdk&release_type=ga&vendor=eclipse&page_size=50&sort_method=DATE&sort_order=DESC",
		Parse: signedfiles.ParseTemurin, Numbering: signedfiles.JDKNumbering(),
		File:      "temurin{major}-binaries/releases/download/jdk-{version}/OpenJDK{major}U-jdk_{platform}_hotspot_{version_}.{format}",
		Signature: ".sig",
		Platforms: map[string]string{
			"linux/amd64/gnu": "x64_linux", "linux/arm64/gnu": "aarch64_linux", "linux/arm/gnu": "arm_linux",
			"linux/ppc64le/gnu": "ppc64le_linux", "linux/s390x/gnu": "s390x_linux", "linux/riscv64/gnu": "riscv64_linux",
			"linux/amd64/musl": "x64_alpine-linux", "linux/arm64/musl": "aarch64_alpine-linux",
			"darwin/amd64": "x64_mac", "darwin/arm64": "aarch64_mac",
			"windows/amd64": "x64_windows", "windows/arm64": "aarch64_windows",
		},
		Layouts: map[string]signedfiles.Layout{
			"":        layout("tar.gz", "", "bin/*"),
			"darwin":  layout("tar.gz", "Contents/Home/", "bin/*"),
			"windows": layout("zip", "", "bin/*.exe"),
		},
	}
}

// javaHome returns the suffix of JAVA_HOME, without a slash at its end.
func javaHome(home string) string {
	if home == "" {
		return ""
	}
	return "/" + home[:len(home)-1]
}

// swift: swift.org/install; swiftlang/swiftly, jdx/mise src/plugins/core/swift.rs.
// Distributions without a build of their own get that of Red Hat's base image, which
// needs the oldest C library.
func swift() signedfiles.Site {
	build := func(dir, distro string) string {
		return dir + "{platform}/swift-{version}-RELEASE/swift-{version}-RELEASE-" + distro + "{platform}"
	}
	return signedfiles.Site{
		Base: "https://download.swift.org/", Index: "https://www.swift.org/api/v1/install/releases.json",
		Parse: signedfiles.ParseSwift, Numbering: signedfiles.SwiftNumbering(),
		File: "swift-{version}-release/{distro}.{format}", Signature: ".sig",
		Platforms: map[string]string{"linux/amd64/gnu": "", "linux/arm64/gnu": "-aarch64"},
		Distros: map[string]string{
			"":            build("ubi9", "ubi9"),
			"amzn2":       build("amazonlinux2", "amazonlinux2"),
			"debian12":    build("debian12", "debian12"),
			"ubuntu22.04": build("ubuntu2204", "ubuntu22.04"),
			"ubuntu24.04": build("ubuntu2404", "ubuntu24.04"),
		},
		Layouts: map[string]signedfiles.Layout{"": {
			Format: "tar.gz", Strip: 1, // swift-6.1-RELEASE-debian12/
			Witness: manifests.Witness{Path: "usr/bin/swift-frontend", Contains: "(swift-{version}-RELEASE)"},
			Commands: []string{"usr/bin/swift", "usr/bin/swiftc", "usr/bin/swift-build", "usr/bin/swift-package",
				"usr/bin/swift-run", "usr/bin/swift-test", "usr/bin/sourcekit-lsp"},
		}},
	}
}

// gradle: services.gradle.org; gradle/gradle KEYS.md. Its script names the jar of this
// version. It runs with JAVA_HOME, or with the java on PATH.
func gradle() signedfiles.Site {
	layout := signedfiles.Layout{
		Format: "zip", Strip: 1, // gradle-8.10/
		Witness:  manifests.Witness{Path: "bin/gradle", Contains: "-{version}.jar"},
		Commands: []string{"bin/gradle"},
	}
	windows := layout
	windows.Commands = []string{"bin/gradle.bat"}
	return signedfiles.Site{
		Base: "https://services.gradle.org/", Index: "versions/all",
		Parse: signedfiles.ParseGradle, Numbering: signedfiles.GradleNumbering(),
		File: "distributions/gradle-{version}-bin.{format}", Signature: ".asc",
		Layouts: map[string]signedfiles.Layout{"": layout, "windows": windows},
	}
}

// helm: get.helm.sh and, for the signatures and the feed of releases, helm/helm.
// Only the program itself states its version.
func helm() signedfiles.Site {
	layout := signedfiles.Layout{
		Format: "tar.gz", Strip: 1, // linux-amd64/
		Witness:  manifests.Witness{Path: "helm{exe}", Contains: "v{version}"},
		Commands: []string{"helm{exe}"},
	}
	return signedfiles.Site{
		Base: "https://get.helm.sh/", Index: "https://github.com/helm/helm/releases.atom",
		Parse: signedfiles.ParseReleases("v"), Numbering: manifests.SemverNumbering(),
		File:      "helm-v{version}-{platform}.{format}",
		Signature: "https://github.com/helm/helm/releases/download/v{version}/{name}.asc",
		Platforms: map[string]string{
			"linux/amd64": "linux-amd64", "linux/arm64": "linux-arm64", "linux/arm": "linux-arm", "linux/386": "linux-386",
			"linux/ppc64le": "linux-ppc64le", "linux/s390x": "linux-s390x", "linux/riscv64": "linux-riscv64",
			"darwin/amd64": "darwin-amd64", "darwin/arm64": "darwin-arm64",
			"windows/amd64": "windows-amd64", "windows/arm64": "windows-arm64",
		},
		Layouts: map[string]signedfiles.Layout{"": layout, "windows": zipped(layout)},
	}
}

// maven: archive.apache.org, and Maven Central for the list. The witness is a jar with
// the version in its name; it is a zip whose directory lists the properties file.
func maven() signedfiles.Site {
	return signedfiles.Site{
		Base:  "https://archive.apache.org/dist/maven/",
		Index: "https://repo.maven.apache.org/maven2/org/apache/maven/apache-maven/maven-metadata.xml",
		Parse: signedfiles.ParseMaven, Numbering: manifests.SemverNumbering(),
		File: "maven-{major}/{version}/binaries/apache-maven-{version}-bin.{format}", Signature: ".asc",
		Layouts: map[string]signedfiles.Layout{"": {
			Format: "tar.gz", Strip: 1, // apache-maven-3.9.9/
			Witness: manifests.Witness{Path: "lib/maven-core-{version}.jar",
				Contains: "META-INF/maven/org.apache.maven/maven-core/pom.properties"},
			Commands: []string{"bin/mvn", "bin/mvnDebug"},
		}},
	}
}

// llvm: llvm/llvm-project's releases from 19.1 on.
func llvm() signedfiles.Site {
	return signedfiles.Site{
		Base: "https://github.com/llvm/llvm-project/", Index: "releases.atom",
		Parse: signedfiles.ParseReleases("llvmorg-"), Numbering: manifests.SemverNumbering(),
		File: "releases/download/llvmorg-{version}/LLVM-{version}-{platform}.{format}", Signature: ".sig",
		Platforms: map[string]string{
			"linux/amd64/gnu": "Linux-X64", "linux/arm64/gnu": "Linux-ARM64", "darwin/arm64": "macOS-ARM64",
		},
		Layouts: map[string]signedfiles.Layout{"": {
			Format: "tar.xz", Strip: 1, // LLVM-20.1.0-Linux-X64/
			Witness: manifests.Witness{Path: "lib/cmake/llvm/LLVMConfigVersion.cmake",
				Contains: `set(PACKAGE_VERSION "{version}")`, WholeLine: true},
			Commands: []string{"bin/clang", "bin/clang++", "bin/clang-cpp", "bin/clangd", "bin/clang-format", "bin/clang-tidy",
				"bin/lld", "bin/ld.lld", "bin/lldb", "bin/llvm-*"},
		}},
	}
}
