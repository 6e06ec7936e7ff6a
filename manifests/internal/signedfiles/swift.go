package signedfiles

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
)

// ParseSwift reads the JSON list of Swift's releases,
// swift.org/api/v1/install/releases.json. Its platform names are for people and are
// ignored. Source: swiftlang/swiftly, openapi.yaml.
func ParseSwift(index []byte) (manifests.VersionIndex, error) {
	type release struct {
		Name string `json:"name"` // 6.0.3, or 6.0
		Tag  string `json:"tag"`  // swift-6.0.3-RELEASE
		Date string `json:"date"` // 2024-12-11
	}
	var listed []release
	err := json.Unmarshal(index, &listed)
	return entries("the list of Swift's releases", err, listed, func(r release) (manifests.IndexEntry, bool) {
		version, ok := strings.CutPrefix(r.Tag, "swift-")
		version, released := strings.CutSuffix(version, "-RELEASE")
		return manifests.IndexEntry{Version: version, Stable: true, Platforms: everywhere(), Date: parseDate(time.DateOnly, r.Date)},
			ok && released && validSwiftVersion(version)
	})
}

// SwiftNumbering describes Swift's versions: two numbers or three, as 6.0 and 6.0.1.
func SwiftNumbering() manifests.Numbering {
	n := GradleNumbering()
	n.Exact = validSwiftVersion
	return n
}

// validSwiftVersion reports whether v is a release of Swift, two or three numbers.
func validSwiftVersion(v string) bool { return validGradleVersion(v) && !strings.Contains(v, "-") }
