package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"

	"github.com/kist-tools/kist/install/internal/unpack"
)

// Ceilings on a child, in addition to those of unpack.Limits.
const (
	// runtimeRoom is the address space, in bytes, that Go's runtime reserves but does
	// not use, and that decoding takes apart from its windows.
	runtimeRoom = 1 << 30
	// maxSeconds is the limit of processor time. The largest toolchain takes some 20.
	maxSeconds = 2 * 60 * 60
	// maxFiles is the limit of open files: a few for each archive that is being
	// unpacked, and the directories that unpack holds open.
	maxFiles = 1024
)

// confine gives up, for this process and for good, all that unpacking does not need.
// If fills is set, the process may still fill the working directory. abi is the newest
// version of Landlock to use: newestABI, except in tests, which imitate older kernels.
func confine(limits unpack.Limits, fills bool, abi int) (Level, error) {
	level, err := confineExceptCalls(limits, fills, abi)
	if err != nil {
		return Level{}, err
	}
	if level.Calls, err = filterCalls(fills); err != nil {
		return Level{}, fmt.Errorf("filter system calls: %w", err)
	}
	return level, nil
}

// confineExceptCalls is confine without the system call filter, which must come last,
// because it refuses the calls that this function makes.
func confineExceptCalls(limits unpack.Limits, fills bool, abi int) (Level, error) {
	unix.Umask(0) // files get exactly the modes that unpack asks for
	if err := setLimits(limits); err != nil {
		return Level{}, err
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return Level{}, fmt.Errorf("become undumpable: %w", err)
	}
	if err := llsys.AllThreadsPrctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return Level{}, fmt.Errorf("renounce privileges: %w", err)
	}
	level := Level{Child: true}
	var err error
	level.Landlock, err = restrictPaths(fills, abi)
	return level, err
}

// setLimits sets the resource limits.
func setLimits(limits unpack.Limits) error {
	used, err := addressSpace()
	if err != nil {
		return err
	}
	for _, l := range []struct {
		which int
		to    uint64
	}{
		{unix.RLIMIT_AS, used + runtimeRoom + 2*uint64(limits.Memory)}, // twice, to allow for garbage
		{unix.RLIMIT_FSIZE, uint64(limits.Bytes)},
		{unix.RLIMIT_CPU, maxSeconds},
		{unix.RLIMIT_NOFILE, maxFiles},
		{unix.RLIMIT_CORE, 0},
	} {
		var now unix.Rlimit
		if err := unix.Getrlimit(l.which, &now); err != nil {
			return fmt.Errorf("limit %d: %w", l.which, err)
		}
		to := min(l.to, now.Max) // a limit can only be lowered
		if err := unix.Setrlimit(l.which, &unix.Rlimit{Cur: to, Max: to}); err != nil {
			return fmt.Errorf("limit %d: %w", l.which, err)
		}
	}
	return nil
}

// addressSpace returns the size of this process's address space in bytes, including
// what the runtime only reserves. Source: proc_pid_statm(5).
func addressSpace() (uint64, error) {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	size, _, _ := strings.Cut(string(data), " ")
	pages, err := strconv.ParseUint(size, 10, 64)
	return pages * uint64(os.Getpagesize()), err
}

// newestABI is the newest version of Landlock's interface that restrictPaths knows.
const newestABI = 11

// restrictPaths gives up all access to files but what filling the working directory
// needs, with the newest version of Landlock that the kernel has, up to abi. It returns
// that version, 0 if the kernel has none.
func restrictPaths(fills bool, abi int) (version int, err error) {
	version, err = llsys.LandlockGetABIVersion()
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPERM) {
		return 0, nil // not in the kernel, not enabled, or blocked by a container
	} else if err != nil {
		return 0, fmt.Errorf("landlock: %w", err)
	}
	configs := [newestABI]landlock.Config{landlock.V1, landlock.V2, landlock.V3, landlock.V4, landlock.V5, landlock.V6,
		landlock.V7, landlock.V8, landlock.V9, landlock.V10, landlock.V11}
	version = min(version, abi)
	config := configs[version-1]
	var rules []landlock.Rule
	if fills {
		const rights landlock.AccessFSSet = llsys.AccessFSReadDir | llsys.AccessFSReadFile | llsys.AccessFSWriteFile |
			llsys.AccessFSMakeDir | llsys.AccessFSMakeReg | llsys.AccessFSRemoveDir | llsys.AccessFSRemoveFile
		rules = append(rules, landlock.PathAccess(rights, "."))
	}
	if err := config.Restrict(rules...); err != nil {
		return 0, fmt.Errorf("landlock %d: %w", version, err)
	}
	return version, nil
}

// closeInherited closes every descriptor that this process inherited, except the
// standard ones and the control socket. Descriptors that Go opened itself are marked
// close-on-exec, which inherited ones cannot be.
func closeInherited() error {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd <= control {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			unix.Close(fd)
		}
	}
	unix.CloseOnExec(control)
	return nil
}
