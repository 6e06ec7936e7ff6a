//go:build unix

package process

import "syscall"

// Replace replaces this process by the program at path, which then has its
// signals, terminal and exit code.
func Replace(path string, argv, environ []string) (int, error) {
	return 0, syscall.Exec(path, argv, environ)
}
