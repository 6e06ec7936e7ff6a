package main

import "strings"

// distro reads an os-release file for the distribution's ID and version in one
// word, as upstreams name their builds for it: "debian12", "ubuntu24.04".
func distro(osRelease string) string {
	fields := map[string]string{}
	for line := range strings.Lines(osRelease) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		fields[name] = strings.Trim(value, `"'`)
	}
	return fields["ID"] + fields["VERSION_ID"]
}
