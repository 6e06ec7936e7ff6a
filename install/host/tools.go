package host

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests/system"
)

// An AskFunc runs a program of the system to get its version, and returns its stdout.
type AskFunc func(ctx context.Context, path string, args, environ []string) ([]byte, error)

// Version runs t's command at path, by ask, to get its version. The PATH of the command
// has neither kist's commands nor its toolchains, so that whatever it runs is the
// system's, too.
func (p SearchPath) Version(ctx context.Context, ask AskFunc, t system.Tool, path string, environ []string) (string, error) {
	set := t.Environment()
	set["PATH"] = p.PathWithoutKist()
	environ = slices.Clone(environ)
	for name, value := range set { // os/exec uses the last value of a variable
		environ = append(environ, name+"="+value)
	}
	answer, err := ask(ctx, path, t.Args, environ)
	if err != nil {
		return "", err
	}
	return t.Version(answer)
}

// answerTime is how long a command may take to print its version.
const answerTime = 20 * time.Second

// Ask runs a system program in the root directory, with no input, and returns its
// stdout. It fails if that is longer than system.MaxAnswer bytes, or takes longer than
// 20 seconds.
func Ask(ctx context.Context, path string, args, environ []string) ([]byte, error) {
	return runProgram(ctx, answerTime, nil, environ, path, args...)
}

// A HelperFunc runs a credential helper with one argument and an input, and returns its
// stdout.
type HelperFunc func(ctx context.Context, path, arg, input string, environ []string) ([]byte, error)

// helperTime is how long a credential helper may take: it may ask a remote service.
const helperTime = 30 * time.Second

// AskHelper runs a program of the user's own as Ask does, but with an input that ends,
// and for at most 30 seconds. What it prints to stderr is dropped: it may hold a secret.
func AskHelper(ctx context.Context, path, arg, input string, environ []string) ([]byte, error) {
	return runProgram(ctx, helperTime, strings.NewReader(input), environ, path, arg)
}

// runProgram runs a program in the root directory for at most limit, and returns its stdout.
func runProgram(ctx context.Context, limit time.Duration, stdin io.Reader, environ []string, path string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit))
	defer cancel()
	var answer bounded
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout = "/", environ, stdin, &answer
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

// GoProxy returns the module proxies that the machine's Go is set to use, in the
// syntax of GOPROXY, or "" if it has no Go. It asks the first go on PATH that kist did
// not install. configDir is the user's configuration directory.
//
// The go command runs in the root directory, without the settings that a working
// directory could add, so that no file of a checked-out project affects it. It has
// no configuration directory, only the file of settings, so that it writes no telemetry
// counters to the user's home.
func GoProxy(ctx context.Context, p SearchPath, environ []string, configDir string) string {
	if list := Getenv(environ, "GOPROXY"); list != "" {
		return list
	}
	path := p.Find("go", nil)
	if path == "" {
		return ""
	}
	settings := Getenv(environ, "GOENV")
	if settings == "" && configDir != "" {
		settings = filepath.Join(configDir, "go", "env")
	}
	environ = append(slices.Clone(environ), "GOTOOLCHAIN=local", "GOWORK=off", "GOFLAGS=", "PWD=/",
		"GOENV="+settings, "XDG_CONFIG_HOME="+os.DevNull)
	out, err := Ask(ctx, path, []string{"env", "GOPROXY"}, environ)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// PathWithoutKist returns the value of PATH for a program of the user's that kist starts:
// without kist's commands and toolchains.
func (p SearchPath) PathWithoutKist() string {
	return strings.Join(p.others(), string(filepath.ListSeparator))
}
