//go:build unix

package main

import "syscall"

// replaceProcess replaces this process by the program at path, which then has its
// signals, terminal and exit code.
func replaceProcess(path string, argv, environ []string) (int, error) {
	return 0, syscall.Exec(path, argv, environ)
}
