package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/config"
)

// ReadConfig reads the config.toml of the user in the settings directory, then the machine's.
// What the user's says comes first. A file that others than user and root can change is
// an error, since it may name a program to run. Errors are *config.Error; what the other
// file says is returned nevertheless.
func (d BaseDirs) ReadConfig(user install.Host) (c config.Config, err error) {
	for _, file := range d.ConfigFiles() {
		one, failed := d.readConfig(file, user)
		if err == nil {
			err = failed
		}
		c = c.With(one)
	}
	return c, err
}

// ConfigFiles returns the paths of the config.toml of the user and of the machine, which need
// not exist.
func (d BaseDirs) ConfigFiles() []string {
	files := []string{filepath.Join(d.Dirs.Config, "kist", config.File)}
	if d.Machine != "" {
		files = append(files, filepath.Join(d.Machine, config.File))
	}
	return files
}

// CheckConfig returns why one of ConfigFiles cannot be used, as ReadConfig does. If it does
// not exist, the error matches fs.ErrNotExist.
func (d BaseDirs) CheckConfig(file string, user install.Host) error {
	if _, _, err := readRegular(file, config.MaxFile); errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, err := d.readConfig(file, user)
	return err
}

// ReadSmall reads the regular file at a path, of at most 1 MiB. Its errors do not name it.
func ReadSmall(path string) ([]byte, error) {
	data, _, err := readRegular(path, maxSmall)
	return data, err
}

func (d BaseDirs) readConfig(file string, user install.Host) (config.Config, error) {
	data, info, err := readRegular(file, config.MaxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return config.Config{}, nil
	}
	if err == nil {
		if why := ChangeableByOthers(info, user); why != "" {
			err = &UnsafeFileError{why + ", so others can say what kist does"}
		}
	}
	if err != nil {
		return config.Config{}, &config.Error{File: file, Err: err}
	}
	return config.Parse(file, d.Home, data)
}

// readRegular reads a regular file of at most limit bytes. Its errors do not name it.
func readRegular(file string, limit int64) (data []byte, info fs.FileInfo, err error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO must not block
	if err != nil {
		return nil, nil, withoutPath(err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("not a regular file")
	}
	if data, err = manifests.ReadLimited(f, filepath.Base(file), limit); err != nil {
		return nil, nil, withoutPath(err)
	}
	return data, info, nil
}

// withoutPath returns the cause of an error about a path.
func withoutPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
