//go:build unix

package roots

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
	"testing"
)

// A fake describes a machine as data. Directories that are not named are root's,
// mode 755, where something named lies below them; all else does not exist.
type fake struct {
	goos   string
	files  string // lines: "<path> <uid> <mode> [<gid>]", "<path> -> <target>"
	mounts string // mountinfo
	binds  string // lines: "<path> = <path>", the same directory again
	noIno  bool   // inodes say nothing
}

const unixDirs = `
/usr/bin 0 755
/usr/lib 0 755
/usr/share/doc 0 755
/usr/local/share 0 755
/bin -> usr/bin
/lib -> usr/lib
/etc/ssl 0 755
/boot 0 755
/dev/shm 0 1777
/proc/self 0 555
/sys/fs 0 555
/run/user/1000 1000 700
/run/user/1001 1001 700
/run/media 0 755
/run/lock 0 1777
/tmp 0 1777
/var/tmp 0 1777
/var/lib/misc 0 755
/var/cache 0 755
/var/run -> /run
/opt 0 755
/srv 0 755
/data 0 755
/root 0 700
/home/ann 1000 700
/home/bob 1001 755
`

func (f fake) machine(t testing.TB) machine {
	t.Helper()
	type file struct {
		node
		target string
	}
	files := make(map[string]file)
	binds := make(map[string]string)
	add := func(name string, n file) {
		for _, dir := range ancestors(name) {
			if _, ok := files[dir]; !ok {
				files[dir] = file{node: node{mode: fs.ModeDir | 0o755}}
			}
		}
		files[name] = n
	}
	for line := range strings.Lines(unixDirs + f.files) {
		w := strings.Fields(line)
		switch {
		case len(w) == 0:
		case w[1] == "->":
			add(w[0], file{node{mode: fs.ModeSymlink | 0o777}, w[2]})
		default:
			uid, err := strconv.Atoi(w[1])
			mode, err2 := strconv.ParseUint(w[2], 8, 32)
			if err != nil || err2 != nil {
				t.Fatalf("line %q", line)
			}
			n := node{mode: fs.ModeDir | fs.FileMode(mode)&fs.ModePerm, uid: uid}
			if len(w) > 3 {
				if n.gid, err = strconv.Atoi(w[3]); err != nil {
					t.Fatalf("line %q", line)
				}
			}
			if mode&0o1000 != 0 {
				n.mode |= fs.ModeSticky
			}
			if mode&0o100000 != 0 {
				n.mode &^= fs.ModeDir
			}
			add(w[0], file{node: n})
		}
	}
	for line := range strings.Lines(f.binds) {
		if w := strings.Fields(line); len(w) == 3 {
			binds[w[0]] = w[2]
			add(w[0], file{node: node{mode: fs.ModeDir | 0o755}})
		}
	}
	numbers := make(map[string]uint64)
	for name := range files {
		numbers[name] = uint64(len(numbers) + 2)
	}
	origin := func(name string) string {
		for _, dir := range ancestors(name) {
			if to, ok := binds[dir]; ok {
				return path.Join(to, name[len(dir):])
			}
		}
		return name
	}
	mounts, err := parseMounts(strings.TrimPrefix(f.mounts, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	goos := f.goos
	if goos == "" {
		goos = "linux"
	}
	return machine{
		goos: goos,
		lstat: func(name string) (node, error) {
			n, ok := files[origin(name)]
			if !ok {
				return node{}, &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrNotExist}
			}
			n.dev = 1
			if !f.noIno {
				n.ino = numbers[origin(name)]
			}
			return n.node, nil
		},
		readlink: func(name string) (string, error) { return files[origin(name)].target, nil },
		mounts:   mounts,
	}
}
