//go:build live

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Go and Rust of Debian 12 on this machine, from its real archive by its real
// keys: hello in Go, and in Rust with C, on a PATH that has no other compiler.
func TestLiveHello(t *testing.T) {
	h := newHome(t, build(t))
	before := takeSnapshot(t, h.dir)
	h.must("install", "debian-bookworm/go", "debian-bookworm/rust")

	plain := commonDir(t)
	for _, command := range []string{"cat", "env", "grep", "mkdir", "readlink", "rm", "sh"} {
		path, err := exec.LookPath(command)
		if err == nil {
			err = os.Symlink(path, filepath.Join(plain, command))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tool := range []string{"go", "rust"} {
		work := commonDir(t)
		cmd := exec.Command("/bin/sh", "-euc", takeFile(t, "testdata/distro/"+tool+".sh"))
		cmd.Env = []string{"HOME=" + work, "PATH=" + h.path(".local", "bin") + ":" + plain}
		cmd.Dir = filepath.Join(work, "it's here")
		if err := os.Mkdir(cmd.Dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if o := finish(t, cmd); o.code != 0 {
			t.Errorf("%s: %v", tool, o)
		}
	}
	h.must("verify")
	h.must("uninstall", "debian-bookworm/go", "debian-bookworm/rust")
	h.must("self", "uninstall", "--yes")
	same(t, before, takeSnapshot(t, h.dir))
}
