package signedfiles

import (
	"encoding/xml"

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
	err := xml.Unmarshal(index, &listed)
	return entries("a list of versions of a Maven repository", err, listed.Versions, func(version string) (manifests.IndexEntry, bool) {
		return manifests.IndexEntry{Version: version, Stable: manifests.StableSemver(version), Platforms: everywhere()}, manifests.ValidSemver(version)
	})
}
