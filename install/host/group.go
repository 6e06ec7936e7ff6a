package host

import (
	"io/fs"
	"os/user"
	"strconv"
	"strings"
)

// noGroup is the ID that stands for no group.
const noGroup = -1

// privateGroup returns the ID of u's primary group if nobody else is in it, else
// noGroup, according to passwd(5) and group(5) below root. If those cannot be read, a
// group with the same ID as the user counts as private, since the tools that create
// users number private groups so. Root's own group always counts as private: its other
// members belong to the system.
func privateGroup(root fs.FS, u *user.User) int {
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return noGroup
	}
	if u.Uid == "0" && gid == 0 {
		return gid
	}
	passwd, _ := fs.ReadFile(root, "etc/passwd")
	group, _ := fs.ReadFile(root, "etc/group")
	listed := false
	for line := range strings.Lines(string(group)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 4 || f[2] != u.Gid {
			continue
		}
		listed = true
		for name := range strings.SplitSeq(f[3], ",") {
			if name != "" && name != u.Username {
				return noGroup
			}
		}
	}
	for line := range strings.Lines(string(passwd)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) >= 4 && f[3] == u.Gid && f[2] != u.Uid {
			return noGroup
		}
	}
	if !listed && u.Gid != u.Uid {
		return noGroup
	}
	return gid
}
