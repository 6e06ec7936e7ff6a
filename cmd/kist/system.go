package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/system"
)

// A foundTool is a system tool: a command on PATH that kist did not install.
type foundTool struct {
	Path    string // as found on PATH
	Version string
	Problem error // why its version is unknown
}

// onPath finds a system tool: the first command of its name on PATH that kist did
// not install. Only that one is asked for its version, since it is the one that a
// shell would run. ok is false if there is none.
func (a *app) onPath(ctx context.Context, s *session, t system.Tool) (found foundTool, ok bool) {
	dirs := a.systemDirs()
	for _, dir := range dirs {
		path := filepath.Join(dir, t.Command)
		if a.Platform.OS == "windows" {
			path += ".exe"
		}
		if isExecutable(path) && !s.owns(path, a.Dirs.Bin) && !a.installedBelow(path) {
			return a.systemVersion(ctx, t, path, dirs), true
		}
	}
	return foundTool{}, false
}

// systemDirs returns the directories on PATH that may contain system commands:
// absolute ones, without the toolchains that kist run and kist env put there.
func (a *app) systemDirs() []string {
	return slices.DeleteFunc(filepath.SplitList(a.Getenv("PATH")), func(dir string) bool {
		return !filepath.IsAbs(dir) || a.installedBelow(dir)
	})
}

// owns reports whether path is a command that kist linked into the bin directory.
func (s *session) owns(path, bin string) bool {
	name := strings.TrimSuffix(filepath.Base(path), ".exe")
	return sameDir(filepath.Dir(path), bin) && slices.ContainsFunc(s.state.Current.Links, func(l record.CommandLink) bool { return l.Name == name })
}

// installedBelow reports whether path lies in kist's data directory.
func (a *app) installedBelow(path string) bool {
	return below(path, filepath.Join(a.Dirs.Data, "kist"))
}

// below reports whether path, with every link followed, lies in the directory own.
// It also returns true if a link cannot be followed.
func below(path, own string) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return true
	}
	for ; !sameDir(real, own); real = filepath.Dir(real) {
		if real == filepath.Dir(real) {
			return false
		}
	}
	return true
}

// systemVersion runs the system command at path to get its version. Its PATH has
// neither the bin directory nor kist's toolchains, so that whatever it runs is the
// system's, too.
func (a *app) systemVersion(ctx context.Context, t system.Tool, path string, dirs []string) foundTool {
	e := environment{Set: t.Environment()}
	others := slices.DeleteFunc(dirs, func(dir string) bool { return sameDir(dir, a.Dirs.Bin) })
	e.Set["PATH"] = strings.Join(others, string(filepath.ListSeparator))
	found := foundTool{Path: path}
	a.detail("asking %s for its version", path)
	answer, err := a.Ask(ctx, path, t.Args, e.apply(a.Environ))
	if err == nil {
		found.Version, err = t.Version(answer)
	}
	found.Problem = err
	return found
}

// answerTime is how long a command may take to print its version.
const answerTime = 20 * time.Second

// ask runs a system program in the root directory, with no input, and returns its
// stdout. It fails if that is longer than system.MaxAnswer bytes.
func ask(ctx context.Context, path string, args, environ []string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, fmt.Errorf("no answer within %v", answerTime))
	defer cancel()
	var answer bounded
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env, cmd.Stdout = "/", environ, &answer
	cmd.WaitDelay = time.Second // for child processes that it left behind
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case answer.over:
		return nil, errTooLong
	}
	return answer.data, err
}

var errTooLong = fmt.Errorf("it printed more than %d bytes", system.MaxAnswer)

// bounded is a buffer of at most system.MaxAnswer bytes.
type bounded struct {
	data []byte
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.over = len(b.data)+len(p) > system.MaxAnswer; b.over {
		return 0, errTooLong
	}
	b.data = append(b.data, p...)
	return len(p), nil
}
