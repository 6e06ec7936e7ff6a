package host

import (
	"io/fs"
	"os"
	"os/user"
	"strconv"

	"github.com/kist-tools/kist/install"
)

// Owners are the users whose files count in the directories above a project's: root, the
// user who runs kist, and the owner of the project's directory.
type Owners struct{ user, owner install.Host }

// OwnersAbove returns the owners for the directories above dir. root is the root directory.
func OwnersAbove(root fs.FS, dir string, who install.Host) Owners {
	o := Owners{who, who}
	info, err := os.Stat(dir)
	if err != nil {
		return o
	}
	uid, ok := ownerOf(info)
	if !ok || uid == who.EUID {
		return o
	}
	o.owner = install.Host{EUID: uid, PrivateGroup: noGroup}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		o.owner.PrivateGroup = privateGroup(root, u)
	}
	return o
}

// WhyNot says why another user can decide what a file says, by its own owner and mode or
// by those of its directory, or "". On Windows it returns "".
func (o Owners) WhyNot(file, dir fs.FileInfo) string {
	if why := ChangeableByOthers(file, o.user); why != "" && ChangeableByOthers(file, o.owner) != "" {
		return why
	}
	if why := replaceableByOthers(dir, o.user); why != "" && replaceableByOthers(dir, o.owner) != "" {
		return "its directory can be changed by others: " + why
	}
	return ""
}
