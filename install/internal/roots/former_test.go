//go:build unix

package roots

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestForeignFiles(t *testing.T) {
	me := Host{EUID: 1000, PrivateGroup: 1000}
	for name, c := range map[string]struct {
		node node
		why  string
	}{
		"own":                     {node{mode: 0o644, uid: 1000}, ""},
		"root's":                  {node{mode: 0o644, uid: 0}, ""},
		"of the private group":    {node{mode: 0o664, uid: 1000, gid: 1000}, ""},
		"a link":                  {node{mode: fs.ModeSymlink | 0o777, uid: 1000}, ""},
		"another user's":          {node{mode: 0o644, uid: 1001}, "user 1001"},
		"another user's link":     {node{mode: fs.ModeSymlink | 0o777, uid: 1001}, "user 1001"},
		"writable for everyone":   {node{mode: 0o646, uid: 1000}, "everyone"},
		"writable, with a sticky": {node{mode: fs.ModeDir | fs.ModeSticky | 0o777, uid: 1000}, "everyone"},
		"writable for a group":    {node{mode: 0o664, uid: 1000, gid: 50}, "group (id 50)"},
	} {
		if why := me.foreign(c.node); !strings.Contains(why, c.why) || (why == "") != (c.why == "") {
			t.Errorf("%s: %q", name, why)
		}
	}
}

func TestCheckTree(t *testing.T) {
	dir := t.TempDir()
	r := &Roots{o: Options{Host: Host{EUID: os.Geteuid(), PrivateGroup: -1}}, bases: map[Role]string{}, real: map[Role]string{}, dirs: map[Role]*os.Root{}}
	for _, which := range []Role{Data, State} {
		r.bases[which] = filepath.Join(dir, string(which))
		r.real[which] = r.Path(which)
		if err := os.MkdirAll(filepath.Join(r.Path(which), "deep", "er"), 0o755); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(r.Path(which))
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		r.dirs[which] = root
	}
	if err := os.Symlink("/nowhere", filepath.Join(r.Path(Data), "link")); err != nil {
		t.Fatal(err)
	}
	if err := r.CheckTree(); err != nil {
		t.Error(err)
	}
	file := filepath.Join(r.Path(State), "deep", "er")
	if err := os.Chmod(file, 0o757); err != nil {
		t.Fatal(err)
	}
	var unsafe *UnsafeDirError
	if err := r.CheckTree(); !errors.As(err, &unsafe) || unsafe.Role != string(State) || unsafe.Path != file {
		t.Errorf("writable for everyone: %v", err)
	}
	if err := os.Chmod(file, 0o755); err != nil {
		t.Fatal(err)
	}
	// A file of another user: one that root gave away, or all of them.
	if os.Geteuid() != 0 {
		r.o.Host.EUID++
	} else if err := os.Lchown(file, 54321, -1); err != nil {
		t.Fatal(err)
	}
	if err := r.CheckTree(); !errors.As(err, &unsafe) || !strings.Contains(unsafe.Why, "belongs to user") {
		t.Errorf("another user's: %v", err)
	}
}
