//go:build unix

package roots

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// verdict is "ok", the rule of a SystemPrefixError, or "unsafe: " and the reason.
func verdict(err error) string {
	var system *SystemPrefixError
	var unsafe *UnsafeDirError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &system):
		return system.Rule
	case errors.As(err, &unsafe):
		return "unsafe: " + unsafe.Why
	}
	return "error: " + err.Error()
}

var (
	rootUser = Host{EUID: 0, Home: "/root", Caller: -1}
	ann      = Host{EUID: 1000, Home: "/home/ann", Caller: -1}
)

func TestSystemPrefixes(t *testing.T) {
	linux := fake{files: `
/var/home/ann 1000 700
/var/tmp/ann 1000 700
/var/tmp/bob 1001 755
/run/lock/ann 1000 755
/var/lib/builds 1000 755
/var/lib/builds/roots 0 755
/opt/kist 1000 755
/srv/ann 1000 755
/data/ann 1000 755`}
	mac := fake{goos: "darwin", files: `
/System/Volumes 0 755
/Library/Caches 0 755
/Applications 0 755
/var -> private/var
/etc -> private/etc
/tmp -> private/tmp
/private/etc 0 755
/private/tmp 0 1777
/private/var/root 0 700
/private/var/folders/x1/T 1000 700
/private/var/ci 1000 700
/private/var/db 0 755
/Users/ann 1000 700`}
	for _, test := range []struct {
		on               fake
		base             string
		asRoot, asAnn    string // verdict
		rootHome, annHas string // homes, where they matter
	}{
		{on: linux, base: "/", asRoot: "/", asAnn: "/"},
		{on: linux, base: "/usr", asRoot: "/usr", asAnn: "/usr"},
		{on: linux, base: "/usr/share/kist/data", asRoot: "/usr", asAnn: "/usr"},
		{on: linux, base: "/usr/local", asRoot: "/usr", asAnn: "/usr"},
		{on: linux, base: "/usr/local/share", asRoot: "/usr", asAnn: "/usr"},
		{on: linux, base: "/usrlocal", asRoot: "ok", asAnn: "ok"},
		{on: linux, base: "/bin", asRoot: "/usr", asAnn: "/usr"}, // a link
		{on: linux, base: "/sbin/x", asRoot: "/sbin", asAnn: "/sbin"},
		{on: linux, base: "/lib/x", asRoot: "/usr", asAnn: "/usr"},
		{on: linux, base: "/lib32", asRoot: "/lib32", asAnn: "/lib32"},
		{on: linux, base: "/lib64/x", asRoot: "/lib64", asAnn: "/lib64"},
		{on: linux, base: "/libx32", asRoot: "/libx32", asAnn: "/libx32"},
		{on: linux, base: "/libs", asRoot: "ok", asAnn: "ok"},
		{on: linux, base: "/etc/xdg", asRoot: "/etc", asAnn: "/etc"},
		{on: linux, base: "/boot/efi", asRoot: "/boot", asAnn: "/boot"},
		{on: linux, base: "/dev/shm", asRoot: "/dev", asAnn: "/dev"},
		{on: linux, base: "/proc/self", asRoot: "/proc", asAnn: "/proc"},
		{on: linux, base: "/sys/fs", asRoot: "/sys", asAnn: "/sys"},

		{on: linux, base: "/run", asRoot: "/run", asAnn: "/run"},
		{on: linux, base: "/run/lock/x", asRoot: "/run", asAnn: "/run"},
		{on: linux, base: "/run/lock/ann/x", asRoot: "/run", asAnn: "/run"},
		{on: linux, base: "/run/user/1000", asRoot: "/run", asAnn: "ok"},
		{on: linux, base: "/run/user/1000/x", asRoot: "/run", asAnn: "ok"},
		{on: linux, base: "/run/user/1001/x", asRoot: "/run", asAnn: "/run"},
		{on: linux, base: "/run/user/0", asRoot: "ok", asAnn: "/run"},
		{on: linux, base: "/run/user", asRoot: "/run", asAnn: "/run"},
		{on: linux, base: "/run/media/ann/disk", asRoot: "ok", asAnn: "ok"},

		{on: linux, base: "/var", asRoot: "/var", asAnn: "/var"},
		{on: linux, base: "/var/lib", asRoot: "/var", asAnn: "/var"},
		{on: linux, base: "/var/cache/kist", asRoot: "/var", asAnn: "/var"},
		{on: linux, base: "/var/run/x", asRoot: "/run", asAnn: "/run"},
		{on: linux, base: "/var/home/ann/.local", asRoot: "ok", asAnn: "ok"},
		{on: linux, base: "/var/homes", asRoot: "/var", asAnn: "/var"},
		{on: linux, base: "/var/roothome/.local", asRoot: "ok", asAnn: "ok"},
		{on: linux, base: "/var/opt/kist", asRoot: "ok", asAnn: "ok"},
		{on: linux, base: "/var/srv/kist", asRoot: "ok", asAnn: "ok"},
		{on: linux, base: "/var/mnt/disk", asRoot: "ok", asAnn: "ok"},
		{on: linux, base: "/var/tmp", asRoot: "/var", asAnn: "/var"},
		{on: linux, base: "/var/tmp/ann", asRoot: "/var", asAnn: "ok"},
		{on: linux, base: "/var/tmp/ann/x/y", asRoot: "/var", asAnn: "ok"},
		{on: linux, base: "/var/tmp/bob/x", asRoot: "/var", asAnn: "/var"},
		{on: linux, base: "/var/tmp/new/x", asRoot: "ok", asAnn: "ok"},
		{on: linux, base: "/var/lib/builds", asRoot: "/var", asAnn: "ok"},
		{on: linux, base: "/var/lib/builds/x", asRoot: "/var", asAnn: "ok"},
		{on: linux, base: "/var/lib/builds/roots", asRoot: "/var", asAnn: "/var"},
		{on: linux, base: "/var/lib/misc/x", rootHome: "/var/lib/misc", asRoot: "ok", annHas: "/var/lib/misc", asAnn: "ok"},
		{on: linux, base: "/var/lib/misc2/x", rootHome: "/var/lib/misc", asRoot: "/var", annHas: "/var/lib/misc", asAnn: "/var"},
		{on: linux, base: "/var/cache/x", rootHome: "/var", asRoot: "/var", annHas: "/", asAnn: "/var"},

		{on: linux, base: "/opt", asRoot: "ok", asAnn: "ok"},
		{on: linux, base: "/opt/kist", asRoot: "ok", asAnn: "ok"},
		{on: linux, base: "/srv/ann", asRoot: "ok", asAnn: "ok"},
		{on: linux, base: "/data/ann", asRoot: "ok", asAnn: "ok"},
		{on: linux, base: "/home/ann/.local/share", asRoot: "ok", asAnn: "ok"},
		{on: linux, base: "/root/.local/share", asRoot: "ok", asAnn: "ok"},
		{on: linux, base: "/tmp/x", asRoot: "ok", asAnn: "ok"},
		{on: linux, base: "/builds/group/project", asRoot: "ok", asAnn: "ok"},
		{on: linux, base: "/github/workspace", asRoot: "ok", asAnn: "ok"},

		{on: mac, base: "/System", asRoot: "/System", asAnn: "/System"},
		{on: mac, base: "/Library/kist", asRoot: "/Library", asAnn: "/Library"},
		{on: mac, base: "/Applications", asRoot: "/Applications", asAnn: "/Applications"},
		{on: mac, base: "/usr/local", asRoot: "/usr", asAnn: "/usr"},
		{on: mac, base: "/etc/x", asRoot: "/etc", asAnn: "/etc"}, // by inode: it resolves to /private/etc
		{on: mac, base: "/private/etc/x", asRoot: "/etc", asAnn: "/etc"},
		{on: mac, base: "/var/db/x", asRoot: "/private/var", asAnn: "/private/var"},
		{on: mac, base: "/private/var/ci", asRoot: "/private/var", asAnn: "/private/var"},
		{on: mac, base: "/var/root/.local/share", rootHome: "/var/root", asRoot: "ok", asAnn: "/private/var"},
		{on: mac, base: "/var/folders/x1/T", asRoot: "ok", asAnn: "ok"},
		{on: mac, base: "/tmp/x", asRoot: "ok", asAnn: "ok"},
		{on: mac, base: "/Users/ann/.local/share", asRoot: "ok", asAnn: "ok"},
		{on: mac, base: "/Users/ann/Library/kist", asRoot: "ok", asAnn: "ok"},
	} {
		for _, who := range []struct {
			host       Host
			home, want string
		}{{rootUser, test.rootHome, test.asRoot}, {ann, test.annHas, test.asAnn}} {
			if who.home != "" {
				who.host.Home = who.home
			}
			j := newDirChecker(test.on.machine(t), who.host)
			_, err := j.checkPath(Data, test.base)
			if got := verdict(err); got != who.want {
				t.Errorf("%s %s as user %d: %s, want %s", j.goos, test.base, who.host.EUID, got, who.want)
			}
		}
	}
}

func TestToolchainDirectoriesAreRefused(t *testing.T) {
	own := fake{files: "/home/ann/data/kist/prefixes/go-go-1.26.0-0a1b2c3d/bin 1000 755\n" +
		"/home/ann/alias -> data/kist/prefixes/go-go-1.26.0-0a1b2c3d\n"}
	for base, inside := range map[string]bool{
		"/home/ann/data/kist/prefixes/go-go-1.26.0-0a1b2c3d":       true,
		"/home/ann/data/kist/prefixes/go-go-1.26.0-0a1b2c3d/bin/x": true,
		"/home/ann/alias/bin":         true,
		"/home/ann/data/kist/stage/x": true,
		"/home/ann/data/kist":         false,
		"/home/ann/data":              false,
		"/home/ann/kist/prefixes":     true, // kist's own directory would be a prefix by name
		"/home/ann/prefixes/x":        false,
	} {
		_, err := newDirChecker(own.machine(t), ann).checkBase(Data, base)
		if got := strings.Contains(verdict(err), "only kist itself fills"); got != inside {
			t.Errorf("%s: %s", base, verdict(err))
		}
	}
}

func TestOwnersAndModes(t *testing.T) {
	sudo := Host{EUID: 0, Home: "/root", Caller: 1000}
	on := fake{files: `
/home/ann/data 1000 755
/home/ann/data/kist 1000 700
/home/ann/open 1000 777
/home/ann/half 1000 755
/home/ann/half/kist 1000 777
/home/ann/sticky 1000 1777
/home/ann/group 1000 775
/home/ann/file 1000 100644
/home/ann/stolen 1000 755
/home/ann/stolen/kist 1001 700
/home/ann/linked/kist -> /home/bob/kist
/home/ann/linked 1000 755
/home/bob/kist 1001 755
/opt/kist 1000 755
/tmp/image 0 755
/tmp/image/kist 0 755
/srv/kist 0 755
/srv/group 0 755
/srv/group/kist 0 775
/srv/ann 1000 755
/srv/ann/data 0 755
/srv/ann/data/kist 0 755
/srv/bob 1001 755
/srv/bob/data 0 755
/srv/bob/data/kist 0 755
/srv/bob/bin 0 755
/srv/staff 0 775
/srv/staff/data 0 755
/srv/staff/data/kist 0 755
/shared 1002 755
/shared/kist 1000 700
/common 1001 777
/common/ann 1000 755
`}
	everyone := "unsafe: it can be written by everyone (mode %04o)"
	whose := "unsafe: it belongs to user %d, and kist runs as user %d"
	replaced := "unsafe: it belongs to root, and lies in a directory where another user can replace it"
	staff := ann
	staff.PrivateGroup = -1
	for _, test := range []struct {
		which Role
		base  string
		host  Host
		want  string
	}{
		{Data, "/home/ann/data", ann, "ok"},
		{Data, "/home/ann/new/deep", ann, "ok"},
		{Data, "/home/ann/open", ann, fmt.Sprintf(everyone, 0o777)},
		{Data, "/home/ann/half", ann, fmt.Sprintf(everyone, 0o777)},
		{Bin, "/home/ann/half", ann, "ok"}, // the kist directory in it does not matter
		{Data, "/home/ann/sticky", ann, fmt.Sprintf(everyone, 0o777)},
		{Data, "/tmp", rootUser, fmt.Sprintf(everyone, 0o777)},
		{Data, "/tmp/x", ann, "ok"},
		{Data, "/home/ann/group", ann, "ok"},
		{Data, "/home/ann/file", ann, "unsafe: /home/ann/file is not a directory"},
		{Data, "/home/ann/file/x", ann, "unsafe: /home/ann/file is not a directory"},
		{Data, "/home/bob", ann, fmt.Sprintf(whose, 1001, 1000)},
		{Bin, "/home/bob", ann, fmt.Sprintf(whose, 1001, 1000)},
		{Data, "/home/ann/stolen", ann, fmt.Sprintf(whose, 1001, 1000)},
		{Data, "/home/ann/linked", ann, fmt.Sprintf(whose, 1001, 1000)},
		{Data, "/opt", ann, "ok"},
		{Data, "/srv", ann, "only to read"},
		{Data, "/data", ann, "only to read"}, // root's, without a kist of ann's
		{Data, "/srv/group", staff, "unsafe: it belongs to root, and can be written by its group (id 0)"},
		{Data, "/srv/ann/data", ann, "only to read"},
		{Data, "/srv/bob/data", ann, replaced},
		{Bin, "/srv/bob/bin", ann, replaced},
		{Data, "/srv/staff/data", staff, replaced},
		{Data, "/tmp/image", ann, "only to read"}, // nobody else removes what is root's there
		{Data, "/srv/bob/data", rootUser, "ok"},
		{Data, "/shared", ann, fmt.Sprintf(whose, 1002, 1000)}, // only root may keep the base of another
		{Bin, "/opt", ann, "only to read"},
		{Data, "/common/ann", ann, "ok"},

		{Data, "/home/ann/data", rootUser, "ok"},
		{Data, "/home/bob", rootUser, "ok"},
		{Data, "/opt", rootUser, "ok"},
		{Data, "/srv", sudo, "ok"},
		{Data, "/home/bob", sudo, "ok"},
		{Data, "/root/.local/share", sudo, "ok"},
		{Data, "/home/ann/data", sudo, "unsafe: /home/ann/data/kist belongs to user 1000, for whom root is running kist"},
		{Data, "/home/ann/new", sudo, "unsafe: /home/ann belongs to user 1000, for whom root is running kist"},
		{Bin, "/home/ann/bin", sudo, "unsafe: /home/ann belongs to user 1000, for whom root is running kist"},
		{Data, "/opt", sudo, "unsafe: /opt/kist belongs to user 1000, for whom root is running kist"},

		{Data, "", ann, "unsafe: it is empty"},
		{Data, "data", ann, "unsafe: it is not absolute"},
		{Data, "./data", ann, "unsafe: it is not absolute"},
		{Data, "~/data", ann, "unsafe: it is not absolute"},
	} {
		p, err := newDirChecker(on.machine(t), test.host).checkBase(test.which, test.base)
		got := verdict(err)
		if owner, ok := errors.AsType[*OwnerError](p.readOnly); err == nil && ok && owner.EUID == test.host.EUID {
			got = "only to read"
		}
		if got != test.want {
			t.Errorf("%s %s as %+v:\n got %s\nwant %s", test.which, test.base, test.host, got, test.want)
		}
	}
}

func TestWarnsOfOpenDirectoriesAbove(t *testing.T) {
	on := fake{files: "/common 0 777\n/common/sticky 0 1777\n/common/sticky/ann 1000 755\n/common/sticky/ann/kist 1000 700\n"}
	for base, want := range map[string]string{
		"/common/sticky/ann":   "/common",
		"/common/new":          "/common",
		"/home/ann/new":        "",
		"/tmp/ann":             "",
		"/common/sticky/ann/x": "/common",
	} {
		p, err := newDirChecker(on.machine(t), ann).checkBase(Data, base)
		if err != nil {
			t.Errorf("%s: %v", base, err)
		}
		named := ""
		for _, w := range p.warnings {
			name, _, _ := strings.Cut(w, " ")
			if named != "" && named != name {
				t.Errorf("%s: warned of %s and %s", base, named, name)
			}
			named = name
		}
		if named != want {
			t.Errorf("%s: warned of %q, want %q", base, named, want)
		}
	}
}

// A path that resolves into a system prefix is refused in any spelling.
func TestNoSpellingReachesSystemPrefixes(t *testing.T) {
	on := fake{files: "/home/ann/l -> /usr\n/home/ann/m -> l/share\n/home/ann/n -> ../../usr/local\n/home/ann/o -> /usr/missing\n"}
	j := newDirChecker(on.machine(t), ann)
	rapid.Check(t, func(t *rapid.T) {
		element := rapid.SampledFrom([]string{".", "", "..", "l", "m", "n", "o", "x", "share", "home", "ann", "usr", "local"})
		name := "/home/ann/" + strings.Join(rapid.SliceOfN(element, 0, 8).Draw(t, "elements"), "/")
		real, err := j.resolve(name)
		if err != nil {
			return
		}
		_, err = j.checkPath(Data, name)
		if within(real, "/usr") && verdict(err) != "/usr" || below(real, "/home/ann") && err != nil && !strings.HasPrefix(verdict(err), "unsafe") {
			t.Fatalf("%s is %s: %s", name, real, verdict(err))
		}
	})
}
