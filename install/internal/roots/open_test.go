//go:build unix

package roots

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// kist warns of a directory that a shared group can write to, with the command that
// changes it; the user's private group is not shared.
func TestWarnsOfSharedGroup(t *testing.T) {
	on := fake{files: `
/home/ann/shared 1000 775 50
/home/ann/shared/kist 1000 700 50
/home/ann/inner 1000 755 50
/home/ann/inner/kist 1000 770 50
/home/ann/own 1000 775 1000
/home/ann/own/kist 1000 770 1000
/home/ann/read 1000 755 50
/home/ann/read/kist 1000 750 50
`}
	private, none := ann, ann
	private.PrivateGroup, none.PrivateGroup = 1000, -1
	for _, test := range []struct {
		base string
		host Host
		want []string // the directories warned of
	}{
		{"/home/ann/shared", private, []string{"/home/ann/shared"}},
		{"/home/ann/inner", private, []string{"/home/ann/inner/kist"}},
		{"/home/ann/own", private, nil},
		{"/home/ann/own", none, []string{"/home/ann/own", "/home/ann/own/kist"}},
		{"/home/ann/read", none, nil},
		{"/home/ann/new", none, nil},
	} {
		p, err := newDirChecker(on.machine(t), test.host).checkBase(Data, test.base)
		if err != nil || len(p.warnings) != len(test.want) {
			t.Errorf("%s: %q, %v", test.base, p.warnings, err)
			continue
		}
		for i, dir := range test.want {
			if !strings.HasPrefix(p.warnings[i], dir+" can be written by its group") || !strings.HasSuffix(p.warnings[i], "chmod g-w "+dir+" ends that") {
				t.Errorf("%s: %q", test.base, p.warnings[i])
			}
		}
	}
}

func TestPathSeparatorIsRefused(t *testing.T) {
	for goos, list := range map[string]map[string]bool{
		"linux":   {"/home/ann/a:b": true, "/home/ann/a;b": false, "/home/ann/:": true},
		"darwin":  {"/home/ann/a:b": true, "/home/ann/a;b": false},
		"windows": {"/home/ann/a;b": true, "/home/ann/a:b": false},
	} {
		for base, refused := range list {
			for _, which := range roles {
				_, err := newDirChecker(fake{goos: goos}.machine(t), ann).checkBase(which, base)
				if errors.As(err, new(*SeparatorError)) != refused {
					t.Errorf("%s %s on %s: %v", which, base, goos, err)
				}
			}
		}
	}
}

// While kist checks a directory, somebody replaces one above it by a link to a place
// with the same names below: kist must not open that.
func TestOpenCheckedFollowsNoLink(t *testing.T) {
	w := newRootsWorld(t)
	w.dirs.Data = w.mkdir(t, "a/b", 0o755)
	w.mkdir(t, "a/b/kist", 0o700)
	w.mkdir(t, "victim/b/kist", 0o700)
	r := w.mustOpen(t)
	for what, swap := range map[string]string{"the base's parent": "a", "the base": "a/b"} {
		checked, err := r.check(Data)
		if err != nil {
			t.Fatal(err)
		}
		if dir, err := openChecked(Data, checked); err != nil {
			t.Errorf("%s, honest twin: %v", what, err)
		} else {
			dir.Close()
		}
		at := filepath.Join(w.home, swap)
		target := filepath.Join(w.home, "victim"+strings.TrimPrefix(swap, "a"))
		if err := errors.Join(os.Rename(at, at+"-away"), os.Symlink(target, at)); err != nil {
			t.Fatal(err)
		}
		swapped := checked
		if swapped.node, err = lstat(checked.at); err != nil { // as if the swap came before the last look
			t.Fatal(err)
		}
		var unsafe *UnsafeDirError
		for _, p := range []place{checked, swapped} {
			if _, err := openChecked(Data, p); !errors.As(err, &unsafe) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := errors.Join(os.Remove(at), os.Rename(at+"-away", at)); err != nil {
			t.Fatal(err)
		}
	}
	if dir, err := r.OpenAt(filepath.Join(w.home, "a")); err != nil {
		t.Errorf("without a link: %v", err)
	} else {
		dir.Close()
	}
	w.link(t, "a", "link")
	if dir, err := r.OpenAt(filepath.Join(w.home, "link")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("through a link: %v, %v", dir, err)
	}
}
