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

// TestStoresThatAreOnlyRead checks that a store which is only read belongs to root or to the
// user, and that nobody else can change or replace it.
func TestStoresThatAreOnlyRead(t *testing.T) {
	on := fake{files: `
/opt/kist/data/kist 0 755
/opt/open 0 777
/opt/open/data/kist 0 755
/opt/sticky 0 1777
/opt/sticky/data/kist 0 755
/opt/group 0 775
/opt/group/data/kist 0 755
/opt/wide/data/kist 0 775
/opt/mixed/data 0 755
/opt/mixed/data/kist 1000 755
/home/ann/store/data 1000 755
/home/ann/store/data/kist 1000 755
/home/bob/store/data 0 755
/home/bob/store/data/kist 0 755
/home/bob/own/data 1001 755
/home/bob/own/data/kist 1001 755
/opt/link -> kist
/home/ann/link -> /opt/kist
/home/bob/link -> /opt/kist
/opt/open/link -> /opt/kist
/tmp/link -> /opt/kist
/opt/through -> /home/bob/link
`}
	ann := ann
	ann.PrivateGroup = -1
	named := ann
	named.NameOf = func(uid int) string { return map[int]string{1000: "ann", 1001: "bob"}[uid] }
	const replaced, linked = "lies in a directory where another user can replace it", "reached through a link that another user can replace"
	for _, test := range []struct {
		dir  string
		host Host
		want string // a part of the verdict
	}{
		{"/opt/kist", ann, "ok"},
		{"/opt/kist", rootUser, "ok"},
		{"/opt/sticky", ann, "ok"}, // nobody else removes what is root's there
		{"/opt/mixed", ann, "ok"},
		{"/home/ann/store", ann, "ok"},
		{"/opt/link", ann, "ok"},
		{"/home/ann/link", ann, "ok"},
		{"/tmp/link", ann, "ok"}, // a link of root's
		{"/opt/missing", ann, "ok"},
		{"/opt/open", ann, replaced},
		{"/opt/open", rootUser, replaced},
		{"/opt/group", ann, replaced},
		{"/opt/wide", ann, "it belongs to root, and can be written by its group"},
		{"/opt/mixed", rootUser, "it belongs to user 1000, and kist runs as user 0"},
		{"/home/ann/store", rootUser, "it belongs to user 1000"},
		{"/home/bob/store", ann, replaced},
		{"/home/bob/own", named, "it belongs to bob (user 1001), and kist runs as user 1000"},
		{"/home/bob/link", ann, linked},
		{"/opt/open/link", ann, linked},
		{"/opt/through", ann, linked},
		{"/home/ann/link", rootUser, linked},
	} {
		d := newDirChecker(on.machine(t), test.host)
		d.strict = true
		_, err := d.checkBase(Data, test.dir+"/data")
		if got := verdict(err); got != test.want && (test.want == "ok" || !strings.Contains(got, test.want)) {
			t.Errorf("%s as user %d: %s, want %s", test.dir, test.host.EUID, got, test.want)
		}
	}
}

// TestReadOnlyOpen checks that a store which is only read must exist, is never changed, and
// that others can write to no directory in it that decides what runs.
func TestReadOnlyOpen(t *testing.T) {
	open := func(w *rootsWorld) (*Roots, error) {
		return Open(t.Context(), Options{Dirs: w.dirs, Host: w.host, ReadOnly: true, Warn: func(string) {}, Checkpoint: func(string) {}})
	}
	w := newRootsWorld(t)
	w.mkdir(t, ".local", 0o755)
	if _, err := open(w); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing store: %v", err)
	}
	for _, dir := range []string{".local/share", ".local/state"} {
		w.mkdir(t, dir, 0o755)
		w.mkdir(t, dir+"/kist", 0o755)
	}
	r, err := open(w)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	refused := func(what string, err error) {
		t.Helper()
		if _, ok := errors.AsType[*ReadOnlyError](err); !ok {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("may change", r.MayChange())
	_, err = r.Create(Cache)
	refused("create", err)
	_, err = r.Lock(t.Context())
	refused("lock", err)
	for _, name := range []string{".local/share/kist/prefixes", ".local/share/kist/generations", ".local/state/kist/receipts"} {
		dir := w.mkdir(t, name, 0o757)
		if _, err := open(w); !strings.Contains(verdict(err), "it can be written by others than its owner (mode 0757)") {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		w.link(t, "/opt", name)
		if _, err := open(w); !strings.Contains(verdict(err), "it is not a directory") {
			t.Errorf("%s is a link: %v", name, err)
		}
		if err := os.Remove(filepath.Join(w.home, name)); err != nil {
			t.Fatal(err)
		}
		w.mkdir(t, name, 0o755)
		again, err := open(w)
		if err != nil {
			t.Fatal(err)
		}
		again.Close()
	}
}
