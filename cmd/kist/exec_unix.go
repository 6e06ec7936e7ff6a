//go:build unix

package main

import "syscall"

// replaceProcess makes this process the program at path: signals, the terminal
// and the exit code are then its own.
func replaceProcess(path string, argv, environ []string) (int, error) {
	return 0, syscall.Exec(path, argv, environ)
}
