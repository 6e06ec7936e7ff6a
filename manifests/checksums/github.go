package checksums

import (
	"encoding/xml"
	"fmt"
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
		var feed struct {
			XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
			Entries []struct {
				ID string `xml:"id"` // tag:github.com,2008:Repository/357728969/bun-v1.2.3
			} `xml:"entry"`
		}
		if err := xml.Unmarshal(data, &feed); err != nil {
			return nil, fmt.Errorf("not a feed of releases: %w", err)
		}
		var hint manifests.VersionIndex
		seen := map[string]bool{}
		for _, e := range feed.Entries {
			version, ok := strings.CutPrefix(e.ID[strings.LastIndex(e.ID, "/")+1:], tag)
			if !ok || !manifests.ValidSemver(version) || seen[version] {
				continue
			}
			seen[version] = true
			hint = append(hint, manifests.IndexEntry{Version: version, Stable: manifests.StableSemver(version),
				Platforms: []manifests.Platform{{}}})
		}
		if len(hint) == 0 {
			return nil, fmt.Errorf("not a feed of releases: it names no version")
		}
		return hint, nil
	}
}
