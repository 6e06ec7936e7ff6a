//go:build linux

package unpack_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/manifests"
)

// Owners, times and attributes that an archive states are ignored.
func TestMetadataIsIgnored(t *testing.T) {
	owned := func(e tarEntry) tarEntry {
		e.edit = func(b []byte) {
			copy(b[108:], "0000001\x000000001\x00") // uid and gid 1
			copy(b[136:], "77777777777\x00")        // the year 2242
			copy(b[265:], "daemon")
			copy(b[297:], "daemon")
		}
		return e
	}
	tree := tarOf(
		owned(file("header", "x")), owned(dir("dir")), owned(link("link", "header")),
		pax("uid=1", "gid=1", "uname=daemon", "gname=daemon"), file("pax", "x"),
		pax("mtime=-1", "atime=0.5", "ctime=999999999999999999"), file("times", "x"),
		pax("SCHILY.xattr.security.capability=\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "SCHILY.xattr.user.kist=x"), file("attributes", "x"),
		pax("SCHILY.acl.access=user::rwx,user:1:rwx,group::rwx,mask::rwx,other::rwx", "RHT.security.selinux=unconfined_u:object_r:bin_t:s0", "SCHILY.fflags=immutable"), file("acl", "x"))
	before := time.Now().Add(-time.Minute)
	for format, data := range map[string][]byte{"tar": tree, "deb": arOf(debVersion, debControl, arMember{name: "data.tar", data: string(tree)})} {
		s := newStage(t, unpack.DefaultLimits())
		if err := s.add(t, data, manifests.Layout{Format: format}); err != nil {
			t.Fatal(err)
		}
		entries, err := s.prefix.Finish(t.Context())
		s.check(t, entries, err)
		if err != nil || len(entries) != 7 {
			t.Fatalf("%s: %d entries, %v", format, len(entries), err)
		}
		for _, e := range entries {
			name := filepath.Join(s.inner, e.Path)
			info, err := os.Lstat(name)
			if err != nil {
				t.Fatal(err)
			}
			if owner := info.Sys().(*syscall.Stat_t); int(owner.Uid) != os.Geteuid() {
				t.Errorf("%s: %s belongs to %d", format, e.Path, owner.Uid)
			}
			if at := info.ModTime(); at.Before(before) || at.After(time.Now().Add(time.Minute)) {
				t.Errorf("%s: %s is of %v", format, e.Path, at)
			}
			list := make([]byte, 4096)
			n, err := unix.Llistxattr(name, list)
			if err != nil && err != unix.ENOTSUP {
				t.Fatal(err)
			}
			for _, attribute := range strings.Split(string(list[:max(n, 0)]), "\x00") {
				if attribute != "" && attribute != "security.selinux" { // set by the system
					t.Errorf("%s: %s has the attribute %s", format, e.Path, attribute)
				}
			}
		}
	}
}
