package host

import (
	"errors"
	"fmt"
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
// an error, since it may name a program to run. Errors are *config.Error.
func (d BaseDirs) ReadConfig(user install.Host) (c config.Config, err error) {
	files := []string{filepath.Join(d.Dirs.Config, "kist", config.File)}
	if d.Machine != "" {
		files = append(files, filepath.Join(d.Machine, config.File))
	}
	for _, file := range files {
		one, err := d.readConfig(file, user)
		if err != nil {
			return config.Config{}, err
		}
		c = c.With(one)
	}
	return c, nil
}

func (d BaseDirs) readConfig(file string, user install.Host) (config.Config, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO must not block
	if errors.Is(err, fs.ErrNotExist) {
		return config.Config{}, nil
	}
	fail := func(err error) (config.Config, error) {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return config.Config{}, &config.Error{File: file, Err: err}
	}
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fail(err)
	}
	if !info.Mode().IsRegular() {
		return fail(errors.New("not a regular file"))
	}
	if why := changeableByOthers(info, user); why != "" {
		return fail(fmt.Errorf("%s, so others can say what kist does", why))
	}
	data, err := manifests.ReadLimited(f, file, config.MaxFile)
	if err != nil {
		return fail(err)
	}
	return config.Parse(file, d.Home, data)
}
