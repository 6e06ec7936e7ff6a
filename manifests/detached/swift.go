package detached

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
)

// ParseSwift reads the JSON list of Swift's releases,
// swift.org/api/v1/install/releases.json. Its platform names are for people and are
// ignored. Source: swiftlang/swiftly, openapi.yaml.
func ParseSwift(index []byte) (manifests.VersionIndex, error) {
	var listed []struct {
		Name string `json:"name"` // 6.0.3, or 6.0
		Tag  string `json:"tag"`  // swift-6.0.3-RELEASE
		Date string `json:"date"` // 2024-12-11
	}
	if err := json.Unmarshal(index, &listed); err != nil {
		return nil, fmt.Errorf("not the list of Swift's releases: %w", err)
	}
	var hint manifests.VersionIndex
	seen := map[string]bool{}
	for _, v := range listed {
		version, ok := strings.CutPrefix(v.Tag, "swift-")
		version, release := strings.CutSuffix(version, "-RELEASE")
		if !ok || !release || !ValidSwiftVersion(version) || seen[version] {
			continue
		}
		seen[version] = true
		entry := manifests.IndexEntry{Version: version, Stable: true, Platforms: []manifests.Platform{{}}}
		if date, err := time.Parse(time.DateOnly, v.Date); err == nil {
			entry.Date = date
		}
		hint = append(hint, entry)
	}
	if len(hint) == 0 {
		return nil, fmt.Errorf("not the list of Swift's releases: it names none")
	}
	return hint, nil
}

// SwiftNumbering describes Swift's versions: two numbers or three, as 6.0 and 6.0.1.
func SwiftNumbering() manifests.Numbering {
	n := GradleNumbering()
	n.Exact = ValidSwiftVersion
	return n
}

// ValidSwiftVersion reports whether v is a release of Swift, two or three numbers.
func ValidSwiftVersion(v string) bool { return ValidGradleVersion(v) && !strings.Contains(v, "-") }
