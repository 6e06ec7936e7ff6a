package host

import (
	"io/fs"
	"strings"
)

// MachineID returns the identifier that a Linux system was given when it was installed:
// 32 hexadecimal digits. It is empty on other systems, and where an image has none yet. It
// must not be published as it is. Source: machine-id(5).
func MachineID(root fs.FS) string {
	id := strings.TrimSpace(string(readSmall(root, "etc/machine-id")))
	if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
		return ""
	}
	return id
}
