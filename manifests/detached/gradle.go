package detached

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
)

// ParseGradle reads the JSON list of all Gradle builds,
// services.gradle.org/versions/all. Snapshots, nightly builds and broken versions are
// skipped. Gradle runs on every platform.
func ParseGradle(index []byte) (manifests.VersionIndex, error) {
	var listed []struct {
		Version  string `json:"version"`
		Built    string `json:"buildTime"` // 20240808130319+0000
		Snapshot bool   `json:"snapshot"`
		Nightly  bool   `json:"nightly"`
		Broken   bool   `json:"broken"`
	}
	if err := json.Unmarshal(index, &listed); err != nil {
		return nil, fmt.Errorf("not Gradle's list of versions: %w", err)
	}
	var hint manifests.VersionIndex
	seen := map[string]bool{}
	for _, v := range listed {
		if v.Snapshot || v.Nightly || v.Broken || !ValidGradleVersion(v.Version) || seen[v.Version] {
			continue
		}
		seen[v.Version] = true
		entry := manifests.IndexEntry{Version: v.Version, Stable: !strings.Contains(v.Version, "-"), Platforms: []manifests.Platform{{}}}
		if built, err := time.Parse("20060102150405-0700", v.Built); err == nil {
			entry.Date = built.UTC()
		}
		hint = append(hint, entry)
	}
	if len(hint) == 0 {
		return nil, fmt.Errorf("not Gradle's list of versions: it names none")
	}
	return hint, nil
}

// GradleNumbering describes Gradle's versions: two numbers or three, as 8.10 and
// 8.10.1, and perhaps a candidate, as 9.0.0-rc-1.
func GradleNumbering() manifests.Numbering {
	return manifests.Numbering{
		Spell: func(asked string) string { return strings.TrimPrefix(asked, "v") },
		Exact: ValidGradleVersion,
	}
}

// ValidGradleVersion reports whether v is a version of Gradle: two or three
// numbers, and perhaps a candidate.
func ValidGradleVersion(v string) bool {
	numbers, _, _ := strings.Cut(v, "-")
	if strings.Count(numbers, ".") == 1 {
		v = numbers + ".0" + v[len(numbers):]
	}
	return manifests.ValidSemver(v) && !strings.Contains(v, "+")
}
