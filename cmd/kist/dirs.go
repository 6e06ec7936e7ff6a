package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/adrg/xdg"
	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/manifests"
)

// baseDirs are the base directories of the XDG Base Directory Specification, as the
// environment sets them, and the problems found in it.
type baseDirs struct {
	install.Dirs
	Home     string
	Machine  string   // machine-wide settings, read only; empty: none
	Warnings []string // variables that were ignored
	Err      error    // why the directories are not known
}

// A noHomeError reports that HOME is not an absolute path.
type noHomeError struct{ Home string }

func (e *noHomeError) Error() string {
	if e.Home == "" {
		return "HOME is not set"
	}
	return fmt.Sprintf("HOME is %q, which is not an absolute path", e.Home)
}

// readDirs reads the base directories. An empty variable counts as unset; a
// relative one, which the specification calls invalid, is ignored with a
// warning. The defaults are those of the specification, on macOS too; on
// Windows they are the known folders.
func readDirs(getenv func(string) string, goos string) baseDirs {
	home := getenv("HOME")
	if goos == "windows" {
		home = xdg.Home
	}
	if !filepath.IsAbs(home) {
		return baseDirs{Err: &noHomeError{home}}
	}
	d := baseDirs{Home: home}
	if goos != "windows" {
		d.Machine = "/etc/kist"
	}
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

// dirsResult lists every directory kist uses.
type dirsResult struct {
	Dirs []namedDir `json:"dirs"`
}

type namedDir struct {
	Name string `json:"name"`
	Path string `json:"path"`
}

func (r dirsResult) text(p *page) {
	for _, d := range r.Dirs {
		p.line("%s\t%s", d.Name, d.Path)
	}
}

func (a *app) dirsCommand() *cobra.Command {
	return a.command(verb{
		group: housekeeping, use: "dirs", short: "Print every directory kist uses",
		long: `Prints one directory a line, its name and its path with a tab between: the five
base directories, then kist's own below them.`,
		example: "kist dirs | grep ^prefixes",
		exits:   []int{0, 2, 9},
		args:    exactly(0),
		run: func(context.Context, []string) (result, error) {
			d := a.Dirs
			if d.Err != nil {
				return nil, d.Err
			}
			own := func(base string, below ...string) string {
				return filepath.Join(append([]string{base, "kist"}, below...)...)
			}
			return dirsResult{[]namedDir{
				{"data", d.Data}, {"state", d.State}, {"cache", d.Cache}, {"config", d.Config}, {"bin", d.Bin},
				{"prefixes", own(d.Data, "prefixes")},
				{"toolchains", own(d.Data, "toolchains")},
				{"generations", own(d.Data, "generations")},
				{"stage", own(d.Data, "stage")},
				{"receipts", own(d.State, "receipts")},
				{"marks", own(d.State, "marks")},
				{"blobs", own(d.Cache, "blobs")},
				{"partial", own(d.Cache, "partial")},
				{"documents", own(d.Cache, manifests.DocumentsDir)},
				{"channels", own(d.Config, "channels")},
				{"keys", own(d.Config, "keys")},
			}}, nil
		},
	})
}
