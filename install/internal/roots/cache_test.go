package roots

import (
	"errors"
	"io/fs"
	"testing"
)

// TestCachedLookIsConsistent checks that another process which makes directories during a
// check cannot make a path exist in a directory that was missing a moment before.
func TestCachedLookIsConsistent(t *testing.T) {
	made := map[string]bool{"/": true, "/home": true}
	m := machine{lstat: func(name string) (node, error) {
		if made[name] {
			return node{mode: fs.ModeDir | 0o755}, nil
		}
		return node{}, &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrNotExist}
	}}
	m.cacheLstat()
	if _, err := m.lstat("/home/.cache"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	made["/home/.cache"], made["/home/.cache/kist"], made["/home/.local"] = true, true, true
	if _, err := m.lstat("/home/.cache/kist"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory exists below a missing one: %v", err)
	}
	if at, _, err := m.nearest("/home/.cache/kist"); at != "/home" || err != nil {
		t.Errorf("the nearest directory is %s, %v", at, err)
	}
	if _, err := m.lstat("/home/.local"); err != nil {
		t.Errorf("a directory that was never missing: %v", err)
	}
}
