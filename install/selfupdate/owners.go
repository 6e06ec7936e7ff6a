package selfupdate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
)

// A ManagedError reports that a program belongs to a package manager, which must update it.
type ManagedError struct {
	Path    string
	By      string // who put it there, for people
	Command string // what updates it
}

func (e *ManagedError) Error() string { return fmt.Sprintf("%s belongs to %s", e.Path, e.By) }
func (*ManagedError) Kind() string    { return "refused" }

// Ceilings on dpkg's lists of files, in bytes: of one list, and of all. The largest list of
// Debian 13 has about 3 MB.
const maxList, maxLists = 32 << 20, 512 << 20

// managed returns a *ManagedError if a package manager put the program at real, an absolute
// path without links. root is the machine's root directory. It runs no other program: dpkg
// keeps its lists as text, which managed reads. Those of rpm cannot be read without its
// library, so there, and with apk and pacman, what lies below /usr counts as theirs.
func managed(root fs.FS, real string) error {
	slashed := filepath.ToSlash(real)
	pkg, err := dpkgOwner(root, slashed)
	if err != nil {
		return err
	}
	if pkg != "" {
		return &ManagedError{real, "the Debian package " + pkg, "sudo apt-get update && sudo apt-get install --only-upgrade " + pkg}
	}
	for _, m := range []struct{ part, by, command string }{
		{"/nix/store/", "Nix", "nix profile upgrade kist"},
		{"/Cellar/", "Homebrew", "brew upgrade kist"},
		{"/snap/", "snap", "sudo snap refresh kist"},
	} {
		if strings.Contains(slashed, m.part) {
			return &ManagedError{real, m.by, m.command}
		}
	}
	if !strings.HasPrefix(slashed, "/usr/") || strings.HasPrefix(slashed, "/usr/local/") {
		return nil
	}
	for _, m := range []struct{ database, by, command string }{
		{"usr/lib/sysimage/rpm", "the system, whose packages rpm manages", "sudo dnf upgrade kist"},
		{"var/lib/rpm", "the system, whose packages rpm manages", "sudo dnf upgrade kist"},
		{"lib/apk/db", "the system, whose packages apk manages", "sudo apk upgrade kist"},
		{"var/lib/pacman", "the system, whose packages pacman manages", "sudo pacman -S kist"},
	} {
		if _, err := fs.Stat(root, m.database); err == nil {
			return &ManagedError{real, m.by, m.command}
		}
	}
	return nil
}

// dpkgOwner returns the package that has the file at real by dpkg's lists, or "". A list
// may name a file below /usr without /usr, as it was before the directories were merged.
// Source: dpkg, man page dpkg-query(1), "info/*.list".
func dpkgOwner(root fs.FS, real string) (pkg string, err error) {
	names, err := fs.Glob(root, "var/lib/dpkg/info/*.list")
	if err != nil {
		return "", err
	}
	budget := int64(maxLists)
	for _, name := range names {
		found, read, err := listHas(root, name, real, strings.TrimPrefix(real, "/usr"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a package may be removed just now
			return "", err
		}
		if budget -= read; budget < 0 {
			return "", fmt.Errorf("the lists of files in /var/lib/dpkg/info have more than %d bytes", maxLists)
		}
		if found {
			pkg, _, _ := strings.Cut(strings.TrimSuffix(path.Base(name), ".list"), ":") // name:architecture
			return pkg, nil
		}
	}
	return "", nil
}

// listHas reports whether the file name has a line that is one of paths.
func listHas(root fs.FS, name string, paths ...string) (found bool, read int64, err error) {
	f, err := root.Open(name)
	if err != nil {
		return false, 0, err
	}
	defer f.Close()
	limited := &io.LimitedReader{R: f, N: maxList + 1}
	lines := bufio.NewScanner(limited)
	for !found && lines.Scan() {
		for _, p := range paths {
			found = found || lines.Text() == p
		}
	}
	if err := lines.Err(); err != nil {
		return false, 0, fmt.Errorf("/%s: %w", name, err)
	}
	if limited.N == 0 {
		return false, 0, fmt.Errorf("/%s has more than %d bytes", name, maxList)
	}
	return found, maxList + 1 - limited.N, nil
}
