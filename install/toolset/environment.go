package toolset

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/record"
)

// An Environment holds the variables that toolchains need set and unset.
type Environment struct {
	Set   map[string]string `json:"set"` // PATH among them
	Unset []string          `json:"unset,omitempty"`
	Dirs  []string          `json:"-"` // those that are first on PATH
}

// Environment returns the environment of the releases use, with their directories first
// on path.
func (s *Set) Environment(path string, use []record.Head) Environment {
	e := Environment{Set: map[string]string{}}
	var dirs []string
	for _, r := range use {
		dirs = append(dirs, s.commandDirs(r)...)
		for name, value := range r.Env {
			if value == "" {
				e.Unset = append(e.Unset, name)
				continue
			}
			e.Set[name] = strings.ReplaceAll(value, "{prefix}", s.Prefix(r.ID))
		}
	}
	slices.Sort(e.Unset)
	e.Unset = slices.Compact(e.Unset)
	e.Dirs = eachOnce(dirs)
	e.Set["PATH"] = strings.Join(eachOnce(append(slices.Clone(dirs), filepath.SplitList(path)...)), string(filepath.ListSeparator))
	return e
}

// commandDirs returns the directories that hold the commands of r.
func (s *Set) commandDirs(r record.Head) (dirs []string) {
	for _, c := range r.Commands {
		dirs = append(dirs, filepath.Join(s.Prefix(r.ID), filepath.Dir(filepath.FromSlash(c.Path))))
	}
	return eachOnce(dirs)
}

// eachOnce returns list without repetitions.
func eachOnce(list []string) (once []string) {
	for _, item := range list {
		if !slices.Contains(once, item) {
			once = append(once, item)
		}
	}
	return once
}

// Apply returns environ with the variables of e set and unset.
func (e Environment) Apply(environ []string) []string {
	var out []string
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		if _, set := e.Set[name]; !set && !slices.Contains(e.Unset, name) {
			out = append(out, pair)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Set)) {
		out = append(out, name+"="+e.Set[name])
	}
	return out
}

// Script returns e as shell reads it: the lines that set it, a .env file, or a JSON object
// in which null stands for a variable to unset. A .env file cannot unset one, and leaves it
// empty. For GitHub, see GitHubFiles.
func (e Environment) Script(shell host.Shell) (string, error) {
	if shell == host.JSON {
		all := map[string]any{}
		for _, name := range e.Unset {
			all[name] = nil
		}
		for name, value := range e.Set {
			all[name] = value
		}
		data, err := json.MarshalIndent(all, "", "  ")
		return string(data) + "\n", err
	}
	var script strings.Builder
	set := shell.SetLine
	if shell == host.DotEnv {
		set = host.DotEnvLine
	}
	for _, name := range e.Unset {
		line := shell.UnsetLine(name)
		if shell == host.DotEnv {
			line = name + "="
		}
		script.WriteString(line + "\n")
	}
	for _, name := range slices.Sorted(maps.Keys(e.Set)) {
		line, err := set(name, e.Set[name])
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		script.WriteString(line + "\n")
	}
	return script.String(), nil
}

// HookScript returns the lines that set e for the hook of a shell, and that tell it how to
// undo that: environ is the environment before. What else is on PATH by then stays on it.
func (e Environment) HookScript(shell host.Shell, environ []string) (string, error) {
	script, err := e.Script(shell)
	if err != nil || len(e.Dirs)+len(e.Unset)+len(e.Set) <= 1 {
		return "", err
	}
	before := filepath.SplitList(host.Getenv(environ, "PATH"))
	undo := []string{shell.DropLine(slices.DeleteFunc(slices.Clone(e.Dirs), func(dir string) bool { return slices.Contains(before, dir) }))}
	for _, name := range append(slices.Sorted(maps.Keys(e.Set)), e.Unset...) {
		if name == "PATH" {
			continue
		}
		line := shell.UnsetLine(name)
		if host.IsSet(environ, name) {
			if line, err = shell.SetLine(name, host.Getenv(environ, name)); err != nil {
				return "", fmt.Errorf("%s: %w", name, err)
			}
		}
		undo = append(undo, line)
	}
	return script + shell.UndoLine(strings.Join(undo, "\n")) + "\n", nil
}

// GitHubFiles returns what to add to the files GITHUB_PATH and GITHUB_ENV. The runner puts
// the last line of GITHUB_PATH first on PATH. It cannot unset a variable: that is left
// empty.
func (e Environment) GitHubFiles() (paths, variables string, err error) {
	for _, dir := range slices.Backward(e.Dirs) {
		if strings.ContainsAny(dir, "\r\n\x00") {
			return "", "", errors.New("PATH: GITHUB_PATH cannot hold a directory whose name has a line break")
		}
		paths += dir + "\n"
	}
	set := maps.Clone(e.Set)
	delete(set, "PATH")
	for _, name := range e.Unset {
		set[name] = ""
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		lines, err := host.GitHubLines(name, set[name])
		if err != nil {
			return "", "", fmt.Errorf("%s: %w", name, err)
		}
		variables += lines
	}
	return paths, variables, nil
}
