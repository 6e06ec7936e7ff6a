package roots

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

func thisMachine() (machine, error) {
	return machine{goos: "windows", lstat: lstat, readlink: os.Readlink, final: finalPath}, nil
}

func lstat(name string) (node, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return node{}, err
	}
	return node{mode: info.Mode(), info: info}, nil
}

// nodeOf returns false: Windows has no owner that a node could hold.
func nodeOf(fs.FileInfo) (n node, ok bool) { return node{}, false }

// finalPath returns Windows's true name of the existing part of name, with links,
// junctions, substituted drives and short names resolved, and appends the rest.
func finalPath(name string) (string, error) {
	name = filepath.Clean(name)
	missing := ""
	for at := name; ; at = filepath.Dir(at) {
		final, err := finalName(at)
		if err == nil {
			return filepath.Join(final, missing), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return "", err
		}
		if _, err := os.Lstat(at); err == nil {
			return "", fmt.Errorf("%s is a link that leads nowhere", at)
		}
		missing = filepath.Join(filepath.Base(at), missing)
	}
}

func finalName(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return finalNameOf(f)
}

func finalNameOf(f *os.File) (string, error) {
	buf := make([]uint16, windows.MAX_LONG_PATH)
	n, err := windows.GetFinalPathNameByHandle(windows.Handle(f.Fd()), &buf[0], uint32(len(buf)), 0)
	if err != nil {
		return "", &fs.PathError{Op: "resolve", Path: f.Name(), Err: err}
	}
	if int(n) >= len(buf) {
		return "", &fs.PathError{Op: "resolve", Path: f.Name(), Err: windows.ERROR_FILENAME_EXCED_RANGE}
	}
	final := windows.UTF16ToString(buf[:n])
	if share, ok := strings.CutPrefix(final, `\\?\UNC\`); ok {
		return `\\` + share, nil
	}
	return strings.TrimPrefix(final, `\\?\`), nil
}

// liesAt reports whether the system's path of the open directory is the one that was
// checked.
func liesAt(dir *os.Root, p place) (bool, error) {
	self, err := dir.Open(".")
	if err != nil {
		return false, err
	}
	defer self.Close()
	final, err := finalNameOf(self)
	return strings.EqualFold(final, p.at), err
}
