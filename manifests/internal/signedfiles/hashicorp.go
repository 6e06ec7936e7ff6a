package signedfiles

import (
	"encoding/json"
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
	err := json.Unmarshal(index, &product)
	versions := slices.Sorted(maps.Keys(product.Versions))
	return entries("the index of a HashiCorp product", err, versions, func(version string) (manifests.IndexEntry, bool) {
		e := manifests.IndexEntry{Version: version, Stable: manifests.StableSemver(version)}
		for _, build := range product.Versions[version].Builds {
			platform, err := manifests.ParsePlatform(build.OS + "/" + build.Arch)
			if err == nil && platform.Libc == "" && !slices.Contains(e.Platforms, platform) {
				e.Platforms = append(e.Platforms, platform)
			}
		}
		return e, manifests.ValidSemver(version)
	})
}
