package host_test

import (
	"os/user"
	"testing"
	"testing/fstest"

	"github.com/kist-tools/kist/install/host"
)

func TestPrivateGroup(t *testing.T) {
	ann := &user.User{Uid: "1000", Gid: "1000", Username: "ann"}
	for name, c := range map[string]struct {
		user          *user.User
		passwd, group string
		want          int
	}{
		"her own":              {ann, "ann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:1001::/:/bin/sh\n", "ann:x:1000:\nbob:x:1001:\n", 1000},
		"listed in it herself": {ann, "ann:x:1000:1000::/:/bin/sh\n", "ann:x:1000:ann\n", 1000},
		"with another member":  {ann, "", "ann:x:1000:ann,bob\n", host.NoGroup},
		"another's primary":    {ann, "bob:x:1001:1000::/:/bin/sh\n", "ann:x:1000:\n", host.NoGroup},
		"a group of all users": {&user.User{Uid: "1000", Gid: "100", Username: "ann"}, "ann:x:1000:100::/:\nbob:x:1001:100::/:\n", "users:x:100:\n", host.NoGroup},
		"alone in such a one":  {&user.User{Uid: "1000", Gid: "100", Username: "ann"}, "ann:x:1000:100::/:\n", "users:x:100:\n", 100},
		"no database":          {ann, "", "", 1000},
		"none, another number": {&user.User{Uid: "1000", Gid: "100", Username: "ann"}, "", "", host.NoGroup},
		"root":                 {&user.User{Uid: "0", Gid: "0", Username: "root"}, "sync:x:4:0::/:\n", "root:x:0:bin\n", 0},
		"cut lines":            {ann, "x:\n:::\n", "ann:x\n", 1000},
		"no number":            {&user.User{Uid: "S-1-5", Gid: "S-1-5-21", Username: "ann"}, "", "", host.NoGroup},
	} {
		root := fstest.MapFS{"etc/passwd": {Data: []byte(c.passwd)}, "etc/group": {Data: []byte(c.group)}}
		if got := host.PrivateGroup(root, c.user); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
