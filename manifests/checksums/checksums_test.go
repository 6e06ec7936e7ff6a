package checksums_test

import (
	"time"

	"github.com/kist-tools/kist/manifests"
)

var (
	now     = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	linux   = manifests.Platform{OS: "linux", Arch: "amd64", Libc: "gnu"}
	musl    = manifests.Platform{OS: "linux", Arch: "amd64", Libc: "musl"}
	windows = manifests.Platform{OS: "windows", Arch: "amd64"}
)
