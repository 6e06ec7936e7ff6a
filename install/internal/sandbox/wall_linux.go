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

	"github.com/kist-tools/kist/install/unpack"
)

// Ceilings on a child, besides those of what it unpacks.
const (
	// runtimeRoom is what address space Go's runtime reserves beyond what it
	// uses, and what decoding takes apart from windows.
	runtimeRoom = 1 << 30
	// maxSeconds is of processor time: the largest toolchain takes some 20.
	maxSeconds = 2 * 60 * 60
	// maxFiles is how many files may be open: a few for each archive that is
	// being unpacked, and the directories that unpack holds open.
	maxFiles = 1024
)

// wallIn gives away, for this process and for good, all that unpacking does not
// need. fills says that it may fill the working directory; abi is the newest version
// of Landlock to use, newestABI but in tests, which try what older kernels do.
func wallIn(limits unpack.Limits, fills bool, abi int) (Level, error) {
	level, err := renounce(limits, fills, abi)
	if err != nil {
		return Level{}, err
	}
	if level.Calls, err = filterCalls(fills); err != nil {
		return Level{}, fmt.Errorf("filter system calls: %w", err)
	}
	return level, nil
}

// renounce is wallIn without the filter of system calls, which comes last: it allows
// none of the calls that the rest of the wall is made by.
func renounce(limits unpack.Limits, fills bool, abi int) (Level, error) {
	unix.Umask(0) // modes are what they are
	if err := limit(limits); err != nil {
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

// limit sets the resource limits.
func limit(limits unpack.Limits) error {
	used, err := addressSpace()
	if err != nil {
		return err
	}
	for _, l := range []struct {
		which int
		to    uint64
	}{
		{unix.RLIMIT_AS, used + runtimeRoom + 2*uint64(limits.Memory)}, // twice: garbage
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

// addressSpace is how many bytes of it this process has, the runtime's
// reservations included. Source: proc_pid_statm(5).
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

// restrictPaths leaves of all rights on files those that filling the working
// directory takes, by the newest version of Landlock that the kernel has, but not one
// after abi. It returns that version: 0 if the kernel has none.
func restrictPaths(fills bool, abi int) (version int, err error) {
	version, err = llsys.LandlockGetABIVersion()
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPERM) {
		return 0, nil // not in the kernel, not switched on, or kept from us by a container
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

// closeInherited closes every descriptor that came with the start of this
// process, but for the standard ones and the control socket: what Go itself
// opens is marked to be closed on exec, and so came later.
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
