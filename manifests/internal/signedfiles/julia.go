package signedfiles

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// ParseJulia reads the JSON index of Julia's binaries, an object of versions with their
// files. The embedded signatures are ignored, since those next to the artifacts are the
// same. Source: julialang.org, bin/versions.json.
func ParseJulia(index []byte) (manifests.VersionIndex, error) {
	var listed map[string]struct {
		Stable bool `json:"stable"`
		Files  []struct {
			OS      string `json:"os"`
			Arch    string `json:"arch"`
			Triplet string `json:"triplet"`
			Kind    string `json:"kind"`
		} `json:"files"`
	}
	err := json.Unmarshal(index, &listed)
	oses := map[string]string{"linux": "linux", "mac": "darwin", "winnt": "windows", "freebsd": "freebsd"}
	arches := map[string]string{"x86_64": "amd64", "i686": "386", "aarch64": "arm64", "powerpc64le": "ppc64le", "armv7l": "arm"}
	versions := slices.Sorted(maps.Keys(listed))
	return entries("Julia's index of binaries", err, versions, func(version string) (manifests.IndexEntry, bool) {
		e := manifests.IndexEntry{Version: version, Stable: listed[version].Stable && manifests.StableSemver(version)}
		for _, file := range listed[version].Files {
			platform := manifests.Platform{OS: oses[file.OS], Arch: arches[file.Arch]}
			if platform.OS == "linux" {
				platform.Libc = libc(file.Triplet)
			}
			if platform.OS != "" && platform.Arch != "" && file.Kind == "archive" {
				e.Platforms = append(e.Platforms, platform)
			}
		}
		return e, manifests.ValidSemver(version)
	})
}

// libc returns the C library of a target triplet: gnu, or musl as in x86_64-linux-musl.
func libc(triplet string) string {
	if strings.HasSuffix(triplet, "-musl") {
		return "musl"
	}
	return "gnu"
}
