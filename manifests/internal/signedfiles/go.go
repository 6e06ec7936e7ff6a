package signedfiles

import (
	"encoding/json"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// ParseGo reads the JSON index of Go's downloads, an array of versions with their
// files. Entries that are not a version of Go or an archive for a platform are skipped,
// and so are repeated versions; an index without any version is an error. Source:
// golang/website, internal/dl.
func ParseGo(index []byte) (manifests.VersionIndex, error) {
	type download struct {
		Version string `json:"version"`
		Stable  bool   `json:"stable"`
		Files   []struct {
			OS   string `json:"os"`
			Arch string `json:"arch"`
			Kind string `json:"kind"`
		} `json:"files"`
	}
	var listed []download
	err := json.Unmarshal(index, &listed)
	return entries("Go's index of downloads", err, listed, func(d download) (manifests.IndexEntry, bool) {
		version, ok := strings.CutPrefix(d.Version, "go")
		e := manifests.IndexEntry{Version: version, Stable: d.Stable && manifests.StableGoVersion(version)}
		for _, file := range d.Files {
			if platform, ok := goPlatform(file.OS, file.Arch); ok && file.Kind == "archive" {
				e.Platforms = append(e.Platforms, platform)
			}
		}
		return e, ok && manifests.ValidGoVersion(version)
	})
}

// goPlatform parses a platform in the spelling of Go's downloads.
func goPlatform(os, arch string) (manifests.Platform, bool) {
	if arch == "armv6l" {
		arch = "arm"
	}
	platform, err := manifests.ParsePlatform(os + "/" + arch)
	return platform, err == nil && platform.Libc == ""
}
