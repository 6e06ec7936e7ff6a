package roots

import (
	"io/fs"
)

// A Diagnosis says what is known of the directory of one role. Nothing is opened for it, so
// it also describes directories with which Open fails.
type Diagnosis struct {
	Role   Role
	Path   string // as the environment names it
	At     string // where it is, links resolved; or the nearest directory above it that exists
	Exists bool   // At is the directory itself
	// The owner and the permissions of At; not known on Windows, and if At is empty.
	Mode  fs.FileMode
	UID   int
	Owner string // for people: "root", "ann (user 1000)"
	// ByAll and ByGroup report that everyone, or a group that others are in, can write to At.
	ByAll, ByGroup bool
	// Above are the directories above At in which everyone can replace what kist keeps.
	Above []string
	// Err is why kist refuses the directory, as Open does. An *OwnerError means that kist
	// only reads it.
	Err error
}

// Diagnose describes the directories of all roles.
func Diagnose(d Dirs, h Host) ([]Diagnosis, error) {
	checker, err := hostChecker(h)
	if err != nil {
		return nil, err
	}
	return checker.diagnose(d), nil
}

func (d *dirChecker) diagnose(dirs Dirs) (list []Diagnosis) {
	r := Roots{bases: map[Role]string{Data: dirs.Data, State: dirs.State, Cache: dirs.Cache, Config: dirs.Config, Bin: dirs.Bin}}
	for _, which := range roles {
		one := Diagnosis{Role: which, Path: r.Path(which)}
		checked, err := d.checkBase(which, r.bases[which])
		if one.Err = err; err == nil {
			one.Err = checked.readOnly
		}
		p, err := d.find(one.Path)
		if err != nil || !d.hasOwners() {
			list = append(list, one)
			continue
		}
		one.At, one.Exists = p.at, p.exists()
		one.Mode, one.UID, one.Owner = p.node.mode, p.node.uid, d.host.describe(p.node.uid)
		one.ByAll = p.exists() && p.node.openToAll()
		one.ByGroup = p.exists() && p.node.openToGroup() && p.node.gid != d.host.PrivateGroup
		for _, dir := range ancestors(p.at) {
			if n, err := d.lstat(dir); err == nil && dir != p.real && n.openToAll() && n.mode&fs.ModeSticky == 0 {
				one.Above = append(one.Above, dir)
			}
		}
		list = append(list, one)
	}
	return list
}
