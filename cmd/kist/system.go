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

// A foundTool is a tool of the system: a command on PATH that is not kist's.
type foundTool struct {
	Path    string // as PATH leads to it
	Version string
	Problem error // why its version cannot be told
}

// onPath looks for a tool of the system: the first command of its name on PATH
// that does not lead to what kist installed. It alone is asked, since it is the
// one that a shell would run. ok is false where there is none.
func (a *app) onPath(ctx context.Context, s *session, t system.Tool) (found foundTool, ok bool) {
	dirs := a.systemDirs()
	for _, dir := range dirs {
		path := filepath.Join(dir, t.Command)
		if a.Platform.OS == "windows" {
			path += ".exe"
		}
		if isExecutable(path) && !s.owns(path, a.Dirs.Bin) && !a.installedBelow(path) {
			return a.tell(ctx, t, path, dirs), true
		}
	}
	return foundTool{}, false
}

// systemDirs are the directories on PATH in which commands of the system may be:
// absolute ones, without the toolchains that kist run and kist env put there.
func (a *app) systemDirs() []string {
	return slices.DeleteFunc(filepath.SplitList(a.Getenv("PATH")), func(dir string) bool {
		return !filepath.IsAbs(dir) || a.installedBelow(dir)
	})
}

// owns reports whether path is one of kist's own commands in the bin directory.
func (s *session) owns(path, bin string) bool {
	name := strings.TrimSuffix(filepath.Base(path), ".exe")
	return sameDir(filepath.Dir(path), bin) && slices.ContainsFunc(s.state.Current.Links, func(l record.CommandLink) bool { return l.Name == name })
}

// installedBelow reports whether path is among what kist installed.
func (a *app) installedBelow(path string) bool {
	return below(path, filepath.Join(a.Dirs.Data, "kist"))
}

// below reports whether path, with every link followed, lies in the directory
// own. What cannot be followed counts as that.
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

// tell asks the command at path, which is of the system, for its version. What it
// runs in turn is to be of the system, too: on its PATH are neither the bin
// directory nor toolchains of kist's.
func (a *app) tell(ctx context.Context, t system.Tool, path string, dirs []string) foundTool {
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

// answerTime is how long a command may take to tell its version.
const answerTime = 20 * time.Second

// ask runs a program of the system in the root directory, with no input, and
// returns what it prints on stdout: system.MaxAnswer bytes at most, else an error.
func ask(ctx context.Context, path string, args, environ []string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, fmt.Errorf("no answer within %v", answerTime))
	defer cancel()
	var answer bounded
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env, cmd.Stdout = "/", environ, &answer
	cmd.WaitDelay = time.Second // for what it started and left behind
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

// bounded keeps what is written to it, up to system.MaxAnswer bytes.
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

// A systemChannelError refuses to change what the machine has without kist.
type systemChannelError struct{ Tool string } // "": of any

func (e *systemChannelError) Error() string {
	return strings.TrimSuffix("system/"+e.Tool, "/") + " is the machine's own: kist reads its version, and never installs, changes or removes it"
}
