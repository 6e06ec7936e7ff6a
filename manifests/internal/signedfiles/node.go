package signedfiles

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
)

// ParseNode reads the JSON index of Node.js, an array of versions. Every line with
// long-term support has the label lts-<code name>, and all of them "lts" and "stable",
// because upstream advises everyone to use one. Entries that are not versions or known
// platforms are skipped, and so are repeated versions; an index without any version is
// an error. Source: nodejs.org/dist, and nodejs/nodejs-dist-indexer.
func ParseNode(index []byte) (manifests.VersionIndex, error) {
	type release struct {
		Version string          `json:"version"`
		Date    string          `json:"date"`
		Files   []string        `json:"files"`
		LTS     json.RawMessage `json:"lts"` // a code name, or false
	}
	var listed []release
	err := json.Unmarshal(index, &listed)
	return entries("the index of Node.js", err, listed, func(r release) (manifests.IndexEntry, bool) {
		version, ok := strings.CutPrefix(r.Version, "v")
		e := manifests.IndexEntry{Version: version, Stable: manifests.StableSemver(version), Date: parseDate(time.DateOnly, r.Date)}
		for _, file := range r.Files {
			if platform, ok := nodePlatforms[file]; ok && !slices.Contains(e.Platforms, platform) {
				e.Platforms = append(e.Platforms, platform)
			}
		}
		var name string
		if json.Unmarshal(r.LTS, &name) == nil && isCodeName(name) && e.Stable {
			e.Labels = []string{manifests.Stable, "lts", "lts-" + strings.ToLower(name)}
		}
		return e, ok && manifests.ValidSemver(version)
	})
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
