package gosum

import (
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

var goNumbering = manifests.GoNumbering()

const modulePrefix = "v0.0.1-go"

// maxList is the largest accepted version list, in bytes; the real one has some 20 KiB.
const maxList = 4 << 20

// moduleVersion returns the version of Module that holds Go version for host. Platforms
// are in Go's spelling: "linux-arm" where the downloads say armv6l.
func moduleVersion(version string, host manifests.Platform) string {
	return modulePrefix + version + "." + host.OS + "-" + host.Arch
}

// parseList reads a proxy's list of versions of Module. Lines that name no toolchain
// are skipped: the list is only a hint.
func parseList(data []byte) manifests.VersionIndex {
	built := make(map[string][]manifests.Platform)
	lines := strings.Fields(string(data))
	slices.Sort(lines)
	for _, line := range slices.Compact(lines) {
		if version, platform, ok := parseModuleVersion(line); ok {
			built[version] = append(built[version], platform)
		}
	}
	hint := make(manifests.VersionIndex, 0, len(built))
	for version, platforms := range built {
		hint = append(hint, manifests.IndexEntry{Version: version, Stable: manifests.StableGoVersion(version), Platforms: platforms})
	}
	manifests.SortNewestFirst(hint, func(v manifests.IndexEntry) string { return v.Version })
	return hint
}

// parseModuleVersion is the inverse of moduleVersion.
func parseModuleVersion(s string) (version string, host manifests.Platform, ok bool) {
	rest, ok := strings.CutPrefix(s, modulePrefix)
	dot := strings.LastIndex(rest, ".")
	if !ok || dot < 0 || !manifests.ValidGoVersion(rest[:dot]) {
		return "", manifests.Platform{}, false
	}
	os, arch, _ := strings.Cut(rest[dot+1:], "-")
	host, err := manifests.ParsePlatform(os + "/" + arch)
	if err != nil || host.Libc != "" {
		return "", manifests.Platform{}, false
	}
	return rest[:dot], host, true
}
