package signedfiles

import (
	"encoding/xml"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// ParseReleases returns a parser for the Atom feed of a GitHub repository's releases
// whose tags are tag and a version: "bun-v" and 1.2.3. A feed holds the ten newest
// releases and no platforms. Its dates are those of the last edit, not of the release,
// and are ignored. Entries that are not versions are skipped, and so are repeated
// versions; a feed without any version is an error. Source: RFC 4287.
func ParseReleases(tag string) func(feed []byte) (manifests.VersionIndex, error) {
	return func(data []byte) (manifests.VersionIndex, error) {
		type release struct {
			ID string `xml:"id"` // tag:github.com,2008:Repository/357728969/bun-v1.2.3
		}
		var feed struct {
			XMLName xml.Name  `xml:"http://www.w3.org/2005/Atom feed"`
			Entries []release `xml:"entry"`
		}
		err := xml.Unmarshal(data, &feed)
		return entries("a feed of releases", err, feed.Entries, func(r release) (manifests.IndexEntry, bool) {
			version, ok := strings.CutPrefix(r.ID[strings.LastIndex(r.ID, "/")+1:], tag)
			return manifests.IndexEntry{Version: version, Stable: manifests.StableSemver(version), Platforms: everywhere()},
				ok && manifests.ValidSemver(version)
		})
	}
}
