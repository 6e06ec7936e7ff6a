package checksums

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// ParseNode reads the JSON index of Node.js, an array of versions. Every line with
// long-term support has the label lts-<code name>, and all of them "lts" and "stable",
// because upstream advises everyone to use one. Entries that are not versions or known
// platforms are skipped, and so are repeated versions; an index without any version is
// an error. Source: nodejs.org/dist, and nodejs/nodejs-dist-indexer.
func ParseNode(index []byte) (manifests.VersionIndex, error) {
	var listed []struct {
		Version string          `json:"version"`
		Date    string          `json:"date"`
		Files   []string        `json:"files"`
		LTS     json.RawMessage `json:"lts"` // a code name, or false
	}
	if err := json.Unmarshal(index, &listed); err != nil {
		return nil, fmt.Errorf("not the index of Node.js: %w", err)
	}
	var hint manifests.VersionIndex
	seen := map[string]bool{}
	for _, v := range listed {
		version, ok := strings.CutPrefix(v.Version, "v")
		if !ok || !manifests.ValidSemver(version) || seen[version] {
			continue
		}
		seen[version] = true
		entry := manifests.IndexEntry{Version: version, Stable: manifests.StableSemver(version), Date: parseDay(v.Date)}
		for _, file := range v.Files {
			if platform, ok := nodePlatforms[file]; ok && !slices.Contains(entry.Platforms, platform) {
				entry.Platforms = append(entry.Platforms, platform)
			}
		}
		var name string
		if json.Unmarshal(v.LTS, &name) == nil && isCodeName(name) && entry.Stable {
			entry.Labels = []string{manifests.Stable, "lts", "lts-" + strings.ToLower(name)}
		}
		hint = append(hint, entry)
	}
	if len(hint) == 0 {
		return nil, fmt.Errorf("not the index of Node.js: it names no version")
	}
	return hint, nil
}

// isCodeName reports whether s is the name of a line of support, such as "Jod".
func isCodeName(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz") == ""
}

// nodePlatforms maps the index's archive names to platforms. The builds for Linux need
// glibc; those for musl are unofficial, and unsigned.
var nodePlatforms = map[string]manifests.Platform{
	"linux-x64":     {OS: "linux", Arch: "amd64", Libc: "gnu"},
	"linux-arm64":   {OS: "linux", Arch: "arm64", Libc: "gnu"},
	"linux-armv7l":  {OS: "linux", Arch: "arm", Libc: "gnu"},
	"linux-ppc64le": {OS: "linux", Arch: "ppc64le", Libc: "gnu"},
	"linux-s390x":   {OS: "linux", Arch: "s390x", Libc: "gnu"},
	"linux-x86":     {OS: "linux", Arch: "386", Libc: "gnu"},
	"osx-x64-tar":   {OS: "darwin", Arch: "amd64"},
	"osx-arm64-tar": {OS: "darwin", Arch: "arm64"},
	"win-x64-zip":   {OS: "windows", Arch: "amd64"},
	"win-arm64-zip": {OS: "windows", Arch: "arm64"},
	"win-x86-zip":   {OS: "windows", Arch: "386"},
}
