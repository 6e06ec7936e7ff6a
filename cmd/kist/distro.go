package main

import (
	"io"
	"os"
	"strings"
)

// hostDistro is the Linux distribution kist runs on, as its ID and version:
// "debian12", "ubuntu24.04". It is empty elsewhere, and where nobody says.
// Source: os-release(5).
func hostDistro() string {
	root, err := os.OpenRoot("/")
	if err != nil {
		return ""
	}
	defer root.Close()
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		f, err := root.Open(name)
		if err != nil {
			continue
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, 64<<10))
		if err != nil {
			return ""
		}
		return distro(string(text))
	}
	return ""
}

// distro reads ID and VERSION_ID of an os-release file.
func distro(osRelease string) string {
	fields := map[string]string{}
	for line := range strings.Lines(osRelease) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		fields[name] = strings.Trim(value, `"'`)
	}
	return fields["ID"] + fields["VERSION_ID"]
}
