package sandbox

import (
	"fmt"

	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Available returns the level that a child started by c would have, and what it would lack
// of the best one. It confines nothing. Its error is that of Ready.
func Available(c Command) (level Level, lacks []string, err error) {
	if c.Path == "" {
		return Level{}, []string{"a separate process"}, nil
	}
	if err := Ready(c); err != nil {
		return Level{}, nil, err
	}
	level.Child = true
	if level.Calls = arch() != 0 && hasFilters(); !level.Calls {
		lacks = append(lacks, "a system call filter (seccomp)")
	}
	version, err := llsys.LandlockGetABIVersion()
	switch level.Landlock = min(max(version, 0), newestABI); {
	case err != nil:
		level.Landlock = 0
		lacks = append(lacks, "Landlock (Linux 5.13 or newer, with landlock in its lsm= list)")
	case level.Landlock < newestABI:
		lacks = append(lacks, fmt.Sprintf("what Landlock %d to %d add", level.Landlock+1, newestABI))
	}
	return level, lacks, nil
}

// hasFilters reports whether the kernel can filter system calls. A container may still
// withhold it. Source: prctl(2), PR_GET_SECCOMP.
func hasFilters() bool {
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	return err == nil && mode >= 0
}
