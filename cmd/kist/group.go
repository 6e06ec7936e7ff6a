package main

import (
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// noGroup is the ID that stands for no group.
const noGroup = -1

// hostPrivateGroup returns the ID of the user's primary group if nobody else is in it,
// else noGroup. If the databases cannot be read, a group with the same ID as the user
// counts as private, since the tools that create users number private groups so.
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

// privateGroup is hostPrivateGroup for the given text of passwd(5) and group(5). Root's
// own group always counts as private: its other members belong to the system.
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
