package host

import (
	"fmt"
	"path/filepath"

	"github.com/adrg/xdg"

	"github.com/kist-tools/kist/install"
)

// BaseDirs are the base directories of the XDG Base Directory Specification, as the
// environment sets them, and the problems found in it.
type BaseDirs struct {
	install.Dirs
	Home     string
	Machine  string   // machine-wide settings, read only; empty: none
	Warnings []string // variables that were ignored
	Err      error    // why the directories are not known
}

// InStore returns d with the base directories of the store at dir, an absolute path. They
// need no home, and no variable moves them.
func (d BaseDirs) InStore(dir string) BaseDirs {
	d.Dirs, d.Warnings, d.Err = install.StoreDirs(dir), nil, nil
	return d
}

// A NoHomeError reports that HOME is not an absolute path.
type NoHomeError struct{ Home string }

func (e *NoHomeError) Error() string {
	if e.Home == "" {
		return "HOME is not set"
	}
	return fmt.Sprintf("HOME is %q, which is not an absolute path", e.Home)
}
func (*NoHomeError) Kind() string { return "refused" }

// ReadDirs reads the base directories. An empty variable counts as unset; a
// relative one, which the specification calls invalid, is ignored with a
// warning. The defaults are those of the specification, on macOS too; on
// Windows they are the known folders.
func ReadDirs(getenv func(string) string, goos string) BaseDirs {
	home := getenv("HOME")
	machine := "/etc/kist"
	if goos == "windows" {
		home, machine = xdg.Home, ""
	}
	if !filepath.IsAbs(home) {
		return BaseDirs{Machine: machine, Err: &NoHomeError{home}}
	}
	d := BaseDirs{Home: home, Machine: machine}
	for _, v := range []struct {
		into    *string
		name    string
		unix    string // default below home
		windows string // default, absolute
	}{
		{&d.Data, "XDG_DATA_HOME", ".local/share", xdg.DataHome},
		{&d.State, "XDG_STATE_HOME", ".local/state", xdg.StateHome},
		{&d.Cache, "XDG_CACHE_HOME", ".cache", xdg.CacheHome},
		{&d.Config, "XDG_CONFIG_HOME", ".config", xdg.ConfigHome},
		{&d.Bin, "XDG_BIN_HOME", ".local/bin", xdg.BinHome},
	} {
		value := getenv(v.name)
		switch {
		case filepath.IsAbs(value):
			*v.into = value
			continue
		case value != "":
			d.Warnings = append(d.Warnings, fmt.Sprintf("%s is %q, a relative path: ignored, as the XDG specification requires", v.name, value))
		}
		*v.into = filepath.Join(home, filepath.FromSlash(v.unix))
		if goos == "windows" {
			*v.into = v.windows
		}
	}
	return d
}
