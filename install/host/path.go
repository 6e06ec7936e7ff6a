package host

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// A SearchPath is where a shell looks for commands: the absolute directories of PATH,
// in order, without those of the toolchains that kist run and kist env put there.
type SearchPath struct {
	dirs []string
	bin  int      // index in dirs of the directory into which kist links commands; -1: not on PATH
	own  []string // the directories that hold what kist installed
}

// ParsePath parses the value of PATH. bin is the directory into which kist links
// commands, own are the directories that hold what kist installed.
func ParsePath(path, bin string, own ...string) SearchPath {
	p := SearchPath{bin: -1, own: own}
	for _, dir := range filepath.SplitList(path) {
		switch isBin := SameDir(dir, bin); {
		case !filepath.IsAbs(dir) || isBin && p.HasBin() || !isBin && isBelowAny(dir, own):
			continue
		case isBin:
			p.bin = len(p.dirs)
		}
		p.dirs = append(p.dirs, dir)
	}
	return p
}

// HasBin reports whether the directory of kist's commands is on PATH.
func (p SearchPath) HasBin() bool { return p.bin >= 0 }

// others returns the directories other than that of kist's commands.
func (p SearchPath) others() []string {
	if !p.HasBin() {
		return p.dirs
	}
	return slices.Delete(slices.Clone(p.dirs), p.bin, p.bin+1)
}

// HiddenBy returns the paths of the commands that hide name in the directory of kist's
// commands: at most one, the first. It is empty if that directory is not on PATH.
func (p SearchPath) HiddenBy(name string) string {
	return FindIn(p.dirs[:max(p.bin, 0)], name)
}

// A HiddenCommand is a command on PATH that one of kist's commands hides.
type HiddenCommand struct {
	Name string `json:"name"`
	Path string `json:"path"` // of the hidden command
}

// Hides returns the commands that names hide: those after the directory of kist's
// commands, or on all of PATH if that directory is not on it yet. Commands that users
// type passwords into come first.
func (p SearchPath) Hides(names []string) (list []HiddenCommand) {
	for _, name := range names {
		if path := FindIn(p.dirs[p.bin+1:], name); path != "" {
			list = append(list, HiddenCommand{name, path})
		}
	}
	slices.SortStableFunc(list, func(a, b HiddenCommand) int { return sensitivity(a.Name) - sensitivity(b.Name) })
	return list
}

// sensitivity ranks a command: those that users type passwords into come first.
func sensitivity(name string) int {
	order := []string{"sudo", "su", "doas", "pkexec", "run0", "passwd", "login", "ssh", "ssh-add", "ssh-agent", "ssh-keygen", "scp", "sftp", "gpg", "gpg-agent", "git"}
	if i := slices.Index(order, strings.TrimSuffix(name, ".exe")); i >= 0 {
		return i
	}
	return len(order)
}

// Find returns the path of the first command called name on PATH that kist did not
// install, or "" if PATH has no such command. linked lists the commands that kist linked
// into its own directory.
func (p SearchPath) Find(name string, linked []string) string {
	file := name
	if runtime.GOOS == "windows" {
		file += ".exe"
	}
	for i, dir := range p.dirs {
		path := filepath.Join(dir, file)
		if isExecutable(path) && !isBelowAny(path, p.own) && !(i == p.bin && slices.Contains(linked, name)) {
			return path
		}
	}
	return ""
}

// FindIn returns the path of the first executable file called name in dirs, or "".
func FindIn(dirs []string, name string) string {
	for _, dir := range dirs {
		if path := filepath.Join(dir, name); isExecutable(path) {
			return path
		}
	}
	return ""
}

// IsBelow reports whether path, with every link followed, lies in the directory own.
// It also returns true if a link cannot be followed.
func IsBelow(path, own string) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return true
	}
	for ; !SameDir(real, own); real = filepath.Dir(real) {
		if real == filepath.Dir(real) {
			return false
		}
	}
	return true
}

func isBelowAny(path string, own []string) bool {
	return slices.ContainsFunc(own, func(dir string) bool { return IsBelow(path, dir) })
}

// SameDir reports whether two paths name one directory.
func SameDir(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	ai, aerr := os.Stat(a)
	bi, berr := os.Stat(b)
	return aerr == nil && berr == nil && os.SameFile(ai, bi)
}

// Executable reports whether path is a regular file that may be executed, and whether
// it is a regular file at all: a directory is not a command.
func Executable(path string) (can, exists bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false, false
	}
	return info.Mode()&0o111 != 0 || filepath.Ext(path) == ".exe", true
}

func isExecutable(path string) bool {
	can, _ := Executable(path)
	return can
}
