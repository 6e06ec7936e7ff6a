package main

import (
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// noGroup is the id of no group.
const noGroup = -1

// hostPrivateGroup is the id of the user's primary group if nobody else is in it, else
// noGroup. Where the databases cannot be read, a group that has the id of its user counts
// as private, as the tools that make users number it.
func hostPrivateGroup(u *user.User) int {
	root, err := os.OpenRoot("/")
	if err != nil {
		return noGroup
	}
	defer root.Close()
	read := func(name string) string {
		text, err := fs.ReadFile(root.FS(), name)
		if err != nil {
			return ""
		}
		return string(text)
	}
	return privateGroup(u, read("etc/passwd"), read("etc/group"))
}

// privateGroup is hostPrivateGroup by the text of passwd(5) and group(5). Root's own group
// is private whoever is in it: its other members are the system's.
func privateGroup(u *user.User, passwd, group string) int {
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return noGroup
	}
	if u.Uid == "0" && gid == 0 {
		return gid
	}
	listed := false
	for line := range strings.Lines(group) {
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
	for line := range strings.Lines(passwd) {
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
