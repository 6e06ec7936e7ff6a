package checksums

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/kist-tools/kist/manifests"
)

// ParseHashiCorp reads the JSON index of one HashiCorp product, an object of versions
// with their builds. Enterprise editions (1.21.0+ent) match only exact requests.
// Entries that are not versions or platforms are skipped; an index without any version
// is an error. Source: releases.hashicorp.com.
func ParseHashiCorp(index []byte) (manifests.VersionIndex, error) {
	var product struct {
		Versions map[string]struct {
			Builds []struct {
				OS   string `json:"os"`
				Arch string `json:"arch"`
			} `json:"builds"`
		} `json:"versions"`
	}
	if err := json.Unmarshal(index, &product); err != nil {
		return nil, fmt.Errorf("not the index of a HashiCorp product: %w", err)
	}
	var hint manifests.VersionIndex
	for _, version := range slices.Sorted(maps.Keys(product.Versions)) {
		if !manifests.ValidSemver(version) {
			continue
		}
		entry := manifests.IndexEntry{Version: version, Stable: manifests.StableSemver(version)}
		for _, build := range product.Versions[version].Builds {
			platform, err := manifests.ParsePlatform(build.OS + "/" + build.Arch)
			if err == nil && platform.Libc == "" && !slices.Contains(entry.Platforms, platform) {
				entry.Platforms = append(entry.Platforms, platform)
			}
		}
		hint = append(hint, entry)
	}
	if len(hint) == 0 {
		return nil, fmt.Errorf("not the index of a HashiCorp product: it names no version")
	}
	return hint, nil
}
