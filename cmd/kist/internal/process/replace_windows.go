package process

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// Replace runs the program at path to its end, since Windows cannot
// replace a process, and returns its exit code.
func Replace(path string, argv, environ []string) (int, error) {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) // left to the program
	cmd := exec.Cmd{Path: path, Args: argv, Env: environ, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}
