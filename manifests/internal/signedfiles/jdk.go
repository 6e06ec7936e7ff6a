package signedfiles

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// ParseTemurin reads a list of releases of the Adoptium API, /v3/info/release_versions.
// It names no platforms. JDK 8, which is numbered differently, is skipped. Versions
// with long-term support have the labels "lts" and stable, because upstream recommends
// them first.
func ParseTemurin(index []byte) (manifests.VersionIndex, error) {
	type release struct {
		OpenJDK string `json:"openjdk_version"` // 21.0.5+11-LTS
	}
	var listed struct {
		Versions []release `json:"versions"`
	}
	err := json.Unmarshal(index, &listed)
	return entries("a list of Temurin's releases", err, listed.Versions, func(r release) (manifests.IndexEntry, bool) {
		version := strings.TrimSuffix(r.OpenJDK, "-LTS")
		e := manifests.IndexEntry{Version: version, Stable: true, Platforms: everywhere()}
		if isLTS(version) {
			e.Labels = []string{"lts", manifests.Stable}
		}
		return e, validJDKVersion(version)
	})
}

// isLTS reports whether version belongs to a line with long-term support: 11, 17, 21
// and every fourth after that.
func isLTS(version string) bool {
	major, err := strconv.Atoi(version[:strings.IndexAny(version+".", ".+")])
	return err == nil && (major == 11 || major >= 17 && (major-17)%4 == 0)
}

// JDKNumbering describes OpenJDK's versions: dotted numbers, "+" and the build, as in
// 21.0.5+11. "jdk-21.0.5+11" means the same. Source: JEP 322.
func JDKNumbering() manifests.Numbering {
	return manifests.Numbering{
		Spell: func(asked string) string {
			return strings.TrimSuffix(strings.TrimPrefix(strings.ToLower(asked), "jdk-"), "-lts")
		},
		Exact: validJDKVersion,
	}
}

// validJDKVersion reports whether v is a release of OpenJDK with its build, and not a
// preview.
func validJDKVersion(v string) bool {
	numbers, build, ok := strings.Cut(v, "+")
	digits := func(s string) bool { return s != "" && s[0] != '0' && strings.Trim(s, "0123456789") == "" }
	for i, n := range strings.Split(numbers, ".") {
		if ok = ok && (digits(n) || i > 0 && n == "0"); i == 0 && len(n) > 3 {
			return false
		}
	}
	return ok && digits(build) && manifests.ValidVersion(v) == nil
}
