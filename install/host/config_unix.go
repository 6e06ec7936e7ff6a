//go:build !windows

package host

import (
	"fmt"
	"io/fs"
	"syscall"

	"github.com/kist-tools/kist/install"
)

// ChangeableByOthers says why others than user and root can change a file, or "".
func ChangeableByOthers(info fs.FileInfo, user install.Host) string {
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return ""
	case owner.Uid != 0 && int(owner.Uid) != user.EUID:
		return fmt.Sprintf("it belongs to user %d", owner.Uid)
	case info.Mode().Perm()&0o002 != 0:
		return "it is writable for everyone"
	case info.Mode().Perm()&0o020 != 0 && int(owner.Gid) != user.PrivateGroup:
		return fmt.Sprintf("it is writable for group %d", owner.Gid)
	}
	return ""
}

// replaceableByOthers says why others than user and root can replace what is in a
// directory, or "". In a sticky directory they cannot. A directory of root's that its group
// can write to is for administrators, such as /usr/local/bin of Debian.
func replaceableByOthers(info fs.FileInfo, user install.Host) string {
	owner, ok := info.Sys().(*syscall.Stat_t)
	why := ChangeableByOthers(info, user)
	trusted := ok && (owner.Uid == 0 || int(owner.Uid) == user.EUID)
	if trusted && (info.Mode()&fs.ModeSticky != 0 || owner.Uid == 0 && info.Mode().Perm()&0o002 == 0) {
		return ""
	}
	return why
}

// readableByOthers says why others than user and root can read a file, or "". A file of
// root's that its group can read was given to that group by the administrator.
func readableByOthers(info fs.FileInfo, user install.Host) string {
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return ""
	case info.Mode().Perm()&0o004 != 0:
		return "it is readable for everyone"
	case info.Mode().Perm()&0o040 == 0 || owner.Gid == 0 || int(owner.Gid) == user.PrivateGroup:
		return ""
	case owner.Uid == 0 && user.EUID != 0:
		return ""
	}
	return fmt.Sprintf("it is readable for group %d", owner.Gid)
}

// ownerOf returns the ID of the user who owns a file.
func ownerOf(info fs.FileInfo) (uid int, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}
