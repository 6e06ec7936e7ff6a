package detached

import (
	"encoding/xml"
	"fmt"

	"github.com/kist-tools/kist/manifests"
)

// ParseMaven reads a Maven repository's list of an artifact's versions,
// maven-metadata.xml. It names no platforms, since the artifacts run on all. Versions
// that do not have three numbers are skipped.
func ParseMaven(index []byte) (manifests.VersionIndex, error) {
	var listed struct {
		XMLName  xml.Name `xml:"metadata"`
		Versions []string `xml:"versioning>versions>version"`
	}
	if err := xml.Unmarshal(index, &listed); err != nil {
		return nil, fmt.Errorf("not a list of versions of a Maven repository: %w", err)
	}
	var hint manifests.VersionIndex
	seen := map[string]bool{}
	for _, version := range listed.Versions {
		if !manifests.ValidSemver(version) || seen[version] {
			continue
		}
		seen[version] = true
		hint = append(hint, manifests.IndexEntry{Version: version, Stable: manifests.StableSemver(version), Platforms: []manifests.Platform{{}}})
	}
	if len(hint) == 0 {
		return nil, fmt.Errorf("not a list of versions of a Maven repository: it names none")
	}
	return hint, nil
}
