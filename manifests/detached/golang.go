package detached

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// ParseGo reads the JSON index of Go's downloads, an array of versions with their
// files. Entries that are not a version of Go or an archive for a platform are skipped,
// and so are repeated versions; an index without any version is an error. Source:
// golang/website, internal/dl.
func ParseGo(index []byte) (manifests.VersionIndex, error) {
	var listed []struct {
		Version string `json:"version"`
		Stable  bool   `json:"stable"`
		Files   []struct {
			OS   string `json:"os"`
			Arch string `json:"arch"`
			Kind string `json:"kind"`
		} `json:"files"`
	}
	if err := json.Unmarshal(index, &listed); err != nil {
		return nil, fmt.Errorf("not Go's index of downloads: %w", err)
	}
	var hint manifests.VersionIndex
	seen := make(map[string]bool)
	for _, v := range listed {
		version, ok := strings.CutPrefix(v.Version, "go")
		if !ok || !manifests.ValidGoVersion(version) || seen[version] {
			continue
		}
		seen[version] = true
		entry := manifests.IndexEntry{Version: version, Stable: v.Stable && manifests.StableGoVersion(version)}
		for _, file := range v.Files {
			if platform, ok := goPlatform(file.OS, file.Arch); ok && file.Kind == "archive" {
				entry.Platforms = append(entry.Platforms, platform)
			}
		}
		hint = append(hint, entry)
	}
	if len(hint) == 0 {
		return nil, fmt.Errorf("not Go's index of downloads: it names no version")
	}
	return hint, nil
}

// goPlatform parses a platform in the spelling of Go's downloads.
func goPlatform(os, arch string) (manifests.Platform, bool) {
	if arch == "armv6l" {
		arch = "arm"
	}
	platform, err := manifests.ParsePlatform(os + "/" + arch)
	return platform, err == nil && platform.Libc == ""
}
