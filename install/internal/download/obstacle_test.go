package download

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// What others put into the cache costs a download and nothing more, also where it
// cannot be read or removed.
func TestObstaclesCostOneDownload(t *testing.T) {
	data := noise(1000)
	a := artifact(bySHA256(data), len(data))
	key, err := Key(a)
	if err != nil {
		t.Fatal(err)
	}
	blob := path.Join(blobDir, verify.DigestOf(data).Hex())
	unreadable := func(name string) func(t *testing.T, c Cache) {
		return func(t *testing.T, c Cache) {
			plant(t, c, name, data[:400])
			if err := c.Root.Chmod(name, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	directory := func(t *testing.T, c Cache) { plant(t, c, blob+"/mine", []byte("the user's own")) }
	for name, spoil := range map[string]func(t *testing.T, c Cache){
		"a directory with something in it": directory,
		"a blob that may not be read":      unreadable(blob),
		"a partial file, the same":         unreadable(path.Join(partialDir, key)),
		"nothing":                          func(*testing.T, Cache) {},
	} {
		t.Run(name, func(t *testing.T) {
			cache, f := setup(t, honest(data))
			spoil(t, cache)
			fetch(t, cache, a, data)
			if len(f.asked) != 1 {
				t.Errorf("asked %v", f.asked)
			}
			left, err := os.ReadDir(filepath.Join(cache.Root.Name(), partialDir))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
			if mine, err := cache.Root.ReadFile(blob + "/mine"); err == nil && string(mine) != "the user's own" {
				t.Errorf("the file in the way holds %q", mine)
			} else if err != nil { // the next fetch is out of the cache
				fetch(t, cache, a, data)
				if len(f.asked) != 1 {
					t.Errorf("asked again: %v", f.asked)
				}
			}
		})
	}
}

// Something else that has the name of a directory of the cache is named.
func TestObstacleIsNamed(t *testing.T) {
	data := noise(1000)
	a := artifact(bySHA256(data), len(data))
	for _, dir := range []string{path.Dir(blobDir), blobDir, partialDir, knownDir} {
		for kind, place := range map[string]func(c Cache) error{
			"file":           func(c Cache) error { return c.Root.WriteFile(dir, nil, 0o600) },
			"dangling link":  func(c Cache) error { return c.Root.Symlink("nowhere", dir) },
			"link elsewhere": func(c Cache) error { return c.Root.Symlink(t.TempDir(), dir) },
		} {
			cache, f := setup(t, honest(data))
			if err := errors.Join(cache.Root.MkdirAll(path.Dir(dir), 0o700), place(cache)); err != nil {
				t.Fatal(err)
			}
			_, err := cache.Fetch(t.Context(), a)
			obstacle, ok := errors.AsType[*rootfs.ObstacleError](err)
			if want := filepath.Join(cache.Root.Name(), filepath.FromSlash(dir)); !ok || obstacle.Path != want || len(f.asked) > 0 {
				t.Errorf("%s at %s: %v, asked %v", kind, dir, err, f.asked)
			}
			if err := cache.Root.Remove(dir); err != nil {
				t.Fatal(err)
			}
			fetch(t, cache, a, data)
		}
	}
}
