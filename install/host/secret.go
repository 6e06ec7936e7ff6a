package host

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kist-tools/kist/install"
)

// An UnsafeFileError reports that others can read or change a file that holds a secret, or
// that a program is not run since others can change it, or since kist installed it.
type UnsafeFileError struct{ Why string }

func (e *UnsafeFileError) Error() string { return e.Why }
func (*UnsafeFileError) Kind() string    { return "refused" }

// ReadSecret reads a regular file of at most limit bytes that holds passwords or tokens.
// If others than user and root can read or change it, the error is a *UnsafeFileError, and
// data is still returned: a caller may ask whether it matters. Errors do not name the
// file. Links are followed; what they lead to is checked.
func ReadSecret(file string, limit int64, user install.Host) (data []byte, err error) {
	data, info, err := readRegular(file, limit)
	if err != nil {
		return nil, err
	}
	if why := cmp.Or(ChangeableByOthers(info, user), readableByOthers(info, user)); why != "" {
		return data, &UnsafeFileError{why}
	}
	return data, nil
}

// CheckProgram checks that nobody but user and root decides what the program at path is:
// the file and every directory above it, with links followed. It also refuses a program
// below one of the directories own, which hold what kist installed: kist runs nothing
// that it installs. It returns the path without links, which is the one to run: links
// between path and the program may be others'. Errors do not name the program.
func CheckProgram(path string, user install.Host, own []string) (real string, err error) {
	if real, err = filepath.EvalSymlinks(path); err != nil {
		return "", withoutPath(err)
	}
	return real, checkReal(real, path, user, own)
}

func checkReal(real, path string, user install.Host, own []string) error {
	for _, dir := range own {
		if dir != "" && IsBelow(real, dir) {
			return &UnsafeFileError{"kist installed it, and runs nothing that it installs"}
		}
	}
	info, err := os.Stat(real)
	switch {
	case err != nil:
		return withoutPath(err)
	case !isExecutable(real):
		return errors.New("not an executable file")
	}
	if why := ChangeableByOthers(info, user); why != "" {
		return &UnsafeFileError{why + ", so others can say what it does"}
	}
	for _, file := range []string{real, path} {
		for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
			info, err := os.Stat(dir)
			if err != nil {
				return withoutPath(err)
			}
			if why := replaceableByOthers(info, user); why != "" {
				return &UnsafeFileError{fmt.Sprintf("%s: %s, so others can put another program there", dir, why)}
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return nil
}
