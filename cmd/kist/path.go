package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// pathNotes tells what a user must know about PATH when commands become links
// in the bin directory: that it is not there, that a command is hidden by
// another of its name, or hides one.
func (a *app) pathNotes(commands []string) (notes []string) {
	if len(commands) == 0 {
		return nil
	}
	var before, after []string
	on := false
	for _, dir := range filepath.SplitList(a.Getenv("PATH")) {
		switch {
		case sameDir(dir, a.Dirs.Bin):
			on = true
		case !filepath.IsAbs(dir):
		case on:
			after = append(after, dir)
		default:
			before = append(before, dir)
		}
	}
	if !on {
		return []string{fmt.Sprintf("%s is not on PATH; this line in your shell's start-up file adds it:\n  %s", a.Dirs.Bin, a.pathLine())}
	}
	for _, name := range commands {
		if path := firstIn(before, name); path != "" {
			notes = append(notes, fmt.Sprintf("%s is hidden by %s, which comes first on PATH", name, path))
		} else if path := firstIn(after, name); path != "" {
			notes = append(notes, fmt.Sprintf("%s now hides %s, which comes later on PATH", name, path))
		}
	}
	return notes
}

func firstIn(dirs []string, name string) string {
	for _, dir := range dirs {
		if path := filepath.Join(dir, name); isExecutable(path) {
			return path
		}
	}
	return ""
}

func isExecutable(path string) bool {
	can, _ := executable(path)
	return can
}

// pathLine is what puts the bin directory on PATH in the user's own shell.
func (a *app) pathLine() string {
	if strings.HasSuffix(a.Getenv("SHELL"), "fish") {
		return "fish_add_path " + quote(a.Dirs.Bin)
	}
	dir := a.Dirs.Bin
	if below, ok := strings.CutPrefix(dir, a.Dirs.Home+string(filepath.Separator)); ok && strings.Trim(below, plainPath) == "" {
		return `export PATH="$HOME/` + below + `:$PATH"`
	}
	return "export PATH=" + quote(dir) + `:"$PATH"`
}

// plainPath are the characters that need no quoting between double quotes.
const plainPath = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+/ "
