//go:build unix

package roots

import (
	"slices"
	"strings"
	"testing"
)

// The name of a directory must not matter: neither to the check by the mount table,
// nor to the check by devices and inodes.
func TestSystemDirectoriesUnderOtherNames(t *testing.T) {
	const disk = "\n20 1 8:1 / / rw - ext4 /dev/sda1 rw\n21 20 0:5 / /proc rw - proc proc rw\n"
	for _, test := range []struct {
		name   string
		on     fake
		base   string
		host   Host
		want   string
		tables bool // inodes alone cannot tell
	}{
		{name: "a bind mount of /usr/share at /home/ann/data",
			on:   fake{mounts: disk + "30 20 8:1 /usr/share /home/ann/data rw - ext4 /dev/sda1 rw", binds: "/home/ann/data = /usr/share"},
			base: "/home/ann/data", host: ann, want: "/usr"},
		{name: "and of what lies below it",
			on:   fake{mounts: disk + "30 20 8:1 /usr/share /home/ann/data rw - ext4 /dev/sda1 rw", binds: "/home/ann/data = /usr/share"},
			base: "/home/ann/data/new/deep", host: rootUser, want: "/usr"},
		{name: "but not beside it",
			on:   fake{mounts: disk + "30 20 8:1 /usr/share /home/ann/data rw - ext4 /dev/sda1 rw", binds: "/home/ann/data = /usr/share"},
			base: "/home/ann/data2", host: ann, want: "ok"},
		{name: "a bind mount of a deep system directory",
			on:   fake{mounts: disk + "30 20 8:1 /usr/share/doc /home/ann/data rw - ext4 /dev/sda1 rw", binds: "/home/ann/data = /usr/share/doc"},
			base: "/home/ann/data", host: ann, want: "/usr", tables: true},
		{name: "/ at /mnt/root",
			on:   fake{mounts: disk + "30 20 8:1 / /mnt/root rw - ext4 /dev/sda1 rw", binds: "/mnt/root = /"},
			base: "/mnt/root/usr/share/x", host: rootUser, want: "/usr"},
		{name: "/ at /mnt/root, itself",
			on:   fake{mounts: disk + "30 20 8:1 / /mnt/root rw - ext4 /dev/sda1 rw", binds: "/mnt/root = /"},
			base: "/mnt/root", host: rootUser, want: "/"},
		{name: "/ at /mnt/root, a home in it",
			on:   fake{mounts: disk + "30 20 8:1 / /mnt/root rw - ext4 /dev/sda1 rw", binds: "/mnt/root = /"},
			base: "/mnt/root/home/ann/x", host: ann, want: "ok"},
		{name: "/var/lib at /srv/lib",
			on:   fake{mounts: disk + "30 20 8:1 /var/lib /srv/lib rw - ext4 /dev/sda1 rw", binds: "/srv/lib = /var/lib"},
			base: "/srv/lib/x", host: rootUser, want: "/var"},
		{name: "a /var of its own file system, shown at /srv/var",
			on:   fake{mounts: disk + "25 20 8:2 / /var rw - ext4 /dev/sda2 rw\n30 20 8:2 / /srv/var rw - ext4 /dev/sda2 rw", binds: "/srv/var = /var"},
			base: "/srv/var/cache/x", host: rootUser, want: "/var"},
		{name: "a tmpfs of /usr/local, shown at /home/ann/local",
			on:   fake{mounts: disk + "25 20 0:40 / /usr/local rw - tmpfs t rw\n30 20 0:40 / /home/ann/local rw - tmpfs t rw", binds: "/home/ann/local = /usr/local"},
			base: "/home/ann/local/share", host: ann, want: "/usr"},
		{name: "a part of a tmpfs of /usr/local",
			on:   fake{mounts: disk + "25 20 0:40 / /usr/local rw - tmpfs t rw\n30 20 0:40 /share /home/ann/local rw - tmpfs t rw", binds: "/home/ann/local = /usr/local/share"},
			base: "/home/ann/local", host: ann, want: "/usr", tables: true},
		{name: "a tmpfs of its own",
			on:   fake{mounts: disk + "25 20 0:40 / /usr/local rw - tmpfs t rw\n30 20 0:41 / /home/ann/local rw - tmpfs t rw"},
			base: "/home/ann/local/share", host: ann, want: "ok"},
		{name: "a mount of /home hides an earlier one below it",
			on: fake{mounts: disk + "30 20 9:9 / /home/ann/data rw - ext4 /dev/x rw\n31 20 8:1 /usr/share /home rw - ext4 /dev/sda1 rw",
				binds: "/home = /usr/share"},
			base: "/home/ann/data", host: rootUser, want: "/usr"},
		{name: "two mounts on one directory: the later counts",
			on: fake{mounts: disk + "30 20 9:9 / /home/ann/data rw - ext4 /dev/x rw\n31 30 8:1 /usr/share /home/ann/data rw - ext4 /dev/sda1 rw",
				binds: "/home/ann/data = /usr/share"},
			base: "/home/ann/data", host: ann, want: "/usr"},
		{name: "and its twin, the other way round",
			on:   fake{mounts: disk + "30 20 8:1 /usr/share /home/ann/data rw - ext4 /dev/sda1 rw\n31 30 9:9 / /home/ann/data rw - ext4 /dev/x rw"},
			base: "/home/ann/data", host: ann, want: "ok"},
		{name: "a name with a blank",
			on:   fake{mounts: disk + `30 20 8:1 /usr/share /home/ann/my\040data rw - ext4 /dev/sda1 rw`, binds: ""},
			base: "/home/ann/my data/x", host: ann, want: "/usr", tables: true},
		{name: "a mount of what is only spelled alike",
			on:   fake{mounts: disk + "30 20 8:1 /home/an /usr/share/x rw - ext4 /dev/sda1 rw"},
			base: "/home/ann/x", host: ann, want: "ok"},
		{name: "a mount reached through a link",
			on:   fake{files: "/home/ann/l -> /mnt/share\n", mounts: disk + "30 20 8:1 /usr/share /mnt/share rw - ext4 /dev/sda1 rw", binds: "/mnt/share = /usr/share"},
			base: "/home/ann/l/x", host: ann, want: "/usr"},
		{name: "a chroot, whose own mount is not in its table",
			on:   fake{mounts: "40 20 8:1 /srv/jail/usr/share /home/ann/data rw - ext4 /dev/sda1 rw", binds: "/home/ann/data = /usr/share"},
			base: "/home/ann/data", host: ann, want: "/usr"},
	} {
		t.Run(test.name, func(t *testing.T) {
			sights := map[string]fake{"both": test.on}
			byTable, byInode := test.on, test.on
			byTable.noIno = true
			byInode.mounts = ""
			if strings.HasPrefix(test.on.mounts, disk) {
				sights["the table alone"] = byTable
			}
			if !test.tables {
				sights["inodes alone"] = byInode
			}
			for sight, on := range sights {
				_, err := newDirChecker(on.machine(t), test.host).checkPath(Data, test.base)
				if got := verdict(err); got != test.want {
					t.Errorf("by %s: %s, want %s", sight, got, test.want)
				}
			}
		})
	}
}

// Machines that people really have: every name of a user's directory must be accepted.
func TestOrdinaryMachinesAreAccepted(t *testing.T) {
	user := func(uid int, home string) Host { return Host{EUID: uid, Home: home, Caller: -1} }
	for _, test := range []struct {
		name  string
		on    fake
		host  Host
		base  string
		wants string // "ok" if empty
	}{
		{name: "Docker, as root in the home",
			on: fake{mounts: docker}, host: rootUser, base: "/root/.local/share"},
		{name: "Docker, a volume that lies in the host's /var/lib",
			on: fake{mounts: docker, files: "/cache 0 755"}, host: rootUser, base: "/cache/kist"},
		{name: "Docker, a volume shown at /usr/local/share/cache too",
			on:   fake{mounts: docker + "310 200 8:1 /var/lib/docker/volumes/v/_data /usr/local/share/cache rw - ext4 /dev/sda1 rw", files: "/cache 0 755"},
			host: rootUser, base: "/cache/kist", wants: "/usr"},
		{name: "GitHub job in a container",
			on: fake{mounts: docker + `320 200 8:1 /home/ci/jobs /__w rw - ext4 /dev/root rw
321 200 8:1 /home/ci/jobs/_temp/_github_home /github/home rw - ext4 /dev/root rw`, files: "/github/home 1001 777"},
			host: user(0, "/root"), base: "/github/home/.local/share"},
		{name: "GitHub runner",
			on: fake{files: "/home/ci/jobs 1001 755\n/opt 0 777"}, host: user(1001, "/home/ci"), base: "/home/ci/jobs/_temp/x"},
		{name: "GitLab shell runner, by the user database",
			on: fake{files: "/var/lib/gitlab-runner 999 755"}, host: user(999, "/var/lib/gitlab-runner"), base: "/var/lib/gitlab-runner/builds/x"},
		{name: "GitLab runner whose builds lie elsewhere in /var",
			on: fake{files: "/var/opt-builds 0 755\n/var/lib/builds/x 999 755"}, host: user(999, "/home/gitlab-runner"), base: "/var/lib/builds/x/project"},
		{name: "GitLab job in a container",
			on:   fake{mounts: docker + "330 200 8:1 /var/lib/docker/volumes/r/_data /builds rw - ext4 /dev/sda1 rw", files: "/builds 0 777\n/builds/group 0 755"},
			host: rootUser, base: "/builds/group/.cache"},
		{name: "Jenkins", on: fake{files: "/var/lib/jenkins 110 755"}, host: user(110, "/var/lib/jenkins"), base: "/var/lib/jenkins/.local/share"},
		{name: "Jenkins' own container", on: fake{mounts: docker + "340 200 8:1 /var/lib/docker/volumes/j/_data /var/jenkins_home rw - ext4 /dev/sda1 rw", files: "/var/jenkins_home 1000 755"},
			host: user(1000, "/var/jenkins_home"), base: "/var/jenkins_home/workspace/x"},
		{name: "Jenkins' home as another user",
			on: fake{files: "/var/lib/jenkins 110 755"}, host: ann, base: "/var/lib/jenkins/.local/share", wants: "/var"},
		{name: "Kubernetes, an emptyDir",
			on: fake{mounts: kubernetes, files: "/volume 0 755"}, host: rootUser, base: "/volume/x"},
		{name: "Kubernetes, a memory volume as user",
			on: fake{mounts: kubernetes, files: "/scratch 1000 755"}, host: user(1000, "/"), base: "/scratch/x"},
		{name: "Kubernetes, the node's root at /host",
			on: fake{mounts: kubernetes + "450 400 8:1 / /host rw - ext4 /dev/sda1 rw", files: "/volume 0 755"}, host: rootUser, base: "/volume/x"},
		{name: "Silverblue", on: fake{mounts: silverblue, files: "/home -> var/home\n/var/home/ann 1000 700"}, host: user(1000, "/home/ann"), base: "/home/ann/.local/share"},
		{name: "Silverblue, root", on: fake{mounts: silverblue, files: "/root -> var/roothome\n/var/roothome 0 700"}, host: rootUser, base: "/root/.local/share"},
		{name: "Silverblue, /usr/local", on: fake{mounts: silverblue, files: "/usr/local -> ../var/usrlocal\n/var/usrlocal 0 755"}, host: rootUser, base: "/usr/local/share", wants: "/var"},
		{name: "Silverblue, /usr/local by its other name", on: fake{mounts: silverblue, files: "/usr/local -> ../var/usrlocal\n/var/usrlocal/ann 1000 755"}, host: ann, base: "/var/usrlocal/ann", wants: "/usr"},
		{name: "ostree on ext4", on: fake{mounts: ostree, files: "/home -> var/home\n/var/home/core 1000 700"}, host: user(1000, "/var/home/core"), base: "/home/core/.local/share"},
		{name: "toolbox", on: fake{mounts: toolbox, files: "/var/home/ann 1000 700\n/home -> var/home"}, host: user(1000, "/var/home/ann"), base: "/home/ann/.local/share"},
		{name: "toolbox, another disk", on: fake{mounts: toolbox, files: "/mnt/disk/ann 1000 700"}, host: user(1000, "/home/ann"), base: "/mnt/disk/ann"},
		{name: "toolbox, the host's /usr", on: fake{mounts: toolbox, files: "/run/host/usr/share 0 755"}, host: user(1000, "/home/ann"), base: "/run/host/usr/share", wants: "/run"},
		{name: "snap, as root", on: fake{mounts: snap}, host: rootUser, base: "/root/.local/share"},
		{name: "schroot session open", on: fake{mounts: schroot}, host: ann, base: "/home/ann/.local/share"},
		{name: "schroot session open, a home of root's there", on: fake{mounts: schroot}, host: user(0, "/home/adm"), base: "/home/adm/.local/share"},
		{name: "a /var that is not root's", on: fake{files: "/var 1000 755"}, host: ann, base: "/var/new", wants: "/var"},
		{name: "btrfs subvolumes, the top level mounted", on: fake{mounts: btrfs}, host: ann, base: "/home/ann/.local/share"},
		{name: "btrfs, a snapshot of the system", on: fake{mounts: btrfs, files: "/mnt/top/@/usr 0 755"}, host: rootUser, base: "/mnt/top/@/usr/share", wants: "/usr"},
		{name: "Steam Deck", on: fake{mounts: deck}, host: ann, base: "/home/ann/.local/share"},
		{name: "NixOS with impermanence", on: fake{mounts: nixos, files: "/home/ann/.local/share 1000 755"}, host: ann, base: "/home/ann/.local/share"},
		{name: "WSL", on: fake{mounts: wsl}, host: ann, base: "/home/ann/.local/share"},
		{name: "WSL, the distribution's other name", on: fake{mounts: wsl, files: "/mnt/wslg/distro/usr 0 755"}, host: rootUser, base: "/mnt/wslg/distro/usr/share", wants: "/usr"},
		{name: "WSL, a drive without metadata", on: fake{mounts: wsl, files: "/mnt/c/Users/ann 1000 755"}, host: ann, base: "/mnt/c/Users/ann/kist"},
		{name: "a home that lies in /var/data and is shown at /home",
			on:   fake{mounts: "20 1 8:1 / / rw - ext4 d rw\n30 20 8:1 /var/data/home /home rw - ext4 d rw"},
			host: user(0, "/home/adm"), base: "/home/adm/.local/share"},
		{name: "no table, no /proc", on: fake{}, host: ann, base: "/home/ann/.local/share"},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := test.wants
			if want == "" {
				want = "ok"
			}
			_, err := newDirChecker(test.on.machine(t), test.host).checkPath(Data, test.base)
			if got := verdict(err); got != want {
				t.Errorf("%s: %v", test.base, err)
			}
		})
	}
}

const (
	docker = `
200 100 0:50 / / rw - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/A
201 200 0:51 / /proc rw - proc proc rw
202 200 0:52 / /dev rw - tmpfs tmpfs rw
203 202 0:53 / /dev/shm rw - tmpfs shm rw
204 200 8:1 /var/lib/docker/containers/c/resolv.conf /etc/resolv.conf rw - ext4 /dev/sda1 rw
205 200 8:1 /var/lib/docker/containers/c/hosts /etc/hosts rw - ext4 /dev/sda1 rw
206 200 8:1 /var/lib/docker/volumes/v/_data /cache rw - ext4 /dev/sda1 rw
`
	kubernetes = `
400 399 0:60 / / rw - overlay overlay rw
401 400 8:1 /var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/v /volume rw - ext4 /dev/sda1 rw
402 400 8:1 /var/lib/kubelet/pods/u/etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw
403 400 0:61 / /scratch rw - tmpfs tmpfs rw
404 400 0:62 / /run/secrets/kubernetes.io/serviceaccount ro - tmpfs tmpfs rw
405 400 8:1 /var/lib/kubelet/pods/u/volume-subpaths/c/app/0//deleted /etc/app rw - ext4 /dev/sda1 rw
`
	silverblue = `
60 2 0:30 /root/ostree/deploy/fedora/deploy/d.0 / rw - btrfs /dev/sda3 rw,subvol=/root
61 60 0:30 /root /sysroot ro - btrfs /dev/sda3 rw,subvol=/root
62 60 0:30 /root/ostree/deploy/fedora/deploy/d.0/usr /usr ro - btrfs /dev/sda3 rw,subvol=/root
63 60 0:30 /root/ostree/deploy/fedora/deploy/d.0/etc /etc rw - btrfs /dev/sda3 rw,subvol=/root
64 60 0:30 /root/ostree/deploy/fedora/var /var rw - btrfs /dev/sda3 rw,subvol=/root
65 64 0:30 /home /var/home rw - btrfs /dev/sda3 rw,subvol=/home
66 60 8:2 / /boot rw - ext4 /dev/sda2 rw
`
	ostree = `
60 2 0:31 / / ro - overlay composefs ro
61 60 8:4 / /sysroot ro - xfs /dev/sda4 rw
62 60 8:4 /ostree/deploy/fedora-coreos/deploy/d.0/etc /etc rw - xfs /dev/sda4 rw
63 60 8:4 /ostree/deploy/fedora-coreos/var /var rw - xfs /dev/sda4 rw
`
	toolbox = `
700 600 0:70 / / rw - overlay overlay rw
701 700 0:30 /root/ostree/deploy/fedora/deploy/d.0 /run/host rw - btrfs /dev/sda3 rw
702 701 0:30 /root/ostree/deploy/fedora/deploy/d.0/usr /run/host/usr ro - btrfs /dev/sda3 rw
703 701 0:30 /root/ostree/deploy/fedora/var /run/host/var rw - btrfs /dev/sda3 rw
704 703 0:30 /home /run/host/var/home rw - btrfs /dev/sda3 rw
705 701 8:9 / /run/host/mnt/disk rw - ext4 /dev/sdb rw
706 700 0:30 /home/ann /var/home/ann rw - btrfs /dev/sda3 rw
707 700 8:9 / /mnt/disk rw - ext4 /dev/sdb rw
`
	snap = `
800 799 7:4 / / ro - squashfs /dev/loop4 ro
801 800 8:1 /root /root rw - ext4 /dev/sda1 rw
802 800 8:1 /home /home rw - ext4 /dev/sda1 rw
803 800 8:1 /etc /etc rw - ext4 /dev/sda1 rw
804 800 8:1 /var/lib /var/lib rw - ext4 /dev/sda1 rw
805 804 8:1 / /var/lib/snapd/hostfs rw - ext4 /dev/sda1 rw
806 800 8:1 /tmp/snap-private-tmp/snap.x/tmp /tmp rw - ext4 /dev/sda1 rw
`
	schroot = `
20 1 8:1 / / rw - ext4 /dev/sda1 rw
21 20 8:2 / /home rw - ext4 /dev/sda2 rw
22 20 0:24 / /run rw - tmpfs tmpfs rw
23 22 8:1 /srv/chroot/sid /run/schroot/mount/s rw - ext4 /dev/sda1 rw
24 23 8:2 / /run/schroot/mount/s/home rw - ext4 /dev/sda2 rw
`
	btrfs = `
20 1 0:30 /@ / rw - btrfs /dev/sda2 rw,subvol=/@
21 20 0:30 /@home /home rw - btrfs /dev/sda2 rw,subvol=/@home
22 20 0:30 / /mnt/top rw - btrfs /dev/sda2 rw
23 20 0:30 / /run/timeshift/1/backup rw - btrfs /dev/sda2 rw
`
	deck = `
20 1 0:30 / / ro - btrfs /dev/nvme0n1p4 ro
21 20 259:8 / /home rw - ext4 /dev/nvme0n1p8 rw
22 20 259:6 / /var rw - ext4 /dev/nvme0n1p6 rw
23 20 259:8 /.steamos/offload/opt /opt rw - ext4 /dev/nvme0n1p8 rw
24 20 259:8 /.steamos/offload/root /root rw - ext4 /dev/nvme0n1p8 rw
25 22 259:8 /.steamos/offload/var/lib/flatpak /var/lib/flatpak rw - ext4 /dev/nvme0n1p8 rw
`
	nixos = `
20 1 0:20 / / rw - tmpfs none rw
21 20 0:30 /nix /nix rw - btrfs /dev/sda2 rw
22 21 0:30 /nix/store /nix/store ro - btrfs /dev/sda2 rw
23 20 0:30 /persist /persist rw - btrfs /dev/sda2 rw
24 20 0:30 /persist/var/lib/nixos /var/lib/nixos rw - btrfs /dev/sda2 rw
25 20 0:30 /persist/etc/nixos /etc/nixos rw - btrfs /dev/sda2 rw
26 20 0:30 /persist/home/ann/.local/share /home/ann/.local/share rw - btrfs /dev/sda2 rw
`
	wsl = `
60 50 8:32 / / rw - ext4 /dev/sdc rw
61 60 0:34 / /mnt/wslg rw - tmpfs none rw
62 61 8:32 / /mnt/wslg/distro ro - ext4 /dev/sdc rw
63 60 0:35 / /usr/lib/wsl/drivers ro - 9p drivers rw
64 60 0:37 / /usr/lib/wsl/lib rw - overlay none rw
65 60 0:60 / /mnt/c rw - 9p C:\134 rw
`
)

func TestParseMounts(t *testing.T) {
	got, err := parseMounts("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n" +
		`37 35 0:4 net:[4026531840] /run/netns/x rw - nsfs nsfs rw` + "\n" +
		`38 35 0:5 /a\134040b /with\040blank\011tab\012line\134\043 rw - tmpfs t rw` + "\n")
	want := []mount{{"36", "35", "98:0", "/mnt1", "/mnt2"}, {"38", "35", "0:5", `/a\040b`, "/with blank\ttab\nline\\#"}}
	if err != nil || !slices.Equal(got.all, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, cut := range []string{"36 35 98:0 /mnt1\n", "\n", "36"} {
		if got, err := parseMounts(cut); err == nil {
			t.Errorf("%q: %+v, want an error", cut, got)
		}
	}
}

// For any table, the check ends, and a directory keeps its own name.
func FuzzMounts(f *testing.F) {
	for _, table := range []string{docker, kubernetes, silverblue, ostree, toolbox, snap, btrfs, nixos, wsl} {
		f.Add(table[1:], "/home/ann/x")
	}
	f.Add("1 1 0:1 / / rw\n2 1 0:1 / / rw\n1 2 0:1 / / rw\n", "/")
	f.Fuzz(func(t *testing.T, table, base string) {
		mounts, err := parseMounts(table)
		if err != nil {
			return
		}
		m := fake{}.machine(t)
		m.mounts = mounts
		j := newDirChecker(m, ann)
		p, err := j.checkPath(Data, base)
		if err == nil && unixPrefix(p.real) != "" {
			t.Errorf("%q is %s, which was accepted", base, p.real)
		}
		for _, name := range j.names("/home/ann/x") {
			if !strings.HasPrefix(name, "/") {
				t.Errorf("table %q gives the name %q", table, name)
			}
		}
	})
}
