package signedfiles

import (
	"encoding/json"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// ParseGradle reads the JSON list of all Gradle builds,
// services.gradle.org/versions/all. Snapshots, nightly builds and broken versions are
// skipped. Gradle runs on every platform.
func ParseGradle(index []byte) (manifests.VersionIndex, error) {
	type build struct {
		Version  string `json:"version"`
		Built    string `json:"buildTime"` // 20240808130319+0000
		Snapshot bool   `json:"snapshot"`
		Nightly  bool   `json:"nightly"`
		Broken   bool   `json:"broken"`
	}
	var listed []build
	err := json.Unmarshal(index, &listed)
	return entries("Gradle's list of versions", err, listed, func(b build) (manifests.IndexEntry, bool) {
		return manifests.IndexEntry{Version: b.Version, Stable: !strings.Contains(b.Version, "-"), Platforms: everywhere(),
			Date: parseDate("20060102150405-0700", b.Built)}, !b.Snapshot && !b.Nightly && !b.Broken && validGradleVersion(b.Version)
	})
}

// GradleNumbering describes Gradle's versions: two numbers or three, as 8.10 and
// 8.10.1, and perhaps a candidate, as 9.0.0-rc-1.
func GradleNumbering() manifests.Numbering {
	return manifests.Numbering{
		Spell: func(asked string) string { return strings.TrimPrefix(asked, "v") },
		Exact: validGradleVersion,
	}
}

// validGradleVersion reports whether v is a version of Gradle: two or three
// numbers, and perhaps a candidate.
func validGradleVersion(v string) bool {
	numbers, _, _ := strings.Cut(v, "-")
	if strings.Count(numbers, ".") == 1 {
		v = numbers + ".0" + v[len(numbers):]
	}
	return manifests.ValidSemver(v) && !strings.Contains(v, "+")
}
